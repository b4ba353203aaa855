#include "node/config_internal.h"

#include "base/err.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_WARNING_BYTES 320

/* ---- from texts to values ---- */

static int fail(char *why, const char *text)
{
    snprintf(why, NODE_OPTIONS_WHY_BYTES, "%s", text);
    return BASE_EINVAL;
}

static int config_warn(struct node_config *config, const char *text)
{
    if (config->warning_count == NODE_CONFIG_WARNINGS_MAX) return BASE_OK;
    char *copy = strdup(text);
    if (copy == NULL) return BASE_ENOMEM;
    config->warnings[config->warning_count++] = copy;
    return BASE_OK;
}

static int text_take(char **out, const struct node_options *options, const char *name)
{
    const char *text = node_options_text(options, name);
    *out = NULL;
    if (text == NULL) return BASE_OK;
    *out = strdup(text);
    return *out != NULL ? BASE_OK : BASE_ENOMEM;
}

static int list_take(char ***out, size_t *count, const struct node_options *options,
                     const char *name)
{
    size_t n = node_options_count(options, name);
    *count = 0;
    *out = calloc(n + 1, sizeof **out);
    if (*out == NULL) return BASE_ENOMEM;
    for (; *count < n; (*count)++) {
        (*out)[*count] = strdup(node_options_at(options, name, *count));
        if ((*out)[*count] == NULL) return BASE_ENOMEM;
    }
    return BASE_OK;
}

static void list_free(char **list, size_t count)
{
    for (size_t i = 0; list != NULL && i < count; i++)
        free(list[i]);
    free(list);
}

/* Is there at most max of it? For lists that are fixed arrays. */
static int count_check(const struct node_options *options, const char *name, size_t max, char *why)
{
    size_t count = node_options_count(options, name);
    if (count <= max) return BASE_OK;
    snprintf(why, NODE_OPTIONS_WHY_BYTES, "%s is given too often: at most %zu",
             node_options_where(options, name, max), max);
    return BASE_EINVAL;
}

static int identity_take(struct node_config *config, char *why)
{
    const struct node_options *options = config->options;
    int rv = text_take(&config->name, options, "name");
    if (rv == BASE_OK) rv = text_take(&config->data_dir, options, "data-dir");
    if (rv == BASE_OK) rv = text_take(&config->dstack, options, "dstack");
    if (rv == BASE_OK) rv = text_take(&config->app_url, options, "app-url");
    if (rv == BASE_OK) rv = count_check(options, "tag", NODE_CONFIG_TAGS_MAX, why);
    for (size_t i = 0; rv == BASE_OK && i < node_options_count(options, "tag"); i++) {
        const char *text = node_options_at(options, "tag", i), *equals = strchr(text, '=');
        struct node_config_tag *tag = &config->tags[config->tag_count++];
        tag->key = strndup(text, (size_t)(equals - text));
        tag->value = strdup(equals + 1);
        if (tag->key == NULL || tag->value == NULL) return BASE_ENOMEM;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(config->tags[k].key, tag->key) != 0) continue;
            snprintf(why, NODE_OPTIONS_WHY_BYTES, "%s: the tag %s is set a second time",
                     node_options_where(options, "tag", i), tag->key);
            return BASE_EINVAL;
        }
    }
    return rv;
}

