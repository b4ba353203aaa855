/* Verbs that tell a running node something: join, leave, event, tags, trust. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "node/cli_ask.h"
#include "node/cli_show.h"
#include "node/control.h"
#include "node/http.h"

#define TEXT_BYTES_MAX ((size_t)1 << 20)

static int show_done(const json_t *json, const struct node_options *options)
{
    const char *key;
    json_t *value;
    (void)options;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        struct base_buf out;
        base_buf_init(&out, TEXT_BYTES_MAX);
        cli_text(&out, key);
        if (!json_is_true(value)) {
            base_buf_puts(&out, ": ");
            cli_field(&out, json, key);
        }
        printf("%s\n", out.failed ? "" : out.data);
        base_buf_deinit(&out);
    }
    return CLI_OK;
}

static const struct node_option_table join_table =
    CLI_TABLE("join", "URL", "Tells the node a member to join through, besides its --bootstrap.",
              "URL is mesh://<node key>@host:port, or http(s)://host:port of a member's "
              "--bootstrap-http.\n",
              cli_plain_options, 1, 1);

int cli_join(int argc, char **argv)
{
    struct node_options *options;
    int status;
    if (!cli_parse(&options, &status, &join_table, argc, argv)) return status;
    json_t *body = json_pack("{s:s}", "url", node_options_arg(options, 0));
    status = body == NULL ? cli_error(CLI_USAGE, "join", "the URL is not UTF-8")
                          : cli_ask_and_show(options, "join", "/v1/join", body, show_done);
    node_options_free(options);
    return status;
}

static const struct node_option_table leave_table = CLI_TABLE(
    "leave", "[options]",
    "Says goodbye to the mesh and stops the node. Its seat stays: started again, it is back.", NULL,
    cli_plain_options, 0, 0);

int cli_leave(int argc, char **argv)
{
    return cli_plain_verb(argc, argv, &leave_table, "/v1/leave", true, show_done);
}

static const struct node_option_table event_table = CLI_TABLE(
    "event", "NAME [PAYLOAD|-]",
    "Sends an event to all members. PAYLOAD is at most 512 bytes; - reads it from standard "
    "input.",
    "Example:\n  nftmesh event deploy v2.1\n", cli_plain_options, 1, 2);

/* The payload's bytes; negative: too many, or not readable. */
static int payload_read(uint8_t *out, size_t *len, const char *arg)
{
    *len = 0;
    if (arg == NULL) return BASE_OK;
    if (strcmp(arg, "-") != 0) {
        *len = strlen(arg);
        if (*len > NODE_HTTP_EVENT_PAYLOAD_BYTES_MAX) return BASE_ETOOBIG;
        memcpy(out, arg, *len);
        return BASE_OK;
    }
    *len = fread(out, 1, NODE_HTTP_EVENT_PAYLOAD_BYTES_MAX + 1, stdin);
    if (ferror(stdin)) return BASE_EIO;
    return *len > NODE_HTTP_EVENT_PAYLOAD_BYTES_MAX ? BASE_ETOOBIG : BASE_OK;
}

static int event_send(const struct node_options *options)
{
    uint8_t payload[NODE_HTTP_EVENT_PAYLOAD_BYTES_MAX + 1];
    char hex[2 * sizeof payload + 1];
    size_t len;
    const char *arg = node_options_arg_count(options) > 1 ? node_options_arg(options, 1) : NULL;
    int rv = payload_read(payload, &len, arg);
    if (rv != BASE_OK)
        return cli_error(CLI_USAGE, "event", "the payload: %s",
                         rv == BASE_ETOOBIG ? "more than 512 bytes" : base_strerror(rv));
    base_hex_encode(hex, payload, len);
    json_t *body = json_pack("{s:s, s:s}", "name", node_options_arg(options, 0), "payload", hex);
    if (body == NULL) return cli_error(CLI_USAGE, "event", "the name is not UTF-8");
    return cli_ask_and_show(options, "event", "/v1/event", body, show_done);
}

int cli_event(int argc, char **argv)
{
    struct node_options *options;
    int status;
    if (!cli_parse(&options, &status, &event_table, argc, argv)) return status;
    status = event_send(options);
    node_options_free(options);
    return status;
}

