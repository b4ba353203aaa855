#include "sdk/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "chain/poll.h"
#include "node/store.h"

#define TIMEOUT_MS          10000
#define REGISTER_TIMEOUT_MS 300000
#define STALE_MS            15000

static const char *const sockets[] = {"/var/run/dstack.sock", "./simulator/dstack.sock",
                                      "/app/simulator/dstack.sock", "/tmp/dstack.sock"};

/* Where values come from, and where the first mistake is told. */
struct source {
    nftmesh_options_t given;
    node_option_env *env;
    void *env_ctx;
    char *why;
};

static int refuse(struct source *s, const char *what, const char *half)
{
    snprintf(s->why, SDK_WHY_BYTES, "%s %s", what, half);
    return BASE_EINVAL;
}

/* The option, else the first of two variables that is set; *name is for messages. Empty is unset:
 * compose files make such. */
static const char *pick(struct source *s, const char **name, const char *option, const char *member,
                        const char *variable, const char *alias)
{
    const char *value;
    *name = member;
    if (option != NULL && *option != '\0') return option;
    *name = variable;
    value = s->env(s->env_ctx, variable);
    if (value != NULL && *value != '\0') return value;
    *name = alias;
    value = alias != NULL ? s->env(s->env_ctx, alias) : NULL;
    return value != NULL && *value != '\0' ? value : NULL;
}

static int copy(char **out, const char *value)
{
    *out = value != NULL ? strdup(value) : NULL;
    return value != NULL && *out == NULL ? BASE_ENOMEM : BASE_OK;
}

/* ---- the mesh ---- */

static const struct {
    const char *name;
    uint64_t id;
} chains[] = {
    {"base", 8453},        {"base-sepolia", 84532}, {"ethereum", 1},
    {"sepolia", 11155111}, {"anvil", 31337},
};

static int number_parse(uint64_t *out, const char *text, size_t len, uint64_t max)
{
    *out = 0;
    if (len == 0 || len > 19) return BASE_EMALFORMED;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return BASE_EMALFORMED;
        *out = *out * 10 + (uint64_t)(text[i] - '0');
    }
    return *out <= max ? BASE_OK : BASE_ETOOBIG;
}

static int chain_parse(uint64_t *out, const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
        if (strlen(chains[i].name) != len || memcmp(chains[i].name, text, len) != 0) continue;
        *out = chains[i].id;
        return BASE_OK;
    }
    int rv = number_parse(out, text, len, ((uint64_t)1 << 53) - 1);
    return rv == BASE_OK && *out == 0 ? BASE_EMALFORMED : rv;
}

static int take_mesh(struct sdk_config *c, struct source *s, const char *mesh)
{
    const char *what, *id_name, *colon;
    const char *text = pick(s, &what, mesh, "mesh", "CONTRACT_ADDRESS", "NFTMESH_CONTRACT");
    if (text == NULL)
        return refuse(s, "mesh", "is missing: give NAME:0x.. or set CONTRACT_ADDRESS");
    colon = strchr(text, ':');
    if (colon != NULL && chain_parse(&c->chain_id, text, (size_t)(colon - text)) != BASE_OK)
        return refuse(s, what,
                      "names a chain that is not known: write base, base-sepolia, ethereum, "
                      "sepolia, anvil or a chain id in front of :0x..");
    const char *id =
        colon != NULL ? NULL : pick(s, &id_name, NULL, NULL, "NFTMESH_CHAIN_ID", "CHAIN_ID");
    if (id != NULL && chain_parse(&c->chain_id, id, strlen(id)) != BASE_OK)
        return refuse(s, id_name, "is no chain id: write a decimal number");
    if (base_address_parse(&c->contract, colon != NULL ? colon + 1 : text) != BASE_OK ||
        base_is_zero(&c->contract, sizeof c->contract))
        return refuse(s, what,
                      "is no contract: write NAME:0x.. with 40 hex digits (mixed case must carry a "
                      "right EIP-55 check sum)");
    return BASE_OK;
}

/* ---- URLs ---- */

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~') return false;
    return true;
}

static bool is_http(const char *text)
{
    return (strncmp(text, "http://", 7) == 0 && text[7] != '\0') ||
           (strncmp(text, "https://", 8) == 0 && text[8] != '\0');
}

static int take_url(struct sdk_config *c, struct source *s, const char *url)
{
    const char *what;
    const char *text = pick(s, &what, url, "url", "CONNECTION_URL", "NFTMESH_APP_URL");
    if (text == NULL) return BASE_OK;
    if (strlen(text) > CHAIN_URL_BYTES_MAX || !is_plain(text) || !is_http(text))
        return refuse(s, what, "is no http or https URL of at most 256 plain characters");
    return copy(&c->url, text);
}

