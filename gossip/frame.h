#ifndef NFTMESH_GOSSIP_FRAME_H
#define NFTMESH_GOSSIP_FRAME_H

#include "base/bytes.h"
#include "base/eip712.h"
#include "gossip/gossip.h"

/* Frames 0x10..0x1f of a session between two members. The session gives order, integrity and the
 * peer's identity; so only what concerns a third member carries a signature.
 *
 * Each body is one map of ascending integer keys 0..63, <= 16,384 bytes; unknown keys are stepped
 * over and counted, unknown types are BASE_EUNSUPPORTED, which the core counts and ignores.
 *
 *   type            0                1            2               3            4
 *   0x10 PING       nonce            count        sum             event ids
 *   0x11 ACK        nonce            count        sum             event ids
 *   0x12 PING_REQ   target key       nonce        to a relay: ask the target for me
 *   0x13 NACK       target key       nonce        from the relay: no answer, but I am here
 *   0x14 CHALLENGE  requester key    nonce        from the relay to the target
 *   0x15 REFUTE     refutation body  signature    target to relay, and relay to requester
 *   0x16 SYNC       mask             bucket sums  event ids       asks: where do we differ?
 *   0x17 LIST       mask             entries      more            what I have in those buckets
 *   0x18 PULL       keys             event ids                    send me these
 *   0x19 UPDATE     reach            repair       items           statements: news, or a repair
 *   0x1a EVENT      reach            repair       items           user events, in the same shape
 *   0x1b PART       why (0)          I close this link, and am well: one more than I can keep
 *
 * In a large mesh, optional keys: in SYNC 3, within: the sums and the mask are of the leaves of one
 * bucket; in LIST 3, within: so are mask and entries; in LIST 4, deep: these buckets differ and are
 * to be asked for leaf by leaf.
 *
 * count, sum     the table's digest: members listed, and the sum (mod 2^64) over them of the first
 *                8 bytes of SHA-256(key || incarnation || sequence || leave incarnation || SHA-256(
 *                record body)): the numbers as in entries; for who has not left the leave's is 0,
 *                for who has the record's hash
 * event ids      flat array of (origin key, epoch, sequence, age in ms) that the sender could give;
 *                in PULL those that it wants
 * mask           8 bytes as a number: bit i is bucket i, the key's last byte mod 64; in SYNC the
 *                buckets asked about, in LIST those answered in full
 * bucket sums    64 numbers, or none: then everything is wanted
 * within         1 + a bucket; its leaf i holds the keys whose last byte but one mod 64 is i
 * entries        flat array of (key, incarnation, sequence, flags); flags: 1 left, 2 failed; of who
 *                has left the incarnation of its leave, and 0
 * more           some asked buckets differ and did not fit
 * reach          how many peers the sender gave this news to; who sees that this covers everybody
 *                need not pass it on
 * repair         an answer to PULL or LIST: not news
 * items          flat array of (kind, flags, body, signature, proof): kind as in enum
 *                base_statement, flags as in entries (records only), proof empty but for records */
enum gossip_frame_type {
    GOSSIP_FRAME_PING = 0x10,
    GOSSIP_FRAME_ACK,
    GOSSIP_FRAME_PING_REQ,
    GOSSIP_FRAME_NACK,
    GOSSIP_FRAME_CHALLENGE,
    GOSSIP_FRAME_REFUTE,
    GOSSIP_FRAME_SYNC,
    GOSSIP_FRAME_LIST,
    GOSSIP_FRAME_PULL,
    GOSSIP_FRAME_UPDATE,
    GOSSIP_FRAME_EVENT,
    GOSSIP_FRAME_PART
};
#define GOSSIP_BUCKETS       64
#define GOSSIP_EVENT_IDS_MAX 64
#define GOSSIP_ENTRIES_MAX   256 /* in a LIST */
#define GOSSIP_KEYS_MAX      256 /* in a PULL */
#define GOSSIP_ITEMS_MAX     64  /* in an UPDATE or EVENT */
#define GOSSIP_ENTRY_LEFT    1u
#define GOSSIP_ENTRY_FAILED  2u

struct gossip_digest {
    uint64_t count, sum;
};
struct gossip_event_id {
    struct base_key33 origin;
    uint64_t epoch, sequence;
    uint64_t age_ms; /* since the sender heard of it; 0 in a PULL */
};
struct gossip_entry {
    struct base_key33 key;
    uint64_t incarnation, sequence;
    uint8_t flags;
};
struct gossip_item { /* slices borrowed */
    enum base_statement kind;
    uint8_t flags;
    struct base_slice body;
    struct base_sig65 sig;
    struct base_slice proof;
};

struct gossip_frame { /* about 15 KiB; slices borrowed from the decoded bytes */
    uint8_t type;
    uint32_t unknown_keys;
    union {
        struct { /* PING, ACK */
            uint64_t nonce;
            struct gossip_digest digest;
            struct gossip_event_id ids[GOSSIP_EVENT_IDS_MAX];
            uint32_t id_count;
        } ping;
        struct { /* PING_REQ, NACK, CHALLENGE */
            struct base_key33 key;
            uint64_t nonce;
        } relay;
        struct {
            struct base_slice body;
            struct base_sig65 sig;
        } refute;
        struct {
            uint64_t mask;
            uint64_t within; /* 0: sums of buckets; else those of the leaves of bucket within - 1 */
            uint64_t sums[GOSSIP_BUCKETS];
            uint32_t sum_count; /* 0 or GOSSIP_BUCKETS */
            struct gossip_event_id ids[GOSSIP_EVENT_IDS_MAX];
            uint32_t id_count;
        } sync;
        struct {
            uint64_t mask, within, deep;
            struct gossip_entry entries[GOSSIP_ENTRIES_MAX];
            uint32_t entry_count;
            bool more;
        } list;
        struct {
            struct base_key33 keys[GOSSIP_KEYS_MAX];
            uint32_t key_count;
            struct gossip_event_id ids[GOSSIP_EVENT_IDS_MAX];
            uint32_t id_count;
        } pull;
        struct {
            uint64_t why; /* 0; what others will mean is theirs to say */
        } part;
        struct { /* UPDATE, EVENT */
            uint64_t reach;
            bool repair;
            struct gossip_item items[GOSSIP_ITEMS_MAX];
            uint32_t item_count;
        } news;
    } u;
};

/* BASE_EMALFORMED: not the shape above, a field missing, an item of a kind that this type does not
 * carry. BASE_ETOOBIG: more than GOSSIP_FRAME_BYTES_MAX, or more of something than its bound.
 * BASE_EUNSUPPORTED: a type that we do not know. Statement bodies are not looked into. */
int gossip_frame_decode(struct gossip_frame *out, uint8_t type, const void *body, size_t len);

/* Writes at most cap bytes. BASE_ETOOBIG: cap or GOSSIP_FRAME_BYTES_MAX is too small. */
int gossip_frame_encode(void *body, size_t *len, size_t cap, const struct gossip_frame *frame);

/* How many bytes an item takes at most: what to count when filling an UPDATE. */
size_t gossip_item_bytes(const struct gossip_item *item);
#define GOSSIP_NEWS_HEAD_BYTES 24

#endif
