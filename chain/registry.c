#include "chain/registry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

const char *chain_kind_name(enum chain_kind kind)
{
    switch (kind) {
    case CHAIN_KIND_UNKNOWN:
        return "unknown";
    case CHAIN_KIND_NFTMESH:
        return "nftmesh";
    case CHAIN_KIND_PROTOTYPE:
        return "prototype";
    }
    assert(false && "a kind of ours");
    return "";
}

static int compare_token(const void *a, const void *b)
{
    const struct chain_seat *x = a, *y = b;
    return base_u256_compare(&x->token_id, &y->token_id);
}

static bool tokens_are_distinct(const struct chain_snapshot *s)
{
    for (size_t i = 1; i < s->seat_count; i++)
        if (base_u256_equal(&s->seats[i - 1].token_id, &s->seats[i].token_id)) return false;
    return true;
}

/* qsort has no context argument, so keys are sorted beside their indices. */
struct key_entry {
    struct base_key33 key;
    uint32_t index;
};

static int compare_key(const void *a, const void *b)
{
    const struct key_entry *x = a, *y = b;
    return base_key33_compare(&x->key, &y->key);
}

static int index_keys(struct chain_snapshot *s)
{
    struct key_entry *entries = calloc(s->seat_count > 0 ? s->seat_count : 1, sizeof *entries);
    if (entries == NULL) return BASE_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < s->seat_count; i++) {
        if (!s->seats[i].has_keys) continue;
        entries[n].key = s->seats[i].node_key;
        entries[n++].index = (uint32_t)i;
    }
    qsort(entries, n, sizeof *entries, compare_key);
    int rv = BASE_OK;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && base_key33_equal(&entries[i - 1].key, &entries[i].key)) rv = BASE_EMALFORMED;
        s->by_key[i] = entries[i].index;
    }
    s->by_key_count = n;
    free(entries);
    return rv;
}

int chain_snapshot_new(struct chain_snapshot **out, const struct chain_snapshot *head,
                       const struct chain_seat *seats, size_t seat_count)
{
    assert(out != NULL);
    assert(head != NULL);
    assert(seats != NULL || seat_count == 0);
    assert(head->app_id_count <= CHAIN_APP_IDS_MAX && head->root_count <= CHAIN_ROOTS_MAX);
    if (seat_count > CHAIN_SEATS_MAX) return BASE_ETOOBIG;
    struct chain_snapshot *s = malloc(sizeof *s);
    if (s == NULL) return BASE_ENOMEM;
    *s = *head;
    size_t room = seat_count > 0 ? seat_count : 1;
    s->seat_count = seat_count;
    s->by_key_count = 0;
    s->by_key = NULL;
    s->seats = calloc(room, sizeof *s->seats);
    int rv = BASE_ENOMEM;
    if (s->seats == NULL) goto err;
    s->by_key = calloc(room, sizeof *s->by_key);
    if (s->by_key == NULL) goto err;
    if (seat_count > 0) memcpy(s->seats, seats, seat_count * sizeof *seats);
    qsort(s->seats, seat_count, sizeof *s->seats, compare_token);
    rv = tokens_are_distinct(s) ? index_keys(s) : BASE_EMALFORMED;
    if (rv != BASE_OK) goto err;
    *out = s;
    return BASE_OK;
err:
    chain_snapshot_free(s);
    return rv;
}

void chain_snapshot_free(struct chain_snapshot *snapshot)
{
    if (snapshot == NULL) return;
    free(snapshot->by_key);
    free(snapshot->seats);
    free(snapshot);
}

const struct chain_seat *chain_snapshot_find_key(const struct chain_snapshot *snapshot,
                                                 const struct base_key33 *node_key)
{
    size_t low = 0, high = snapshot->by_key_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct chain_seat *seat = &snapshot->seats[snapshot->by_key[mid]];
        int order = base_key33_compare(node_key, &seat->node_key);
        if (order == 0) return seat;
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

const struct chain_seat *chain_snapshot_find_token(const struct chain_snapshot *snapshot,
                                                   const struct base_u256 *token_id)
{
    size_t low = 0, high = snapshot->seat_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct chain_seat *seat = &snapshot->seats[mid];
        int order = base_u256_compare(token_id, &seat->token_id);
        if (order == 0) return seat;
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

const struct chain_seat *chain_snapshot_find_instance(const struct chain_snapshot *snapshot,
                                                      const struct base_eth_address *instance)
{
    /* Zero stands for "none bound" and is nobody's instance. */
    if (base_is_zero(instance->bytes, sizeof instance->bytes)) return NULL;
    const struct chain_seat *bound = NULL;
    for (size_t i = 0; i < snapshot->seat_count; i++) {
        const struct chain_seat *seat = &snapshot->seats[i];
        if (!base_address_equal(&seat->instance, instance)) continue;
        if (seat->has_keys) return seat;
        if (bound == NULL) bound = seat;
    }
    return bound;
}

bool chain_snapshot_allows_app(const struct chain_snapshot *snapshot,
                               const struct base_eth_address *app_id)
{
    for (size_t i = 0; i < snapshot->app_id_count; i++)
        if (base_address_equal(&snapshot->app_ids[i], app_id)) return true;
    return false;
}

uint64_t chain_snapshot_root_epoch(const struct chain_snapshot *snapshot,
                                   const struct base_eth_address *root)
{
    if (base_address_equal(&snapshot->kms_root, root)) return snapshot->root_epoch;
    for (size_t i = 0; i < snapshot->root_count; i++)
        if (base_address_equal(&snapshot->roots[i].root, root)) return snapshot->roots[i].epoch;
    return 0;
}
