/* Verbs about the leader, the quorum, the epoch, and what all members share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/cli_ask.h"
#include "node/cli_show.h"
#include "node/control.h"

#define TEXT_BYTES_MAX ((size_t)4 << 20)

static void put_who(struct base_buf *out, const json_t *member)
{
    const char *node = json_string_value(json_object_get(member, "node"));
    cli_field(out, member, "name");
    base_buf_printf(out, "\t%.12s\t", node != NULL ? node : "-");
    cli_field(out, member, "token");
}

/* ---- leader ---- */

static int show_leader(const json_t *json, const struct node_options *options)
{
    static const char *const fields[][2] = {
        {"epoch", "epoch"},
        {"window", "window"},
        {"slot", "slot"},
        {"final slot", "final_slot"},
        {"fencing token", "fencing_token"},
        {"our lease, ms", "lease_remaining_ms"},
    };
    struct base_buf out;
    const json_t *leader = json_object_get(json, "leader");
    (void)options;
    base_buf_init(&out, TEXT_BYTES_MAX);
    if (json_is_object(leader)) {
        base_buf_puts(&out, "leader\t");
        cli_field(&out, leader, "name");
        base_buf_puts(&out, json_is_true(json_object_get(json, "self")) ? " (this node)\n" : "\n");
        cli_pair(&out, "node key", leader, "node");
        cli_pair(&out, "token", leader, "token");
    } else {
        base_buf_puts(&out, "leader\tnone yet: see `nftmesh quorum`\n");
    }
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        cli_pair(&out, fields[i][0], json, fields[i][1]);
    cli_grid_print(&out);
    base_buf_deinit(&out);
    if (json_is_false(json_object_get(json, "bft")))
        puts("fewer than four members: no lie is borne");
    if (json_is_string(json_object_get(json, "why"))) {
        base_buf_init(&out, TEXT_BYTES_MAX);
        base_buf_puts(&out, "this node votes for nothing: ");
        cli_field(&out, json, "why");
        base_buf_puts(&out, "\n");
        cli_grid_print(&out);
        base_buf_deinit(&out);
    }
    return CLI_OK;
}

static int show_schedule(const json_t *json, const struct node_options *options)
{
    struct base_buf out;
    size_t i;
    json_t *window;
    (void)options;
    base_buf_init(&out, TEXT_BYTES_MAX);
    base_buf_puts(&out, "WINDOW\tFIRST SLOT\tNAME\tNODE\tTOKEN\n");
    json_array_foreach(json_object_get(json, "windows"), i, window)
    {
        cli_field(&out, window, "window");
        base_buf_puts(&out, "\t");
        cli_field(&out, window, "first_slot");
        base_buf_puts(&out, "\t");
        put_who(&out, window);
        base_buf_puts(&out, "\n");
    }
    cli_grid_print(&out);
    base_buf_deinit(&out);
    return CLI_OK;
}

static int show_resigned(const json_t *json, const struct node_options *options)
{
    (void)json, (void)options;
    puts("resigned: the next member leads");
    return CLI_OK;
}

static const struct node_option_table leader_table =
    CLI_TABLE("leader", "show|schedule|transfer",
              "Shows who leads and until when, who will lead next, or hands the lead on. Members "
              "lead in turn, "
              "by the tokens behind their seats; who is silent is voted out.",
              "Before you act on being the leader, look at the lease: `lease` of `leader show "
              "--format json`\n"
              "holds while this node may act, and the fencing token grows from leader to leader.\n",
              cli_plain_options, 1, 1);

static int leader(int argc, char **argv)
{
    struct node_options *options;
    int status;
    if (!cli_parse(&options, &status, &leader_table, argc, argv)) return status;
    const char *what = node_options_arg(options, 0);
    if (strcmp(what, "show") == 0)
        status = cli_ask_and_show(options, "leader", "/v1/leader", NULL, show_leader);
    else if (strcmp(what, "schedule") == 0)
        status = cli_ask_and_show(options, "leader", "/v1/schedule", NULL, show_schedule);
    else if (strcmp(what, "transfer") == 0)
        status = cli_ask_and_show(options, "leader", "/v1/leader/transfer", json_object(),
                                  show_resigned);
    else
        status =
            cli_error(CLI_USAGE, "leader", "\"%.40s\" is none of show, schedule, transfer", what);
    node_options_free(options);
    return status;
}

/* ---- quorum ---- */

