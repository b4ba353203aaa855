/* Processes: how they start, die, stop and go on, and what their disks and clocks say. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sim_internal.h"

#define FUTURE_MAX_S 3600  /* as the rim: how far another's clock may be ahead of ours */
#define EPOCH_S      1000  /* of incarnations: `date` at the beginning of every run */
#define DISK_AGE     1000u /* how far below an old copy of the disk may be */
#define PPM          1000000

/* ---- clocks ---- */

uint64_t sim__local_ms(const struct sim *s, const struct sim__node *n)
{
    return n->local_ms + (s->now_ms - n->base_ms) * (uint64_t)(PPM + n->rate_ppm) / PPM;
}

/* The first true moment at which its clock shows local_ms, and not before now. */
uint64_t sim__true_ms(const struct sim *s, const struct sim__node *n, uint64_t local_ms)
{
    uint64_t rate = (uint64_t)(PPM + n->rate_ppm);
    uint64_t at = n->base_ms;
    if (local_ms > n->local_ms) at += ((local_ms - n->local_ms) * PPM + rate - 1) / rate;
    return at > s->now_ms ? at : s->now_ms;
}

void sim_clock(struct sim *s, uint32_t i, int32_t rate_ppm, int32_t wall_skew_s)
{
    struct sim__node *n = &s->nodes[i];
    assert(rate_ppm > -PPM / 2 && rate_ppm < PPM);
    n->local_ms = sim__local_ms(s, n);
    n->base_ms = s->now_ms;
    n->rate_ppm = rate_ppm;
    n->wall_skew_s = wall_skew_s;
    if (n->core == NULL) return;
    n->timer_armed = false; /* when it is due has moved */
    n->timer_ms = 0;
    sim__timer_arm(s, i);
    sim__votes_clock(s, i);
}

/* ---- a stopped process ---- */

static bool is_for_process(enum sim__what what)
{
    return what != SIM__DIAL && what != SIM__STUCK && what != SIM__BLOCK && what != SIM__LIAR &&
           what != SIM__VOTES_LATE && what != SIM__VOTES_LIAR && what != SIM__VOTES_TRAP;
}

/* It finds everything when it goes on, in the order in which it came. */
bool sim__is_parked(struct sim *s, struct sim__event *ev)
{
    struct sim__node *n = &s->nodes[ev->node];
    if (!n->is_paused || !is_for_process(ev->what)) return false;
    ev->next = NULL;
    if (n->parked == NULL)
        n->parked = ev;
    else
        n->parked_last->next = ev;
    n->parked_last = ev;
    if (ev->what == SIM__FRAME) sim__stuck_soon(s, ev->peer, ev->node);
    return true;
}

void sim_pause(struct sim *s, uint32_t i)
{
    if (s->nodes[i].core != NULL) s->nodes[i].is_paused = true;
}

void sim_resume(struct sim *s, uint32_t i)
{
    struct sim__node *n = &s->nodes[i];
    if (!n->is_paused) return;
    n->is_paused = false;
    n->up_ms = s->now_ms;
    while (n->parked != NULL) {
        struct sim__event *ev = n->parked;
        n->parked = ev->next;
        sim__event_at(s, ev, s->now_ms);
    }
}

/* ---- life and death ---- */

void sim__process_end(struct sim *s, uint32_t i, bool visible)
{
    struct sim__node *n = &s->nodes[i];
    sim__votes_end(s, i);
    gossip_free(n->core);
    n->core = NULL;
    n->process++;
    n->timer_armed = false;
    n->is_host_gone = !visible;
    n->down_ms = s->now_ms;
    while (n->parked != NULL) {
        struct sim__event *ev = n->parked;
        n->parked = ev->next;
        sim__event_free(ev);
    }
    n->is_paused = false;
    for (uint32_t j = 0; j < s->count; j++) {
        if (j == i) continue;
        bool was_up = sim_is_linked(s, i, j);
        if (visible && was_up) sim__send_close(s, i, j, sim__end_of(s, i, j)->generation);
        sim__end_of(s, i, j)->is_up = false;
        if (!visible && sim_is_linked(s, j, i)) sim__stuck_at(s, j, i, true);
    }
}

