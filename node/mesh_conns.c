/* The pipes that there are, found by link and by key: both are asked for with each frame. */
#include "node/mesh_internal.h"

#include <stdlib.h>

#include "base/err.h"

/* A link's id carries the slot that it has among the links (link_nng.h); slots are used again. */
static size_t slot_of(node_link_id link)
{
    return (size_t)(link & UINT32_MAX);
}

static bool slots_grow(struct mesh *m, size_t slot)
{
    size_t cap = m->conn_slot_cap == 0 ? 64 : m->conn_slot_cap;
    while (cap <= slot)
        cap *= 2;
    if (cap == m->conn_slot_cap) return true;
    struct mesh_conn **grown = realloc(m->conn_slots, cap * sizeof *grown);
    if (grown == NULL) return false;
    for (size_t i = m->conn_slot_cap; i < cap; i++)
        grown[i] = NULL;
    m->conn_slots = grown;
    m->conn_slot_cap = cap;
    return true;
}

struct mesh_conn *mesh_conn_find(struct mesh *m, node_link_id link)
{
    size_t slot = slot_of(link);
    struct mesh_conn *c = slot < m->conn_slot_cap ? m->conn_slots[slot] : NULL;
    return c != NULL && c->link == link ? c : NULL;
}

/* A key's first byte is 2 or 3, the others are as good as drawn at random. */
static struct mesh_conn **bucket_of(struct mesh *m, const struct base_key33 *key)
{
    size_t hash = (size_t)key->bytes[1] << 8 | key->bytes[2];
    return &m->conns_by_key[hash % MESH_CONN_BUCKETS];
}

struct mesh_conn *mesh_conn_any(struct mesh *m, const struct base_key33 *key)
{
    for (struct mesh_conn *c = *bucket_of(m, key); c != NULL; c = c->next_of_key) {
        if (!c->is_up || c->is_closing) continue;
        if (base_key33_equal(node_session_remote(c->session), key)) return c;
    }
    return NULL;
}

struct mesh_conn *mesh_conn_of(struct mesh *m, const struct base_key33 *key)
{
    struct mesh_conn *c = mesh_conn_any(m, key);
    return c != NULL && !node_session_is_for_votes(c->session) ? c : NULL;
}

void mesh_conn_is_up(struct mesh_conn *c)
{
    struct mesh_conn **bucket = bucket_of(c->mesh, node_session_remote(c->session));
    c->is_up = true;
    c->is_in_bucket = true;
    c->next_of_key = *bucket;
    *bucket = c;
}

struct mesh_conn *mesh_conn_new(struct mesh *m, node_link_id link, bool dialed)
{
    struct mesh_conn *c = slots_grow(m, slot_of(link)) ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) return NULL;
    c->mesh = m;
    c->link = link;
    c->dialed = dialed;
    c->start_ms = mesh_now();
    c->deadline_ms = UINT64_MAX;
    c->drain_ms = UINT64_MAX;
    c->renew_ms = UINT64_MAX;
    c->resume_ms = UINT64_MAX;
    c->next = m->conns;
    if (c->next != NULL) c->next->previous = c;
    m->conns = c;
    m->conn_slots[slot_of(link)] = c;
    m->conn_count++;
    return c;
}

void mesh_conn_free(struct mesh_conn *c)
{
    struct mesh *m = c->mesh;
    if (c->is_in_bucket) {
        struct mesh_conn **at = bucket_of(m, node_session_remote(c->session));
        while (*at != c)
            at = &(*at)->next_of_key;
        *at = c->next_of_key;
    }
    if (c->next != NULL) c->next->previous = c->previous;
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        m->conns = c->next;
    if (m->conn_slots[slot_of(c->link)] == c) m->conn_slots[slot_of(c->link)] = NULL;
    m->conn_count--;
    node_session_free(c->session);
    free(c);
}

static uint64_t deadline_ms(const struct mesh_conn *c)
{
    uint64_t first = c->deadline_ms;
    if (c->drain_ms < first) first = c->drain_ms;
    if (c->resume_ms < first) first = c->resume_ms;
    if (c->is_up && !c->is_closing && c->renew_ms < first) first = c->renew_ms;
    return first;
}

void mesh_conn_due(const struct mesh_conn *c)
{
    uint64_t at_ms = deadline_ms(c);
    if (at_ms < c->mesh->conns_due_ms) c->mesh->conns_due_ms = at_ms;
}
