#include "node/register.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "node/cli_wallet.h"
#include "node/seat.h"

#define EXPIRES_MS   (UINT64_C(365) * 86400 * 1000)
#define MAX_FEE_GWEI UINT64_C(200)

static void on_told(void *ctx, const char *line)
{
    (void)ctx;
    fprintf(stderr, "nftmesh node --register: %s\n", line);
}

int node_register_own(const struct node_config *config)
{
    struct node_wallet w;
    struct node_seat_result result;
    struct node_seat_request request = {.url = config->advertise,
                                        .expires_ms = EXPIRES_MS,
                                        .data_dir = config->data_dir,
                                        .dstack = config->dstack,
                                        .dev = config->dev};
    struct node_wallet_key_source key = {.file = config->wallet_key_file,
                                         .hex = config->wallet_key_hex,
                                         .password_file = config->wallet_password_file,
                                         .password = getenv("NFTMESH_WALLET_PASSWORD"),
                                         .ask = cli_ask_secret};
    char why[NODE_WALLET_WHY_BYTES] = "";
    int rv = node_wallet_open(&w, config->rpc[0], config->chain_id, &config->contract,
                              config->tls_ca, why);
    if (rv != BASE_OK) return cli_error(CLI_FAILED, "node --register", "%s", why);
    w.max_fee = base_u256_from_u64(MAX_FEE_GWEI * 1000000000u);
    w.told = on_told;
    rv = node_wallet_key_from(&w, &key, why);
    if (rv == BASE_OK) rv = node_seat_register(&w, &result, &request, why);
    node_wallet_close(&w);
    if (rv != BASE_OK) return cli_error(CLI_FAILED, "node --register", "%s", why);
    fprintf(stderr, "nftmesh node --register: %s\n",
            result.stood_already ? "this node's seat stands already" : "registered");
    return CLI_OK;
}
