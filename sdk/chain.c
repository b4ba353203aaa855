#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "chain/rpc.h"
#include "node/agent_client.h"
#include "node/bundle_store.h"
#include "node/chain_client.h"
#include "node/pins_store.h"
#include "node/transfer_store.h"
#include "sdk/authority.h"
#include "sdk/chain_id.h"
#include "sdk/handle.h"
#include "sdk/judge.h"

#define AGENT_RETRY_MS 2000
#define STORE_RETRY_MS 100
#define STORE_TRIES    30
#define OWN_GAP_MS     30000 /* between two looks for authorisations in the data directory */

/* Without a node: in the order of their being known, the chain id, the data directory, then guest
 * agent and chain beside each other. */
struct sdk_source {
    struct nftmesh *m;
    bool stopped;

    struct sdk_chain_id ids;
    uint64_t chain_id; /* 0: still asked for */

    bool stored; /* the data directory has been read */
    unsigned store_tries;
    uint64_t store_next_ms;
    uint8_t seed[NODE_STORE_SEED_BYTES];
    bool keep_pins; /* they are still to be written */

    uint64_t agent_next_ms;
    bool agent_answered, agent_ok;
    struct sdk_self self;
    struct base_eth_address app_id; /* the agent's, once it is ok */

    struct node_chain_client *chain;
    struct chain_transfers transfers;
    struct chain_poll_config poll;
    struct attest_pins pins;
    struct chain_snapshot *snapshot;
    struct node_admission admission;
    bool refused; /* the contract names a root that must not be trusted */
    bool listed;  /* a list has been shown */
    size_t bad_endpoints;
    bool is_bad[SDK_RPC_MAX];

    struct sdk_authority *authority; /* NULL: the contract stores the keys, or is not known yet */
    bool own_read;                   /* the data directory has been looked through */
    unsigned own_tries;
    uint64_t own_next_ms;
};

/* ---- the data directory ---- */

/* What development chains leave behind is of no use to the next one, which has the same id and
 * the same addresses: then only the seed is kept. */
static bool keeps_trust(const struct sdk_source *s)
{
    return !sdk_config_is_dev_chain(s->chain_id);
}

static int load(struct sdk_source *s, struct node_store *store, char *why)
{
    struct node_store_reference ref;
    bool made;
    int rv = node_store_seed(store, s->seed, &made, why);
    if (rv != BASE_OK || !keeps_trust(s)) return rv;
    rv = node_pins_load(&s->pins, store, s->chain_id, &s->m->config.contract, why);
    if (rv != BASE_OK) return rv;
    s->poll.has_genesis = node_store_genesis_load(store, &s->poll.genesis, why) == BASE_OK;
    s->poll.has_reference = node_store_reference_load(store, &ref, why) == BASE_OK;
    if (s->poll.has_reference) {
        s->poll.reference.number = ref.number;
        s->poll.reference.hash = ref.hash;
    }
    if (node_transfers_load(&s->transfers, store, why) == BASE_OK)
        s->poll.transfers = &s->transfers;
    return BASE_OK;
}

/* One process holds the directory's lock at a time, and we only for a moment. */
static int with_store(struct sdk_source *s, char *why,
                      int (*act)(struct sdk_source *, struct node_store *, char *))
{
    struct node_store *store;
    char dir[NODE_STORE_PATH_BYTES], text[SDK_WHY_BYTES] = "";
    int rv = sdk_config_data_dir(dir, sizeof dir, &s->m->config, s->chain_id, text);
    snprintf(why, NODE_STORE_WHY_BYTES, "%s", text);
    if (rv != BASE_OK) return rv;
    if (pthread_mutex_trylock(&s->m->disk) != 0) return BASE_EEXIST; /* we are registering */
    rv = node_store_open(&store, dir, why);
    if (rv == BASE_OK) {
        rv = act(s, store, why);
        node_store_close(store);
    }
    pthread_mutex_unlock(&s->m->disk);
    return rv;
}

static int start_chain(struct sdk_source *s);