static void put_voters(struct base_buf *out, const json_t *json)
{
    size_t i;
    json_t *member;
    base_buf_puts(out, "NAME\tNODE\tTOKEN\tWEIGHT\tHEARD\tSTANDING\n");
    json_array_foreach(json_object_get(json, "members"), i, member)
    {
        put_who(out, member);
        base_buf_puts(out, "\t");
        cli_field(out, member, "weight");
        base_buf_puts(out, json_is_true(json_object_get(member, "heard")) ? "\tyes\t" : "\tNO\t");
        if (json_is_true(json_object_get(member, "sold")))
            base_buf_puts(out, "sold, votes until the next epoch");
        else
            cli_field(out, member, "standing");
        base_buf_puts(out, "\n");
    }
}

static void put_awaited(struct base_buf *out, const json_t *json)
{
    size_t i;
    json_t *seat;
    const json_t *awaited = json_object_get(json, "awaited");
    if (json_array_size(awaited) == 0) return;
    base_buf_puts(out, "the next epoch waits for the nodes of the seats ");
    json_array_foreach(awaited, i, seat)
    {
        if (i > 0) base_buf_puts(out, ", ");
        cli_value(out, seat);
    }
    base_buf_puts(out, "\n");
}

static int show_quorum(const json_t *json, const struct node_options *options)
{
    struct base_buf out;
    (void)options;
    base_buf_init(&out, TEXT_BYTES_MAX);
    put_voters(&out, json);
    cli_grid_print(&out);
    base_buf_clear(&out);
    base_buf_puts(&out, "weight ");
    cli_field(&out, json, "present");
    base_buf_puts(&out, " of ");
    cli_field(&out, json, "total");
    base_buf_puts(&out, " is heard, ");
    cli_field(&out, json, "needed");
    base_buf_puts(&out, json_is_true(json_object_get(json, "has_quorum"))
                            ? " is needed: there is a quorum\n"
                            : " is needed: NO QUORUM, nobody can lead\n");
    base_buf_puts(&out, "members that together could stop everything: ");
    cli_field(&out, json, "fewest_to_halt");
    base_buf_puts(&out, json_is_true(json_object_get(json, "bft"))
                            ? "\n"
                            : "; fewer than four members bear no lie\n");
    put_awaited(&out, json);
    fputs(out.failed ? "" : out.data, stdout);
    base_buf_deinit(&out);
    return CLI_OK;
}

static const struct node_option_table quorum_table = CLI_TABLE(
    "quorum", "[options]",
    "Shows who votes, with which weight, whom this node has heard of in the last seconds, "
    "and whether that is enough.",
    "A seat whose node does not run counts as absent until its owner gives it up. Seats of which\n"
    "no node has come yet are waited for when they would be more than a third of the next epoch.\n",
    cli_plain_options, 0, 0);

static int quorum(int argc, char **argv)
{
    return cli_plain_verb(argc, argv, &quorum_table, "/v1/quorum", false, show_quorum);
}

/* ---- epoch ---- */

static int show_epoch(const json_t *json, const struct node_options *options)
{
    static const char *const fields[][2] = {
        {"epoch", "number"},      {"id", "id"},
        {"former", "previous"},   {"closed by slot", "closing_slot"},
        {"log's state", "state"}, {"entries since start", "entries"}};
    struct base_buf out;
    (void)options;
    if (!json_is_integer(json_object_get(json, "number"))) {
        puts("no epoch yet: this node has found nobody who knows one");
        return CLI_OK;
    }
    base_buf_init(&out, TEXT_BYTES_MAX);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        cli_pair(&out, fields[i][0], json, fields[i][1]);
    cli_pair(&out, "block", json_object_get(json, "block"), "number");
    cli_grid_print(&out);
    base_buf_clear(&out);
    put_voters(&out, json);
    cli_grid_print(&out);
    base_buf_deinit(&out);
    return CLI_OK;
}

static const struct node_option_table epoch_table =
    CLI_TABLE("epoch", "show",
              "Shows the epoch: the members and weights that votes are counted by, fixed as of a "
              "block. Another one follows when the seats have changed.",
              NULL, cli_plain_options, 1, 1);

static int epoch(int argc, char **argv)
{
    struct node_options *options;
    int status;
    if (!cli_parse(&options, &status, &epoch_table, argc, argv)) return status;
    const char *what = node_options_arg(options, 0);
    status = strcmp(what, "show") == 0
                 ? cli_ask_and_show(options, "epoch", "/v1/epoch", NULL, show_epoch)
                 : cli_error(CLI_USAGE, "epoch", "\"%.40s\" is not show", what);
    node_options_free(options);
    return status;
}