/* Calls take(word) for each word of a list. */
static int each(const char *list, int (*take)(struct sdk_config *, const char *word),
                struct sdk_config *c)
{
    char word[CHAIN_POLL_URL_BYTES_MAX];
    int rv = BASE_OK;
    for (const char *at = list; rv == BASE_OK; at += strcspn(at, ", \t\n")) {
        at += strspn(at, ", \t\n");
        size_t len = strcspn(at, ", \t\n");
        if (len == 0) break;
        if (len >= sizeof word) return BASE_ETOOBIG;
        memcpy(word, at, len);
        word[len] = '\0';
        rv = take(c, word);
    }
    return rv;
}

static int take_one_rpc(struct sdk_config *c, const char *word)
{
    if (!is_http(word) || !is_plain(word)) return BASE_EINVAL;
    if (c->rpc_count == SDK_RPC_MAX) return BASE_ETOOBIG;
    int rv = copy(&c->rpc[c->rpc_count], word);
    if (rv == BASE_OK) c->rpc_count++;
    return rv;
}

static int take_one_root(struct sdk_config *c, const char *word)
{
    if (c->root_count == ATTEST_PIN_ROOTS_MAX) return BASE_ETOOBIG;
    return base_address_parse(&c->roots[c->root_count++], word);
}

static int take_one_app(struct sdk_config *c, const char *word)
{
    if (c->app_id_count == ATTEST_PIN_APP_IDS_MAX) return BASE_ETOOBIG;
    return base_hex_decode_0x(c->app_ids[c->app_id_count++].bytes, BASE_ADDRESS_BYTES, word);
}

static int take_one_range(struct sdk_config *c, const char *word)
{
    if (c->dial_allow_count == SDK_DIAL_ALLOW_MAX) return BASE_ETOOBIG;
    return node_cidr_parse(&c->dial_allow[c->dial_allow_count++], word);
}

static int take_lists(struct sdk_config *c, struct source *s)
{
    const char *what, *text;
    int rv = BASE_OK;
    text = pick(s, &what, s->given.rpc, "options.rpc", "NFTMESH_RPC", "RPC_URL");
    if (text != NULL) rv = each(text, take_one_rpc, c);
    if (rv == BASE_ENOMEM) return rv;
    if (rv != BASE_OK)
        return refuse(s, what, "is no list of at most 16 http or https URLs of 511 characters");
    text = pick(s, &what, s->given.kms_root, "options.kms_root", "NFTMESH_KMS_ROOT", NULL);
    if (text != NULL) rv = each(text, take_one_root, c);
    if (rv != BASE_OK) return refuse(s, what, "is no list of at most 4 addresses 0x..");
    text = pick(s, &what, s->given.app_id, "options.app_id", "NFTMESH_APP_ID", NULL);
    if (text != NULL) rv = each(text, take_one_app, c);
    if (rv != BASE_OK) return refuse(s, what, "is no list of at most 64 app ids, 40 hex digits");
    text = pick(s, &what, s->given.dial_allow, "options.dial_allow", "NFTMESH_DIAL_ALLOW", NULL);
    if (text != NULL) rv = each(text, take_one_range, c);
    if (rv != BASE_OK)
        return refuse(s, what, "is no list of at most 32 address ranges like 10.0.0.0/8");
    return BASE_OK;
}

/* http://host:port, or unix:/path. */
static int take_node(struct sdk_config *c, struct source *s)
{
    const char *what;
    const char *text = pick(s, &what, s->given.node, "options.node", "NFTMESH_HTTP", NULL);
    struct node_url url;
    if (text == NULL) return BASE_OK;
    if (strncmp(text, "unix:", 5) == 0) {
        if (text[5] == '\0' || strlen(text + 5) >= sizeof c->node_socket)
            return refuse(s, what, "names no socket: write unix:/path, at most 107 bytes of path");
        snprintf(c->node_socket, sizeof c->node_socket, "%s", text + 5);
        return copy(&c->node_url, "http://localhost");
    }
    if (node_url_parse(&url, text) != BASE_OK || !is_http(text) ||
        (url.path[0] != '\0' && strcmp(url.path, "/") != 0))
        return refuse(s, what,
                      "is no node: write http://host:port of its --http, or unix:/path of its "
                      "control.sock");
    int rv = copy(&c->node_url, text);
    size_t len = strlen(text);
    if (rv == BASE_OK && text[len - 1] == '/') c->node_url[len - 1] = '\0';
    return rv;
}

/* ---- the rest ---- */

