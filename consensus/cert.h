#ifndef NFTMESH_CONSENSUS_CERT_H
#define NFTMESH_CONSENSUS_CERT_H

#include "base/pack.h"
#include "consensus/tally.h"

/* Votes of a quorum, in one piece: whoever holds one needs nobody's word. Its signatures are each
 * the ones that their members made; nothing is aggregated, so that a contract can check it, too.
 *
 *   NOTAR, FINAL  for slot first (== last) and a hash
 *   SKIP          every slot from first to last, the end of its window; each vote has a from of its
 *                 own, first at the latest */
#define CONSENSUS_CERT_BYTES_MAX 61440 /* a frame's body */

struct consensus_cert_vote {
    uint16_t voter;
    uint64_t from; /* of a SKIP; otherwise the slot */
    struct base_sig65 sig;
};
struct consensus_cert {
    enum base_vote_kind kind;
    uint64_t first, last;
    struct base_hash32 hash; /* of a SKIP zero */
    uint32_t count;
    struct consensus_cert_vote *votes; /* in ascending order of voters */
};

enum consensus_cert_verdict {
    CONSENSUS_CERT_GOOD = 0,
    CONSENSUS_CERT_FORM,      /* no such kind, range or hash */
    CONSENSUS_CERT_VOTER,     /* not a voter of the epoch, or twice the same */
    CONSENSUS_CERT_RANGE,     /* a SKIP that does not cover all of it */
    CONSENSUS_CERT_WEIGHT,    /* less than a quorum */
    CONSENSUS_CERT_SIGNATURE, /* one that its voter did not make */
};
const char *consensus_cert_verdict_name(enum consensus_cert_verdict verdict);

/* BASE_OK when the signature is signer's. Pure computation; a keyed hash in simulations. */
typedef int (*consensus_verify)(void *ctx, const struct base_vote *vote,
                                const struct base_sig65 *sig,
                                const struct base_eth_address *signer);

/* All but the signatures first, as they are dear. */
enum consensus_cert_verdict consensus_cert_check(const struct consensus_cert *cert,
                                                 const struct base_hash32 *epoch_id,
                                                 const struct consensus_voters *v,
                                                 consensus_verify verify, void *ctx);

/* The vote that stands at this place. */
struct base_vote consensus_cert_vote_at(const struct consensus_cert *cert,
                                        const struct base_hash32 *epoch_id, uint32_t at);

/* Enough of the votes held, and no more than that. BASE_ESTATE: they are no quorum. BASE_ENOMEM. */
int consensus_cert_from_tally(struct consensus_cert *out, enum base_vote_kind kind, uint64_t slot,
                              const struct base_hash32 *hash, const struct consensus_tally *t,
                              const struct consensus_voters *v);
int consensus_cert_from_skips(struct consensus_cert *out, const struct consensus_skips *s,
                              const struct consensus_voters *v);

/* One map, alone or as a value inside of another: 0 kind, 1 first, 2 last, 3 hash (SKIP: none), 4
 * array of voter, from (SKIP only), signature. BASE_ETOOBIG: cap is too small. */
void consensus_cert_pack(struct base_packer *p, const struct consensus_cert *cert);
int consensus_cert_encode(void *body, size_t *len, size_t cap, const struct consensus_cert *cert);
/* BASE_EMALFORMED, BASE_ETOOBIG, BASE_ENOMEM. The caller frees what it gets. */
int consensus_cert_unpack(struct base_unpacker *u, struct consensus_cert *out);
int consensus_cert_decode(struct consensus_cert *out, const void *body, size_t len);
void consensus_cert_free(struct consensus_cert *cert);

#endif