/* ---- keys and values ---- */

static int show_value(const json_t *json, const struct node_options *options)
{
    struct base_buf out;
    (void)options;
    base_buf_init(&out, TEXT_BYTES_MAX);
    if (json_is_string(json_object_get(json, "value")))
        cli_field(&out, json, "value");
    else
        cli_field(&out, json, "value_hex");
    printf("%s\n", out.failed ? "" : out.data);
    base_buf_deinit(&out);
    return CLI_OK;
}

static int show_keys(const json_t *json, const struct node_options *options)
{
    struct base_buf out;
    size_t i;
    json_t *pair;
    (void)options;
    base_buf_init(&out, TEXT_BYTES_MAX);
    base_buf_puts(&out, "KEY\tVALUE\n");
    json_array_foreach(json_object_get(json, "keys"), i, pair)
    {
        cli_field(&out, pair, "key");
        base_buf_puts(&out, "\t");
        cli_field(&out, pair, "value");
        base_buf_puts(&out, "\n");
    }
    cli_grid_print(&out);
    base_buf_deinit(&out);
    return CLI_OK;
}

static int show_written(const json_t *json, const struct node_options *options)
{
    struct base_buf out;
    (void)options;
    base_buf_init(&out, TEXT_BYTES_MAX);
    cli_field(&out, json, "result");
    base_buf_puts(&out, ": final in epoch ");
    cli_field(&out, json, "epoch");
    base_buf_puts(&out, ", slot ");
    cli_field(&out, json, "slot");
    if (json_integer_value(json_object_get(json, "value")) > 0) {
        base_buf_puts(&out, "; now ");
        cli_field(&out, json, "value");
    }
    printf("%s\n", out.failed ? "" : out.data);
    base_buf_deinit(&out);
    return CLI_OK;
}

static const struct node_option kv_options[] = {
    {.name = "request",
     .argument = "NAME",
     .help = "add: a name for this request. Asked again with it, the first answer comes back and "
             "nothing is added twice.",
     .scope = NODE_OPTION_COMMAND_LINE_ONLY,
     .kind = NODE_OPTION_TEXT},
    CONTROL_OPTIONS,
    CLI_FORMAT_OPTION,
};
static const struct node_option_table kv_table =
    CLI_TABLE("kv", "get KEY | put KEY VALUE | delete KEY | add KEY [AMOUNT] | list",
              "Keys and values that all members share. A change is done when the command returns: "
              "a quorum has "
              "it, and every member will show it.",
              "Small things only: keys of 128 bytes, values of 1024, 512 keys and 64 KiB in all.\n"
              "Example:\n  nftmesh kv put colour blue\n  nftmesh kv add visits 1 --request r-17\n",
              kv_options, 1, 3);

/* In a URL nothing but letters and digits is safe. */
static void put_escaped(struct base_buf *out, const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        base_buf_printf(out, "%%%02x", (unsigned char)*p);
}

static int kv_get(const struct node_options *options)
{
    struct base_buf path;
    base_buf_init(&path, 1024);
    base_buf_puts(&path, "/v1/kv?key=");
    put_escaped(&path, node_options_arg(options, 1));
    int status = path.failed ? cli_error(CLI_USAGE, "kv", "the key is too long")
                             : cli_ask_and_show(options, "kv", path.data, NULL, show_value);
    base_buf_deinit(&path);
    return status;
}

static int kv_tell(const struct node_options *options, json_t *body)
{
    return body == NULL ? cli_error(CLI_USAGE, "kv", "keys and values given here are UTF-8")
                        : cli_ask_and_show(options, "kv", "/v1/kv/change", body, show_written);
}

static int kv_add(const struct node_options *options, size_t args)
{
    const char *text = args > 2 ? node_options_arg(options, 2) : "1";
    const char *request = node_options_text(options, "request");
    char *end;
    long long amount = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0' || amount < 0)
        return cli_error(CLI_USAGE, "kv", "\"%.40s\" is no number of 0 or more", text);
    return kv_tell(options, json_pack("{s:s, s:s, s:I, s:s}", "op", "add", "key",
                                      node_options_arg(options, 1), "amount", (json_int_t)amount,
                                      "request", request != NULL ? request : ""));
}