static uint64_t turn_store(struct sdk_source *s, uint64_t now_ms)
{
    char why[NODE_STORE_WHY_BYTES];
    if (s->store_next_ms > now_ms) return s->store_next_ms;
    int rv = with_store(s, why, load);
    if (rv == BASE_OK) rv = start_chain(s);
    if (rv == BASE_OK) {
        s->stored = true;
        return now_ms;
    }
    s->store_next_ms = now_ms + STORE_RETRY_MS;
    if (rv != BASE_EEXIST)
        s->store_next_ms = UINT64_MAX;
    else if (++s->store_tries < STORE_TRIES)
        return s->store_next_ms;
    if (rv != BASE_EUNSUPPORTED) /* that one has been told */
        sdk_known_trouble(&s->m->known, NFTMESH_ERR_STORE, true, "%s%s", why,
                          rv == BASE_EEXIST ? "; if that is a node, set NFTMESH_HTTP to ask it"
                                            : "");
    return s->store_next_ms;
}

static int save(struct sdk_source *s, struct node_store *store, char *why)
{
    struct chain_poll_status status;
    struct chain_transfers transfers;
    int rv = BASE_OK;
    chain_poll_status(node_chain_client_poll(s->chain), &status);
    struct node_store_reference ref = {status.reference.number, status.reference.hash};
    if (s->keep_pins)
        rv = node_pins_save(&s->pins, store, s->chain_id, &s->m->config.contract, why);
    if (rv == BASE_OK) s->keep_pins = false;
    if (rv == BASE_OK && status.has_genesis)
        rv = node_store_genesis_save(store, &status.genesis, why);
    if (rv == BASE_OK && status.has_reference) rv = node_store_reference_save(store, &ref, why);
    if (rv == BASE_OK &&
        chain_poll_transfers(node_chain_client_poll(s->chain), &transfers) == BASE_OK) {
        rv = node_transfers_save(store, &transfers, why);
        chain_transfers_free(&transfers);
    }
    return rv;
}

/* Best effort: what cannot be kept now is first seen again at the next start. */
static void keep(struct sdk_source *s)
{
    char why[NODE_STORE_WHY_BYTES];
    if (s->chain != NULL && keeps_trust(s)) (void)with_store(s, why, save);
}

/* ---- the guest agent ---- */

static void adopt(struct sdk_source *s);
static void publish(struct sdk_source *s);

static void refuse_agent(struct sdk_source *s, const char *why)
{
    s->agent_answered = true;
    sdk_known_agent(&s->m->known, NFTMESH_ERR_AGENT, why, NULL);
    publish(s);
}

static void take_keys(struct sdk_source *s, const struct node_agent_answer *answer)
{
    struct node_keyset keys;
    char instance[2 * BASE_ADDRESS_BYTES + 1];
    int rv = node_keyset_from_agent(&keys, &answer->info, &answer->key, s->seed);
    s->self.instance = answer->info.instance;
    s->self.has_instance = true;
    s->self.has_keys = rv == BASE_OK;
    s->self.node_key = keys.node_key;
    s->self.proof_key = keys.proof_key;
    s->app_id = answer->info.app_id;
    base_memzero(&keys, sizeof keys);
    base_memzero(s->seed, sizeof s->seed);
    s->agent_ok = s->agent_answered = true;
    base_hex_encode(instance, answer->info.instance.bytes, sizeof answer->info.instance.bytes);
    sdk_known_agent(&s->m->known, NFTMESH_OK, "", instance);
    if (s->authority != NULL) {
        sdk_authority_self(s->authority, &s->self, &s->app_id);
        adopt(s);
    } else {
        publish(s);
    }
}

static void on_agent(void *ctx, const struct node_agent_answer *answer)
{
    struct sdk_source *s = ctx;
    char why[SDK_WHY_BYTES];
    if (s->stopped) return;
    const char *path = sdk_config_dstack(&s->m->config);
    s->agent_next_ms = sdk_now_ms() + AGENT_RETRY_MS;
    if (answer->err != BASE_OK) {
        snprintf(why, sizeof why,
                 "the guest agent at %s: %.300s: is this a DStack VM? set DSTACK_SOCKET, for "
                 "development start `nftmesh simulator`",
                 path, answer->why);
        refuse_agent(s, why);
    } else if (attest_dev_judge(s->m->config.dev, s->chain_id, NULL, 0, answer->info.app_name) ==
               ATTEST_DEV_SIMULATOR) {
        snprintf(why, sizeof why,
                 "the guest agent at %s is the simulator, which proves nothing: set NFTMESH_DEV=1 "
                 "on a development chain, or use a DStack VM",
                 path);
        refuse_agent(s, why);
    } else {
        take_keys(s, answer);
    }
}

