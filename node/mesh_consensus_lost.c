/* Votes that our log does not hold: it was deleted, or others show one. Until no such vote can
 * contradict another we are a member that follows the log and votes for nothing. */
#include "node/mesh_consensus.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "node/voter_store.h"

/* ---- has this key had a log here? ---- */

/* Whoever cannot know says yes. */
bool mesh_consensus_has_run(struct mesh *m)
{
    char why[NODE_STORE_WHY_BYTES];
    int rv = node_voters_find(m->store, &m->identity.keys.node_key, why);
    if (rv != BASE_OK && rv != BASE_ENOTFOUND)
        mesh_log(m, BASE_LOG_ERROR, "store", "voters", "%s", why);
    return rv != BASE_ENOTFOUND;
}

int mesh_consensus_remember(struct mesh *m, char why[NODE_STORE_WHY_BYTES])
{
    int rv = node_voters_add(m->store, &m->identity.keys.node_key, why);
    return rv == BASE_EMALFORMED ? BASE_OK : rv; /* it says yes */
}

/* ---- what the log says ---- */

int mesh_consensus_lost_load(struct mesh *m, char why[NODE_STORE_WHY_BYTES])
{
    struct mesh_consensus *mc = m->consensus;
    struct base_buf body;
    int rv = node_consensus_store_lost(mc->store, &mc->loss, why);
    mc->has_loss = rv == BASE_OK;
    if (rv != BASE_OK && rv != BASE_ENOTFOUND) return rv;
    base_buf_init(&body, NODE_CONSENSUS_BODY_MAX);
    rv = node_consensus_store_meta(mc->store, NODE_CONSENSUS_VOTED_KEY, &body, why);
    base_buf_deinit(&body);
    mc->has_voted = rv == BASE_OK;
    return rv == BASE_ENOTFOUND ? BASE_OK : rv;
}

/* In the log before any vote that is made after it. */
static void loss_put(struct mesh *m)
{
    struct mesh_consensus *mc = m->consensus;
    uint8_t body[NODE_CONSENSUS_LOST_BYTES];
    const struct node_consensus_op op = node_consensus_lost_op(body, &mc->loss);
    mc->is_loss_unsaved = node_consensus_writer_put(mc->writer, mc->put_number, &op) != BASE_OK;
}

void mesh_consensus_voted(struct mesh *m)
{
    struct mesh_consensus *mc = m->consensus;
    const struct node_consensus_op op = node_consensus_voted_op();
    if (mc->has_voted) return;
    mc->has_voted = node_consensus_writer_put(mc->writer, mc->put_number, &op) == BASE_OK;
}

/* ---- telling ---- */

static const char *how(const struct mesh_consensus *mc)
{
    return mc->loss.how == NODE_CONSENSUS_LOST_SHOWN
               ? "others hold votes of this node's key that its own log lacks"
               : "the log of this node's votes is gone, and it has voted before";
}

static void loss_text(const struct mesh *m, char *out, size_t cap)
{
    const struct mesh_consensus *mc = m->consensus;
    if (mc->loss.block == NODE_CONSENSUS_BLOCK_UNKNOWN)
        snprintf(out, cap,
                 "%s: it votes for nothing, and asks the RPC endpoints how far the chain is",
                 how(mc));
    else
        snprintf(out, cap,
                 "%s: it votes again in the first epoch made of a block above %" PRIu64
                 ": at the next change of seats, within a day at the latest",
                 how(mc), mc->loss.block);
}

bool mesh_consensus_is_lost(const struct mesh *m)
{
    const struct mesh_consensus *mc = m->consensus;
    struct consensus_cluster_view v;
    if (mc == NULL || mc->cluster == NULL || !mc->has_loss) return false;
    consensus_cluster_view(&v, mc->cluster, mesh_now());
    return v.is_lost;
}

bool mesh_consensus_loss(const struct mesh *m, char *out, size_t cap)
{
    if (!mesh_consensus_is_lost(m)) return false;
    loss_text(m, out, cap);
    return true;
}

static void tell(struct mesh *m)
{
    char text[MESH_CONSENSUS_LOSS_BYTES];
    struct mesh_event e;
    struct mesh_consensus *mc = m->consensus;
    loss_text(m, text, sizeof text);
    mc->is_loss_told = true;
    mesh_event_begin(&e, m, BASE_LOG_ERROR, "consensus", "votes_lost");
    if (mc->loss.block != NODE_CONSENSUS_BLOCK_UNKNOWN) mesh_event_u64(&e, "block", mc->loss.block);
    mesh_event_str(&e, "msg", text);
    mesh_event_end(&e);
    mesh_dirty(m);
}

/* ---- what happens ---- */

static void loss_begin(struct mesh *m)
{
    if (m->consensus->loss.block == NODE_CONSENSUS_BLOCK_UNKNOWN)
        chain_poll_want_head(m->poll, mesh_now());
    if (mesh_consensus_is_lost(m)) tell(m);
}

void mesh_consensus_lost_start(struct mesh *m)
{
    if (m->consensus->has_loss) loss_begin(m);
}

void mesh_consensus_copy(struct mesh *m)
{
    struct mesh_consensus *mc = m->consensus;
    mc->has_loss = true;
    mc->loss =
        (struct node_consensus_lost){NODE_CONSENSUS_LOST_SHOWN, NODE_CONSENSUS_BLOCK_UNKNOWN};
    loss_put(m);
    loss_begin(m);
}

static void take_head(struct mesh *m, uint64_t head)
{
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_LOST, .u.lost = head};
    struct consensus_cluster_view v;
    struct mesh_consensus *mc = m->consensus;
    (void)mesh_consensus_step(m, &ev);
    consensus_cluster_view(&v, mc->cluster, mesh_now());
    mc->loss.block = v.lost_block;
    loss_put(m);
    if (v.is_lost) tell(m);
}

void mesh_consensus_lost_step(struct mesh *m)
{
    struct mesh_consensus *mc = m->consensus;
    uint64_t head;
    if (mc == NULL || mc->cluster == NULL || !mc->has_loss || m->stopping) return;
    if (mc->is_loss_unsaved) loss_put(m);
    if (mc->loss.block == NODE_CONSENSUS_BLOCK_UNKNOWN &&
        chain_poll_head(m->poll, &head) == BASE_OK)
        take_head(m, head);
    if (!mc->is_loss_told || mesh_consensus_is_lost(m)) return;
    mc->is_loss_told = false;
    mesh_log(m, BASE_LOG_INFO, "consensus", "votes_again",
             "this epoch is of a block above %" PRIu64 ": this node votes again", mc->loss.block);
    mesh_dirty(m);
}