static const struct node_option tags_options[] = {
    {.name = "set",
     .argument = "KEY=VALUE",
     .help = "Sets a tag of this node.",
     .repeatable = true,
     .scope = NODE_OPTION_COMMAND_LINE_ONLY,
     .kind = NODE_OPTION_TEXT},
    {.name = "delete",
     .argument = "KEY",
     .help = "Takes a tag away.",
     .repeatable = true,
     .scope = NODE_OPTION_COMMAND_LINE_ONLY,
     .kind = NODE_OPTION_TEXT},
    CONTROL_OPTIONS,
    CLI_FORMAT_OPTION,
};
static const struct node_option_table tags_table =
    CLI_TABLE("tags", "--set KEY=VALUE .. --delete KEY ..",
              "Changes the tags that this node shows to all members.",
              "Example:\n  nftmesh tags --set zone=eu --delete canary\n", tags_options, 0, 0);

/* NULL: an argument is not KEY=VALUE, or not UTF-8. */
static json_t *tags_body(const struct node_options *options)
{
    json_t *set = json_object(), *gone = json_array();
    bool ok = set != NULL && gone != NULL;
    for (size_t i = 0; ok && i < node_options_count(options, "set"); i++) {
        const char *text = node_options_at(options, "set", i), *equals = strchr(text, '=');
        ok = equals != NULL && equals > text &&
             json_object_setn_new(set, text, (size_t)(equals - text), json_string(equals + 1)) == 0;
    }
    for (size_t i = 0; ok && i < node_options_count(options, "delete"); i++)
        ok = json_array_append_new(gone, json_string(node_options_at(options, "delete", i))) == 0;
    if (ok) return json_pack("{s:o, s:o}", "set", set, "delete", gone);
    json_decref(set);
    json_decref(gone);
    return NULL;
}

int cli_tags(int argc, char **argv)
{
    struct node_options *options;
    int status;
    if (!cli_parse(&options, &status, &tags_table, argc, argv)) return status;
    json_t *body = tags_body(options);
    if (node_options_count(options, "set") + node_options_count(options, "delete") == 0)
        status = cli_error(CLI_USAGE, "tags", "nothing to change: give --set or --delete");
    else if (body == NULL)
        status = cli_error(CLI_USAGE, "tags", "--set takes KEY=VALUE, in UTF-8");
    else
        status = cli_ask_and_show(options, "tags", "/v1/tags", json_incref(body), show_done);
    json_decref(body);
    node_options_free(options);
    return status;
}

static const struct node_option_table trust_table =
    CLI_TABLE("trust", "show|accept",
              "Shows what this node trusts, or accepts what it reads on the chain now: a KMS root "
              "that changed, or a chain that went back. Look at both before you accept.",
              NULL, cli_plain_options, 1, 1);

static int show_trust(const json_t *json, const struct node_options *options)
{
    static const char *const fields[][2] = {{"chain id", "chain_id"},   {"contract", "contract"},
                                            {"kms root", "kms_root"},   {"trust", "trust"},
                                            {"rpc trust", "rpc_trust"}, {"settings", "settings"}};
    struct base_buf out;
    (void)options;
    base_buf_init(&out, TEXT_BYTES_MAX);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        cli_pair(&out, fields[i][0], json, fields[i][1]);
    cli_pair(&out, "block", json_object_get(json, "block"), "number");
    cli_rpc_show(&out, json);
    cli_checks_show(&out, json);
    cli_grid_print(&out);
    base_buf_deinit(&out);
    return CLI_OK;
}

int cli_trust(int argc, char **argv)
{
    struct node_options *options;
    int status;
    if (!cli_parse(&options, &status, &trust_table, argc, argv)) return status;
    const char *what = node_options_arg(options, 0);
    if (strcmp(what, "show") == 0)
        status = cli_ask_and_show(options, "trust", "/v1/status", NULL, show_trust);
    else if (strcmp(what, "accept") == 0)
        status = cli_ask_and_show(options, "trust", "/v1/trust/accept", json_object(), show_done);
    else
        status = cli_error(CLI_USAGE, "trust", "\"%.40s\" is neither show nor accept", what);
    node_options_free(options);
    return status;
}
