#include "node/mesh_internal.h"

#include "base/err.h"
#include "node/info.h"

#define INFO_LOOK_MS 1000
#define FOUND_MS     60000

/* Where the contract stores no keys, the address of a seat may be that of an application, as the
 * prototype's users have it: its /info then says where the mesh is, and whose word it stands by
 * (node/info.h). */
static bool is_needed(struct mesh *m, size_t index, uint64_t now_ms)
{
    const struct chain_seat *seat = &m->raw->seats[index];
    const struct chain_seat *known = &m->snapshot->seats[index]; /* derived: in the same order */
    uint64_t asked_ms = m->info_asked_ms[index];
    if (!seat->active) return false;
    if (base_address_equal(&seat->instance, &m->identity.keys.instance)) return false;
    if (known->has_keys && mesh_member_is_alive(m, &known->node_key)) return false;
    return asked_ms == 0 || now_ms >= asked_ms + NODE_INFO_GAP_MS;
}

/* Its authorisation may still be verified: tried for a minute. */
static void keep_found(struct mesh *m, const struct mesh_found *found)
{
    struct mesh_found *oldest = &m->found[0];
    for (size_t i = 1; i < MESH_FOUND_MAX; i++)
        if (m->found[i].until_ms < oldest->until_ms) oldest = &m->found[i];
    *oldest = *found;
    m->info_next_ms = 0;
}

static void try_found(struct mesh *m, uint64_t now_ms)
{
    char why[256];
    struct node_refusal refusal;
    for (size_t i = 0; i < MESH_FOUND_MAX; i++) {
        struct mesh_found *found = &m->found[i];
        if (found->until_ms == 0) continue;
        bool counts =
            node_admission_judge_key(&refusal, &m->admission, &found->key) == NODE_REASON_NONE;
        if (counts) (void)mesh_dial_found(m, found, NULL, why, sizeof why);
        if (counts || now_ms >= found->until_ms) found->until_ms = 0;
    }
}

static void on_answer(void *ctx, const struct node_http_answer *answer)
{
    struct mesh *m = ctx;
    char why[256] = "";
    struct mesh_found found = {.until_ms = mesh_now() + FOUND_MS};
    m->info_asking = false;
    if (m->stopping) return;
    int rv = answer->err;
    if (rv == BASE_OK && answer->status != 200) rv = BASE_EREMOTE;
    if (rv == BASE_OK)
        rv = mesh_dial_read_info(m, &found, answer->body, answer->body_len, why, sizeof why);
    if (rv == BASE_OK) keep_found(m, &found);
    if (rv != BASE_OK)
        mesh_log(m, BASE_LOG_DEBUG, "dial", "info", "%s",
                 why[0] != '\0' ? why : (answer->text[0] != '\0' ? answer->text : "no answer"));
}

static bool ask(struct mesh *m, size_t index, uint64_t now_ms)
{
    char url[NODE_INFO_URL_BYTES];
    struct node_http_request http = {.url = url,
                                     .answer_bytes_max = NODE_INFO_BYTES_MAX,
                                     .timeout_ms = NODE_INFO_TIMEOUT_MS,
                                     .allow = mesh_dial_allow,
                                     .allow_ctx = m};
    if (!node_info_url(url, &m->raw->seats[index])) return false;
    m->info_asked_ms[index] = now_ms;
    m->info_asking = node_http_client_get(m->client, NULL, &http, on_answer, m) == BASE_OK;
    return m->info_asking;
}

/* One at a time, and a few looks a second through all seats. */
void mesh_info_step(struct mesh *m, uint64_t now_ms)
{
    if (!mesh_authority_is_on(m) || !m->env.ready || !m->chain_fresh) return;
    if (m->info_asking || now_ms < m->info_next_ms) return;
    m->info_next_ms = now_ms + INFO_LOOK_MS;
    try_found(m, now_ms);
    for (size_t i = 0; i < m->raw->seat_count; i++)
        if (is_needed(m, i, now_ms) && ask(m, i, now_ms)) return;
}
