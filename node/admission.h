#ifndef NFTMESH_NODE_ADMISSION_H
#define NFTMESH_NODE_ADMISSION_H

#include "attest/hello.h"
#include "attest/pins.h"
#include "base/eip712.h"
#include "chain/registry.h"
#include "gossip/record.h"
#include "node/identity.h"
#include "node/reason.h"

/* Who comes in: registry, pins and what a peer shows in; a reason out. Pure, allocates nothing,
 * keeps no pointer. Time is the reference block's, never a clock's.
 *
 * The checks have the numbers of docs/wire.md (Admission) and run in that order: memory look-ups
 * before curve work, so that only a seat's holder can make us compute. Of two faults the one with
 * the smaller number is named. */
struct node_authority;
struct node_authority_world;
struct node_admission {                    /* what we judge by; pointers are borrowed */
    const struct chain_snapshot *snapshot; /* NULL before the first one: nobody is admitted */
    const struct attest_pins *pins;
    uint64_t chain_id;
    struct base_eth_address contract;
    struct base_eip712_domain domain; /* of the two above */
    const char *settings;             /* ours, terminated */
    bool dev;                         /* only then may a root whose private key is public count */
    /* With a contract that stores no keys (snapshot->kind): the owners' authorisations that we
     * know, and the chain by which a HELLO's is judged. snapshot is then the one derived from them.
     */
    const struct node_authority *authority;
    const struct node_authority_world *world;
};

/* Proof blob: what travels with a record through gossip, so that whoever hears of a member can
 * check lines 6 to 17 by itself. version 1 (1) || D (33) || app id (20) || app key (33) ||
 * app signature (65) || KMS signature (65). */
#define NODE_PROOF_BYTES     217
#define NODE_PROOF_BYTES_MAX 256
#define NODE_PROOF_VERSION   1
struct node_proof {
    struct base_key33 proof_key;
    struct base_eth_address app_id;
    struct base_key33 app_key;
    struct base_sig65 app_sig, kms_sig;
};
void node_proof_encode(uint8_t out[NODE_PROOF_BYTES], const struct node_proof *proof);
/* BASE_EMALFORMED for another length, BASE_EUNSUPPORTED for another version. */
int node_proof_decode(struct node_proof *out, const void *data, size_t len);
void node_proof_of(struct node_proof *out, const struct node_keyset *keys);
/* As a chain to be verified, for our purpose. Borrows from proof. */
struct attest_sigchain node_proof_chain(const struct node_proof *proof);
/* Which word says that a chain does not hold; NODE_REASON_NONE for ATTEST_ACCEPT. */
enum node_reason node_chain_reason(enum attest_verdict verdict);

/* What an accepted peer claimed of its seat: held against each new snapshot. */
struct node_facts {
    struct base_key33 node_key, proof_key;
    struct base_u256 token_id;
    struct base_eth_address instance, app_id;
};

/* Lines 7 and 11 to 15: does this key stand on a seat that counts? For a responder after act 3, and
 * before any dial. NODE_REASON_NONE when it does; NODE_REASON_NOT_READY without a snapshot. *out is
 * always set. */
enum node_reason node_admission_judge_key(struct node_refusal *out,
                                          const struct node_admission *admission,
                                          const struct base_key33 *node_key);

/* Line 1, for a responder after act 3: not our own key, then as judge_key; but where the contract
 * stores no keys HELLO decides. own_ephemeral: the peer's ephemeral key in act 1 was one that we
 * dialled with. */
enum node_reason node_admission_judge_static(struct node_refusal *out,
                                             const struct node_admission *admission,
                                             const struct node_identity *identity,
                                             const struct base_key33 *node_key, bool own_ephemeral);

/* Lines 2 to 18 on a whole HELLO. Where the contract stores no keys HELLO shows the owner's
 * authorisation, which takes part in line 7: it is judged by node_authority_judge(), and lines 7 to
 * 18 run on the seat with its keys filled in.
 *
 * hello     decoded on success, slices into data; undefined after a refusal by line 2.
 * facts     set on NODE_REASON_NONE only.
 * bundle    the authorisation, where there is one and the owner is known; may be NULL.
 * role      the peer's.
 * h         handshake hash of the session in which the HELLO came.
 * node_key  the peer's static key in that session. */
struct node_hello_input {
    enum base_role role;
    struct base_hash32 h;
    struct base_key33 node_key;
    const uint8_t *data;
    size_t len;
};
struct node_bundle;
enum node_reason node_admission_judge_hello(struct node_refusal *out, struct attest_hello *hello,
                                            struct node_facts *facts, struct node_bundle *bundle,
                                            const struct node_admission *admission,
                                            const struct node_hello_input *in);

/* Lines 6 to 17 on a member that gossip speaks of (8 has nothing to compare): node_key is whom the
 * record is said to be of. facts as above. */
enum node_reason node_admission_judge_member(struct node_refusal *out, struct node_facts *facts,
                                             const struct node_admission *admission,
                                             const struct base_key33 *node_key,
                                             const struct gossip_signed_record *record,
                                             const void *proof, size_t proof_len);

/* Is it that the seat is gone (sold, given back, switched off, ended), and nothing said of the
 * keys? Then who votes in the epoch goes on doing so, docs/consensus.md, "Two stages". A seat that
 * is suspended, or an app or root that is not trusted, has no such claim. */
bool node_admission_is_seat_gone(enum node_reason reason);

/* Lines 7 to 15 again, for each session and each listed member when the snapshot is new. */
enum node_reason node_admission_recheck(struct node_refusal *out,
                                        const struct node_admission *admission,
                                        const struct node_facts *facts);

#endif