static uint64_t turn_agent(struct sdk_source *s, uint64_t now_ms)
{
    if (s->agent_ok) return UINT64_MAX;
    if (s->agent_next_ms > now_ms) return s->agent_next_ms;
    s->agent_next_ms = UINT64_MAX;
    if (node_agent_ask(s->m->http, sdk_config_dstack(&s->m->config), s->chain_id,
                       &s->m->config.contract, on_agent, s) != BASE_OK) {
        s->agent_next_ms = now_ms + AGENT_RETRY_MS;
        refuse_agent(s, "the guest agent cannot be asked: no memory");
    }
    return s->agent_next_ms;
}

/* ---- the chain ---- */

/* Does our own registration stand? Where the contract stores no keys our own authorisation is it,
 * which is public, and may have to wait for the chain to be read so far. */
static void publish_own(struct sdk_source *s)
{
    struct node_bundle mine;
    char why[SDK_WHY_BYTES] = "", info[NFTMESH_INFO_BYTES];
    enum sdk_authority_own own =
        s->authority != NULL ? sdk_authority_mine(&mine, s->authority) : SDK_AUTHORITY_NONE;
    bool shown = s->authority == NULL || own != SDK_AUTHORITY_NONE;
    if (!s->self.has_keys || (s->authority != NULL && !s->own_read)) return;
    nftmesh_status_t status = sdk_judge_self(why, sizeof why, &s->admission, &s->self);
    if (own == SDK_AUTHORITY_WAITS && status != NFTMESH_OK) {
        status = NFTMESH_UNKNOWN;
        snprintf(why, sizeof why, "this instance's authorisation waits for the chain to be read");
    }
    if (own != SDK_AUTHORITY_NONE)
        sdk_info_bundle(info, s->chain_id, s->m->contract, s->m->known.instance, &mine);
    else
        sdk_info_format(info, s->chain_id, s->m->contract, s->m->known.instance, "");
    sdk_known_info(&s->m->known, shown ? NFTMESH_OK : NFTMESH_ERR_NOT_REGISTERED, info);
    sdk_known_authorised(&s->m->known, own != SDK_AUTHORITY_NONE ? mine.not_after : 0);
    sdk_known_own(&s->m->known, status, s->snapshot->block.number, why);
}

/* False: who counts is still being asked for, and a list without them would be a wrong one. */
static bool is_settled(struct sdk_source *s)
{
    char why[SDK_WHY_BYTES];
    if (s->authority == NULL ||
        sdk_authority_is_settled(s->authority, sdk_now_ms(), why, sizeof why))
        return true;
    sdk_known_trouble(&s->m->known, NFTMESH_UNKNOWN, false, "%s", why);
    return false;
}

/* The list as of the snapshot at hand. It waits for the guest agent's first word, so that we are
 * not among our own peers. */
static void publish(struct sdk_source *s)
{
    struct sdk_builder builder;
    struct chain_poll_status status;
    struct sdk_keyless keyless = {sdk_authority_explain, s->authority};
    if (s->snapshot == NULL || s->refused || !s->agent_answered) return;
    publish_own(s);
    if (!is_settled(s)) return;
    s->listed = true;
    chain_poll_status(node_chain_client_poll(s->chain), &status);
    sdk_builder_init(&builder);
    sdk_judge_peers(&builder, &s->admission, &s->self, s->authority != NULL ? &keyless : NULL);
    nftmesh_peers_t *list = sdk_builder_finish(&builder, s->snapshot->block.number);
    sdk_builder_deinit(&builder);
    if (list == NULL)
        sdk_known_trouble(&s->m->known, NFTMESH_ERR_MEMORY, false, "no memory for the peers");
    else
        sdk_known_list(&s->m->known, list, status.has_good ? status.good_ms : sdk_now_ms());
}

