/* Verbs that run something: node, simulator, testnet. */
#include <stdio.h>

#include "base/err.h"
#include "node/cli.h"
#include "node/config.h"
#include "node/mesh.h"
#include "node/register.h"
#include "node/simulator.h"
#include "node/testnet.h"

#define TEXT_BYTES_MAX ((size_t)64 << 10)

static int node_verb(int argc, char **argv)
{
    struct node_config *config = NULL;
    enum node_options_verdict verdict;
    struct base_buf text;
    char why[NODE_OPTIONS_WHY_BYTES] = "";
    int status = CLI_OK;
    int rv = node_config_parse(&config, &verdict, argc, argv, node_option_getenv, NULL, why);
    if (rv != BASE_OK) {
        fprintf(stderr, "%s\n", why[0] != '\0' ? why : base_strerror(rv));
        return rv == BASE_EINVAL ? CLI_USAGE : CLI_FAILED;
    }
    base_buf_init(&text, TEXT_BYTES_MAX);
    if (verdict == NODE_OPTIONS_HELP) {
        node_options_help(&text, &node_config_table);
    } else if (config->check_only) {
        node_config_print(&text, config);
    } else {
        if (config->register_seat) status = node_register_own(config);
        if (status == CLI_OK) status = node_mesh_run(config);
    }
    if (text.data != NULL) fputs(text.data, stdout);
    base_buf_deinit(&text);
    node_config_free(config);
    return status;
}

const struct cli_verb cli_node_verbs[] = {
    {"node", "run a node of the mesh", node_verb},
    {"simulator", "serve a guest agent for development", node_simulator_main},
    {"testnet", "write a whole mesh on a local chain into a directory", node_testnet},
    {NULL, NULL, NULL},
};
