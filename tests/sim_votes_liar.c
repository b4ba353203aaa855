/* Members whose consensus lies: the real core, and beside it a kind of tests/consensus_liars, which
 * sees the epoch that its core is in as a world of engines and says what it likes over the node's
 * own links. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consensus/cluster_internal.h"
#include "consensus/wire.h"
#include "sim_votes.h"

#define LIES_FROM (UINT64_C(1) << 60) /* nonces, above all that its core gives */
#define WHO(w)    ((struct sim__voter *)(w)->holds_ctx)

/* ---- what it sees ---- */

/* False: its core is in no epoch, or in none that a liar has a vote in. */
static bool look(struct sim__voter *v)
{
    const struct consensus_cluster *c = v->cluster;
    struct world *w = v->facade;
    if (c == NULL || !c->has_epoch || c->engine == NULL || c->closing.is_on) return false;
    if (c->epoch.member_count > WORLD_NODES || c->self >= c->epoch.member_count) return false;
    w->epoch_id = w->genesis = c->epoch_id;
    w->params = c->config.params;
    w->members = w->count = c->epoch.member_count;
    for (size_t m = 0; m < w->members; m++) {
        w->voters[m] = c->voter_list[m];
        w->nodes[m].member = m;
        w->nodes[m].engine = NULL;
    }
    w->nodes[c->self].engine = c->engine;
    v->liar->at = v->liar->member = c->self;
    return w->members > 1;
}

static size_t member_of(const struct sim__voter *v, uint32_t i)
{
    return consensus_epoch_find(&v->cluster->epoch, &v->s->nodes[i].key);
}

/* What goes out its model hears; a core that has just moved on still says what it had to. */
static void hear(struct sim__voter *v, const struct consensus_message *m)
{
    struct sim__epoch *ep = sim__epoch_find(v->s->votes, &m->epoch_id);
    if (ep != NULL) model_hear(ep->model, m);
}

/* ---- what consensus_liar.c asks of a world ---- */

uint64_t world_random(struct world *w, uint64_t below)
{
    return sim_random(WHO(w)->s, below);
}

void world_send_later(struct world *w, size_t from, size_t to, const struct consensus_message *m,
                      uint64_t later_us)
{
    uint8_t body[CONSENSUS_FRAME_BYTES_MAX];
    struct sim__voter *v = WHO(w);
    uint32_t j = sim__index(v->s, &w->voters[to].key);
    size_t len;
    (void)from;
    hear(v, m);
    if (j == v->s->count || consensus_message_encode(body, &len, sizeof body, m) != BASE_OK) return;
    struct sim__event *ev = sim__event_new(SIM__VOTES_LATE, j, v->i, len);
    ev->type = consensus_frame_type(m->type);
    memcpy(ev->bytes, body, len);
    sim__event_at(v->s, ev, v->s->now_ms + later_us / 1000);
}

void world_send(struct world *w, size_t from, size_t to, const struct consensus_message *m)
{
    world_send_later(w, from, to, m, 0);
}

/* One entry of its own. */
size_t world_other_payload(struct world *w, size_t at, uint8_t *out, size_t cap,
                           const struct consensus_candidate *c)
{
    static struct consensus_payload payload;
    const struct consensus_cluster *cluster = WHO(w)->cluster;
    struct consensus_entry entry = {.kind = CONSENSUS_ENTRY_ADD,
                                    .epoch = cluster->epoch.number,
                                    .submitter = cluster->config.self,
                                    .nonce = LIES_FROM + c->slot};
    uint8_t body[CONSENSUS_ENTRY_BYTES_MAX];
    struct base_slice slice = {body, 0};
    size_t len = 0;
    (void)at;
    entry.u.add.key = base_slice_text("lies");
    entry.u.add.amount = 1;
    int rv = consensus_entry_encode(body, &slice.len, sizeof body, &entry);
    assert(rv == BASE_OK);
    payload.count = 1;
    payload.entries[0].body = slice;
    rv = cluster->config.host.sign_entry(WHO(w), &slice, &payload.entries[0].sig);
    if (rv == BASE_OK) rv = consensus_payload_encode(out, &len, cap, &payload);
    assert(rv == BASE_OK);
    return len;
}

/* ---- between its core and its links ---- */

static bool is_message(uint8_t type)
{
    return type < CONSENSUS_FRAME_EPOCH;
}

/* Is the liar asked about what its core has to say to this peer, and keeps it to itself? */
static bool is_kept(struct sim__voter *v, uint32_t to, const struct consensus_message *m)
{
    if (v->liar->kind->says == NULL || !look(v)) return false;
    size_t at = member_of(v, to);
    return base_hash32_equal(&m->epoch_id, &v->facade->epoch_id) && at < v->facade->members &&
           !v->liar->kind->says(v->liar, at, m);
}

bool sim__votes_says(struct sim__voter *v, uint32_t to, uint8_t type, const struct base_slice *body)
{
    struct consensus_message m;
    if (v->liar == NULL || !is_message(type)) return false;
    if (consensus_message_decode(&m, type, body->data, body->len) != BASE_OK) return false;
    bool keeps = is_kept(v, to, &m);
    if (!keeps) hear(v, &m);
    consensus_message_free(&m);
    return keeps;
}

bool sim__votes_hears(struct sim__voter *v, uint32_t from, uint8_t type,
                      const struct base_slice *body)
{
    struct consensus_message m;
    bool keeps = false;
    if (v->liar == NULL || v->liar->kind->hears == NULL || !is_message(type) || !look(v))
        return false;
    size_t at = member_of(v, from);
    if (at >= v->facade->members) return false;
    if (consensus_message_decode(&m, type, body->data, body->len) != BASE_OK) return false;
    if (base_hash32_equal(&m.epoch_id, &v->facade->epoch_id))
        keeps = !v->liar->kind->hears(v->liar, at, &m);
    consensus_message_free(&m);
    return keeps;
}

static void act_later(struct sim *s, const struct world_liar *l, uint32_t i)
{
    sim__event_at(s, sim__event_new(SIM__VOTES_LIAR, i, i, 0),
                  s->now_ms + l->kind->period_ms / 2 + 1 + sim_random(s, l->kind->period_ms));
}

void sim__votes_acts(struct sim *s, uint32_t i)
{
    struct sim__voter *v = sim__voter(s, i);
    if (!s->nodes[i].is_paused && look(v)) v->liar->kind->acts(v->liar);
    act_later(s, v->liar, i);
}

bool sim_votes_make_liar(struct sim *s, uint32_t i, const char *kind)
{
    struct sim__voter *v = sim__voter(s, i);
    for (size_t k = 0; k < WORLD_LIARS_COUNT; k++) {
        if (strcmp(WORLD_LIARS[k]->name, kind) != 0) continue;
        v->facade = calloc(1, sizeof *v->facade);
        assert(v->facade != NULL);
        v->facade->holds_ctx = v;
        world_make_liar(v->facade, 0, WORLD_LIARS[k]);
        v->liar = v->facade->nodes[0].liar;
        if (v->liar->kind->acts != NULL) act_later(s, v->liar, i);
        return true;
    }
    return false;
}

bool sim_votes_is_liar(const struct sim *s, uint32_t i)
{
    return s->votes != NULL && s->votes->voters[i].liar != NULL;
}
