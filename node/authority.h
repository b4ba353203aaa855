#ifndef NFTMESH_NODE_AUTHORITY_H
#define NFTMESH_NODE_AUTHORITY_H

#include "node/bundle.h"

/* Which keys stand on which seat of a contract that stores none (the prototype's): the owners'
 * authorisations that this node knows, and the snapshot that follows from them. Pure: the chain as
 * of one block in, verdicts and seats out. docs/decisions/0010 says why it is so.
 *
 * A seat's keys are those of the highest valid authorisation by its present owner: the later issued
 * block wins, in one block a revocation, then the higher digest. Valid is, in this order:
 *
 *   1 owner       the token's owner at the reference block is the owner that it names
 *   2 better      no better one of this token is known here
 *   3 signatures  by the owner, by the node key and by the app proof key
 *   4 instance    the one that the contract has for the token, and active
 *   5 block       issued at or before the reference block, and that block's hash is canonical
 *   6 term        ends at most 30 days after that block's time, and after the reference's
 *   7 transfers   the token has not moved since that block
 *   8 taken       the node key is under no valid authorisation of a token with a lower id
 *   9 chain       the app proof key descends from a KMS root that we trust, for an app that we
 * allow
 *
 * A revocation names no keys: of it 1, 2, the owner's part of 3, 5, 7, and that its block is not 30
 * days old, by when everything that it takes back has ended by itself.
 *
 * One statement a token is kept, and one is set aside that cannot be judged yet: its block's hash,
 * or the token's transfers, are still being asked for, or our reference is behind. Everything is
 * judged again at each new snapshot. What was kept stays in the way of what it replaced, over a
 * restart and after its own end too, until its block is 30 days old. */
#define NODE_AUTHORITY_TERM_S       (30u * 86400)
#define NODE_AUTHORITY_AHEAD_BLOCKS 256 /* issued so far ahead of our reference: not set aside */
#define NODE_AUTHORITY_EARLY_MAX    64  /* of owners that our reference does not know yet */
#define NODE_AUTHORITY_EARLY_BLOCKS 64  /* references that these wait for */
#define NODE_AUTHORITY_CHANGES_MAX  4   /* of one token at one reference; more wait for the next */

struct node_authority_world {         /* what to judge by; borrowed */
    const struct chain_snapshot *raw; /* as the chain has it, without keys; NULL: nothing yet */
    const struct attest_pins *pins;
    struct base_eip712_domain domain;
    /* The apps that count, since this contract has no list: --app-id, else our own agent's. */
    const struct base_eth_address *app_ids;
    size_t app_id_count;
    /* The canonical block with this number, as agreed; false: not known (yet). */
    bool (*block)(void *ctx, uint64_t number, struct chain_block *out);
    void *ctx;
};

enum node_authority_verdict {
    NODE_AUTHORITY_UNDECIDED = 0,
    NODE_AUTHORITY_ACCEPTED,   /* it counts, and did not before */
    NODE_AUTHORITY_SAME,       /* it counts, and did */
    NODE_AUTHORITY_SUPERSEDED, /* a better one of this token is known */
    NODE_AUTHORITY_NOT_YET,    /* issued after our reference block */
    NODE_AUTHORITY_VERIFYING,  /* its block, or the token's transfers, are being asked for */
    NODE_AUTHORITY_REFUSED     /* the reason says by which line */
};
/* "undecided", "accepted", "same", "superseded", "not_yet", "verifying", "refused". */
const char *node_authority_verdict_name(enum node_authority_verdict verdict);

struct node_authority;
int node_authority_new(struct node_authority **out);        /* BASE_ENOMEM */
void node_authority_free(struct node_authority *authority); /* NULL is fine */

/* Lines 1 to 8, nothing is kept: what HELLO is judged by, whose line 17 is the chain. *out is
 * always set. Of those not accepted SUPERSEDED, NOT_YET and VERIFYING have reasons of their own
 * too. */
enum node_authority_verdict node_authority_judge(struct node_refusal *out,
                                                 const struct node_authority *authority,
                                                 const struct node_authority_world *world,
                                                 const struct node_bundle *bundle);
