/* One request to the simulated guest agent. The first byte chooses the method, the rest is the
 * body. Whatever comes, the answer is one JSON object in ASCII, the same each time, with an error
 * exactly when the status says so; and a key that is given leads to the agent's own app key. */
#include "attest/agent.h"
#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "base/json.h"
#include "node/agent_sim.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const paths[] = {
    "/GetKey",
    "/Info",
    "/GetQuote",
    "/Version",
    "/Sign",
    "/Verify",
    "/EmitEvent",
    "/prpc/Tappd.DeriveK256Key",
    "/Attest",
    "/",
    "/prpc/Tappd.RawQuote",
    "/prpc/Tappd.TdxQuote",
};

static void check(bool holds)
{
    if (!holds) abort();
}

static const struct node_agent_sim *the_agent(void)
{
    static struct node_agent_sim agent;
    static bool ready;
    if (!ready) {
        struct base_privkey root;
        struct base_eth_address id;
        memset(root.bytes, 0x11, sizeof root.bytes);
        memset(id.bytes, 0x22, sizeof id.bytes);
        check(base_ecdsa_init() == BASE_OK && base_aead_init() == BASE_OK);
        check(node_agent_sim_from_root(&agent, &root, &id, &id) == BASE_OK);
        ready = true;
    }
    return &agent;
}

/* What an agent of ours would make of this answer. Ed25519 keys are none of ours. */
static void check_key(const json_t *request, enum attest_agent_api api,
                      const struct base_buf *answer)
{
    const char *purpose = "", *algorithm = "";
    struct attest_agent_key key;
    char why[ATTEST_AGENT_WHY_BYTES];
    (void)base_json_get_string(&purpose, NULL, request, "purpose");
    (void)base_json_get_string(&algorithm, NULL, request, "algorithm");
    if (strcmp(algorithm, "ed25519") == 0) return;
    check(attest_agent_key_parse(&key, why, api, purpose, 200, answer->data, answer->len) ==
          BASE_OK);
    check(base_key33_equal(&key.app_key, &the_agent()->app_key));
}

static void check_answer(const struct base_buf *answer, unsigned status)
{
    json_t *json = NULL;
    check(!answer->failed && (status == 200 || status == 400));
    for (size_t i = 0; i < answer->len; i++)
        check(answer->data[i] >= 0x20 && answer->data[i] <= 0x7e);
    check(base_json_parse(&json, answer->data, answer->len, NODE_AGENT_SIM_ANSWER_BYTES_MAX,
                          NULL) == BASE_OK);
    check(json_is_object(json));
    check((json_object_get(json, "error") != NULL) == (status == 400));
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct base_buf once, twice;
    json_t *request = NULL;
    if (size == 0) return 0;
    const char *path = paths[data[0] % (sizeof paths / sizeof paths[0])];
    base_buf_init(&once, NODE_AGENT_SIM_ANSWER_BYTES_MAX);
    base_buf_init(&twice, NODE_AGENT_SIM_ANSWER_BYTES_MAX);
    unsigned status = node_agent_sim_answer(&once, the_agent(), path, data + 1, size - 1);
    check_answer(&once, status);
    check(node_agent_sim_answer(&twice, the_agent(), path, data + 1, size - 1) == status);
    check(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
    if (size > 1 && base_json_parse(&request, data + 1, size - 1, NODE_AGENT_SIM_BODY_BYTES_MAX,
                                    NULL) != BASE_OK)
        check(status == 400);
    if (status == 200 && strcmp(path, "/GetKey") == 0)
        check_key(request, ATTEST_AGENT_DSTACK, &once);
    if (status == 200 && strcmp(path, "/prpc/Tappd.DeriveK256Key") == 0)
        check_key(request, ATTEST_AGENT_TAPPD, &once);
    json_decref(request);
    base_buf_deinit(&once);
    base_buf_deinit(&twice);
    return 0;
}