static int take_paths(struct sdk_config *c, struct source *s)
{
    const char *what, *text;
    text = pick(s, &what, s->given.dstack, "options.dstack", "NFTMESH_DSTACK", "DSTACK_SOCKET");
    if (text != NULL && strlen(text) >= sizeof c->dstack)
        return refuse(s, what, "is too long for a socket: at most 107 bytes");
    if (text != NULL) snprintf(c->dstack, sizeof c->dstack, "%s", text);
    text = pick(s, &what, s->given.data_dir, "options.data_dir", "NFTMESH_DATA_DIR", NULL);
    if (text != NULL && strlen(text) + sizeof "/control.sock" > SDK_SOCKET_BYTES)
        return refuse(s, what, "is too long: at most 93 bytes");
    int rv = copy(&c->data_dir, text);
    text = pick(s, &what, s->given.tls_ca, "options.tls_ca", "NFTMESH_TLS_CA", NULL);
    if (rv == BASE_OK) rv = copy(&c->tls_ca, text);
    const char *state = s->env(s->env_ctx, "XDG_STATE_HOME"), *home = s->env(s->env_ctx, "HOME");
    char path[NODE_STORE_PATH_BYTES];
    if (state != NULL && state[0] == '/')
        snprintf(path, sizeof path, "%s/nftmesh", state);
    else if (home != NULL && home[0] == '/')
        snprintf(path, sizeof path, "%s/.local/state/nftmesh", home);
    else
        return rv;
    return rv == BASE_OK ? copy(&c->state_home, path) : rv;
}

/* A file wins over a key in the environment, an option over both. */
static int take_wallet(struct sdk_config *c, struct source *s)
{
    const char *what, *file_name;
    const char *file = pick(s, &file_name, s->given.wallet_key_file, "options.wallet_key_file",
                            "NFTMESH_WALLET_KEY_FILE", NULL);
    const char *key =
        pick(s, &what, s->given.wallet_key, "options.wallet_key", "PRIVATE_KEY", NULL);
    const char *password =
        pick(s, &file_name, s->given.wallet_password_file, "options.wallet_password_file",
             "NFTMESH_WALLET_PASSWORD_FILE", NULL);
    struct base_privkey check;
    int rv = copy(&c->wallet_password_file, password);
    if (rv != BASE_OK) return rv;
    if (file != NULL && s->given.wallet_key == NULL) return copy(&c->wallet_file, file);
    if (key == NULL) return BASE_OK;
    rv = base_hex_decode_0x(check.bytes, sizeof check.bytes, key);
    base_memzero(&check, sizeof check);
    if (rv != BASE_OK) return refuse(s, what, "is no private key: 64 hex digits");
    snprintf(c->wallet_hex, sizeof c->wallet_hex, "%s", key);
    return BASE_OK;
}

static int take_token(struct sdk_config *c, struct source *s)
{
    uint64_t number;
    if (s->given.token == NULL || s->given.token[0] == '\0') return BASE_OK;
    if (number_parse(&number, s->given.token, strlen(s->given.token), UINT64_MAX) != BASE_OK)
        return refuse(s, "options.token", "is no token: a decimal number");
    c->token = base_u256_from_u64(number);
    c->has_token = true;
    return BASE_OK;
}

static int take_agree(struct sdk_config *c, struct source *s)
{
    uint64_t number = s->given.rpc_agree;
    const char *what;
    const char *text = pick(s, &what, NULL, NULL, "NFTMESH_RPC_AGREE", NULL);
    if (number == 0 && text != NULL && number_parse(&number, text, strlen(text), 16) != BASE_OK)
        return refuse(s, what, "is no number of votes, 1 to 16");
    c->rpc_agree = (uint32_t)number;
    return BASE_OK;
}

static int take_trust(struct sdk_config *c, struct source *s)
{
    const char *what, *text;
    text = pick(s, &what, s->given.finality, "options.finality", "NFTMESH_FINALITY", NULL);
    if (text != NULL && node_finality_parse(&c->finality, text) != BASE_OK)
        return refuse(s, what, "is none of latest, latest:N, safe, finalized");
    if (text == NULL) c->finality = (struct node_finality){NODE_FINALITY_UNDECIDED, 0};
    text = pick(s, &what, NULL, NULL, "NFTMESH_DEV", NULL);
    c->dev = s->given.dev != 0 || (text != NULL && strchr("1tTyY", text[0]) != NULL) ||
             (text != NULL && strcmp(text, "on") == 0);
    if (c->dev && c->chain_id != 0 && !sdk_config_is_dev_chain(c->chain_id))
        return refuse(s, "options.dev (NFTMESH_DEV)",
                      "is refused on this chain: it trusts keys that everybody has, so it works on "
                      "chains 31337 and 1337 only");
    return BASE_OK;
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value != 0 ? value : fallback;
}