static int kv_run(const struct node_options *options)
{
    const char *what = node_options_arg(options, 0);
    size_t args = node_options_arg_count(options);
    if (strcmp(what, "list") == 0 && args == 1)
        return cli_ask_and_show(options, "kv", "/v1/kv", NULL, show_keys);
    if (strcmp(what, "get") == 0 && args == 2) return kv_get(options);
    if (strcmp(what, "put") == 0 && args == 3)
        return kv_tell(options, json_pack("{s:s, s:s, s:s}", "op", "put", "key",
                                          node_options_arg(options, 1), "value",
                                          node_options_arg(options, 2)));
    if (strcmp(what, "delete") == 0 && args == 2)
        return kv_tell(
            options, json_pack("{s:s, s:s}", "op", "delete", "key", node_options_arg(options, 1)));
    if (strcmp(what, "add") == 0 && args >= 2) return kv_add(options, args);
    return cli_error(CLI_USAGE, "kv",
                     "use get KEY, put KEY VALUE, delete KEY, add KEY [AMOUNT] or list");
}

static int kv(int argc, char **argv)
{
    struct node_options *options;
    int status;
    if (!cli_parse(&options, &status, &kv_table, argc, argv)) return status;
    status = kv_run(options);
    node_options_free(options);
    return status;
}

/* ---- challenges ---- */

static void put_challenge(struct base_buf *out, const json_t *it)
{
    static const char *const fields[] = {"kind", "verdict", "yes", "no", "needed", "note"};
    cli_field(out, it, "id");
    base_buf_puts(out, "\t");
    cli_field(out, json_object_get(it, "target"), "name");
    base_buf_puts(out, "\t");
    cli_field(out, json_object_get(it, "challenger"), "name");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        base_buf_puts(out, "\t");
        cli_field(out, it, fields[i]);
    }
    base_buf_puts(out, "\n");
}

static int show_challenges(const json_t *json, const struct node_options *options)
{
    struct base_buf out;
    size_t i;
    json_t *it;
    (void)options;
    base_buf_init(&out, TEXT_BYTES_MAX);
    base_buf_puts(&out, "ID\tTARGET\tBY\tKIND\tVERDICT\tYES\tNO\tNEEDED\tNOTE\n");
    json_array_foreach(json_object_get(json, "challenges"), i, it) put_challenge(&out, it);
    cli_grid_print(&out);
    base_buf_deinit(&out);
    return CLI_OK;
}

static const struct node_option challenge_options[] = {
    {.name = "kind",
     .argument = "KIND",
     .help = "open: what for.",
     .fallback = "unresponsive",
     .choices = "unresponsive|slow|invalid|censoring|stale-proof",
     .scope = NODE_OPTION_COMMAND_LINE_ONLY,
     .kind = NODE_OPTION_CHOICE},
    {.name = "note",
     .argument = "TEXT",
     .help = "open: for the other operators, at most 128 bytes.",
     .scope = NODE_OPTION_COMMAND_LINE_ONLY,
     .kind = NODE_OPTION_TEXT},
    CONTROL_OPTIONS,
    CLI_FORMAT_OPTION,
};
static const struct node_option_table challenge_table = CLI_TABLE(
    "challenge", "open MEMBER [--kind KIND] | vote ID yes|no | list",
    "Puts a member's health to the vote. More than two thirds of the weight uphold a challenge: "
    "the "
    "member leads no window for a day, and keeps its weight. A third of the weight dismisses it.",
    "MEMBER is a name, or the first digits of a node key. Nodes that hold a member dead vote yes "
    "to\n"
    "`unresponsive` by themselves. A challenge stands for 120 slots; one member opens one in "
    "600.\n",
    challenge_options, 1, 3);

static int challenge_open(const struct node_options *options)
{
    const char *note = node_options_text(options, "note");
    json_t *body = json_pack("{s:s, s:s, s:s}", "target", node_options_arg(options, 1), "kind",
                             node_options_text(options, "kind"), "note", note != NULL ? note : "");
    return body == NULL
               ? cli_error(CLI_USAGE, "challenge", "the member and the note are UTF-8")
               : cli_ask_and_show(options, "challenge", "/v1/challenges/open", body, show_written);
}

