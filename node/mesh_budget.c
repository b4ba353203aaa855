/* What each member may cost us (peer_budget.h): counted, and felt on its link alone. */
#include "node/mesh_internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"

#define REFUSED_STATEMENTS 5 /* a record whose checks went as far as the signature chain */

/* False: it is no member that we know. */
static bool charge(struct mesh *m, const struct base_key33 *key, enum node_peer_cost kind,
                   uint64_t amount)
{
    struct mesh_member *member = mesh_member_find(m, key);
    uint64_t permille;
    if (member == NULL) return false;
    node_peer_budget_spend(&member->budget, mesh_now(), kind, amount);
    (void)node_peer_budget_most(&member->budget, mesh_now(), &permille);
    if (permille > m->budget_peak_permille) m->budget_peak_permille = permille;
    return true;
}

static void charge_bringer(struct mesh *m, uint64_t amount)
{
    if (m->frame_from != NULL) (void)charge(m, m->frame_from, NODE_PEER_STATEMENTS, amount);
}

void mesh_budget_statement(struct mesh *m, const struct base_key33 *signer, bool holds)
{
    if (!holds)
        charge_bringer(m, NODE_PEER_FORGERY_COST);
    else if (!charge(m, signer, NODE_PEER_STATEMENTS, 1))
        charge_bringer(m, 1);
}

void mesh_budget_refused(struct mesh *m)
{
    charge_bringer(m, REFUSED_STATEMENTS);
}

static void close_and_bar(struct mesh_conn *c, struct mesh_member *member, uint64_t now_ms)
{
    struct mesh *m = c->mesh;
    struct node_refusal refusal;
    uint64_t permille;
    enum node_peer_cost most = node_peer_budget_most(&member->budget, now_ms, &permille);
    node_peer_budget_bar(&member->budget, now_ms);
    node_refusal_set(&refusal, NODE_REASON_OVER_BUDGET, 0);
    node_refusal_expect(&refusal, "at most %" PRIu64 " %s a second", node_peer_cost_a_second(most),
                        node_peer_cost_name(most));
    node_refusal_find(&refusal, "more of them for %d s; no link for %" PRIu64 " s",
                      NODE_PEER_PATIENCE_MS / 1000,
                      (member->budget.barred_until_ms - now_ms) / 1000);
    mesh_refused(m, &refusal, &member->key, c->remote);
    node_metric_count(&m->metrics->over_budget, "closed", NULL, NULL);
    mesh_conn_close(m, &member->key, NODE_REASON_OVER_BUDGET);
}

/* Its end is due already: drain_ms, or the other end. */
static void hold_for_good(struct mesh_conn *c)
{
    c->resume_ms = UINT64_MAX;
    node_link_hold(c->mesh->links, c->link);
}

/* After a frame of it. The rest is a link's alone: nobody else waits. The surplus pipe of a pair
 * costs as much as any: a member makes one whenever it likes. */
void mesh_budget_frame(struct mesh_conn *c, size_t len)
{
    struct mesh *m = c->mesh;
    const struct base_key33 *key = c->is_up ? node_session_remote(c->session) : NULL;
    struct mesh_member *member;
    uint64_t now_ms = mesh_now();
    bool is_surplus = c->is_closing;
    if (key == NULL) return;
    (void)charge(m, key, NODE_PEER_FRAMES, 1);
    (void)charge(m, key, NODE_PEER_BYTES, len);
    member = mesh_member_find(m, key);
    if (member == NULL) return;
    switch (node_peer_budget_judge(&member->budget, now_ms, &c->resume_ms)) {
    case NODE_PEER_OK:
        return;
    case NODE_PEER_REST:
        node_link_hold(m->links, c->link);
        mesh_conn_due(c);
        node_metric_count(&m->metrics->over_budget, "rests", NULL, NULL);
        return;
    case NODE_PEER_CLOSE:
        close_and_bar(c, member, now_ms);
        if (is_surplus) hold_for_good(c);
        return;
    }
}

void mesh_budget_go_on(struct mesh_conn *c)
{
    c->resume_ms = UINT64_MAX;
    node_link_go_on(c->mesh->links, c->link);
}

bool mesh_budget_is_barred(struct mesh *m, const struct base_key33 *key)
{
    const struct mesh_member *member = mesh_member_find(m, key);
    return member != NULL && node_peer_budget_is_barred(&member->budget, mesh_now());
}
