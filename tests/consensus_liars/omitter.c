/* Some members do not exist for it: it hears nothing of them, and says nothing to them. */
#include "consensus_liar.h"

static bool is_omitted(const struct world_liar *l, size_t at)
{
    return (at + l->at) % 3 == 1;
}

static bool hears(struct world_liar *l, size_t from, const struct consensus_message *m)
{
    (void)m;
    return !is_omitted(l, from);
}

static bool says(struct world_liar *l, size_t to, const struct consensus_message *m)
{
    (void)m;
    return !is_omitted(l, to);
}

const struct world_liar_kind WORLD_LIAR_OMITTER = {
    .name = "omitter",
    .lie = "does not hear certain members, nor speak to them",
    .hears = hears,
    .says = says,
};
