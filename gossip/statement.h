#ifndef NFTMESH_GOSSIP_STATEMENT_H
#define NFTMESH_GOSSIP_STATEMENT_H

#include "base/bytes.h"
#include "base/eip712.h"

/* The short statements, each one map of ascending integer keys 0..63, signed by its speaker over
 * the bytes as they are (docs/wire.md, Statements). Unknown keys are stepped over.
 *
 *   kind                       0             1            2              3         4
 *   ACCUSATION, CONFIRMATION   target key    incarnation  accuser key
 *   LEAVE                      key           incarnation
 *   REFUTATION                 key           incarnation  requester key  nonce
 *   EVENT                      origin key    epoch        sequence       name      payload
 *
 * A refutation answers one prober's question through a relay: no relay can make it up. A record
 * with a higher incarnation refutes too, before everybody. epoch is the origin's start
 * incarnation, so that a refutation in between does not make an event look new. */
#define GOSSIP_STATEMENT_BYTES_MAX  128 /* all but EVENT */
#define GOSSIP_EVENT_BODY_BYTES_MAX 768

struct gossip_accusation { /* also a confirmation */
    struct base_key33 target;
    uint64_t incarnation; /* of the target */
    struct base_key33 accuser;
};
struct gossip_leave {
    struct base_key33 key;
    uint64_t incarnation;
};
struct gossip_refutation {
    struct base_key33 key;
    uint64_t incarnation;
    struct base_key33 requester;
    uint64_t nonce;
};
struct gossip_user_event { /* slices borrowed from the body */
    struct base_key33 origin;
    uint64_t epoch, sequence;
    struct base_slice name, payload;
};

/* Decoding: BASE_OK, BASE_EMALFORMED, BASE_ETOOBIG. Encoding writes at most the bound above, which
 * body must hold; it cannot fail for a name and payload within GOSSIP_EVENT_*_MAX. */
int gossip_accusation_decode(struct gossip_accusation *out, const void *body, size_t len);
size_t gossip_accusation_encode(void *body, const struct gossip_accusation *accusation);
int gossip_leave_decode(struct gossip_leave *out, const void *body, size_t len);
size_t gossip_leave_encode(void *body, const struct gossip_leave *leave);
int gossip_refutation_decode(struct gossip_refutation *out, const void *body, size_t len);
size_t gossip_refutation_encode(void *body, const struct gossip_refutation *refutation);
int gossip_user_event_decode(struct gossip_user_event *out, const void *body, size_t len);
size_t gossip_user_event_encode(void *body, const struct gossip_user_event *event);

/* Is this body one of its kind? BASE_OK, or why not; BASE_EUNSUPPORTED for a record of a later
 * version, which is not ours to judge. */
int gossip_statement_check(enum base_statement kind, const void *body, size_t len);

#endif
