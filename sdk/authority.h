#ifndef NFTMESH_SDK_AUTHORITY_H
#define NFTMESH_SDK_AUTHORITY_H

#include "node/admission.h"
#include "node/bundle.h"
#include "node/http_client.h"
#include "sdk/config.h"
#include "sdk/judge.h"

/* Without a node, on a contract that stores no keys: which keys stand on which seat. The owners'
 * authorisations come from the seats' own addresses (GET <url>/info, node/info.h) and for our own
 * seat from the data directory; they are judged as a node judges them (node/authority.h), by the
 * snapshot at hand, and again with each new one.
 *
 * Who stays away from the mesh does not hear what it passes on: a revocation, or keys that have
 * replaced others, are known here when the seat's own address says so, at most ten minutes later.
 * A sale is known with its block. Loop thread only. */
#define SDK_AUTHORITY_ASKING_MAX 8     /* addresses at a time */
#define SDK_AUTHORITY_FIRST_MS   30000 /* so long the first list waits for answers at most */

struct sdk_authority;
struct sdk_authority_config { /* borrowed, but for domain */
    struct node_http_client *http;
    struct chain_poll *poll; /* is asked for the hashes of blocks */
    const struct attest_pins *pins;
    const struct sdk_config *config;
    struct base_eip712_domain domain;
};
int sdk_authority_new(struct sdk_authority **out,
                      const struct sdk_authority_config *config); /* BASE_ENOMEM */
/* No address is asked any more, and answers are dropped. */
void sdk_authority_stop(struct sdk_authority *a);
/* After the HTTP client has closed. NULL is fine. */
void sdk_authority_free(struct sdk_authority *a);

/* Who we are; app_id NULL: not known. The apps that count are those of the configuration, else our
 * own agent's. */
void sdk_authority_self(struct sdk_authority *a, const struct sdk_self *self,
                        const struct base_eth_address *app_id);
/* One of our data directory's, or one that we have just issued. */
void sdk_authority_own(struct sdk_authority *a, const struct node_bundle *bundle);

/* A new snapshot of the contract as it is, owned from now on, also after an error. BASE_ENOMEM. */
int sdk_authority_take(struct sdk_authority *a, struct chain_snapshot *raw);
/* As chain and agent have it, for the pins. After the first _take. */
struct attest_pins_seen sdk_authority_seen(const struct sdk_authority *a);
/* Judges everything anew. *out, the caller's, has keys where an authorisation counts. BASE_ENOMEM.
 */
int sdk_authority_derive(struct chain_snapshot **out, struct sdk_authority *a);

/* Asks whom it is time to ask; returns when to be called again. */
uint64_t sdk_authority_turn(struct sdk_authority *a, uint64_t now_ms);
/* Has anything come in since that changes a judgement? Once. */
bool sdk_authority_take_moved(struct sdk_authority *a);
/* Is there a list to be shown? Not before the transfers are known, and the addresses have been
 * asked once; else why (one line) says what is waited for. Once true it stays. */
bool sdk_authority_is_settled(struct sdk_authority *a, uint64_t now_ms, char *why, size_t cap);

enum sdk_authority_own { SDK_AUTHORITY_NONE = 0, SDK_AUTHORITY_WAITS, SDK_AUTHORITY_COUNTS };
/* The authorisation of our own keys: COUNTS, or WAITS for the chain to be read so far. *out is set
 * then. */
enum sdk_authority_own sdk_authority_mine(struct node_bundle *out, const struct sdk_authority *a);
/* Why no keys count for a seat. ctx is the struct sdk_authority: as sdk_keyless.explain. */
void sdk_authority_explain(void *ctx, struct node_refusal *out, const struct chain_seat *seat);

#endif
