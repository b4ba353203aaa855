#include "node/config_internal.h"

#include "base/err.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

#define CONFIG_JSON_INTEGER_MAX (((uint64_t)1 << 53) - 1)
#define CONFIG_SOCKET_PATH_MAX  107 /* sun_path without its NUL */
#define CONFIG_TAG_BYTES_MAX    64

/* ---- what values must be like: half a sentence in why ---- */

static int refuse(char *why, size_t why_bytes, const char *half)
{
    snprintf(why, why_bytes, "%s", half);
    return BASE_EINVAL;
}

static bool scheme_is_in(const struct node_url *url, const char *const *schemes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(url->scheme, schemes[i]) == 0) return true;
    return false;
}

static int check_http_url(const char *value, char *why, size_t why_bytes)
{
    static const char *const schemes[] = {"http", "https"};
    struct node_url url;
    if (node_url_parse(&url, value) != BASE_OK || !scheme_is_in(&url, schemes, 2) ||
        strchr(url.path, '#') != NULL || (url.has_port && url.port == 0))
        return refuse(why, why_bytes,
                      "is not an http or https URL of at most 256 bytes: write https://host/path");
    return BASE_OK;
}

/* The path of a mesh URL: only ws and wss have one, of few characters. */
static bool mesh_path_is_fine(const struct node_url *url)
{
    size_t len = strlen(url->path);
    if (strcmp(url->scheme, "tcp") == 0 || strcmp(url->scheme, "mesh") == 0) return len == 0;
    for (size_t i = 0; i < len; i++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_.-",
                   url->path[i]) == NULL)
            return false;
    return len <= 64;
}

static int check_listen(const char *value, char *why, size_t why_bytes)
{
    static const char *const schemes[] = {"tcp", "ws"};
    struct node_url url;
    if (node_url_parse(&url, value) != BASE_OK || !scheme_is_in(&url, schemes, 2) ||
        !url.has_port || url.userinfo[0] != '\0' || !mesh_path_is_fine(&url))
        return refuse(why, why_bytes,
                      "is not an address to listen on: write tcp://host:port or ws://host:port/path"
                      " (wss is for a TLS terminator in front: see --advertise)");
    return BASE_OK;
}

int node__config_check_advertise(const char *value, char *why, size_t why_bytes)
{
    static const char *const schemes[] = {"tcp", "ws", "wss"};
    static const char *const wildcards[] = {"0.0.0.0", "::"};
    struct node_url url;
    if (node_url_parse(&url, value) != BASE_OK || !scheme_is_in(&url, schemes, 3) ||
        !url.has_port || url.port == 0 || url.userinfo[0] != '\0' || !mesh_path_is_fine(&url))
        return refuse(why, why_bytes,
                      "is not a URL that peers can dial: write tcp://host:port, ws:// or wss://");
    if (strcmp(url.host, wildcards[0]) == 0 || strcmp(url.host, wildcards[1]) == 0)
        return refuse(why, why_bytes, "names no host: write the address that peers dial");
    return BASE_OK;
}

static bool text_is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text > '~') return false;
    return true;
}

static int check_name(const char *value, char *why, size_t why_bytes)
{
    if (strlen(value) > 64) return refuse(why, why_bytes, "is longer than 64 bytes");
    for (const char *p = value; *p != '\0'; p++)
        if (*p < ' ' || *p > '~') return refuse(why, why_bytes, "is not plain ASCII text");
    return BASE_OK;
}

static int check_address(const char *value, char *why, size_t why_bytes)
{
    struct base_eth_address address;
    if (base_address_parse(&address, value) != BASE_OK)
        return refuse(why, why_bytes,
                      "is not an address: write 0x and 40 hex digits (mixed case must carry a right"
                      " EIP-55 check sum)");
    if (base_is_zero(&address, sizeof address))
        return refuse(why, why_bytes, "is the zero address, which stands for nobody");
    return BASE_OK;
}

int node__config_app_id_parse(struct base_eth_address *out, const char *value)
{
    return base_hex_decode_0x(out->bytes, sizeof out->bytes, value);
}

static int check_app_id(const char *value, char *why, size_t why_bytes)
{
    struct base_eth_address app_id;
    if (node__config_app_id_parse(&app_id, value) != BASE_OK)
        return refuse(why, why_bytes, "is not an app id: write 40 hex digits");
    return BASE_OK;
}

