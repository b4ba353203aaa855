/* Keeps the dead alive: says in every list that they are, with their last records, and answers for
 * them when it is asked as a relay, with what they once signed. */
#include <string.h>

#include "base/err.h"
#include "sim_liar.h"

struct memory {
    bool has_refute;
    size_t refute_len;
    uint8_t refute[512];
};

static bool answer_for(struct sim_liar *l, uint32_t from)
{
    const struct memory *m = l->memory;
    if (!m->has_refute) return true;
    sim_inject_bytes(l->s, l->i, from, GOSSIP_FRAME_REFUTE, m->refute, m->refute_len);
    return false;
}

static bool hears(struct sim_liar *l, uint32_t from, uint8_t type, const uint8_t *body, size_t len)
{
    struct memory *m = l->memory;
    if (type == GOSSIP_FRAME_PING_REQ) return answer_for(l, from);
    if (type == GOSSIP_FRAME_REFUTE && len <= sizeof m->refute) {
        m->has_refute = true;
        m->refute_len = len;
        memcpy(m->refute, body, len);
    }
    return true;
}

/* A list of its own in the place of the real one: everybody lives, and a little newer than known.
 */
static bool says(struct sim_liar *l, uint32_t to, uint8_t type, const uint8_t *body, size_t len)
{
    static struct gossip_frame frame;
    if (type != GOSSIP_FRAME_LIST || gossip_frame_decode(&frame, type, body, len) != BASE_OK)
        return true;
    for (uint32_t e = 0; e < frame.u.list.entry_count; e++) {
        if ((frame.u.list.entries[e].flags & (GOSSIP_ENTRY_LEFT | GOSSIP_ENTRY_FAILED)) != 0)
            frame.u.list.entries[e].incarnation++;
        frame.u.list.entries[e].flags = 0;
    }
    sim_inject(l->s, l->i, to, &frame);
    return false;
}

/* The last records of the dead, as news. */
static void acts(struct sim_liar *l)
{
    struct gossip *core = sim_core(l->s, l->i);
    for (size_t at = 0; at < gossip_member_count(core); at++) {
        struct gossip_member_view view;
        gossip_member_at(&view, core, at);
        if (view.state != GOSSIP_FAILED && view.state != GOSSIP_LEFT) continue;
        struct gossip_item item = {.kind = BASE_STATEMENT_RECORD,
                                   .body = view.record,
                                   .sig = view.sig,
                                   .proof = view.proof};
        sim_liar_tell_all(l, &item);
    }
}

const struct sim_liar_kind SIM_LIAR_RESURRECTER = {
    .name = "resurrecter",
    .lie = "lists the dead as alive, repeats their records, answers for them as a relay",
    .memory_bytes = sizeof(struct memory),
    .period_ms = 1000,
    .hears = hears,
    .says = says,
    .acts = acts,
};
