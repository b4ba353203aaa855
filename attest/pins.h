#ifndef NFTMESH_ATTEST_PINS_H
#define NFTMESH_ATTEST_PINS_H

#include "attest/sigchain.h"
#include "base/buf.h"

/* Pins: the KMS roots and app ids that we trust whatever the contract says later. From flags, else
 * the first that we see. Allowed is the contract's list cut with the pins, so that a stolen
 * contract-owner key can neither let foreign code in nor, by changing the root, drop anybody.
 * Pure data: node/ reads and writes the file. */
#define ATTEST_PIN_ROOTS_MAX      4 /* above one: while a KMS changes its root */
#define ATTEST_PIN_APP_IDS_MAX    64
#define ATTEST_PINS_BYTES_MAX     8192 /* the file */
#define ATTEST_PINS_WHY_BYTES     96
#define ATTEST_SIMULATOR_APP_NAME "nftmesh-simulator"

enum attest_pin_source {
    ATTEST_PIN_NONE = 0,
    ATTEST_PIN_FIRST_SEEN, /* who chose the disk chose these */
    ATTEST_PIN_FLAG
};
/* "none", "first_seen", "flags": status's trust. */
const char *attest_pin_source_name(enum attest_pin_source source);

struct attest_pins { /* zeroed memory: nothing pinned */
    enum attest_pin_source root_source, app_source;
    size_t root_count, app_id_count;
    struct base_eth_address roots[ATTEST_PIN_ROOTS_MAX];
    struct base_eth_address app_ids[ATTEST_PIN_APP_IDS_MAX];
};
/* What the chain says now, or with the prototype's contract, which has no list, the own agent. */
struct attest_pins_seen {
    struct base_eth_address root;
    const struct base_eth_address *app_ids; /* borrowed */
    size_t app_id_count;
};

/* Flags win: they replace pins of their kind. A count of 0 leaves the kind alone.
 * BASE_EINVAL: a zero root or a value twice; BASE_ETOOBIG: above the bound. *pins unchanged then.
 */
int attest_pins_set_flags(struct attest_pins *pins, const struct base_eth_address *roots,
                          size_t root_count, const struct base_eth_address *app_ids,
                          size_t app_id_count);
/* First sight: kinds that are not pinned yet are pinned to what is seen, and *changed says to write
 * the file. Pinned kinds stay. BASE_EREFUSED: the root's private key is public and dev is off;
 * BASE_EINVAL: the root or an app id is zero, or an app id stands twice; BASE_ETOOBIG. *pins
 * unchanged then. An empty list of app ids pins nothing. */
int attest_pins_see(struct attest_pins *pins, bool *changed, const struct attest_pins_seen *seen,
                    bool dev);
/* `nftmesh trust accept`: an operator takes what the chain says now. The contract's root is pinned
 * beside those first seen before, so that seats under an older one stay until they register again
 * (who wants one gone for good names the others by flag); app ids are replaced. Flags stay: they
 * are changed where they were given. Errors as attest_pins_see. */
int attest_pins_accept(struct attest_pins *pins, bool *changed, const struct attest_pins_seen *seen,
                       bool dev);

bool attest_pins_has_root(const struct attest_pins *pins, const struct base_eth_address *root);
/* On the contract's list and pinned: both. */
bool attest_pins_allows_app(const struct attest_pins *pins, const struct attest_pins_seen *seen,
                            const struct base_eth_address *app_id);
/* The contract's list cut with the pins, in the contract's order. Returns how many. */
size_t attest_pins_allowed(struct base_eth_address out[ATTEST_PIN_APP_IDS_MAX],
                           const struct attest_pins *pins, const struct attest_pins_seen *seen);
/* The pinned root under which a seat of this epoch counts. epochs[i] is what the contract gives for
 * pins->roots[i], 0 for a root that it never had. NULL: no pinned root has this epoch, or it is 0.
 * Borrowed from pins. */
const struct base_eth_address *attest_pins_root_of_epoch(const struct attest_pins *pins,
                                                         const uint64_t *epochs, uint64_t epoch);

enum attest_pins_verdict {
    ATTEST_PINS_UNDECIDED = 0,
    ATTEST_PINS_NOTHING_PINNED, /* no root or no app id is pinned yet */
    ATTEST_PINS_ROOT_CHANGED,   /* the contract names a root that is not pinned: not ready */
    ATTEST_PINS_OWN_APP,        /* our own app id is not allowed */
    ATTEST_PINS_APP_UNPINNED,   /* an app id on chain is not pinned: it is not allowed; a warning */
    ATTEST_PINS_AGREE
};
/* "undecided", "agree", "nothing_pinned", "kms_root_changed", "own_app_not_allowed",
 * "app_not_pinned". */
const char *attest_pins_verdict_name(enum attest_pins_verdict verdict);
/* Holds the chain against the pins; the first that applies, in the order above. */
enum attest_pins_verdict attest_pins_judge(const struct attest_pins *pins,
                                           const struct attest_pins_seen *seen,
                                           const struct base_eth_address *own_app_id);

/* The rules of --dev. */
enum attest_dev_verdict {
    ATTEST_DEV_UNDECIDED = 0,
    ATTEST_DEV_OK,
    ATTEST_DEV_CHAIN_ID,    /* --dev with a chain id other than 31337 and 1337 */
    ATTEST_DEV_PUBLIC_ROOT, /* a root whose private key is public needs --dev */
    ATTEST_DEV_SIMULATOR    /* an agent that calls itself nftmesh-simulator needs --dev */
};
/* "undecided", "ok", "dev_chain_id", "public_kms_root", "simulator". */
const char *attest_dev_verdict_name(enum attest_dev_verdict verdict);
/* roots: every root that is about to be trusted. app_name: the agent's, NULL when not asked yet. */
enum attest_dev_verdict attest_dev_judge(bool dev, uint64_t chain_id,
                                         const struct base_eth_address *roots, size_t root_count,
                                         const char *app_name);

/* The file with what was first seen: it belongs to one chain and one contract.
 *
 *   nftmesh-pins 1
 *   chain 31337
 *   genesis <64 hex>               (may be missing)
 *   contract 0x<40 hex>
 *   root 0x<40 hex>                (at most 4)
 *   app <40 hex>                   (at most 64)
 *
 * In this order, hex in lower case, one space, each line ended by a newline, nothing else: what
 * is accepted encodes to the same bytes. */
struct attest_pins_file {
    uint64_t chain_id;
    bool has_genesis;
    struct base_hash32 genesis; /* first seen, for chains that are not built in */
    struct base_eth_address contract;
    size_t root_count, app_id_count;
    struct base_eth_address roots[ATTEST_PIN_ROOTS_MAX];
    struct base_eth_address app_ids[ATTEST_PIN_APP_IDS_MAX];
};
/* Check out->failed afterwards. */
void attest_pins_file_encode(struct base_buf *out, const struct attest_pins_file *file);
/* BASE_EMALFORMED, BASE_ETOOBIG; why (may be NULL) names the line. *out is zeroed then. A zero
 * root, a zero app id and a value twice are refused too. */
int attest_pins_file_decode(struct attest_pins_file *out, char why[ATTEST_PINS_WHY_BYTES],
                            const void *data, size_t len);
/* Pins what the file holds, for kinds that flags have not pinned. */
void attest_pins_load(struct attest_pins *pins, const struct attest_pins_file *file);
/* Puts what was first seen into the file (flags are not written). */
void attest_pins_store(struct attest_pins_file *file, const struct attest_pins *pins);

#endif