static int chain_take(struct node_config *config, char *why)
{
    const struct node_options *options = config->options;
    if (node_options_text(options, "chain-id") == NULL)
        return fail(why, "--chain-id is missing: name the chain that the contract lives on, for"
                         " example --chain-id 8453 (Base)");
    if (node_options_text(options, "contract") == NULL)
        return fail(why, "--contract is missing: name the contract whose seats form the mesh"
                         " (CONTRACT_ADDRESS works too)");
    if (node_options_count(options, "rpc") == 0)
        return fail(why, "--rpc is missing: give at least one JSON-RPC endpoint of the chain");
    int rv = count_check(options, "rpc", NODE_CONFIG_RPC_MAX, why);
    if (rv == BASE_OK) rv = count_check(options, "kms-root", NODE_CONFIG_ROOTS_MAX, why);
    if (rv == BASE_OK) rv = list_take(&config->rpc, &config->rpc_count, options, "rpc");
    if (rv != BASE_OK) return rv;
    config->chain_id = node_options_u64(options, "chain-id");
    config->rpc_agree = node_options_u64(options, "rpc-agree");
    config->rpc_grace_ms = node_options_ms(options, "rpc-grace");
    rv = base_address_parse(&config->contract, node_options_text(options, "contract"));
    config->kms_root_count = node_options_count(options, "kms-root");
    for (size_t i = 0; rv == BASE_OK && i < config->kms_root_count; i++)
        rv = base_address_parse(&config->kms_roots[i], node_options_at(options, "kms-root", i));
    config->app_id_count = node_options_count(options, "app-id");
    for (size_t i = 0; rv == BASE_OK && i < config->app_id_count; i++)
        rv = node__config_app_id_parse(&config->app_ids[i], node_options_at(options, "app-id", i));
    if (node_options_text(options, "finality") != NULL && rv == BASE_OK)
        rv = node_finality_parse(&config->finality, node_options_text(options, "finality"));
    else
        config->finality.kind = config->chain_id == 31337 || config->chain_id == 1337
                                    ? NODE_FINALITY_LATEST
                                    : NODE_FINALITY_SAFE;
    assert(rv == BASE_OK); /* the table's checks have seen each value */
    return BASE_OK;
}

static int mesh_take(struct node_config *config)
{
    const struct node_options *options = config->options;
    int rv = list_take(&config->listen, &config->listen_count, options, "listen");
    if (rv == BASE_OK) rv = text_take(&config->advertise, options, "advertise");
    if (rv == BASE_OK) rv = text_take(&config->tls_ca, options, "tls-ca");
    if (rv != BASE_OK) return rv;
    config->links_max = node_options_u64(options, "links-max");
    config->consensus = strcmp(node_options_text(options, "consensus"), "on") == 0;
    config->epoch_gap_ms = node_options_ms(options, "epoch-gap");
    config->lease_ms = node_options_ms(options, "lease");
    config->skip_ms = node_options_ms(options, "skip-after");
    config->window_slots = node_options_u64(options, "window");
    config->bootstrap_count = node_options_count(options, "bootstrap");
    config->dial_allow_count = node_options_count(options, "dial-allow");
    config->bootstrap = calloc(config->bootstrap_count + 1, sizeof *config->bootstrap);
    config->dial_allow = calloc(config->dial_allow_count + 1, sizeof *config->dial_allow);
    if (config->bootstrap == NULL || config->dial_allow == NULL) return BASE_ENOMEM;
    for (size_t i = 0; rv == BASE_OK && i < config->bootstrap_count; i++) {
        char half[NODE_OPTIONS_WHY_BYTES];
        rv = node_bootstrap_parse(&config->bootstrap[i], node_options_at(options, "bootstrap", i),
                                  half, sizeof half);
    }
    for (size_t i = 0; rv == BASE_OK && i < config->dial_allow_count; i++)
        rv = node_cidr_parse(&config->dial_allow[i], node_options_at(options, "dial-allow", i));
    assert(rv == BASE_OK); /* the table's checks have seen each value */
    return BASE_OK;
}

/* The prototype's REST server listened on HOST:PORT. HOST alone turns nothing on: some shells
 * export it for their own ends. */
