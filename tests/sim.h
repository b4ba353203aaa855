#ifndef NFTMESH_TESTS_SIM_H
#define NFTMESH_TESTS_SIM_H

#include <stdbool.h>
#include <stdio.h>

#include "gossip/frame.h"
#include "gossip/gossip.h"

/* Whole nodes' cores in virtual time, from one seed: gossip and admission of each node, the links
 * and the network under them, processes that pause and die, and a chain with blocks that says who
 * has a seat. Nothing sleeps, and the same seed gives the same trace on every machine. What is real
 * and what is modelled: docs/simulation.md.
 *
 * The network is reliable and ordered per link, as a session is: loss is a retransmission's delay,
 * a cut is silence in one direction (frames wait for its end, as many as a session's queue holds),
 * and a link whose frames have waited for SIM_STUCK_MS is closed by both ends.
 *
 * Checkers run after every step of every core; the first thing that they find is sim_failure(). */
#define SIM_NODES_MAX 1024
#define SIM_STUCK_MS  15000
#define SIM_QUEUE_MAX 96    /* frames on one way of a link: a session's queue and its window */
#define SIM_DEAD_MS   90000 /* after that much time nobody lists the dead as alive */
#define SIM_REORG_MAX 5
#define SEC           1000u

struct sim_net {
    uint32_t delay_min_ms, delay_max_ms; /* one way */
    uint32_t loss_permille;              /* each loss costs 200 ms, 400 ms, .. */
};
extern const struct sim_net SIM_LAN;   /* 0 to 2 ms */
extern const struct sim_net SIM_WAN;   /* 20 to 120 ms, 1 % */
extern const struct sim_net SIM_LOSSY; /* 1 to 40 ms, 10 % */

struct sim;

struct sim *sim_new(uint64_t seed, uint32_t nodes, const struct sim_net *net);
void sim_free(struct sim *s);
/* NULL, or the first thing that went wrong. */
const char *sim_failure(const struct sim *s);
uint64_t sim_now_ms(const struct sim *s);
uint64_t sim_trace(const struct sim *s); /* of every action so far */
uint32_t sim_node_count(const struct sim *s);
uint64_t sim_random(struct sim *s, uint64_t bound);
void sim_verbose(struct sim *s, FILE *to);  /* every change of state, one line */
void sim_trace_to(struct sim *s, FILE *to); /* every step and action, one line */

/* ---- processes ---- */
void sim_links_max(struct sim *s, uint32_t links_max); /* of processes started from now on */
/* Starts node i and lets it dial via (its bootstrap); via == i: the first of the mesh. Without an
 * answer from its endpoints it waits for one, as a node does. */
void sim_start(struct sim *s, uint32_t i, uint32_t via);
void sim_start_all(struct sim *s); /* 0 first, the others through it, 10 ms apart */
void sim_crash(struct sim *s, uint32_t i, bool visible); /* visible: the kernel closes its links */
void sim_restart(struct sim *s, uint32_t i, uint32_t via); /* incarnation above the last */
void sim_pause(struct sim *s, uint32_t i);                 /* SIGSTOP */
void sim_resume(struct sim *s, uint32_t i);
void sim_leave(struct sim *s, uint32_t i);
bool sim_is_up(const struct sim *s, uint32_t i); /* runs, and has not left */
bool sim_has_left(const struct sim *s, uint32_t i);
/* Its clock, from now on: a rate in millionths beside true time, and what `date` says. */
void sim_clock(struct sim *s, uint32_t i, int32_t rate_ppm, int32_t wall_skew_s);
enum sim_disk { SIM_DISK_LOST, SIM_DISK_OLD };
void sim_disk(struct sim *s, uint32_t i, enum sim_disk what); /* before its next start */

/* ---- network ---- */
void sim_cut(struct sim *s, uint32_t from, uint32_t to, bool cut); /* one direction, silently */
void sim_partition(struct sim *s, const uint8_t *group);           /* a group number a node */
void sim_isolate(struct sim *s, uint32_t i);
void sim_ring(struct sim *s); /* each reaches its two neighbours */
void sim_bridge(struct sim *s, const uint8_t *group, uint32_t bridge); /* reaches all groups */
void sim_break(struct sim *s, uint32_t i, uint32_t j); /* the link closes, both ends see it */
/* A second handshake of i with j: it replaces the link, and with reorder its frames overtake. */
void sim_redial(struct sim *s, uint32_t i, uint32_t j);
void sim_reorder(struct sim *s, bool on); /* a new link's frames overtake those of the old one */
void sim_set_net(struct sim *s, const struct sim_net *net);
void sim_calm(struct sim *s); /* no cuts, no loss, nobody paused, endpoints answer, no reorg */

/* ---- chain: what is sent now stands in one of the next blocks ---- */
void sim_chain(struct sim *s, uint32_t block_ms, uint32_t lag_max_ms);
void sim_seat(struct sim *s, uint32_t i, bool has); /* sold; bought back, or minted */
void sim_burn(struct sim *s, uint32_t i);           /* and its keys are forgotten */
void sim_deactivate(struct sim *s, uint32_t i, bool active);
void sim_suspend(struct sim *s, uint32_t i, uint32_t for_s);
void sim_expire(struct sim *s, uint32_t i, uint32_t in_s); /* renewed until then */
void sim_weight(struct sim *s, uint32_t i, uint32_t weight);
/* Its token now names the keys of j, which is another machine's or a new key's process. */
void sim_rotate(struct sim *s, uint32_t i, uint32_t j);
void sim_reorg(struct sim *s, uint32_t depth);        /* with the next block */
void sim_outage(struct sim *s, uint32_t i, bool out); /* its endpoints are silent */
bool sim_has_seat(const struct sim *s, uint32_t i);   /* as of the head */
uint32_t sim_weight_of(const struct sim *s, uint32_t i);
bool sim_chain_is_settled(struct sim *s); /* nothing is waiting, and all have seen the head */

