/* What lying members have in common; each kind of lie has a file in tests/liars. */
#include "sim_liar.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "gossip/statement.h"
#include "sim_internal.h"

const struct sim_liar_kind *const SIM_LIARS[SIM_LIARS_COUNT] = {
    &SIM_LIAR_SLANDERER, &SIM_LIAR_FORGER,  &SIM_LIAR_REPLAYER,   &SIM_LIAR_TWO_FACED,
    &SIM_LIAR_MUTE,      &SIM_LIAR_FLOODER, &SIM_LIAR_FAR_FUTURE, &SIM_LIAR_RESURRECTER,
    &SIM_LIAR_DIGEST,    &SIM_LIAR_GARBAGE};

const struct sim_liar_kind *sim_liar_kind(const char *name)
{
    for (size_t k = 0; k < SIM_LIARS_COUNT; k++)
        if (strcmp(SIM_LIARS[k]->name, name) == 0) return SIM_LIARS[k];
    return NULL;
}

void sim_make_liar(struct sim *s, uint32_t i, const char *name)
{
    struct sim_liar *l = calloc(1, sizeof *l);
    assert(l != NULL && s->nodes[i].liar == NULL);
    l->kind = sim_liar_kind(name);
    assert(l->kind != NULL);
    l->s = s;
    l->i = i;
    l->memory = calloc(1, l->kind->memory_bytes + 1);
    assert(l->memory != NULL);
    s->nodes[i].liar = l;
    if (l->kind->acts == NULL) return;
    sim__event_at(s, sim__event_new(SIM__LIAR, i, i, 0),
                  s->now_ms + 1 + sim_random(s, l->kind->period_ms));
}

bool sim_is_liar(const struct sim *s, uint32_t i)
{
    return s->nodes[i].liar != NULL;
}

/* ---- frames ---- */

bool sim_inject_bytes(struct sim *s, uint32_t from, uint32_t to, uint8_t type, const void *body,
                      size_t len)
{
    if (!sim_is_linked(s, from, to)) return false;
    struct sim__event *ev = sim__event_new(SIM__FRAME, to, from, len);
    ev->type = type;
    ev->generation = sim__end_of(s, from, to)->generation;
    if (len > 0) memcpy(ev->bytes, body, len);
    sim__way_send(s, ev);
    return true;
}

bool sim_inject(struct sim *s, uint32_t from, uint32_t to, const struct gossip_frame *frame)
{
    uint8_t body[GOSSIP_FRAME_BYTES_MAX];
    size_t len = 0;
    int rv = gossip_frame_encode(body, &len, sizeof body, frame);
    assert(rv == BASE_OK);
    return sim_inject_bytes(s, from, to, frame->type, body, len);
}

static void news_of(struct gossip_frame *frame, const struct gossip_item *item, uint32_t reach)
{
    frame->type = item->kind == BASE_STATEMENT_EVENT ? GOSSIP_FRAME_EVENT : GOSSIP_FRAME_UPDATE;
    frame->u.news.reach = reach;
    frame->u.news.repair = false;
    frame->u.news.item_count = 1;
    frame->u.news.items[0] = *item;
}

void sim_liar_tell_reach(struct sim_liar *l, uint32_t to, const struct gossip_item *item,
                         uint32_t reach)
{
    static struct gossip_frame frame;
    news_of(&frame, item, reach);
    if (to != l->i) sim_inject(l->s, l->i, to, &frame);
}

void sim_liar_tell(struct sim_liar *l, uint32_t to, const struct gossip_item *item)
{
    sim_liar_tell_reach(l, to, item, 1);
}

void sim_liar_tell_all(struct sim_liar *l, const struct gossip_item *item)
{
    static struct gossip_frame frame;
    news_of(&frame, item, l->s->count);
    for (uint32_t j = 0; j < l->s->count; j++)
        if (j != l->i) sim_inject(l->s, l->i, j, &frame);
}

uint32_t sim_liar_peer(struct sim_liar *l)
{
    uint32_t first = (uint32_t)sim_random(l->s, l->s->count);
    for (uint32_t at = 0; at < l->s->count; at++) {
        uint32_t j = (first + at) % l->s->count;
        if (j != l->i && sim_is_linked(l->s, l->i, j)) return j;
    }
    return l->i;
}

uint32_t sim_liar_victim(struct sim_liar *l)
{
    uint32_t first = (uint32_t)sim_random(l->s, l->s->count);
    for (uint32_t at = 0; at < l->s->count; at++) {
        uint32_t j = (first + at) % l->s->count;
        if (!sim_is_liar(l->s, j) && l->s->nodes[j].core != NULL) return j;
    }
    return l->i;
}

void sim_liar_record(struct sim_liar_record *out, struct sim_liar *l, uint32_t i,
                     uint64_t incarnation, uint64_t sequence, const char *tag)
{
    static uint8_t proof[NODE_PROOF_BYTES];
    struct gossip_record r;
    struct gossip_signed_record *record = &out->record;
    sim__record_fields(&r, i, incarnation);
    r.sequence = sequence;
    r.tags[0] = (struct gossip_tag){sim__slice("role"), sim__slice(tag)};
    r.tag_count = 1;
    int rv = gossip_record_encode(record->body, &record->body_len, sizeof record->body, &r);
    assert(rv == BASE_OK);
    sim_sign(l->i, BASE_STATEMENT_RECORD, record->body, record->body_len, &record->sig);
    sim__proof_of(proof, i);
    out->item = (struct gossip_item){.kind = BASE_STATEMENT_RECORD,
                                     .body = {record->body, record->body_len},
                                     .sig = record->sig,
                                     .proof = {proof, sizeof proof}};
}

void sim_accuse(struct sim *s, uint32_t liar, uint32_t target, enum base_statement kind)
{
    static struct gossip_frame frame;
    uint8_t body[GOSSIP_STATEMENT_BYTES_MAX];
    struct gossip_accusation accusation = {s->nodes[target].key, sim_incarnation(s, target),
                                           s->nodes[liar].key};
    struct gossip_item item = {.kind = kind};
    item.body = (struct base_slice){body, gossip_accusation_encode(body, &accusation)};
    sim_sign(liar, kind, body, item.body.len, &item.sig);
    news_of(&frame, &item, s->count);
    for (uint32_t j = 0; j < s->count; j++)
        if (j != liar && j != target) sim_inject(s, liar, j, &frame);
}

void sim_mute(struct sim *s, uint32_t i, bool mute)
{
    s->nodes[i].is_mute = mute;
}