int node_finality_parse(struct node_finality *out, const char *value)
{
    uint64_t depth = 0;
    *out = (struct node_finality){NODE_FINALITY_LATEST, 0};
    if (strcmp(value, "safe") == 0)
        out->kind = NODE_FINALITY_SAFE;
    else if (strcmp(value, "finalized") == 0)
        out->kind = NODE_FINALITY_FINALIZED;
    else if (strncmp(value, "latest:", 7) == 0 && value[7] != '\0' && strlen(value) <= 11) {
        for (const char *p = value + 7; *p != '\0'; p++) {
            if (*p < '0' || *p > '9') return BASE_EMALFORMED;
            depth = depth * 10 + (uint64_t)(*p - '0');
        }
        out->depth = depth;
    } else if (strcmp(value, "latest") != 0) {
        return BASE_EMALFORMED;
    }
    return out->depth <= 1000 ? BASE_OK : BASE_ETOOBIG;
}

static int check_finality(const char *value, char *why, size_t why_bytes)
{
    struct node_finality finality;
    if (node_finality_parse(&finality, value) != BASE_OK)
        return refuse(
            why, why_bytes,
            "is none of latest, latest:N (N confirmations, at most 1000), safe, finalized");
    return BASE_OK;
}

static int check_socket_path(const char *value, char *why, size_t why_bytes)
{
    if (strlen(value) > CONFIG_SOCKET_PATH_MAX)
        return refuse(why, why_bytes, "is too long for a socket: at most 107 bytes");
    return BASE_OK;
}

static int check_data_dir(const char *value, char *why, size_t why_bytes)
{
    if (strlen(value) + strlen("/control.sock") > CONFIG_SOCKET_PATH_MAX)
        return refuse(why, why_bytes, "is too long: its control.sock must fit into 107 bytes");
    return BASE_OK;
}

static int check_cidr(const char *value, char *why, size_t why_bytes)
{
    struct node_cidr range;
    if (node_cidr_parse(&range, value) != BASE_OK)
        return refuse(why, why_bytes,
                      "is not an address range: write 10.0.0.0/8 or fd00::/8, host bits zero");
    return BASE_OK;
}

static int check_endpoint(const char *value, char *why, size_t why_bytes)
{
    struct node_endpoint endpoint;
    if (node_endpoint_parse(&endpoint, value) != BASE_OK)
        return refuse(why, why_bytes,
                      "is not an address to listen on: write host:port, [v6]:port, or a port alone"
                      " for 127.0.0.1");
    return BASE_OK;
}

static int check_host(const char *value, char *why, size_t why_bytes)
{
    struct node_url url;
    char text[NODE_URL_BYTES_MAX + 8];
    snprintf(text, sizeof text, "http://%.250s", value);
    if (strlen(value) > 250 || node_url_parse(&url, text) != BASE_OK || url.has_port ||
        url.path[0] != '\0' || url.userinfo[0] != '\0')
        return refuse(why, why_bytes, "is not a host name: write it without scheme and port");
    return BASE_OK;
}

static int check_tag(const char *value, char *why, size_t why_bytes)
{
    const char *equals = strchr(value, '=');
    if (equals == NULL || equals == value || equals - value > CONFIG_TAG_BYTES_MAX ||
        strlen(equals + 1) > CONFIG_TAG_BYTES_MAX)
        return refuse(why, why_bytes, "is not a tag: write key=value, each at most 64 bytes");
    return text_is_ascii(value) ? BASE_OK : refuse(why, why_bytes, "is not plain ASCII text");
}

static int check_handler(const char *value, char *why, size_t why_bytes)
{
    struct node_handler_spec spec;
    return node_handler_spec_parse(&spec, value, why, why_bytes);
}

static int check_bootstrap(const char *value, char *why, size_t why_bytes)
{
    struct node_bootstrap bootstrap;
    return node_bootstrap_parse(&bootstrap, value, why, why_bytes);
}

