#include "node/mesh_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "base/u256.h"
#include "node/agent_client.h"

#define FUTURE_MAX_S 3600 /* that a clock may be ahead of ours */

/* ---- the guest agent: who are we, and what is our app proof key ---- */

static void ask_again(struct mesh *m, const char *why)
{
    m->agent_tries++;
    if (m->agent_tries >= MESH_AGENT_TRIES) {
        mesh_fail(m, 1,
                  "guest agent at %s: %s (%u tries): is this a DStack VM? for development "
                  "start `nftmesh simulator --socket %s`",
                  m->config->dstack, why, m->agent_tries, m->config->dstack);
        return;
    }
    if (m->agent_tries == 1)
        mesh_log(m, BASE_LOG_WARN, "agent", "agent_unreachable", "%s: %s: trying again",
                 m->config->dstack, why);
    m->agent_next_ms = mesh_now() + MESH_AGENT_RETRY_MS;
}

/* D and the data-dir's 32 bytes give N; both stay in memory only. */
static void take_key(struct mesh *m, const struct attest_agent_key *key)
{
    struct node_identity *id = &m->identity;
    struct node_keyset *keys = &id->keys;
    char hex[2 * BASE_KEY33_BYTES + 1];
    if (node_keyset_from_agent(keys, &m->agent_info, key, m->seed) != BASE_OK) {
        mesh_fail(m, 1, "no node key follows from this seed: move %s/seed away and start again",
                  m->config->data_dir);
        return;
    }
    base_random(id->boot_id, sizeof id->boot_id);
    id->start_incarnation = m->start_incarnation;
    id->features = ATTEST_FEATURES;
    node_identity_set_mesh(id, m->config->chain_id, &m->config->contract);
    node_mesh_settings(id->settings, sizeof id->settings, m->config);
    base_hex_encode(hex, keys->node_key.bytes, sizeof keys->node_key.bytes);
    if (m->config->name != NULL)
        snprintf(m->name, sizeof m->name, "%s", m->config->name);
    else
        snprintf(m->name, sizeof m->name, "%.8s", hex);
    m->admission = (struct node_admission){
        .snapshot = m->snapshot,
        .pins = &m->pins,
        .chain_id = id->chain_id,
        .contract = id->contract,
        .domain = id->domain,
        .settings = id->settings,
        .dev = m->config->dev,
        .authority = m->authority,
        .world = &m->authority_world,
    };
    m->has_identity = true;
    mesh_log(m, BASE_LOG_INFO, "agent", "identity", "node key %s", hex);
    if (mesh_links_new(m) != BASE_OK) {
        mesh_fail(m, 1, "%s", m->why);
        return;
    }
    if (mesh_authority_is_on(m))
        mesh_chain_judge_again(m); /* our own app is among those that count now */
    else
        mesh_chain_refresh(m);
    mesh_dirty(m);
}

static void on_agent(void *ctx, const struct node_agent_answer *answer)
{
    struct mesh *m = ctx;
    if (m->stopping) return;
    if (answer->err == BASE_ENOTFOUND) {
        mesh_fail(m, 1, "guest agent: %s: deploy the app with an instance id", answer->why);
        return;
    }
    if (answer->err != BASE_OK) {
        ask_again(m, answer->why);
        return;
    }
    m->agent_info = answer->info;
    if (attest_dev_judge(m->config->dev, m->config->chain_id, m->config->kms_roots,
                         m->config->kms_root_count,
                         m->agent_info.app_name) == ATTEST_DEV_SIMULATOR) {
        mesh_fail(m, 1,
                  "the guest agent at %s is the simulator: it proves nothing; use --dev on a "
                  "development chain, or a real DStack VM",
                  m->config->dstack);
        return;
    }
    take_key(m, &answer->key);
}

void mesh_boot_step(struct mesh *m, uint64_t now_ms)
{
    if (m->has_identity || m->stopping || m->agent_next_ms > now_ms) return;
    m->agent_next_ms = UINT64_MAX;
    int rv = node_agent_ask(m->client, m->config->dstack, m->config->chain_id, &m->config->contract,
                            on_agent, m);
    if (rv != BASE_OK) ask_again(m, base_strerror(rv));
}

uint64_t mesh_boot_deadline_ms(const struct mesh *m)
{
    return m->has_identity ? UINT64_MAX : m->agent_next_ms;
}

/* ---- what to tell an operator whose node has no seat ---- */

void mesh_boot_command(const struct mesh *m, char *out, size_t cap, const char *verb,
                       const struct base_u256 *token)
{
    char contract[BASE_ADDRESS_TEXT_BYTES], number[BASE_U256_TEXT_BYTES] = "TOKEN";
    if (token != NULL) base_u256_format(number, token);
    base_address_format(contract, &m->config->contract);
    /* The endpoint's URL is often a key: whoever starts the command knows it. */
    snprintf(out, cap,
             "nftmesh %s --data-dir %s --token %s --chain-id %" PRIu64
             " --contract %s --rpc URL --wallet-key-file FILE",
             verb, m->config->data_dir, number, m->config->chain_id, contract);
}