static void see_pins(struct sdk_source *s)
{
    bool changed = false;
    struct attest_pins_seen seen = {0};
    if (s->authority != NULL)
        seen = sdk_authority_seen(s->authority);
    else
        seen = (struct attest_pins_seen){s->snapshot->kms_root, s->snapshot->app_ids,
                                         s->snapshot->app_id_count};
    int rv = attest_pins_see(&s->pins, &changed, &seen, s->m->config.dev);
    s->refused = rv != BASE_OK;
    if (rv == BASE_EREFUSED)
        sdk_known_trouble(
            &s->m->known, NFTMESH_ERR_REFUSED, true,
            "the contract names a KMS root whose private key is public: anybody could "
            "join; pin the right one with NFTMESH_KMS_ROOT, or set NFTMESH_DEV=1 on a "
            "development chain");
    else if (rv != BASE_OK)
        sdk_known_trouble(&s->m->known, NFTMESH_ERR_REFUSED, true,
                          "the contract's KMS root or app ids cannot be trusted: %s",
                          base_strerror(rv));
    chain_poll_set_roots(node_chain_client_poll(s->chain), s->pins.roots, s->pins.root_count);
    if (!changed) return;
    s->keep_pins = true;
    keep(s);
}

static void no_memory(struct sdk_source *s)
{
    sdk_known_trouble(&s->m->known, NFTMESH_ERR_MEMORY, false, "no memory for the seats");
}

/* What we judge by has changed: the chain, what is known of authorisations, or who we are. */
static void adopt(struct sdk_source *s)
{
    struct chain_snapshot *derived;
    see_pins(s);
    if (s->authority != NULL) {
        if (sdk_authority_derive(&derived, s->authority) != BASE_OK) {
            no_memory(s);
            return;
        }
        chain_snapshot_free(s->snapshot);
        s->snapshot = derived;
    }
    s->admission.snapshot = s->snapshot;
    publish(s);
}

/* Which contract it is stays as it was first agreed on: chain/poll.h. */
static int take_keyless(struct sdk_source *s, struct chain_snapshot *raw)
{
    struct sdk_authority_config config = {.http = s->m->http,
                                          .poll = node_chain_client_poll(s->chain),
                                          .pins = &s->pins,
                                          .config = &s->m->config};
    base_eip712_domain_init(&config.domain, s->chain_id, &s->m->config.contract);
    if (s->authority == NULL) {
        int rv = sdk_authority_new(&s->authority, &config);
        if (rv != BASE_OK) {
            chain_snapshot_free(raw);
            return rv;
        }
        sdk_authority_self(s->authority, &s->self, s->agent_ok ? &s->app_id : NULL);
    }
    return sdk_authority_take(s->authority, raw);
}

static void on_snapshot(void *ctx, struct chain_snapshot *snapshot)
{
    struct sdk_source *s = ctx;
    if (snapshot->kind == CHAIN_KIND_PROTOTYPE) {
        if (take_keyless(s, snapshot) != BASE_OK) {
            no_memory(s);
            return;
        }
    } else {
        chain_snapshot_free(s->snapshot);
        s->snapshot = snapshot;
    }
    adopt(s);
}

/* The endpoints say why there is nothing new. Once all of them are of another chain or have no
 * contract there, waiting does not help. */
