#include "node/seat_plan.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DAY_S 86400

const char *node_seat_step_name(enum node_seat_step step)
{
    switch (step) {
    case NODE_SEAT_NONE:
        return "nothing";
    case NODE_SEAT_MINT:
        return "mint";
    case NODE_SEAT_BIND:
        return "registerInstance";
    case NODE_SEAT_REGISTER:
        return "register";
    case NODE_SEAT_ENDPOINT:
        return "setEndpoint";
    case NODE_SEAT_RENEW:
        return "renew";
    case NODE_SEAT_PEER:
        return "registerPeer";
    case NODE_SEAT_AUTHORISE:
        return "authorize";
    }
    assert(false && "a step of ours");
    return "";
}

const struct chain_seat *node_seat_choose(const struct node_seat_want *want,
                                          const struct chain_seat *seats, size_t count)
{
    const struct chain_seat *free_seat = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct chain_seat *seat = &seats[i];
        if (!base_address_equal(&seat->owner, &want->owner)) continue;
        if (base_address_equal(&seat->instance, &want->instance)) return seat;
        bool is_free = seat->weight > 0 && base_is_zero(seat->instance.bytes, BASE_ADDRESS_BYTES);
        if (free_seat == NULL && is_free) free_seat = seat;
    }
    return free_seat;
}

static void add(struct node_seat_plan *plan, enum node_seat_step step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void add(struct node_seat_plan *plan, enum node_seat_step step, const char *format, ...)
{
    va_list ap;
    assert(plan->count < NODE_SEAT_STEPS_MAX);
    plan->steps[plan->count].step = step;
    va_start(ap, format);
    vsnprintf(plan->steps[plan->count].because, NODE_SEAT_BECAUSE_BYTES, format, ap);
    va_end(ap);
    plan->count++;
}

/* Why the keys must be registered anew; NULL when they stand. */
static const char *keys_lack(const struct node_seat_want *want, const struct chain_seat *seat,
                             uint64_t root_epoch, uint64_t now_s)
{
    if (!seat->has_keys) return "nothing is registered there";
    if (!base_key33_equal(&seat->node_key, &want->node_key)) return "another node key stands there";
    if (!base_key33_equal(&seat->proof_key, &want->proof_key))
        return "another app proof key stands there";
    if (!base_address_equal(&seat->bound_by, &want->owner)) return "another wallet registered it";
    if (!seat->active) return "the seat is deactivated";
    if (seat->root_epoch != root_epoch) return "it is of an older KMS root";
    if (seat->expires_at <= now_s) return "it has expired";
    return NULL;
}

void node_seat_plan(struct node_seat_plan *out, const struct node_seat_want *want,
                    const struct chain_seat *seat, uint64_t root_epoch, uint64_t now_s)
{
    *out = (struct node_seat_plan){0};
    if (seat == NULL) {
        if (!want->may_mint) return;
        add(out, NODE_SEAT_MINT, "the wallet has no free seat");
        add(out, NODE_SEAT_BIND, "a new seat has no instance");
        add(out, NODE_SEAT_REGISTER, "a new seat has no keys");
        return;
    }
    if (!base_address_equal(&seat->instance, &want->instance)) {
        bool none = base_is_zero(seat->instance.bytes, BASE_ADDRESS_BYTES);
        add(out, NODE_SEAT_BIND,
            none ? "no instance is bound" : "another instance is bound: its registration ends");
        add(out, NODE_SEAT_REGISTER, "binding leaves a seat without keys");
        return;
    }
    const char *lack = keys_lack(want, seat, root_epoch, now_s);
    if (lack != NULL) {
        add(out, NODE_SEAT_REGISTER, "%s", lack);
        return;
    }
    if (strcmp(seat->url, want->url) != 0)
        add(out, NODE_SEAT_ENDPOINT, "the address there is %.60s",
            seat->url_len > 0 ? "another one" : "none");
    if (seat->expires_at <= now_s + want->expires_s / 2)
        add(out, NODE_SEAT_RENEW, "it ends in %llu days",
            (unsigned long long)((seat->expires_at - now_s) / DAY_S));
}