static uint64_t wall_s(const struct sim *s, const struct sim__node *n)
{
    int64_t date = EPOCH_S + (int64_t)(s->now_ms / 1000) + n->wall_skew_s;
    return date > 1 ? (uint64_t)date : 1;
}

/* As the rim: above what the disk holds, and not below the time of day. */
static uint64_t next_incarnation(const struct sim *s, const struct sim__node *n)
{
    uint64_t wall = wall_s(s, n), next = n->disk_incarnation + 1;
    if (next > INT64_MAX / 2) next = 0; /* a liar's own doing: its disk is useless */
    return next > wall ? next : wall;
}

void sim__process_start(struct sim *s, uint32_t i, uint32_t via)
{
    struct sim__node *n = &s->nodes[i];
    struct gossip_config cfg;
    struct gossip_crypto crypto = sim_crypto(i);
    uint8_t proof[NODE_PROOF_BYTES];
    assert(n->core == NULL);
    sim__snapshot_now(s, i);
    n->incarnation = n->disk_incarnation = n->started_incarnation = next_incarnation(s, n);
    sim_config_of(&cfg, i, n->incarnation);
    sim__proof_of(proof, i);
    cfg.proof = (struct base_slice){proof, sizeof proof};
    cfg.seed = base_prng_u64(&s->prng);
    cfg.members_max = s->count + 4;
    cfg.incarnation_max = wall_s(s, n) + FUTURE_MAX_S;
    if (s->links_max > 0) cfg.links_max = s->links_max;
    cfg.weight = sim__weight_of(s, i, i);
    n->has_left = n->is_gone = n->is_host_gone = n->is_out = false;
    n->up_ms = s->now_ms;
    s->starts++;
    sim__check_reset(s, i);
    int rv = gossip_new(&n->core, &cfg, &crypto, sim__local_ms(s, n));
    assert(rv == BASE_OK);
    sim__timer_arm(s, i);
    if (via != i) sim__dial(s, i, via);
    sim__registry_dial_soon(s, i);
    sim__votes_start(s, i);
}

void sim_links_max(struct sim *s, uint32_t links_max)
{
    s->links_max = links_max;
}

void sim_start(struct sim *s, uint32_t i, uint32_t via)
{
    struct sim__node *n = &s->nodes[i];
    n->start_via = via;
    n->wants_start = n->outage_ms != 0;
    if (!n->wants_start) sim__process_start(s, i, via);
}

void sim_start_all(struct sim *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        sim_start(s, i, 0);
        sim_run(s, 10);
    }
}

void sim_crash(struct sim *s, uint32_t i, bool visible)
{
    s->nodes[i].wants_start = false;
    if (s->nodes[i].core != NULL) sim__process_end(s, i, visible);
}

void sim_restart(struct sim *s, uint32_t i, uint32_t via)
{
    sim_crash(s, i, true);
    sim_start(s, i, via);
}

void sim_disk(struct sim *s, uint32_t i, enum sim_disk what)
{
    struct sim__node *n = &s->nodes[i];
    uint64_t back = 1 + sim_random(s, DISK_AGE);
    if (what == SIM_DISK_LOST || n->disk_incarnation <= back)
        n->disk_incarnation = 0;
    else
        n->disk_incarnation -= back;
    sim__votes_disk(s, i);
}

void sim_leave(struct sim *s, uint32_t i)
{
    struct gossip_event ev = {.type = GOSSIP_EV_LEAVE};
    if (s->nodes[i].core == NULL || s->nodes[i].is_paused) return;
    sim_votes_resign(s, i);
    s->nodes[i].has_left = true;
    sim__step(s, i, &ev);
}
