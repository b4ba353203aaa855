#include "node/mesh_internal.h"

#include <inttypes.h>
#include <stdio.h>

/* Which command makes it go on, with what this node knows filled in. */
static void renewal(const struct mesh *m, char *out, size_t cap, const struct chain_seat *seat)
{
    struct base_buf token;
    base_buf_init(&token, 128);
    node_json_u256(&token, &seat->token_id);
    snprintf(out, cap, "nftmesh %s --data-dir %s --token %s --wallet-key-file FILE",
             m->snapshot->kind == CHAIN_KIND_PROTOTYPE ? "authorize" : "register",
             m->config->data_dir, token.failed ? "TOKEN" : token.data);
    base_buf_deinit(&token);
}

/* The seat of our own key, whether it counts or not: one that has ended is told of as well. */
static const struct chain_seat *own_seat(const struct mesh *m)
{
    if (m->snapshot == NULL || !m->has_identity) return NULL;
    return chain_snapshot_find_key(m->snapshot, &m->identity.keys.node_key);
}

bool mesh_expiry_warning(const struct mesh *m, char *out, size_t cap)
{
    char command[512];
    const struct chain_seat *seat = own_seat(m);
    out[0] = '\0';
    if (seat == NULL) return false;
    renewal(m, command, sizeof command, seat);
    return node_expiry_warning(
        out, cap, m->snapshot->kind == CHAIN_KIND_PROTOTYPE ? "authorisation" : "registration",
        command, seat->expires_at, m->snapshot->block.time_s);
}

uint64_t mesh_expiry_at_s(const struct mesh *m)
{
    const struct chain_seat *seat = own_seat(m);
    return seat == NULL ? 0 : seat->expires_at;
}

/* Once for each level, and after a start once for the one that there is. That it is over is told
 * with the seat that is lost by it. */
void mesh_expiry_judge(struct mesh *m)
{
    struct mesh_event e;
    char text[768];
    enum node_expiry was = m->expiry;
    const struct chain_seat *seat = own_seat(m);
    if (m->snapshot == NULL) return;
    m->expiry = seat == NULL ? NODE_EXPIRY_UNKNOWN
                             : node_expiry_judge(seat->expires_at, m->snapshot->block.time_s);
    if (m->expiry == was) return;
    mesh_dirty(m);
    bool is_nearer = m->expiry > was && m->expiry != NODE_EXPIRY_OVER;
    if (!is_nearer || !mesh_expiry_warning(m, text, sizeof text)) return;
    mesh_event_begin(&e, m, BASE_LOG_WARN, "chain", "expiry");
    mesh_event_u64(&e, "expires_at", seat->expires_at);
    mesh_event_u64(&e, "block", m->snapshot->block.number);
    mesh_event_str(&e, "msg", text);
    mesh_event_end(&e);
}