static int prototype_http_take(struct node_config *config, node_option_env *env, void *ctx,
                               char *why)
{
    char text[NODE_URL_BYTES_MAX + 1];
    const char *port = env(ctx, "PORT"), *host = env(ctx, "HOST");
    if (config->has_http || port == NULL || *port == '\0') return BASE_OK;
    bool has_host = host != NULL && *host != '\0';
    bool is_ipv6 = has_host && strchr(host, ':') != NULL && host[0] != '[';
    int len = snprintf(text, sizeof text, "%s%s%s:%s", is_ipv6 ? "[" : "",
                       has_host ? host : "127.0.0.1", is_ipv6 ? "]" : "", port);
    if (len < 0 || (size_t)len >= sizeof text ||
        node_endpoint_parse(&config->http, text) != BASE_OK)
        return fail(why, "PORT or HOST is not an address to listen on: set PORT to 1..65535, HOST"
                         " to a name or an address, or use --http");
    config->has_http = true;
    return BASE_OK;
}

static int handlers_take(struct node_config *config, char *why)
{
    const struct node_options *options = config->options;
    size_t count = node_options_count(options, "on-event");
    int rv = count_check(options, "on-event", NODE_HANDLER_SPECS_MAX, why);
    if (rv != BASE_OK) return rv;
    config->handlers = calloc(count + 1, sizeof *config->handlers);
    if (config->handlers == NULL) return BASE_ENOMEM;
    for (; config->handler_count < count; config->handler_count++) {
        char half[NODE_OPTIONS_WHY_BYTES];
        rv = node_handler_spec_parse(&config->handlers[config->handler_count],
                                     node_options_at(options, "on-event", config->handler_count),
                                     half, sizeof half);
        assert(rv == BASE_OK); /* the table's check has seen it */
    }
    return BASE_OK;
}

static int surfaces_take(struct node_config *config, node_option_env *env, void *ctx, char *why)
{
    const struct node_options *options = config->options;
    int rv = text_take(&config->http_token_file, options, "http-token-file");
    if (rv == BASE_OK)
        rv = list_take(&config->http_hosts, &config->http_host_count, options, "http-host");
    if (rv == BASE_OK) rv = handlers_take(config, why);
    if (rv != BASE_OK) return rv;
    const char *http = node_options_text(options, "http");
    const char *bootstrap = node_options_text(options, "bootstrap-http");
    config->has_http = http != NULL;
    config->has_bootstrap_http = bootstrap != NULL;
    if (http != NULL) rv = node_endpoint_parse(&config->http, http);
    if (bootstrap != NULL && rv == BASE_OK)
        rv = node_endpoint_parse(&config->bootstrap_http, bootstrap);
    assert(rv == BASE_OK);
    config->log_format = strcmp(node_options_text(options, "log-format"), "json") == 0
                             ? BASE_LOG_JSON
                             : BASE_LOG_LOGFMT;
    rv = base_log_level_parse(&config->log_level, node_options_text(options, "log-level"));
    assert(rv == BASE_OK);
    return prototype_http_take(config, env, ctx, why);
}

static int acts_take(struct node_config *config, node_option_env *env, void *ctx, char *why)
{
    const struct node_options *options = config->options;
    struct base_privkey key;
    config->register_seat = node_options_flag(options, "register");
    config->wait = node_options_flag(options, "wait");
    config->dev = node_options_flag(options, "dev");
    config->check_only = node_options_flag(options, "check-config");
    int rv = text_take(&config->wallet_key_file, options, "wallet-key-file");
    if (rv == BASE_OK)
        rv = text_take(&config->wallet_password_file, options, "wallet-password-file");
    const char *text = env(ctx, "PRIVATE_KEY");
    if (rv != BASE_OK || config->wallet_key_file != NULL || text == NULL || *text == '\0')
        return rv;
    rv = base_hex_decode_0x(key.bytes, sizeof key.bytes, text);
    base_memzero(&key, sizeof key);
    if (rv != BASE_OK)
        return fail(why, "PRIVATE_KEY is not a private key: 64 hex digits, or leave it out and use"
                         " --wallet-key-file");
    memcpy(config->wallet_key_hex, text, strlen(text) + 1);
    return config_warn(config, "PRIVATE_KEY is in the environment, where every process of this user"
                               " can read it: use --wallet-key-file");
}

