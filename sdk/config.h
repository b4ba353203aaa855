#ifndef NFTMESH_SDK_CONFIG_H
#define NFTMESH_SDK_CONFIG_H

#include "attest/pins.h"
#include "node/config.h"
#include "sdk/nftmesh.h"

/* What a handle was opened with: arguments, options, environment, checked. */
#define SDK_RPC_MAX        16
#define SDK_SOCKET_BYTES   108
#define SDK_WHY_BYTES      640
#define SDK_DIAL_ALLOW_MAX 32

struct sdk_config {    /* strings are owned */
    uint64_t chain_id; /* 0: to be asked for */
    struct base_eth_address contract;
    char *url; /* NULL: none */
    char *rpc[SDK_RPC_MAX];
    size_t rpc_count;
    char *node_url;                     /* NULL: no node; without a path */
    char node_socket[SDK_SOCKET_BYTES]; /* "": over TCP */
    char dstack[SDK_SOCKET_BYTES];      /* "": searched for */
    char *data_dir;                     /* NULL: the default, which needs the chain id */
    char *state_home;                   /* where the default begins; NULL: there is none */
    struct base_eth_address roots[ATTEST_PIN_ROOTS_MAX], app_ids[ATTEST_PIN_APP_IDS_MAX];
    size_t root_count, app_id_count;
    struct node_finality finality; /* UNDECIDED: by the chain */
    char wallet_hex[67];           /* secret */
    char *wallet_file, *wallet_password_file;
    char *tls_ca;
    struct node_cidr dial_allow[SDK_DIAL_ALLOW_MAX];
    size_t dial_allow_count;
    bool has_token;
    struct base_u256 token;
    uint32_t rpc_agree, timeout_ms, register_timeout_ms, stale_ms;
    bool dev;
};

/* options may be of an older caller: only its own size is read. env as in node/options.h.
 * BASE_EINVAL with one line in why that names the argument or variable; BASE_ENOMEM. */
int sdk_config_parse(struct sdk_config *out, const char *mesh, const char *url,
                     const nftmesh_options_t *options, node_option_env *env, void *env_ctx,
                     char why[SDK_WHY_BYTES]);
/* Zeroes the wallet's key. */
void sdk_config_deinit(struct sdk_config *config);

bool sdk_config_is_dev_chain(uint64_t chain_id); /* 31337, 1337 */
/* The data directory for this chain, made if it is not there (0700). BASE_EINVAL: there is neither
 * option nor home; BASE_EIO. */
int sdk_config_data_dir(char *out, size_t cap, const struct sdk_config *config, uint64_t chain_id,
                        char why[SDK_WHY_BYTES]);
/* The guest agent's socket: as configured, else the first of the usual places that is there, else
 * the first of them. */
const char *sdk_config_dstack(const struct sdk_config *config);

#endif
