#ifndef NFTMESH_NODE_CONFIG_H
#define NFTMESH_NODE_CONFIG_H

#include "base/log.h"
#include "node/handler_spec.h"
#include "node/options.h"
#include "node/url.h"

/* The settings of `nftmesh node`: one option table, and the validated values. */
#define NODE_CONFIG_RPC_MAX      16
#define NODE_CONFIG_ROOTS_MAX    8
#define NODE_CONFIG_APPS_MAX     64
#define NODE_CONFIG_TAGS_MAX     16
#define NODE_CONFIG_WARNINGS_MAX 16

extern const struct node_option_table node_config_table;

enum node_finality_kind {
    NODE_FINALITY_UNDECIDED = 0,
    NODE_FINALITY_LATEST, /* minus depth confirmations */
    NODE_FINALITY_SAFE,
    NODE_FINALITY_FINALIZED
};
struct node_finality {
    enum node_finality_kind kind;
    uint64_t depth; /* latest:N */
};

/* latest, latest:N (at most 1,000), safe, finalized. BASE_EMALFORMED, BASE_ETOOBIG. */
int node_finality_parse(struct node_finality *out, const char *value);

enum node_bootstrap_kind {
    NODE_BOOTSTRAP_UNDECIDED = 0,
    NODE_BOOTSTRAP_MESH, /* mesh://<66 hex>@host:port: key and dial_url are known */
    NODE_BOOTSTRAP_HTTP  /* http(s)://host:port: its /info tells */
};
struct node_bootstrap {
    enum node_bootstrap_kind kind;
    struct base_key33 key;                 /* NODE_BOOTSTRAP_MESH */
    char dial_url[NODE_URL_BYTES_MAX + 1]; /* tcp:// ws:// wss://, or the http(s) URL */
};
/* Also what `nftmesh join URL` takes. why: half a sentence. BASE_EINVAL. */
int node_bootstrap_parse(struct node_bootstrap *out, const char *text, char *why, size_t why_bytes);

struct node_config_tag {
    char *key, *value;
};
struct node_config { /* strings are owned; lists have their count beside them */
    char *name;      /* NULL: the first 8 hex digits of the node key */
    char **rpc;
    size_t rpc_count;   /* at least 1 */
    uint64_t rpc_agree; /* 0: a majority of the votes */
    uint64_t rpc_grace_ms;
    uint64_t chain_id;
    struct base_eth_address contract;
    struct node_finality finality;
    struct base_eth_address kms_roots[NODE_CONFIG_ROOTS_MAX];
    size_t kms_root_count; /* 0: not pinned by flag */
    struct base_eth_address app_ids[NODE_CONFIG_APPS_MAX];
    size_t app_id_count; /* 0: not pinned by flag */
    char *dstack;        /* path of the guest agent's socket */
    char **listen;       /* tcp:// ws:// wss:// */
    size_t listen_count; /* at least 1 */
    char *advertise;     /* NULL: no address that peers could dial is known */
    struct node_cidr *dial_allow;
    size_t dial_allow_count;
    char *app_url;      /* NULL for none */
    uint64_t links_max; /* a full mesh while it fits, beyond it links on demand */
    struct node_bootstrap *bootstrap;
    size_t bootstrap_count;
    char *tls_ca;              /* NULL: the system's */
    struct node_endpoint http; /* port 0 and has_http false when off */
    bool has_http;
    char **http_hosts; /* names that Host may carry besides loopback */
    size_t http_host_count;
    char *http_token_file; /* NULL: no writing route over TCP */
    struct node_endpoint bootstrap_http;
    bool has_bootstrap_http;
    char *data_dir;
    char *wallet_key_file;      /* NULL when there is none */
    char *wallet_password_file; /* of the keystore in it; NULL when there is none */
    char wallet_key_hex[67];    /* the prototype's PRIVATE_KEY; empty. Zeroed by free */
    struct node_config_tag tags[NODE_CONFIG_TAGS_MAX];
    size_t tag_count;
    struct node_handler_spec *handlers; /* of --on-event */
    size_t handler_count;
    enum base_log_format log_format;
    enum base_log_level log_level;
    bool consensus; /* --consensus on */
    uint64_t epoch_gap_ms, lease_ms, skip_ms, window_slots;
    bool register_seat; /* --register */
    bool wait;
    bool dev;
    bool check_only;                          /* --check-config: print and exit */
    char *warnings[NODE_CONFIG_WARNINGS_MAX]; /* one line each, for the log */
    size_t warning_count;
    struct node_options *options; /* what it was made from */
};

/* *out is NULL after --help. BASE_EINVAL with one line in why (exit code 2), BASE_ENOMEM. */
int node_config_parse(struct node_config **out, enum node_options_verdict *verdict, int argc,
                      char **argv, node_option_env *env, void *env_ctx,
                      char why[NODE_OPTIONS_WHY_BYTES]);
void node_config_free(struct node_config *config);
/* What --check-config prints: the values in force with their sources, then the warnings. */
void node_config_print(struct base_buf *out, const struct node_config *config);

#endif