/* ---- what must fit together ---- */

static bool is_plain_outside(const struct node_url *url)
{
    return strcmp(url->scheme, "http") == 0 && !node_url_is_loopback(url);
}

/* Do two endpoints share one vote? One host, one vote (on loopback: host and port); all plain-http
 * hosts outside loopback are one, since one attacker on the path is all of them. */
static bool rpc_is_same_vote(const struct node_url *a, const struct node_url *b)
{
    if (is_plain_outside(a) && is_plain_outside(b)) return true;
    if (is_plain_outside(a) != is_plain_outside(b)) return false;
    if (strcmp(a->host, b->host) != 0) return false;
    return !node_url_is_loopback(a) || a->port == b->port;
}

static int rpc_check(struct node_config *config, char *why)
{
    struct node_url urls[NODE_CONFIG_RPC_MAX];
    char text[CONFIG_WARNING_BYTES];
    size_t votes = 0, plain = 0;
    for (size_t i = 0; i < config->rpc_count; i++) {
        int rv = node_url_parse(&urls[i], config->rpc[i]);
        assert(rv == BASE_OK);
        bool is_new = true;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(config->rpc[i], config->rpc[k]) == 0) {
                snprintf(why, NODE_OPTIONS_WHY_BYTES, "%s: one endpoint is given a second time",
                         node_options_where(config->options, "rpc", i));
                return BASE_EINVAL;
            }
            if (rpc_is_same_vote(&urls[i], &urls[k])) is_new = false;
        }
        votes += is_new ? 1 : 0;
        plain += is_plain_outside(&urls[i]) ? 1 : 0;
    }
    if (config->rpc_agree > votes) {
        snprintf(why, NODE_OPTIONS_WHY_BYTES,
                 "%s asks for %llu votes, but the endpoints have %zu (one a host; plain-http hosts"
                 " together one): add --rpc or lower it",
                 node_options_where(config->options, "rpc-agree", 0),
                 (unsigned long long)config->rpc_agree, votes);
        return BASE_EINVAL;
    }
    int rv = BASE_OK;
    if (plain > 0)
        rv = config_warn(config, "an RPC endpoint is plain http: whoever is on the path to it"
                                 " answers for the chain");
    if (rv == BASE_OK && config->rpc_agree > 0 && config->rpc_agree < votes / 2 + 1) {
        snprintf(text, sizeof text,
                 "--rpc-agree %llu is no majority of %zu votes: a minority of endpoints can decide"
                 " (rpc_trust: any)",
                 (unsigned long long)config->rpc_agree, votes);
        rv = config_warn(config, text);
    }
    if (rv == BASE_OK && votes == 1 && !config->dev)
        rv = config_warn(config, "the RPC endpoints have one vote in all: what it says is believed"
                                 " (rpc_trust: single)");
    return rv;
}

/* Without --advertise: the first listening address that names a host. */
static int advertise_derive(struct node_config *config)
{
    char why[NODE_OPTIONS_WHY_BYTES];
    for (size_t i = 0; config->advertise == NULL && i < config->listen_count; i++) {
        if (node__config_check_advertise(config->listen[i], why, sizeof why) != BASE_OK) continue;
        config->advertise = strdup(config->listen[i]);
        if (config->advertise == NULL) return BASE_ENOMEM;
    }
    if (config->advertise != NULL) return BASE_OK;
    return config_warn(config, "no --advertise, and --listen names no host: peers cannot dial this"
                               " node, it must dial them");
}

static bool endpoint_is_loopback(const struct node_endpoint *endpoint)
{
    struct node_url url = {0};
    memcpy(url.host, endpoint->host, sizeof url.host);
    url.is_ipv6 = strchr(endpoint->host, ':') != NULL;
    return node_url_is_loopback(&url);
}