int node_bootstrap_parse(struct node_bootstrap *out, const char *text, char *why, size_t why_bytes)
{
    static const struct {
        const char *from, *to;
    } schemes[] = {{"mesh", "tcp"}, {"mesh+ws", "ws"}, {"mesh+wss", "wss"}};
    struct node_url url;
    assert(out != NULL && text != NULL && why != NULL);
    memset(out, 0, sizeof *out);
    if (check_http_url(text, why, why_bytes) == BASE_OK) {
        out->kind = NODE_BOOTSTRAP_HTTP;
        memcpy(out->dial_url, text, strlen(text) + 1);
        return BASE_OK;
    }
    int rv = node_url_parse(&url, text);
    for (size_t i = 0; rv == BASE_OK && i < sizeof schemes / sizeof schemes[0]; i++) {
        if (strcmp(url.scheme, schemes[i].from) != 0) continue;
        if (base_hex_decode(out->key.bytes, sizeof out->key.bytes, url.userinfo,
                            strlen(url.userinfo)) != BASE_OK)
            return refuse(why, why_bytes,
                          "carries no node key: write mesh://<66 hex digits>@host:port (`nftmesh"
                          " status` there shows it)");
        if (!url.has_port || url.port == 0 || !mesh_path_is_fine(&url)) break;
        const char *open = url.is_ipv6 ? "[" : "", *close = url.is_ipv6 ? "]" : "";
        int len = snprintf(out->dial_url, sizeof out->dial_url, "%s://%s%s%s:%u%s", schemes[i].to,
                           open, url.host, close, url.port, url.path);
        if (len < 0 || (size_t)len >= sizeof out->dial_url) break;
        out->kind = NODE_BOOTSTRAP_MESH;
        return BASE_OK;
    }
    return refuse(why, why_bytes,
                  "is not a bootstrap URL: write mesh://<66 hex digits>@host:port, mesh+ws://,"
                  " mesh+wss:// or https://host:port (its /info is asked)");
}

/* ---- the table ---- */

#define GROUP_IDENTITY "This node"
#define GROUP_CHAIN    "The chain, and whom to trust"
#define GROUP_MESH     "The mesh"
#define GROUP_LEADER   "The leader"
#define GROUP_SURFACES "Surfaces"
#define GROUP_ACTS     "What to do"