/* Lines 1 to 9, and keeps it where that is due. Without memory: REFUSED, NODE_REASON_NO_MEMORY. */
enum node_authority_verdict node_authority_offer(struct node_refusal *out,
                                                 struct node_authority *authority,
                                                 const struct node_authority_world *world,
                                                 const struct node_bundle *bundle);
/* Did somebody make this up? True for what fails whatever block, pins or clock one judges by, so
 * that no honest node passes it on. */
bool node_authority_is_forgery(enum node_reason reason);
/* A whole frame AUTHORITY: each bundle is offered, in order, until one breaks the rules or
 * waste_max have been of no use (refused, or curve work was done and nothing was accepted): what is
 * left is then passed over.
 * BASE_EMALFORMED: not bundles one after the other; BASE_ESIG: one of them was made up, and refusal
 * says how. Either way the link that brought it has to go; what came before counts. */
struct node_authority_heard {
    size_t verdicts[NODE_AUTHORITY_REFUSED + 1]; /* how many of each */
    size_t wasted;
    struct node_refusal refusal; /* the last */
};
int node_authority_hear(struct node_authority_heard *out, struct node_authority *authority,
                        const struct node_authority_world *world, const void *data, size_t len,
                        size_t waste_max);
/* From disk: a token's first one is kept, another is set aside, both unjudged: all lines come with
 * the next renewal. BASE_ENOMEM, BASE_EFULL. */
int node_authority_load(struct node_authority *authority, const struct node_bundle *bundle);
/* After each new snapshot, and when the pins have changed: everything is judged again. */
void node_authority_renew(struct node_authority *authority,
                          const struct node_authority_world *world);

/* Takes one that has been accepted since it was last asked: to be passed on. False: no more. */
bool node_authority_take_news(struct node_authority *authority, struct node_bundle *out);
/* What counts, revocations too, to be shown to a new peer, in the order of tokens. A zeroed cursor
 * starts; what is accepted behind it meanwhile is news. False: no more. */
struct node_authority_cursor {
    bool started, is_half; /* is_half: of this token the one that is set aside is left */
    struct base_u256 token_id;
};
bool node_authority_next(struct node_bundle *out, const struct node_authority *authority,
                         struct node_authority_cursor *cursor);
/* The same for the disk: of each token what is kept, also while it does not count itself, then what
 * is set aside. Nothing changes meanwhile. */
bool node_authority_next_kept(struct node_bundle *out, const struct node_authority *authority,
                              struct node_authority_cursor *cursor);
/* The one that counts for this key; NULL: none does. Borrowed until the next change. */
const struct node_bundle *node_authority_of_key(const struct node_authority *authority,
                                                const struct base_key33 *node_key);
/* Calls want for each block, up to the reference, whose hash takes part in a judgement here. */
void node_authority_wants(const struct node_authority *authority,
                          const struct node_authority_world *world,
                          void (*want)(void *ctx, uint64_t number), void *ctx);
/* Is this very statement set aside, to be judged again? */
bool node_authority_is_aside(const struct node_authority *authority,
                             const struct node_bundle *bundle);
struct node_authority_stats {
    size_t counting, revocations, aside; /* of kept ones, of kept ones, waiting */
};
struct node_authority_stats node_authority_stats(const struct node_authority *authority);

/* The seat with a bundle's keys filled in, of the epoch that root has in a derived snapshot. */
void node_authority_seat(struct chain_seat *out, const struct chain_seat *raw,
                         const struct node_bundle *bundle, uint64_t root_epoch);
/* Epochs for a contract that counts none: 1 for the root that it names now, then the pinned ones in
 * their order. 0: neither. */
uint64_t node_authority_root_epoch(const struct node_authority_world *world,
                                   const struct base_eth_address *root);
/* The pinned root that this proof descends from; NULL: none, and *why says which step failed. */
const struct base_eth_address *node_authority_root_of(enum node_reason *why,
                                                      const struct node_authority_world *world,
                                                      const struct node_proof *proof);
/* The raw snapshot with keys where one counts, the apps that count and the pinned roots: what
 * admission judges by. Errors of chain_snapshot_new. */
int node_authority_derive(struct chain_snapshot **out, const struct node_authority *authority,
                          const struct node_authority_world *world);

#endif
