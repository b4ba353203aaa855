/* Looks into the engines: do they hold what the model does not know, or more than they may? */
#include "consensus/engine_internal.h"
#include "consensus_world.h"

static unsigned long long number(uint64_t n)
{
    return n;
}

static void compare_slot(struct check *c, const struct model *m, size_t member,
                         const struct engine_slot *s)
{
    if (s->is_notarised && !model_is_notarised(m, s->slot, &s->notar_cert.hash))
        check_fail(c, "model: member %zu holds a NOTAR certificate of slot %llu", member,
                   number(s->slot));
    if (s->final_cert.count > 0 && !model_has_final_cert(m, s->slot, &s->final_cert.hash))
        check_fail(c, "model: member %zu holds a FINAL certificate of slot %llu", member,
                   number(s->slot));
}

static void compare(struct check *c, struct model *m, size_t member,
                    const struct consensus_engine *e)
{
    for (size_t i = 0; i < e->slot_count; i++)
        compare_slot(c, m, member, e->slots[i]);
    for (size_t i = 0; i < e->window_count; i++)
        if (e->windows[i]->is_certified && !model_is_skipped(m, e->windows[i]->cert.first))
            check_fail(c, "model: member %zu holds a SKIP certificate from slot %llu on", member,
                       number(e->windows[i]->cert.first));
    if (e->final_slot != CONSENSUS_NO_SLOT && !model_is_final(m, e->final_slot, &e->final_hash))
        check_fail(c, "model: member %zu calls slot %llu final", member, number(e->final_slot));
}

static void measure(struct check *c, size_t member, const struct consensus_engine *e)
{
    struct check_held held = {
        .slots = e->slot_count, .windows = e->window_count, .finals = e->final_count};
    if (e->active == CONSENSUS_NO_SLOT) return; /* before its first step */
    for (size_t i = 0; i < e->slot_count; i++) {
        const struct engine_slot *s = e->slots[i];
        if (s->notars.count > held.votes_most) held.votes_most = s->notars.count;
        if (s->finals.count > held.votes_most) held.votes_most = s->finals.count;
    }
    if (e->slot_count > 0) {
        held.lowest = e->slots[0]->slot;
        held.highest = e->slots[e->slot_count - 1]->slot;
    }
    check_held(c, member, &held);
}

void look_at_engine(struct check *c, struct model *m, size_t member,
                    const struct consensus_engine *e)
{
    compare(c, m, member, e);
    measure(c, member, e);
}