static int together_check(struct node_config *config, char *why)
{
    if (config->dev && config->chain_id != 31337 && config->chain_id != 1337)
        return fail(why, "--dev is refused on this chain: it trusts keys that everybody has, so it"
                         " works on chains 31337 and 1337 only");
    if (config->register_seat && config->wallet_key_file == NULL &&
        config->wallet_key_hex[0] == '\0')
        return fail(why, "--register needs the owner's key: add --wallet-key-file FILE (mode 0600),"
                         " or register from elsewhere with `nftmesh register`");
    if (!config->has_http && config->http_token_file != NULL)
        return fail(why, "--http-token-file opens nothing without --http: add --http H:P or leave"
                         " it out");
    if (!config->has_http && config->http_host_count > 0)
        return fail(why, "--http-host says nothing without --http: add --http H:P or leave it out");
    int rv = rpc_check(config, why);
    if (rv == BASE_OK) rv = advertise_derive(config);
    if (rv == BASE_OK && config->has_http && !endpoint_is_loopback(&config->http))
        rv = config_warn(config, "--http answers to the network, without a password: members,"
                                 " owners and addresses can be read there");
    if (rv == BASE_OK && config->dev)
        rv = config_warn(config, "--dev: keys that everybody has are trusted; admission proves"
                                 " nothing");
    if (rv == BASE_OK && !config->dev && config->kms_root_count == 0)
        rv = config_warn(config, "no --kms-root: the first root seen is trusted, and kept in"
                                 " --data-dir (trust: first_seen)");
    return rv;
}

int node_config_parse(struct node_config **out, enum node_options_verdict *verdict, int argc,
                      char **argv, node_option_env *env, void *env_ctx,
                      char why[NODE_OPTIONS_WHY_BYTES])
{
    struct node_options *options;
    *out = NULL;
    int rv =
        node_options_parse(&options, verdict, &node_config_table, argc, argv, env, env_ctx, why);
    if (rv != BASE_OK || *verdict != NODE_OPTIONS_RUN) return rv;
    struct node_config *config = calloc(1, sizeof *config);
    if (config == NULL) {
        node_options_free(options);
        rv = BASE_ENOMEM;
    } else {
        config->options = options;
        rv = identity_take(config, why);
        if (rv == BASE_OK) rv = chain_take(config, why);
        if (rv == BASE_OK) rv = mesh_take(config);
        if (rv == BASE_OK) rv = surfaces_take(config, env, env_ctx, why);
        if (rv == BASE_OK) rv = acts_take(config, env, env_ctx, why);
        if (rv == BASE_OK) rv = together_check(config, why);
    }
    if (rv == BASE_OK) {
        *out = config;
        return BASE_OK;
    }
    if (rv == BASE_ENOMEM) fail(why, "no memory for the settings");
    *verdict = NODE_OPTIONS_UNDECIDED;
    node_config_free(config);
    return rv;
}

void node_config_free(struct node_config *config)
{
    if (config == NULL) return;
    list_free(config->rpc, config->rpc_count);
    list_free(config->listen, config->listen_count);
    list_free(config->http_hosts, config->http_host_count);
    for (size_t i = 0; i < config->tag_count; i++) {
        free(config->tags[i].key);
        free(config->tags[i].value);
    }
    for (size_t i = 0; i < config->warning_count; i++)
        free(config->warnings[i]);
    free(config->name);
    free(config->dstack);
    free(config->advertise);
    free(config->dial_allow);
    free(config->app_url);
    free(config->bootstrap);
    free(config->tls_ca);
    free(config->http_token_file);
    free(config->handlers);
    free(config->data_dir);
    free(config->wallet_key_file);
    free(config->wallet_password_file);
    node_options_free(config->options);
    base_memzero(config->wallet_key_hex, sizeof config->wallet_key_hex);
    free(config);
}

void node_config_print(struct base_buf *out, const struct node_config *config)
{
    node_options_print(out, config->options);
    for (size_t i = 0; i < config->warning_count; i++)
        base_buf_printf(out, "# warning: %s\n", config->warnings[i]);
}