static const struct node_option config_options[] = {
    {.name = "config",
     .argument = "FILE",
     .group = GROUP_IDENTITY,
     .kind = NODE_OPTION_TEXT,
     .scope = NODE_OPTION_NOT_IN_FILE,
     .help = "Reads settings from FILE: lines like `name = value`, lists like `rpc = {\"a\","
             " \"b\"}`, comments after #. Keys are the flags below with _ for -. An unknown key"
             " is an error."},
    {.name = "name",
     .argument = "NAME",
     .kind = NODE_OPTION_TEXT,
     .check = check_name,
     .help = "What members and log call this node; without it the first 8 hex digits of its node"
             " key. A label only: nothing is decided by it."},
    {.name = "data-dir",
     .argument = "DIR",
     .kind = NODE_OPTION_TEXT,
     .check = check_data_dir,
     .fallback = "/var/lib/nftmesh",
     .help = "Holds the seed of the node key, incarnation, pins and the control socket; made with"
             " mode 0700. Losing it means to register the seat again."},
    {.name = "dstack",
     .argument = "PATH",
     .kind = NODE_OPTION_TEXT,
     .check = check_socket_path,
     .fallback = "/var/run/dstack.sock",
     .env_alias = "DSTACK_SOCKET",
     .help = "Socket of the DStack guest agent, which gives the app proof key and the instance"
             " id."},
    {.name = "tag",
     .argument = "KEY=VALUE",
     .kind = NODE_OPTION_TEXT,
     .check = check_tag,
     .repeatable = true,
     .help = "Shown beside this node in every member list."},
    {.name = "app-url",
     .argument = "URL",
     .kind = NODE_OPTION_TEXT,
     .check = check_http_url,
     .env_alias = "CONNECTION_URL",
     .help = "Where the application behind this node answers; handed to applications as it is,"
             " never dialled by a node."},

    {.name = "rpc",
     .argument = "URL",
     .group = GROUP_CHAIN,
     .kind = NODE_OPTION_TEXT,
     .check = check_http_url,
     .repeatable = true,
     .sensitive = true,
     .env_alias = "RPC_URL",
     .help = "Ethereum JSON-RPC endpoint. Each host has one vote, all plain-http hosts outside"
             " loopback together one: give three of different operators."},
    {.name = "rpc-agree",
     .argument = "K",
     .kind = NODE_OPTION_NUMBER,
     .min = 1,
     .max = NODE_CONFIG_RPC_MAX,
     .help = "How many votes must agree on a block and on every answer. Without it: a majority."},
    {.name = "rpc-grace",
     .argument = "TIME",
     .kind = NODE_OPTION_DURATION,
     .min = 1000,
     .max = (uint64_t)30 * 24 * 3600 * 1000,
     .fallback = "24h",
     .help = "How long the last snapshot counts when no endpoint answers. After it the node stays"
             " connected, but is not ready, and neither votes nor leads."},
    {.name = "chain-id",
     .argument = "N",
     .kind = NODE_OPTION_NUMBER,
     .min = 1,
     .max = CONFIG_JSON_INTEGER_MAX,
     .help = "Chain of the contract: 8453 is Base, 31337 a local anvil. Endpoints of another chain"
             " have no vote. Needed."},
    {.name = "contract",
     .argument = "0x..",
     .kind = NODE_OPTION_TEXT,
     .check = check_address,
     .env_alias = "CONTRACT_ADDRESS",
     .help = "The contract whose seats form the mesh. Needed."},
    {.name = "finality",
     .argument = "POLICY",
     .kind = NODE_OPTION_TEXT,
     .check = check_finality,
     .help = "Which block to judge by: latest, latest:N (N confirmations), safe, finalized. Equal"
             " at all nodes. Without it: latest:0 on chains 31337 and 1337, else safe."},
    {.name = "kms-root",
     .argument = "0x..",
     .kind = NODE_OPTION_TEXT,
     .check = check_address,
     .repeatable = true,
     .help = "Pins the DStack KMS root, whatever root the contract names. Without it the first one"
             " seen is kept in --data-dir: put production pins into the measured compose file."},
    {.name = "app-id",
     .argument = "HEX",
     .kind = NODE_OPTION_TEXT,
     .check = check_app_id,
     .repeatable = true,
     .help = "Pins an allowed app: the contract's list cut with these. Without it the first list"
             " seen is kept in --data-dir."},
    {.name = "wallet-key-file",
     .argument = "FILE",
     .kind = NODE_OPTION_TEXT,
     .help = "The owner's private key, mode 0600, 64 hex digits or a v3 keystore; for --register."
             " (The prototype's variable PRIVATE_KEY works too: everything in this VM can read"
             " it.)"},
    {.name = "wallet-password-file",
     .argument = "FILE",
     .kind = NODE_OPTION_TEXT,
     .help = "The keystore's password, mode 0600, one line; else NFTMESH_WALLET_PASSWORD, else"
             " --register asks for it on the terminal."},

    {.name = "listen",
     .argument = "URL",
     .group = GROUP_MESH,
     .kind = NODE_OPTION_TEXT,
     .check = check_listen,
     .repeatable = true,
     .fallback = "tcp://0.0.0.0:9470",
     .help = "Where peers reach this node: tcp://host:port or ws://host:port/path."},
    {.name = "advertise",
     .argument = "URL",
     .kind = NODE_OPTION_TEXT,
     .check = node__config_check_advertise,
     .help = "The URL that peers dial, when --listen names no host or something stands in front"
             " (wss://)."},
    {.name = "bootstrap",
     .argument = "URL",
     .kind = NODE_OPTION_TEXT,
     .check = check_bootstrap,
     .repeatable = true,
     .help = "A member to join by: mesh://<node key>@host:port (also mesh+ws, mesh+wss), or"
             " http(s)://host:port whose /info tells. Without one: the endpoints in the registry."},
    {.name = "dial-allow",
     .argument = "CIDR",
     .kind = NODE_OPTION_TEXT,
     .check = check_cidr,
     .repeatable = true,
     .help = "Lets the node dial members in this private range. Without it addresses of loopback,"
             " link-local and private ranges are refused, except with --dev."},
    {.name = "links-max",
     .argument = "N",
     .kind = NODE_OPTION_NUMBER,
     .min = 8,
     .max = 4095,
     .fallback = "256",
     .help = "Up to so many links every member is linked to every other; beyond that many more are"
             " made only when one is needed. Each is a descriptor."},
    {.name = "tls-ca",
     .argument = "FILE",
     .kind = NODE_OPTION_TEXT,
     .help = "Certificates (PEM) to verify wss peers and https bootstrap URLs by, in place of the"
             " system's."},

    {.name = "consensus",
     .argument = "on|off",
     .group = GROUP_LEADER,
     .kind = NODE_OPTION_CHOICE,
     .choices = "on|off",
     .fallback = "on",
     .help = "Whether this node votes for a leader and keeps the log that all share. A seat whose"
             " node does not counts as absent."},
    {.name = "lease",
     .argument = "TIME",
     .kind = NODE_OPTION_DURATION,
     .min = 500,
     .max = 60000,
     .fallback = "3s",
     .help = "How long a leader may act after its last confirmed heartbeat; it gives three in that"
             " time, or one a second. Equal at all nodes."},
    {.name = "skip-after",
     .argument = "TIME",
     .kind = NODE_OPTION_DURATION,
     .min = 500,
     .max = 60000,
     .fallback = "3s",
     .help = "How long a leader may be silent before this node votes it out. A leader that"
             " membership holds dead goes sooner."},
    {.name = "window",
     .argument = "SLOTS",
     .kind = NODE_OPTION_NUMBER,
     .min = 3,
     .max = 100000,
     .fallback = "600",
     .help = "Heartbeats, one a second and more under load, after which the next member leads."
             " Equal at all nodes."},
    {.name = "epoch-gap",
     .argument = "TIME",
     .kind = NODE_OPTION_DURATION,
     .min = 1000,
     .max = 3600000,
     .fallback = "30s",
     .help = "Changes of seats take effect on votes at most so often, by the chain's time. Equal at"
             " all nodes."},

    {.name = "http",
     .argument = "H:P",
     .group = GROUP_SURFACES,
     .kind = NODE_OPTION_TEXT,
     .check = check_endpoint,
     .help = "Answers /metrics /livez /readyz /v1/.. and the prototype's routes there, reading"
             " only. A port alone means 127.0.0.1. (With the prototype's variable PORT, and HOST,"
             " it is on as well.)"},
    {.name = "http-host",
     .argument = "NAME",
     .kind = NODE_OPTION_TEXT,
     .check = check_host,
     .repeatable = true,
     .help = "A name besides loopback that a request's Host may carry; others are refused, since"
             " any web page can point a name of its own here."},
    {.name = "http-token-file",
     .argument = "FILE",
     .kind = NODE_OPTION_TEXT,
     .help = "A bearer token of at least 16 characters, mode 0600: opens the prototype's writing"
             " routes on --http."},
    {.name = "bootstrap-http",
     .argument = "H:P",
     .kind = NODE_OPTION_TEXT,
     .check = check_endpoint,
     .help = "Serves /info alone, for joiners."},
    {.name = "on-event",
     .argument = "SPEC",
     .kind = NODE_OPTION_TEXT,
     .check = check_handler,
     .scope = NODE_OPTION_NOT_IN_ENVIRONMENT,
     .repeatable = true,
     .help = "Runs a command at events: [EVENT[,EVENT..]=]COMMAND, EVENT one of member-join,"
             " member-leave, member-failed, member-update, member-reap, user, user:NAME, *, or "
             "leader-change, lease, lease-lost. The"
             " form is serf's: see docs/handlers.md."},
    {.name = "log-format",
     .argument = "FORMAT",
     .kind = NODE_OPTION_CHOICE,
     .choices = "logfmt|json",
     .fallback = "logfmt",
     .help = "Form of the lines on standard error."},
    {.name = "log-level",
     .argument = "LEVEL",
     .kind = NODE_OPTION_CHOICE,
     .choices = "error|warn|info|debug|trace",
     .fallback = "info",
     .help = "The least that is said."},

    {.name = "register",
     .group = GROUP_ACTS,
     .kind = NODE_OPTION_FLAG,
     .help = "Registers the seat at start when the chain does not say so yet (sends a"
             " transaction)."},
    {.name = "wait",
     .kind = NODE_OPTION_FLAG,
     .help = "Waits for the seat, the guest agent or the chain at start instead of exiting."},
    {.name = "dev",
     .kind = NODE_OPTION_FLAG,
     .help = "For development, chains 31337 and 1337 only: takes the simulator and its public KMS"
             " roots, dials private addresses. Proves nothing, and says so everywhere."},
    {.name = "check-config",
     .kind = NODE_OPTION_FLAG,
     .scope = NODE_OPTION_COMMAND_LINE_ONLY,
     .help = "Prints the settings in force with their sources, and exits: 0, or 2 with the first"
             " mistake."},
};

const struct node_option_table node_config_table = {
    .command = "nftmesh node",
    .usage = "[options]",
    .intro = "Runs one node of a mesh in which one NFT is one seat. Every peer is admitted only"
             " after this node itself has verified its seat on the chain, its key's descent from"
             " the KMS root, and that it holds the key now.\n"
             "\n"
             "A setting is taken from the first of: flag, environment variable (in brackets"
             " below), --config file, default.",
    .outro =
        "A first node on a local chain:\n"
        "  nftmesh node --dev --chain-id 31337 --rpc http://127.0.0.1:8545 --contract 0x.. \\\n"
        "      --data-dir ./n1 --dstack ./dstack.sock --listen tcp://127.0.0.1:9470\n"
        "One more, which joins it:\n"
        "  nftmesh node .. --bootstrap mesh://<node key of the first>@127.0.0.1:9470\n"
        "\n"
        "Exit status: 0 ok, 1 failed, 2 usage, 3 not ready.",
    .options = config_options,
    .option_count = sizeof config_options / sizeof config_options[0],
};