void mesh_boot_advice(const struct mesh *m, char *out, size_t cap)
{
    const struct chain_seat *seat =
        chain_snapshot_find_instance(m->snapshot, &m->identity.keys.instance);
    char contract[BASE_ADDRESS_TEXT_BYTES], key[9], command[MESH_COMMAND_BYTES];
    const char *then = m->config->wait ? ", it waits for that" : "";
    base_address_format(contract, &m->config->contract);
    base_hex_encode(key, m->identity.keys.node_key.bytes, 4);
    if (m->seat_refusal.reason != NODE_REASON_NO_SEAT) {
        snprintf(out, cap, "this node's seat does not count: %s (%s); `nftmesh why %s` explains",
                 node_reason_name(m->seat_refusal.reason), m->seat_refusal.found, key);
        return;
    }
    bool authorises = mesh_authority_is_on(m) && seat != NULL;
    mesh_boot_command(m, command, sizeof command, authorises ? "authorize" : "register",
                      seat != NULL ? &seat->token_id : NULL);
    if (mesh_authority_is_on(m))
        snprintf(out, cap, "no owner has authorised this node's keys on %s: %s `%s`%s", contract,
                 authorises ? "its instance is bound to that token, now" : "register it with",
                 command, then);
    else
        snprintf(out, cap, "this node has no seat on %s: register it with `%s`%s%s", contract,
                 command, seat != NULL ? " (its instance is bound to that token)" : "", then);
}

/* ---- coming alive ---- */

static int sign_statement(void *ctx, enum base_statement kind, const void *body, size_t len,
                          struct base_sig65 *sig)
{
    struct mesh *m = ctx;
    struct base_hash32 digest;
    base_eip712_statement(&digest, &m->identity.domain, kind, body, len);
    return base_ecdsa_sign(sig, &digest, &m->identity.keys.node_priv);
}

static int verify_statement(void *ctx, enum base_statement kind, const void *body, size_t len,
                            const struct base_sig65 *sig, const struct base_key33 *key)
{
    struct mesh *m = ctx;
    struct base_hash32 digest;
    base_eip712_statement(&digest, &m->identity.domain, kind, body, len);
    int rv = base_ecdsa_verify(&digest, sig, key);
    mesh_budget_statement(m, key, rv == BASE_OK);
    return rv;
}

static void fill_record(const struct mesh *m, struct gossip_record *record)
{
    const struct node_config *config = m->config;
    memset(record, 0, sizeof *record);
    record->node_key = m->identity.keys.node_key;
    record->incarnation = m->start_incarnation;
    record->instance = m->identity.keys.instance;
    record->name = base_slice_text(m->name);
    if (config->advertise != NULL) {
        record->urls[0] = base_slice_text(config->advertise);
        record->url_count = 1;
    }
    record->app_url = base_slice_text(config->app_url);
    record->version = base_slice_text(MESH_VERSION);
    for (size_t i = 0; i < config->tag_count && i < GOSSIP_TAGS_MAX; i++) {
        record->tags[i].key = base_slice_text(config->tags[i].key);
        record->tags[i].value = base_slice_text(config->tags[i].value);
        record->tag_count++;
    }
}

/* Lines 6 to 17 on ourselves: better we find a fault than every peer does. */
static int check_self(struct mesh *m, const uint8_t proof[NODE_PROOF_BYTES])
{
    struct node_facts facts;
    struct node_refusal refusal;
    struct base_buf sentence;
    struct mesh_member *self;
    if (node_admission_judge_member(&refusal, &facts, &m->admission, &m->identity.keys.node_key,
                                    &m->record, proof, NODE_PROOF_BYTES) == NODE_REASON_NONE) {
        self = mesh_member_put(m, &m->identity.keys.node_key);
        if (self == NULL) return BASE_ENOMEM;
        self->facts = facts;
        self->proved_by_session = true;
        self->verified_block = m->snapshot->block.number;
        return BASE_OK;
    }
    base_buf_init(&sentence, 1024);
    node_refusal_explain(&sentence, &refusal);
    mesh_fail(m, 1, "our own seat does not pass the checks that peers will make: %s",
              sentence.data);
    base_buf_deinit(&sentence);
    return BASE_EREFUSED;
}

/* Our own clock may be behind, and so may the chain's: the later of the two. */
static uint64_t latest_time_s(const struct mesh *m)
{
    uint64_t wall_s = mesh_wall() / 1000, block_s = m->snapshot->block.time_s;
    return wall_s > block_s ? wall_s : block_s;
}

int mesh_boot_gossip(struct mesh *m)
{
    struct gossip_config config;
    struct gossip_crypto crypto = {m, sign_statement, verify_statement};
    struct node_proof proof;
    uint8_t blob[NODE_PROOF_BYTES];
    gossip_config_default(&config);
    fill_record(m, &config.self);
    node_proof_of(&proof, &m->identity.keys);
    node_proof_encode(blob, &proof);
    config.proof = (struct base_slice){blob, sizeof blob};
    config.weight = mesh_seat_weight(m, &m->identity.keys.node_key);
    config.incarnation_max = latest_time_s(m) + FUTURE_MAX_S;
    config.links_max = (uint32_t)m->config->links_max;
    base_random(&config.seed, sizeof config.seed);
    int rv = gossip_new(&m->gossip, &config, &crypto, mesh_now());
    if (rv != BASE_OK) {
        mesh_fail(m, 1, "cannot join: our own record: %s", base_strerror(rv));
        return rv;
    }
    gossip_self_record(&m->record, m->gossip);
    rv = check_self(m, blob);
    if (rv != BASE_OK) {
        gossip_free(m->gossip);
        m->gossip = NULL;
        return rv;
    }
    struct gossip_event timer = {.type = GOSSIP_EV_TIMER};
    (void)mesh_gossip_step(m, &timer);
    mesh_dial_config(m);
    return mesh_consensus_new(m);
}
