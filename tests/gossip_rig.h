#ifndef NFTMESH_TESTS_GOSSIP_RIG_H
#define NFTMESH_TESTS_GOSSIP_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gossip/gossip_internal.h"
#include "sim.h"

/* One core and its peers played by the test. Node 0 is the core; the others are we. */
struct rig {
    struct gossip *g;
    uint64_t now;
    struct gossip_actions out;
    struct base_key33 key[64];
};
extern struct rig rig;
extern struct gossip_frame frame, sent; /* what we say next; what was_sent() found */

struct lie { /* how an accusation differs from an honest one */
    uint32_t signer;
    enum base_statement signed_as, sent_as;
};

int feed(struct gossip_event ev);
/* What rig_start() is given by rig_new(), to be changed in between; teardown() frees. */
void rig_config(struct gossip_config *cfg);
void rig_start(const struct gossip_config *cfg);
void rig_new(uint32_t members_max);
int setup(void **state);
int teardown(void **state);
struct base_slice slice(const char *text);
size_t count(enum gossip_action_type type);
/* The last of its type about this peer. */
const struct gossip_action *find(enum gossip_action_type type, uint32_t peer);
/* The last frame of this type to this peer, decoded into `sent`. */
bool was_sent(uint32_t peer, uint8_t type);
enum gossip_state state_of(uint32_t i);
uint64_t incarnation_of(uint32_t i);
const struct gossip__agenda *agenda(uint32_t slot);
struct gossip_counters counters(void);
struct gossip_event up_event(uint32_t i, const struct gossip_signed_record *record);
void peer_up(uint32_t i);
int peer_down(uint32_t i);
int dial_failed(uint32_t i);
int verdict(uint32_t i, enum gossip_verdict what, uint64_t weight);
int timer(void);
/* Lets time pass, firing timers when they are due; links stay silent. */
void pass(uint64_t ms);
/* The same, until i is in that state. */
bool pass_until(uint32_t i, enum gossip_state wanted, uint64_t ms);
int feed_frame(uint32_t from, const struct gossip_frame *f);
int feed_item(uint32_t from, const struct gossip_item *item);
int feed_record(uint32_t from, const struct gossip_signed_record *record, const char *proof);
void tell_record(uint32_t from, uint32_t i, uint64_t incarnation, uint64_t sequence);
void tell_accusation_as(uint32_t from, uint32_t accuser, uint32_t target, uint64_t incarnation,
                        const struct lie *lie);
void tell_accusation(uint32_t accuser, uint32_t target, uint64_t incarnation);
void tell_leave(uint32_t from, uint32_t i, uint64_t incarnation, uint32_t signer,
                enum base_statement signed_as);
void tell_event(uint32_t from, uint32_t origin, uint64_t epoch, uint64_t sequence, uint32_t signer);
void answer(uint32_t i, uint64_t nonce);
/* i answers a greeting of ours with this digest. */
void answer_greeting(uint32_t i, struct gossip_digest digest);
/* Peers 1..n linked; everything that they would be asked is left unanswered. */
void mesh(uint32_t n);
int snapshot_moved(void);

#define RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
