/* What a test may ask of consensus in a simulated mesh. */
#include "consensus/cluster_internal.h"
#include "sim_votes.h"

bool sim_has_votes(const struct sim *s)
{
    return s->votes != NULL;
}

struct sim_votes_figures sim_votes_figures(const struct sim *s)
{
    static const struct sim_votes_figures none;
    return s->votes == NULL ? none : s->votes->figures;
}

/* ---- who is able ---- */

/* Runs, has a seat, and has its votes; lies in nothing. */
bool sim__voter_is_sound(struct sim *s, uint32_t i)
{
    const struct sim__voter *v = &s->votes->voters[i];
    return v->cluster != NULL && v->liar == NULL && !sim_is_liar(s, i) && sim_is_up(s, i) &&
           !s->nodes[i].is_paused && sim_has_seat(s, i);
}

static bool is_able(struct sim *s, uint32_t i)
{
    const struct sim__voter *v = &s->votes->voters[i];
    struct consensus_cluster_view view;
    if (!sim__voter_is_sound(s, i) || v->cluster->is_mute || v->abstains) return false;
    consensus_cluster_view(&view, v->cluster, sim__local_ms(s, &s->nodes[i]));
    return !v->has_loss || (view.has_epoch && !view.is_lost);
}

/* The newest epoch that any of them is in; NULL: none. */
static const struct sim__epoch *newest(struct sim *s)
{
    const struct sim__epoch *top = NULL;
    for (uint32_t i = 0; i < s->count; i++) {
        struct sim__voter *v = &s->votes->voters[i];
        if (!sim__voter_is_sound(s, i) || !v->cluster->has_epoch) continue;
        const struct sim__epoch *ep = sim__epoch_of(v, v->cluster);
        bool is_higher = top == NULL || ep->record.number > top->record.number ||
                         (ep->record.number == top->record.number && ep->has_final);
        if (is_higher) top = ep;
    }
    return top;
}

/* In the epoch that there is, whose quorum ends it. */
static bool can_end(struct sim *s, const struct sim__epoch *ep)
{
    uint64_t able = 0, total = 0;
    for (size_t m = 0; m < ep->count; m++) {
        uint32_t i = sim__index(s, &ep->voters[m].key);
        total += ep->voters[m].weight;
        if (i < s->count && is_able(s, i)) able += ep->voters[m].weight;
    }
    return able >= consensus_quorum(total);
}

/* In the one that follows from the seats that there are now. */
static bool can_begin(struct sim *s)
{
    uint64_t weights[SIM_NODES_MAX], able = 0, total = 0;
    for (uint32_t i = 0; i < s->count; i++)
        weights[i] = sim_has_seat(s, i) ? sim_weight_of(s, i) : 0;
    uint64_t cap = consensus_weight_cap(weights, s->count);
    for (uint32_t i = 0; i < s->count; i++) {
        uint64_t weight = weights[i] < cap ? weights[i] : cap;
        total += weight;
        if (weight > 0 && is_able(s, i)) able += weight;
    }
    return total > 0 && able >= consensus_quorum(total);
}

bool sim_votes_may_go_on(struct sim *s)
{
    const struct sim__epoch *ep = newest(s);
    if (s->votes->is_beyond || !can_begin(s)) return false;
    return ep == NULL || can_end(s, ep);
}

/* ---- whether it does ---- */

void sim_votes_mark(struct sim *s)
{
    for (size_t e = 0; e < s->votes->epoch_count; e++) {
        struct sim__epoch *ep = s->votes->epochs[e];
        uint64_t slot = 0;
        struct base_hash32 hash;
        ep->is_marked = true;
        ep->marked = model_top(ep->model, &slot, &hash) ? slot + 1 : 0;
    }
}

/* Then the next epoch may have to wait for the end of its window. */
static bool is_led_by_liar(struct sim *s, const struct sim__epoch *ep, size_t leader)
{
    uint32_t i = leader < ep->count ? sim__index(s, &ep->voters[leader].key) : s->count;
    return i < s->count && s->votes->voters[i].liar != NULL;
}

static bool goes_on(struct sim *s, uint32_t i, const struct sim__epoch *ep)
{
    struct consensus_cluster_view view;
    struct sim__voter *v = &s->votes->voters[i];
    consensus_cluster_view(&view, v->cluster, sim__local_ms(s, &s->nodes[i]));
    if (!view.has_epoch || !base_hash32_equal(&view.epoch_id, &ep->id)) return false;
    if (!view.has_state) return false;
    if (view.self == ep->count && !is_led_by_liar(s, ep, view.engine.leader)) return false;
    if (view.engine.final_slot == CONSENSUS_NO_SLOT) return false;
    return !ep->is_marked || view.engine.final_slot + 1 > ep->marked;
}

/* Or a liar leads, which may let its lease end. */
static bool is_led(struct sim *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        const struct sim__voter *v = &s->votes->voters[i];
        struct consensus_cluster_view view;
        if (v->cluster == NULL) continue;
        consensus_cluster_view(&view, v->cluster, sim__local_ms(s, &s->nodes[i]));
        bool leads = view.has_epoch && view.engine.leader == view.self;
        if (view.has_lease || (leads && v->liar != NULL)) return true;
    }
    return false;
}

bool sim_votes_go_on(struct sim *s)
{
    const struct sim__epoch *ep = newest(s);
    if (ep == NULL) return false;
    for (uint32_t i = 0; i < s->count; i++)
        if (sim__voter_is_sound(s, i) && !goes_on(s, i, ep)) return false;
    return is_led(s);
}

/* ---- for people ---- */

void sim_votes_print(struct sim *s, FILE *to)
{
    for (uint32_t i = 0; s->votes != NULL && i < s->count; i++) {
        const struct sim__voter *v = &s->votes->voters[i];
        struct consensus_cluster_view view;
        fprintf(to, "n%-3u %s", i, v->is_lost ? "votes lost" : v->cluster == NULL ? "down" : "");
        if (v->cluster != NULL) {
            consensus_cluster_view(&view, v->cluster, sim__local_ms(s, &s->nodes[i]));
            fprintf(to, "%s", view.has_epoch ? "" : "no epoch");
        }
        if (v->cluster != NULL && view.has_epoch)
            fprintf(to,
                    "epoch %llu (%02x%02x) of %zu, window %lld, frontier %lld, final "
                    "%lld%s%s%s%s%s%s%s",
                    (unsigned long long)view.epoch->number, view.epoch_id.bytes[0],
                    view.epoch_id.bytes[1], view.epoch->member_count, (long long)view.engine.window,
                    (long long)view.engine.frontier, (long long)view.engine.final_slot,
                    view.self == view.epoch->member_count ? ", watches" : "",
                    view.has_state ? "" : ", no state", view.has_lease ? ", leads" : "",
                    view.engine.is_mute ? ", mute" : "", view.engine.abstains ? ", abstains" : "",
                    view.engine.is_listening ? ", listens" : "",
                    view.is_lost ? ", votes unknown" : "");
        fprintf(to, "%s\n", v->liar != NULL ? ", lies" : "");
    }
}
