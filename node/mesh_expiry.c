#include "node/mesh_internal.h"

/* The seat of our own key, whether it counts or not: one that has ended is told of as well. */
static const struct chain_seat *own_seat(const struct mesh *m)
{
    if (m->snapshot == NULL || !m->has_identity) return NULL;
    return chain_snapshot_find_key(m->snapshot, &m->identity.keys.node_key);
}

bool mesh_expiry_warning(const struct mesh *m, char *out, size_t cap)
{
    char command[MESH_COMMAND_BYTES];
    const struct chain_seat *seat = own_seat(m);
    out[0] = '\0';
    if (seat == NULL) return false;
    bool is_prototype = m->snapshot->kind == CHAIN_KIND_PROTOTYPE;
    mesh_boot_command(m, command, sizeof command, is_prototype ? "authorize" : "register",
                      &seat->token_id);
    return node_expiry_warning(out, cap, is_prototype ? "authorisation" : "registration", command,
                               seat->expires_at, m->snapshot->block.time_s);
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
    char text[MESH_COMMAND_BYTES + 256];
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