static void on_note(void *ctx, const struct chain_poll_action *note)
{
    struct sdk_source *s = ctx;
    char origin[NODE_HTTP_ORIGIN_BYTES] = "the endpoints";
    bool bad = note->note == CHAIN_POLL_NOTE_ENDPOINT_BAD;
    bool good = note->note == CHAIN_POLL_NOTE_ENDPOINT_UP ||
                note->note == CHAIN_POLL_NOTE_GENESIS || note->note == CHAIN_POLL_NOTE_KIND ||
                note->note == CHAIN_POLL_NOTE_TRANSFERS || note->note == CHAIN_POLL_NOTE_REORG;
    if (note->endpoint != CHAIN_NONE) {
        node_http_origin(origin, s->m->config.rpc[note->endpoint]);
        s->bad_endpoints -= s->is_bad[note->endpoint];
        s->is_bad[note->endpoint] = bad;
        s->bad_endpoints += bad;
    }
    if (good || s->refused || s->snapshot != NULL) return; /* with a list, its age tells */
    sdk_known_trouble(&s->m->known, bad ? NFTMESH_ERR_CHAIN : NFTMESH_UNKNOWN,
                      bad && s->bad_endpoints == s->m->config.rpc_count, "%s: %s: %s", origin,
                      chain_poll_note_name(note->note), note->text);
}

/* Nothing new is known to be still true, once K votes have said so. */
static void on_quiet(void *ctx)
{
    struct sdk_source *s = ctx;
    struct chain_poll_status status;
    chain_poll_status(node_chain_client_poll(s->chain), &status);
    if (!s->listed || s->refused || !status.has_good) return;
    if (status.went_back)
        sdk_known_trouble(&s->m->known, NFTMESH_UNKNOWN, false,
                          "the chain went back behind a block that was agreed on");
    else
        sdk_known_confirm(&s->m->known, status.good_ms);
}

static enum chain_finality finality_of(const struct sdk_source *s, uint32_t *confirmations)
{
    const struct node_finality *wanted = &s->m->config.finality;
    *confirmations = (uint32_t)wanted->depth;
    switch (wanted->kind) {
    case NODE_FINALITY_LATEST:
        return CHAIN_FINALITY_LATEST;
    case NODE_FINALITY_SAFE:
        return CHAIN_FINALITY_SAFE;
    case NODE_FINALITY_FINALIZED:
        return CHAIN_FINALITY_FINALIZED;
    case NODE_FINALITY_UNDECIDED:
        break;
    }
    return sdk_config_is_dev_chain(s->chain_id) ? CHAIN_FINALITY_LATEST : CHAIN_FINALITY_SAFE;
}

static int start_chain(struct sdk_source *s)
{
    const struct sdk_config *config = &s->m->config;
    struct node_chain_client_config chain = {.http = s->m->http,
                                             .now_ms = sdk_now_ms,
                                             .ctx = s,
                                             .on_snapshot = on_snapshot,
                                             .on_note = on_note,
                                             .on_quiet = on_quiet};
    char why[CHAIN_POLL_TEXT_BYTES];
    s->poll.urls = (const char *const *)config->rpc;
    s->poll.url_count = config->rpc_count;
    s->poll.agree = config->rpc_agree;
    s->poll.finality = finality_of(s, &s->poll.confirmations);
    s->poll.chain_id = s->chain_id;
    s->poll.contract = config->contract;
    for (size_t i = 0; i < s->pins.root_count && i < CHAIN_ROOTS_MAX; i++)
        s->poll.roots[s->poll.root_count++] = s->pins.roots[i];
    for (size_t i = 0; i < s->pins.app_id_count; i++)
        s->poll.app_ids[s->poll.app_id_count++] = s->pins.app_ids[i];
    chain.poll = s->poll;
    s->admission = (struct node_admission){.pins = &s->pins,
                                           .chain_id = s->chain_id,
                                           .contract = config->contract,
                                           .settings = "",
                                           .dev = config->dev};
    if (node_chain_client_new(&s->chain, &chain, why) == BASE_OK) return BASE_OK;
    sdk_known_trouble(&s->m->known, NFTMESH_ERR_CONFIG, true, "RPC_URL: %s", why);
    return BASE_EUNSUPPORTED;
}

static uint64_t turn_chain(struct sdk_source *s, uint64_t now_ms)
{
    struct chain_poll_event timer = {.kind = CHAIN_POLL_TIMER};
    struct chain_poll *poll = node_chain_client_poll(s->chain);
    if (chain_poll_deadline_ms(poll) <= now_ms) (void)node_chain_client_step(s->chain, &timer);
    return chain_poll_deadline_ms(poll);
}

/* ---- our own authorisation, in the data directory ---- */

