#ifndef NFTMESH_CONSENSUS_VOTELOG_H
#define NFTMESH_CONSENSUS_VOTELOG_H

#include "consensus/engine.h"
#include "consensus/epoch.h"

/* Records of the vote log as bytes: what has to be on disk before a vote is sent.
 *
 * One map: 0 kind  1 vote: kind, first, last, hash  2 signature  3 candidate: slot, parent slot + 1
 * (0: the genesis), parent hash, payload, signature  4 certificate. CERT has the last alone. Among
 * them, with the kind 6 and nothing else: 5 the record of the next epoch. */
#define CONSENSUS_LOG_BYTES_MAX ((size_t)128 << 10)

/* BASE_ETOOBIG. */
int consensus_votelog_encode(void *out, size_t *len, size_t cap,
                             const struct consensus_record *record);

struct consensus_logged { /* a record with what it points to; the payload is data's */
    struct consensus_record record;
    struct consensus_candidate cand;
    struct consensus_cert cert;
};
/* The epoch is not in the record: whoever keeps it knows. BASE_EMALFORMED, BASE_ETOOBIG,
 * BASE_ENOMEM; then, and afterwards, consensus_votelog_free(). */
int consensus_votelog_decode(struct consensus_logged *out, const struct base_hash32 *epoch_id,
                             const void *data, size_t len);
void consensus_votelog_free(struct consensus_logged *logged);

/* The record of the next epoch, as found before a NOTAR for what ends this one with it; its closing
 * hash is zero. BASE_ETOOBIG, BASE_ENOMEM. */
int consensus_votelog_next_encode(void *out, size_t *len, size_t cap,
                                  const struct consensus_epoch *next);
bool consensus_votelog_is_next(const void *data, size_t len); /* does it say so? */
/* BASE_EMALFORMED, BASE_ETOOBIG, BASE_ENOMEM. */
int consensus_votelog_next_decode(struct consensus_epoch *out, const void *data, size_t len);

/* One candidate as above, as a value inside of another. The payload is borrowed. */
void consensus_candidate_pack(struct base_packer *p, const struct consensus_candidate *c);
int consensus_candidate_unpack(struct base_unpacker *u, struct consensus_candidate *c);

#endif
