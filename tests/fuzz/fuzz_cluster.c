/* A whole core that hostile frames come to: type (1), length (2), body, and so on. It never fails,
 * and what it would store it can read again. An odd number of bytes finds its log new. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/keccak256.h"
#include "consensus/cluster.h"
#include "consensus/votelog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEATS 4

/* A signature that is nothing but its first byte: so that a fuzzer gets behind it. */
static int sign(void *ctx, const struct base_vote *vote, struct base_sig65 *sig)
{
    (void)ctx, (void)vote;
    *sig = (struct base_sig65){{1}};
    return BASE_OK;
}

static int verify(void *ctx, const struct base_vote *vote, const struct base_sig65 *sig,
                  const struct base_eth_address *signer)
{
    (void)ctx, (void)vote, (void)signer;
    return sig->bytes[0] == 1 ? BASE_OK : BASE_ESIG;
}

static int sign_entry(void *ctx, const struct base_slice *body, struct base_sig65 *sig)
{
    (void)body;
    return sign(ctx, NULL, sig);
}

static int verify_entry(void *ctx, const struct base_slice *body, const struct base_sig65 *sig,
                        const struct base_key33 *submitter)
{
    (void)ctx, (void)body, (void)submitter;
    return sig->bytes[0] == 1 ? BASE_OK : BASE_ESIG;
}

static struct base_key33 key_of(uint8_t i)
{
    struct base_key33 key = {{2}};
    key.bytes[32] = i;
    return key;
}

static void look(const struct consensus_cluster_actions *out)
{
    static const struct base_hash32 epoch_id = {{1}};
    for (size_t i = 0; i < out->count; i++) {
        const struct consensus_cluster_action *a = &out->list[i];
        struct consensus_logged logged;
        struct consensus_epoch next;
        if (a->type == CONSENSUS_CLUSTER_ACT_STORE && a->u.store.kind == CONSENSUS_STORE_NEXT) {
            if (consensus_votelog_next_decode(&next, a->u.store.body.data, a->u.store.body.len) !=
                BASE_OK)
                abort();
            consensus_epoch_free(&next);
        }
        if (a->type != CONSENSUS_CLUSTER_ACT_STORE || a->u.store.kind != CONSENSUS_STORE_VOTE)
            continue;
        if (consensus_votelog_decode(&logged, &epoch_id, a->u.store.body.data,
                                     a->u.store.body.len) != BASE_OK)
            abort();
        consensus_votelog_free(&logged);
    }
}

static void begin(struct consensus_cluster *c, uint64_t *now)
{
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_CHAIN};
    struct consensus_cluster_actions out;
    struct consensus_seat seats[SEATS] = {0};
    for (uint8_t i = 0; i < SEATS; i++) {
        seats[i].key = key_of(i);
        seats[i].signer.bytes[0] = i;
        seats[i].token = base_u256_from_u64(i + 1u);
        seats[i].weight = 1;
    }
    ev.u.chain.block = (struct consensus_block){10, {{1}}, 1000};
    ev.u.chain.seats = seats;
    ev.u.chain.seat_count = SEATS;
    if (consensus_cluster_step(c, *now, &ev, &out) != BASE_OK) abort();
    *now += 2000; /* it founds */
    ev.type = CONSENSUS_CLUSTER_EV_TIMER;
    if (consensus_cluster_step(c, *now, &ev, &out) != BASE_OK) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct consensus_cluster_config config = {
        .self = key_of(0),
        .gap_s = 1,
        .found_ms = 1000,
        .is_log_fresh = size % 2 == 1,
        .host = {NULL, sign, verify, sign_entry, verify_entry}};
    struct consensus_cluster *c;
    struct consensus_cluster_actions out;
    uint64_t now = 1000;
    consensus_params_default(&config.params);
    config.params.window_slots = 4;
    if (consensus_cluster_new(&c, &config, now) != BASE_OK) abort();
    begin(c, &now);
    while (size >= 3) {
        struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_FRAME,
                                             .key = key_of(1 + data[0] % 5)};
        size_t len = (size_t)data[1] << 8 | data[2];
        ev.u.frame.type = data[0];
        data += 3;
        size -= 3;
        if (len > size) len = size;
        ev.u.frame.body = (struct base_slice){data, len};
        int rv = consensus_cluster_step(c, now, &ev, &out);
        if (rv != BASE_OK && rv != BASE_EMALFORMED) abort();
        look(&out);
        ev.type = CONSENSUS_CLUSTER_EV_STORED;
        ev.u.stored = UINT64_MAX;
        (void)consensus_cluster_step(c, ++now, &ev, &out);
        look(&out);
        data += len;
        size -= len;
    }
    consensus_cluster_free(c);
    return 0;
}
