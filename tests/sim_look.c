/* What a test may ask of a simulation. */
#include <string.h>

#include "base/err.h"
#include "sim_internal.h"

uint64_t sim_now_ms(const struct sim *s)
{
    return s->now_ms;
}

uint64_t sim_trace(const struct sim *s)
{
    return s->trace;
}

uint32_t sim_node_count(const struct sim *s)
{
    return s->count;
}

void sim_verbose(struct sim *s, FILE *to)
{
    s->verbose = to;
}

bool sim_is_up(const struct sim *s, uint32_t i)
{
    return s->nodes[i].core != NULL && !s->nodes[i].has_left;
}

bool sim_has_left(const struct sim *s, uint32_t i)
{
    return s->nodes[i].has_left;
}

enum gossip_state sim_state(const struct sim *s, uint32_t observer, uint32_t target)
{
    return s->nodes[observer].seen[target].state;
}

uint64_t sim_incarnation(const struct sim *s, uint32_t i)
{
    return s->nodes[i].incarnation;
}

uint64_t sim_start_incarnation(const struct sim *s, uint32_t i)
{
    return s->nodes[i].started_incarnation;
}

struct gossip *sim_core(struct sim *s, uint32_t i)
{
    return s->nodes[i].core;
}

const struct base_key33 *sim_key(const struct sim *s, uint32_t i)
{
    return &s->nodes[i].key;
}

uint32_t sim_failed_count(const struct sim *s, uint32_t target)
{
    return s->nodes[target].failed_count;
}

uint32_t sim_suspect_count(const struct sim *s, uint32_t target)
{
    return s->nodes[target].suspect_count;
}

uint32_t sim_event_count(const struct sim *s, uint32_t i, const char *name)
{
    uint32_t count = 0;
    for (uint32_t d = 0; d < s->nodes[i].delivered_count; d++)
        count += strcmp(s->nodes[i].delivered[d].name, name) == 0;
    return count;
}

uint64_t sim_refused_count(const struct sim *s)
{
    return s->refused_count;
}

struct sim_load sim_load_max(const struct sim *s)
{
    return s->load_max;
}

void sim_trace_to(struct sim *s, FILE *to)
{
    s->trace_to = to;
}

void sim_quiet(struct sim *s, bool quiet)
{
    s->is_quiet = quiet;
    s->quiet_ms = s->now_ms;
}

static bool is_member(const struct sim *s, uint32_t i)
{
    return sim_is_up(s, i) && sim_has_seat(s, i) && !s->nodes[i].is_paused;
}

static bool is_right(const struct sim *s, uint32_t i, uint32_t j)
{
    enum gossip_state state = s->nodes[i].seen[j].state;
    if (!sim_has_seat(s, j)) return i == j || state == GOSSIP_NONE;
    if (is_member(s, j)) return state == GOSSIP_ALIVE || s->nodes[j].liar != NULL;
    return state != GOSSIP_ALIVE && state != GOSSIP_SUSPECT;
}

bool sim_all_right(struct sim *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (!is_member(s, i) || s->nodes[i].liar != NULL) continue;
        for (uint32_t j = 0; j < s->count; j++)
            if (!is_right(s, i, j)) return false;
    }
    return true;
}