bool sdk_config_is_dev_chain(uint64_t chain_id)
{
    return chain_id == 31337 || chain_id == 1337;
}

int sdk_config_parse(struct sdk_config *out, const char *mesh, const char *url,
                     const nftmesh_options_t *options, node_option_env *env, void *env_ctx,
                     char why[SDK_WHY_BYTES])
{
    struct source s = {.env = env, .env_ctx = env_ctx, .why = why};
    memset(out, 0, sizeof *out);
    why[0] = '\0';
    if (options != NULL && options->size < sizeof options->size)
        return refuse(&s, "options.size", "is not set: begin with NFTMESH_OPTIONS_INIT");
    if (options != NULL)
        memcpy(&s.given, options, options->size < sizeof s.given ? options->size : sizeof s.given);
    int rv = take_mesh(out, &s, mesh);
    if (rv == BASE_OK) rv = take_url(out, &s, url);
    if (rv == BASE_OK) rv = take_lists(out, &s);
    if (rv == BASE_OK) rv = take_node(out, &s);
    if (rv == BASE_OK) rv = take_paths(out, &s);
    if (rv == BASE_OK) rv = take_wallet(out, &s);
    if (rv == BASE_OK) rv = take_token(out, &s);
    if (rv == BASE_OK) rv = take_agree(out, &s);
    if (rv == BASE_OK) rv = take_trust(out, &s);
    if (rv == BASE_OK && out->node_url == NULL && out->rpc_count == 0)
        rv = refuse(&s, "options.rpc (RPC_URL)",
                    "is missing: name the chain's endpoints, or a node by NFTMESH_HTTP");
    out->timeout_ms = or_default(s.given.timeout_ms, TIMEOUT_MS);
    out->register_timeout_ms = or_default(s.given.register_timeout_ms, REGISTER_TIMEOUT_MS);
    out->stale_ms = or_default(s.given.stale_ms, STALE_MS);
    if (rv == BASE_ENOMEM) snprintf(why, SDK_WHY_BYTES, "%s", base_strerror(rv));
    if (rv != BASE_OK) sdk_config_deinit(out);
    return rv;
}

void sdk_config_deinit(struct sdk_config *config)
{
    for (size_t i = 0; i < config->rpc_count; i++)
        free(config->rpc[i]);
    free(config->url);
    free(config->node_url);
    free(config->data_dir);
    free(config->state_home);
    free(config->wallet_file);
    free(config->wallet_password_file);
    free(config->tls_ca);
    base_memzero(config, sizeof *config);
}

/* ---- what is looked up later ---- */

/* Each directory on the way, for this user alone. */
static int make_path(char *path)
{
    for (char *at = path + 1; *at != '\0'; at++) {
        if (*at != '/') continue;
        *at = '\0';
        int rv = mkdir(path, 0700);
        *at = '/';
        if (rv != 0 && errno != EEXIST && errno != EROFS && errno != EACCES) return BASE_EIO;
    }
    return BASE_OK; /* the last one is the store's to make */
}

int sdk_config_data_dir(char *out, size_t cap, const struct sdk_config *config, uint64_t chain_id,
                        char why[SDK_WHY_BYTES])
{
    char contract[2 * BASE_ADDRESS_BYTES + 1];
    int len;
    if (config->data_dir == NULL && config->state_home == NULL) {
        snprintf(why, SDK_WHY_BYTES,
                 "there is no place for the node key's seed: set NFTMESH_DATA_DIR (no HOME)");
        return BASE_EINVAL;
    }
    base_hex_encode(contract, config->contract.bytes, sizeof config->contract.bytes);
    if (config->data_dir != NULL)
        len = snprintf(out, cap, "%s", config->data_dir);
    else
        len = snprintf(out, cap, "%s/%llu-0x%s", config->state_home, (unsigned long long)chain_id,
                       contract);
    if (len <= 0 || (size_t)len >= cap || make_path(out) != BASE_OK) {
        snprintf(why, SDK_WHY_BYTES, "the data directory %.300s cannot be made: %s", out,
                 strerror(errno));
        return BASE_EIO;
    }
    return BASE_OK;
}

const char *sdk_config_dstack(const struct sdk_config *config)
{
    if (config->dstack[0] != '\0') return config->dstack;
    for (size_t i = 0; i < sizeof sockets / sizeof sockets[0]; i++)
        if (access(sockets[i], F_OK) == 0) return sockets[i];
    return sockets[0];
}