/* ---- applications ---- */
int sim_event(struct sim *s, uint32_t i, const char *name);
void sim_tag(struct sim *s, uint32_t i, const char *value);
uint32_t sim_event_count(const struct sim *s, uint32_t i, const char *name); /* deliveries */

/* ---- watching ---- */
void sim_run(struct sim *s, uint64_t ms);
bool sim_until(struct sim *s, bool (*is_so)(struct sim *), uint64_t ms);
enum gossip_state sim_state(const struct sim *s, uint32_t observer, uint32_t target);
uint64_t sim_incarnation(const struct sim *s, uint32_t i); /* its own */
uint64_t sim_start_incarnation(const struct sim *s, uint32_t i);
struct gossip *sim_core(struct sim *s, uint32_t i);
const struct base_key33 *sim_key(const struct sim *s, uint32_t i);
uint32_t sim_failed_count(const struct sim *s, uint32_t target); /* ALIVE or SUSPECT -> FAILED */
uint32_t sim_suspect_count(const struct sim *s, uint32_t target);
uint64_t sim_refused_count(const struct sim *s); /* sessions and members, by admission */
/* Every honest node who is up sees all honest ones who are up as alive, none who is not, and nobody
 * without seat. */
bool sim_all_right(struct sim *s);
/* From now on no honest member that runs may be buried by an honest one, whatever is said of it. */
void sim_quiet(struct sim *s, bool quiet);
struct sim_load { /* the busiest second of the busiest honest node */
    uint64_t frames, bytes;
};
struct sim_load sim_load_max(const struct sim *s);

/* ---- liars: frames of their own making, over their own links (sim_liar.h) ---- */
void sim_make_liar(struct sim *s, uint32_t i, const char *kind); /* one of SIM_LIARS */
bool sim_is_liar(const struct sim *s, uint32_t i);
bool sim_is_linked(struct sim *s, uint32_t i, uint32_t j);
bool sim_inject(struct sim *s, uint32_t from, uint32_t to, const struct gossip_frame *frame);
bool sim_inject_bytes(struct sim *s, uint32_t from, uint32_t to, uint8_t type, const void *body,
                      size_t len);
int sim_sign(uint32_t i, enum base_statement kind, const void *body, size_t len,
             struct base_sig65 *sig);
void sim_accuse(struct sim *s, uint32_t liar, uint32_t target, enum base_statement kind);
void sim_mute(struct sim *s, uint32_t i, bool mute); /* its relays answer nothing but nacks */

/* ---- consensus: with sim_votes() each node carries a core of it, too (docs/simulation.md) ---- */
struct sim_votes_setup {
    uint32_t window_slots, lease_ms, skip_ms;
    uint32_t gap_s;        /* between two epochs */
    uint32_t store_max_ms; /* until a write is on disk */
};
void sim_votes(struct sim *s, const struct sim_votes_setup *setup); /* before the first start */
bool sim_has_votes(const struct sim *s);
/* A kind of tests/consensus_liars. False: there is none of that name. Before its start. */
bool sim_votes_make_liar(struct sim *s, uint32_t i, const char *kind);
bool sim_votes_is_liar(const struct sim *s, uint32_t i);
void sim_votes_count(struct sim *s, uint32_t i);  /* a client has i add one, perhaps again */
void sim_votes_resign(struct sim *s, uint32_t i); /* if it leads */
/* The next leader that shows a candidate is killed within 4 ms, before or after anybody has voted,
 * and started again. */
void sim_votes_trap(struct sim *s);
/* A log that was refused is moved away: its node begins an empty one at its next start, and knows
 * that it has voted up to the chain's head. */
void sim_votes_forget(struct sim *s, uint32_t i);
/* Does so much of the weight run, honest and able to vote, that the log has to go on? */
bool sim_votes_may_go_on(struct sim *s);
void sim_votes_mark(struct sim *s); /* what is final now */
/* All honest members that run and have a seat are in one epoch, and something above what was final
 * at the mark is for each of them; somebody leads. */
bool sim_votes_go_on(struct sim *s);
/* What honest members that went on hold at the end, against each other and against the model. */
void sim_votes_judge_end(struct sim *s);
struct sim_votes_figures {
    uint64_t finals, skip_certs, faults, leases, epochs, states, entries, told;
    uint64_t lost;        /* logs of votes that were refused */
    uint64_t begun_anew;  /* of those, by an empty one */
    uint64_t trapped;     /* leaders that died over a candidate */
    uint64_t lost_writes; /* that nobody had heard of */
    uint64_t is_beyond;   /* liars came to hold a third of an epoch: nothing is promised then */
    uint64_t refounded;   /* seats had changed hands, and who came found nobody: likewise */
};
struct sim_votes_figures sim_votes_figures(const struct sim *s);
void sim_votes_print(struct sim *s, FILE *to); /* where each core is */

/* ---- without a simulator: what it uses, for tests of one core ---- */
struct gossip_crypto sim_crypto(uint32_t i); /* a keyed hash in the place of a signature */
struct base_key33 sim_key_of(uint32_t i);
/* Node i's own configuration; slices point to static memory, good until the next call. */
void sim_config_of(struct gossip_config *cfg, uint32_t i, uint64_t incarnation);
void sim_record_of(struct gossip_signed_record *out, uint32_t i, uint64_t incarnation,
                   uint64_t sequence);

#endif