static int offer_own(void *ctx, const struct node_bundle *bundle)
{
    sdk_authority_own(ctx, bundle);
    return BASE_OK;
}

static int read_own(struct sdk_source *s, struct node_store *store, char *why)
{
    return node_bundles_load(store, offer_own, s->authority, why);
}

/* Once, and from time to time while none counts: the owner may sign elsewhere and put it there. */
static uint64_t turn_own(struct sdk_source *s, uint64_t now_ms)
{
    struct node_bundle mine;
    char why[NODE_STORE_WHY_BYTES];
    if (!s->agent_ok || s->own_next_ms > now_ms) return s->agent_ok ? s->own_next_ms : UINT64_MAX;
    s->own_next_ms = now_ms + OWN_GAP_MS;
    if (s->own_read && sdk_authority_mine(&mine, s->authority) == SDK_AUTHORITY_COUNTS)
        return s->own_next_ms;
    int rv = with_store(s, why, read_own);
    if (rv == BASE_EEXIST && ++s->own_tries < STORE_TRIES) s->own_next_ms = now_ms + STORE_RETRY_MS;
    if (rv == BASE_OK || s->own_tries >= STORE_TRIES) s->own_read = true;
    return s->own_next_ms;
}

static uint64_t turn_authority(struct sdk_source *s, uint64_t now_ms)
{
    struct node_bundle issued;
    char why[SDK_WHY_BYTES];
    if (s->authority == NULL) return UINT64_MAX;
    if (sdk_known_take_issued(&s->m->known, &issued)) {
        sdk_authority_own(s->authority, &issued);
        s->own_read = true;
    }
    uint64_t own_ms = turn_own(s, now_ms);
    uint64_t ask_ms = sdk_authority_turn(s->authority, now_ms);
    if (sdk_authority_take_moved(s->authority)) adopt(s);
    if (!s->listed && sdk_authority_is_settled(s->authority, now_ms, why, sizeof why)) publish(s);
    return own_ms < ask_ms ? own_ms : ask_ms;
}

/* ---- the source ---- */

static int start(struct sdk_source **out, struct nftmesh *m)
{
    struct sdk_source *s = calloc(1, sizeof *s);
    if (s == NULL) return BASE_ENOMEM;
    s->m = m;
    s->ids.m = m;
    s->chain_id = m->config.chain_id;
    *out = s;
    if (s->chain_id != 0) sdk_known_chain(&m->known, s->chain_id);
    return attest_pins_set_flags(&s->pins, m->config.roots, m->config.root_count, m->config.app_ids,
                                 m->config.app_id_count);
}

static uint64_t turn(struct sdk_source *s, uint64_t now_ms)
{
    if (s->stopped) return UINT64_MAX;
    if (s->chain_id == 0) s->chain_id = s->ids.id;
    if (s->chain_id == 0) return sdk_chain_id_turn(&s->ids, now_ms);
    if (!s->stored) return turn_store(s, now_ms);
    uint64_t agent_ms = turn_agent(s, now_ms), chain_ms = turn_chain(s, now_ms);
    uint64_t authority_ms = turn_authority(s, now_ms);
    if (authority_ms < chain_ms) chain_ms = authority_ms;
    return agent_ms < chain_ms ? agent_ms : chain_ms;
}

static void wake(struct sdk_source *s)
{
    struct chain_poll_event event = {.kind = CHAIN_POLL_WAKE};
    if (s->chain != NULL) (void)node_chain_client_step(s->chain, &event);
}

static void stop(struct sdk_source *s)
{
    s->stopped = s->ids.stopped = true;
    keep(s);
    if (s->chain != NULL) node_chain_client_stop(s->chain);
    if (s->authority != NULL) sdk_authority_stop(s->authority);
}

static void free_source(struct sdk_source *s)
{
    if (s == NULL) return;
    sdk_authority_free(s->authority);
    node_chain_client_free(s->chain);
    chain_snapshot_free(s->snapshot);
    chain_transfers_free(&s->transfers);
    base_memzero(s, sizeof *s);
    free(s);
}

const struct sdk_source_ops sdk_chain_ops = {start, turn, wake, stop, free_source};