static int challenge_vote(const struct node_options *options)
{
    char *end;
    const char *text = node_options_arg(options, 1);
    long long id = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0' || id < 0)
        return cli_error(CLI_USAGE, "challenge", "\"%.40s\" is no challenge's id", text);
    json_t *body =
        json_pack("{s:I, s:s}", "id", (json_int_t)id, "vote", node_options_arg(options, 2));
    return body == NULL
               ? cli_error(CLI_USAGE, "challenge", "vote yes or no")
               : cli_ask_and_show(options, "challenge", "/v1/challenges/vote", body, show_written);
}

static int challenge(int argc, char **argv)
{
    struct node_options *options;
    int status;
    if (!cli_parse(&options, &status, &challenge_table, argc, argv)) return status;
    const char *what = node_options_arg(options, 0);
    size_t args = node_options_arg_count(options);
    if (strcmp(what, "list") == 0 && args == 1)
        status = cli_ask_and_show(options, "challenge", "/v1/challenges", NULL, show_challenges);
    else if (strcmp(what, "open") == 0 && args == 2)
        status = challenge_open(options);
    else if (strcmp(what, "vote") == 0 && args == 3)
        status = challenge_vote(options);
    else
        status = cli_error(CLI_USAGE, "challenge", "use open MEMBER, vote ID yes|no or list");
    node_options_free(options);
    return status;
}

/* ---- evidence ---- */

static int show_evidence(const json_t *json, const struct node_options *options)
{
    struct base_buf out;
    size_t i;
    json_t *it;
    (void)options;
    base_buf_init(&out, TEXT_BYTES_MAX);
    base_buf_puts(&out, "NAME\tNODE\tTOKEN\tFAULT\tVOTES\n");
    json_array_foreach(json_object_get(json, "evidence"), i, it)
    {
        put_who(&out, json_object_get(it, "member"));
        base_buf_puts(&out, "\t");
        cli_field(&out, it, "fault");
        base_buf_puts(&out, "\t");
        cli_field(&out, json_object_get(it, "a"), "name");
        base_buf_puts(&out, " and ");
        cli_field(&out, json_object_get(it, "b"), "name");
        base_buf_puts(&out, " of slot ");
        cli_field(&out, json_object_get(it, "a"), "first");
        base_buf_puts(&out, "\n");
    }
    json_array_foreach(json_object_get(json, "suspended"), i, it)
    {
        put_who(&out, it);
        base_buf_puts(&out, "\tsuspended\tfor ");
        cli_duration(&out, json_number_value(json_object_get(it, "until")) - cli_now_s());
        base_buf_puts(&out, "\n");
    }
    cli_grid_print(&out);
    base_buf_deinit(&out);
    return CLI_OK;
}

static const struct node_option_table evidence_table = CLI_TABLE(
    "evidence", "list|export",
    "Shows members that were proved to have signed two votes that contradict each other, and who "
    "is "
    "suspended for it. export prints the votes with their signatures, as anybody can check them.",
    "The contract's submitEvidence() takes the two votes and suspends the seat on chain.\n",
    cli_plain_options, 1, 1);

static int show_export(const json_t *json, const struct node_options *options)
{
    char *text = json_dumps(json_object_get(json, "evidence"), JSON_INDENT(2) | JSON_ENSURE_ASCII);
    (void)options;
    if (text == NULL) return cli_error(CLI_FAILED, "evidence", "no memory");
    puts(text);
    free(text);
    return CLI_OK;
}

static int evidence(int argc, char **argv)
{
    struct node_options *options;
    int status;
    if (!cli_parse(&options, &status, &evidence_table, argc, argv)) return status;
    const char *what = node_options_arg(options, 0);
    if (strcmp(what, "list") == 0)
        status = cli_ask_and_show(options, "evidence", "/v1/evidence", NULL, show_evidence);
    else if (strcmp(what, "export") == 0)
        status = cli_ask_and_show(options, "evidence", "/v1/evidence", NULL, show_export);
    else
        status = cli_error(CLI_USAGE, "evidence", "\"%.40s\" is neither list nor export", what);
    node_options_free(options);
    return status;
}

const struct cli_verb cli_lead_verbs[] = {
    {"leader", "who leads, who is next; hand the lead on", leader},
    {"quorum", "who votes, and whether it is enough", quorum},
    {"epoch", "the members and weights that votes are counted by", epoch},
    {"log", "the last entries of the log that all share", cli_log},
    {"kv", "keys and values that all share", kv},
    {"challenge", "put a member's health to the vote", challenge},
    {"evidence", "members that voted twice, and the proof", evidence},
    {NULL, NULL, NULL},
};
