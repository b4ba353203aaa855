/* Verbs that ask a running node, or tell it something, over its control socket. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "node/cli_ask.h"
#include "node/cli_show.h"
#include "node/control.h"

#define TEXT_BYTES_MAX ((size_t)16 << 20)
#define POLL_MS        100

const struct node_option cli_plain_options[4] = {CONTROL_OPTIONS, CLI_FORMAT_OPTION};

int cli_ask_and_show(const struct node_options *options, const char *verb, const char *path,
                     json_t *body, cli_show_fn *show)
{
    struct control control;
    struct control_answer answer;
    int status;
    if (!control_open(&control, &status, verb, options)) {
        json_decref(body);
        return status;
    }
    status = control_ask(&control, &answer, path, body);
    if (status == CLI_OK && cli_is_json(options))
        printf("%s\n", answer.body.data);
    else if (status == CLI_OK)
        status = show(answer.json, options);
    control_answer_deinit(&answer);
    control_close(&control);
    return status;
}

int cli_plain_verb(int argc, char **argv, const struct node_option_table *table, const char *path,
                   bool posts, cli_show_fn *show)
{
    struct node_options *options;
    int status;
    if (!cli_parse(&options, &status, table, argc, argv)) return status;
    json_t *body = posts ? json_object() : NULL;
    status = posts && body == NULL ? cli_error(CLI_FAILED, argv[0], "no memory")
                                   : cli_ask_and_show(options, argv[0], path, body, show);
    node_options_free(options);
    return status;
}

/* ---- members ---- */

/* A node's own name is in its environment and file as well: not what is meant here. */
static const struct node_option members_options[] = {
    {.name = "status",
     .argument = "STATE",
     .help = "Only members in this state.",
     .choices = "alive|suspect|failed|left|unknown",
     .scope = NODE_OPTION_COMMAND_LINE_ONLY,
     .kind = NODE_OPTION_CHOICE},
    {.name = "name",
     .argument = "NAME",
     .help = "Only this name.",
     .scope = NODE_OPTION_COMMAND_LINE_ONLY,
     .kind = NODE_OPTION_TEXT},
    {.name = "detailed",
     .help = "All that is known of each member.",
     .scope = NODE_OPTION_COMMAND_LINE_ONLY},
    CONTROL_OPTIONS,
    CLI_FORMAT_OPTION,
};
static const struct node_option_table members_table =
    CLI_TABLE("members", "[options]", "Lists the members of the mesh as this node sees them.",
              "Example:\n  nftmesh members --status failed --format json\n", members_options, 0, 0);

static void put_member_row(struct base_buf *out, const json_t *m)
{
    const char *node = json_string_value(json_object_get(m, "node"));
    cli_field(out, m, "name");
    base_buf_puts(out, json_is_true(json_object_get(m, "self")) ? " (this node)\t" : "\t");
    cli_field(out, m, "state");
    base_buf_puts(out, "\t");
    cli_age(out, json_number_value(json_object_get(m, "since")), cli_now_s());
    base_buf_puts(out, "\t");
    cli_field(out, m, "token");
    base_buf_printf(out, "\t%.12s\t", node != NULL ? node : "-");
    cli_field(out, m, "weight");
    base_buf_puts(out, "\t");
    cli_field(out, m, "rtt_ms");
    base_buf_puts(out, "\t");
    cli_field(out, m, "url");
    base_buf_puts(out, "\n");
}

static void put_tags(struct base_buf *out, const json_t *tags)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)tags, key, value)
    {
        base_buf_puts(out, "  tag\t");
        cli_text(out, key);
        base_buf_puts(out, "=");
        cli_text(out, json_string_value(value));
        base_buf_puts(out, "\n");
    }
}

void cli_member_show(struct base_buf *out, const json_t *m)
{
    static const char *const fields[][2] = {
        {"  state", "state"},       {"  node key", "node"},
        {"  instance", "instance"}, {"  token", "token"},
        {"  owner", "owner"},       {"  url", "url"},
        {"  app url", "app_url"},   {"  version", "version"},
        {"  proved by", "proved"},  {"  verified at block", "verified_block"},
        {"  weight", "weight"},     {"  incarnation", "incarnation"},
        {"  sequence", "sequence"}, {"  round trip ms", "rtt_ms"},
    };
    cli_field(out, m, "name");
    base_buf_puts(out, json_is_true(json_object_get(m, "self")) ? " (this node)\n" : "\n");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        cli_pair(out, fields[i][0], m, fields[i][1]);
    base_buf_puts(out, "  in this state for\t");
    cli_age(out, json_number_value(json_object_get(m, "since")), cli_now_s());
    base_buf_puts(out, "\n");
    put_tags(out, json_object_get(m, "tags"));
}

static void print_counts(const json_t *json)
{
    static const char *const states[] = {"alive", "suspect", "failed", "left"};
    const json_t *counts = json_object_get(json, "counts");
    const json_t *block = json_object_get(json, "block");
    bool first = true;
    for (size_t i = 0; i < 4; i++) {
        json_int_t count = json_integer_value(json_object_get(counts, states[i]));
        if (count == 0 && i != 0) continue;
        printf("%s%lld %s", first ? "" : ", ", (long long)count, states[i]);
        first = false;
    }
    if (json_is_object(block))
        printf("; verified up to block %lld",
               (long long)json_integer_value(json_object_get(block, "number")));
    putchar('\n');
}

static int show_members(const json_t *json, const struct node_options *options)
{
    struct base_buf out;
    size_t i;
    json_t *member;
    bool detailed = node_options_flag(options, "detailed");
    base_buf_init(&out, TEXT_BYTES_MAX);
    if (!detailed) base_buf_puts(&out, "NAME\tSTATE\tFOR\tTOKEN\tNODE\tWEIGHT\tRTT MS\tURL\n");
    json_array_foreach(json_object_get(json, "members"), i, member)
    {
        if (detailed)
            cli_member_show(&out, member);
        else
            put_member_row(&out, member);
    }
    cli_grid_print(&out);
    base_buf_deinit(&out);
    print_counts(json);
    return CLI_OK;
}

static bool member_is_asked_for(const json_t *member, const struct node_options *options)
{
    static const char *const keys[][2] = {{"status", "state"}, {"name", "name"}};
    for (size_t i = 0; i < 2; i++) {
        const char *wanted = node_options_text(options, keys[i][0]);
        const char *is = json_string_value(json_object_get(member, keys[i][1]));
        if (wanted != NULL && (is == NULL || strcmp(wanted, is) != 0)) return false;
    }
    return true;
}

/* The answer's form stays, its members are fewer; counts are those of the whole mesh. */
static void members_filter(json_t *json, const struct node_options *options)
{
    json_t *members = json_object_get(json, "members");
    for (size_t i = json_array_size(members); i-- > 0;) {
        if (!member_is_asked_for(json_array_get(members, i), options))
            json_array_remove(members, i);
    }
}

static int print_members(const struct control_answer *answer, const struct node_options *options)
{
    bool all =
        node_options_text(options, "status") == NULL && node_options_text(options, "name") == NULL;
    if (!all) members_filter(answer->json, options);
    if (!cli_is_json(options)) return show_members(answer->json, options);
    char *text =
        all ? NULL
            : json_dumps(answer->json, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
    if (!all && text == NULL) return cli_error(CLI_FAILED, "members", "no memory");
    printf("%s\n", all ? answer->body.data : text);
    free(text);
    return CLI_OK;
}

static int members(int argc, char **argv)
{
    struct node_options *options;
    struct control control;
    struct control_answer answer;
    int status;
    if (!cli_parse(&options, &status, &members_table, argc, argv)) return status;
    if (control_open(&control, &status, "members", options)) {
        status = control_ask(&control, &answer, "/v1/members", NULL);
        if (status == CLI_OK) status = print_members(&answer, options);
        control_answer_deinit(&answer);
        control_close(&control);
    }
    node_options_free(options);
    return status;
}

/* ---- status ---- */

static const struct node_option_table status_table = CLI_TABLE(
    "status", "[options]", "Shows this node: who it is, what it trusts, whether it is ready.", NULL,
    cli_plain_options, 0, 0);

void cli_rpc_show(struct base_buf *out, const json_t *json)
{
    size_t i;
    json_t *rpc;
    json_array_foreach(json_object_get(json, "rpc"), i, rpc)
    {
        base_buf_puts(out, "rpc\t");
        cli_field(out, rpc, "endpoint");
        base_buf_puts(out, ": ");
        cli_field(out, rpc, "state");
        base_buf_puts(out, ", head ");
        cli_field(out, rpc, "head_block");
        if (json_is_string(json_object_get(rpc, "last_error"))) {
            base_buf_puts(out, "; last error: ");
            cli_field(out, rpc, "last_error");
        }
        base_buf_puts(out, "\n");
    }
}

void cli_checks_show(struct base_buf *out, const json_t *json)
{
    size_t i;
    json_t *check;
    json_array_foreach(json_object_get(json, "checks"), i, check)
    {
        bool ok = json_is_true(json_object_get(check, "ok"));
        base_buf_puts(out, ok ? "[+]" : "[-]");
        cli_field(out, check, "name");
        base_buf_puts(out, "\t");
        if (ok)
            base_buf_puts(out, "ok");
        else
            cli_field(out, check, "reason");
        base_buf_puts(out, "\n");
    }
}

static void show_warnings(struct base_buf *out, const json_t *json)
{
    size_t i;
    json_t *warning;
    json_array_foreach(json_object_get(json, "warnings"), i, warning)
    {
        base_buf_puts(out, "warning: ");
        cli_text(out, json_string_value(warning));
        base_buf_puts(out, "\n");
    }
}

static int show_status(const json_t *json, const struct node_options *options)
{
    static const char *const fields[][2] = {
        {"name", "name"},         {"node key", "node"},     {"instance", "instance"},
        {"token", "token"},       {"owner", "owner"},       {"weight", "weight"},
        {"url", "url"},           {"app url", "app_url"},   {"version", "version"},
        {"chain id", "chain_id"}, {"contract", "contract"}, {"contract kind", "contract_kind"},
        {"kms root", "kms_root"}, {"trust", "trust"},       {"rpc trust", "rpc_trust"},
        {"settings", "settings"},
    };
    struct base_buf out;
    const json_t *block = json_object_get(json, "block");
    (void)options;
    base_buf_init(&out, TEXT_BYTES_MAX);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        cli_pair(&out, fields[i][0], json, fields[i][1]);
    cli_pair(&out, "block", block, "number");
    if (json_is_number(json_object_get(json, "registration_ends_in_days"))) {
        base_buf_puts(&out, "registered for\t");
        cli_field(&out, json, "registration_ends_in_days");
        base_buf_puts(&out, " more days\n");
    }
    cli_rpc_show(&out, json);
    base_buf_puts(&out, "running for\t");
    cli_duration(&out, json_number_value(json_object_get(json, "uptime_s")));
    base_buf_puts(&out, "\n");
    cli_checks_show(&out, json);
    cli_grid_print(&out);
    base_buf_clear(&out);
    if (json_is_string(json_object_get(json, "advice"))) {
        cli_field(&out, json, "advice");
        base_buf_puts(&out, "\n");
    }
    show_warnings(&out, json);
    if (json_is_true(json_object_get(json, "dev")))
        base_buf_puts(&out, "DEVELOPMENT: admission proves nothing here (--dev)\n");
    base_buf_puts(&out, json_is_true(json_object_get(json, "ready")) ? "ready; " : "not ready; ");
    fputs(out.failed ? "" : out.data, stdout);
    base_buf_deinit(&out);
    print_counts(json);
    return CLI_OK;
}

static int status_verb(int argc, char **argv)
{
    return cli_plain_verb(argc, argv, &status_table, "/v1/status", false, show_status);
}

/* ---- peers ---- */

static const struct node_option_table peers_table =
    CLI_TABLE("peers", "[options]",
              "Lists this node's links: sessions with peers, and those being "
              "made.",
              NULL, cli_plain_options, 0, 0);

static int show_peers(const json_t *json, const struct node_options *options)
{
    struct base_buf out;
    size_t i;
    json_t *link;
    (void)options;
    base_buf_init(&out, TEXT_BYTES_MAX);
    base_buf_puts(&out, "NODE\tSTATE\tDIRECTION\tFOR\tRECEIVED\tSENT\tREMOTE\n");
    json_array_foreach(json_object_get(json, "peers"), i, link)
    {
        const char *node = json_string_value(json_object_get(link, "node"));
        base_buf_printf(&out, "%.12s\t", node != NULL ? node : "-");
        cli_field(&out, link, "state");
        base_buf_puts(&out, "\t");
        cli_field(&out, link, "direction");
        base_buf_puts(&out, "\t");
        cli_age(&out, json_number_value(json_object_get(link, "since")), cli_now_s());
        base_buf_puts(&out, "\t");
        cli_bytes(&out, json_number_value(json_object_get(link, "received_bytes")));
        base_buf_puts(&out, "\t");
        cli_bytes(&out, json_number_value(json_object_get(link, "sent_bytes")));
        base_buf_puts(&out, "\t");
        cli_field(&out, link, "remote");
        base_buf_puts(&out, "\n");
    }
    cli_grid_print(&out);
    base_buf_deinit(&out);
    return CLI_OK;
}

static int peers(int argc, char **argv)
{
    return cli_plain_verb(argc, argv, &peers_table, "/v1/peers", false, show_peers);
}

/* ---- wait ---- */

static const struct node_option wait_options[] = {
    {.name = "ready",
     .help = "Until the node is ready: it has its seat and sees the mesh.",
     .scope = NODE_OPTION_COMMAND_LINE_ONLY},
    {.name = "registered",
     .help = "Until the node's seat is on the chain as it should be.",
     .scope = NODE_OPTION_COMMAND_LINE_ONLY},
    {.name = "leader",
     .help = "Until somebody leads, as this node knows.",
     .scope = NODE_OPTION_COMMAND_LINE_ONLY},
    {.name = "timeout",
     .argument = "TIME",
     .help = "Give up after this long, with exit code 3.",
     .fallback = "60s",
     .scope = NODE_OPTION_COMMAND_LINE_ONLY,
     .kind = NODE_OPTION_DURATION},
    CONTROL_OPTIONS,
};
static const struct node_option_table wait_table =
    CLI_TABLE("wait", "--ready|--registered|--leader [--timeout T]",
              "Waits until a node is ready, has its seat, or knows a leader. A node that does not "
              "run yet is waited "
              "for as well.",
              "Exit codes: 0 it is so, 3 not within the time.\nExample:\n  nftmesh wait --ready "
              "--timeout 2m --data-dir /var/lib/nftmesh\n",
              wait_options, 0, 0);

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Is it so? why is what is missing, in one line. */
static bool wait_ready(struct control *control, char *why, size_t why_bytes)
{
    struct control_answer answer;
    bool is_so = false;
    if (control_ask_text(control, &answer, "/readyz") == CLI_OK && answer.body.len > 0) {
        is_so = answer.http_status == 200;
        snprintf(why, why_bytes, "%.*s", (int)strcspn(answer.body.data, "\n"), answer.body.data);
    } else
        snprintf(why, why_bytes, "no node answers at %.400s", control->path);
    control_answer_deinit(&answer);
    return is_so;
}

static bool wait_registered(struct control *control, char *why, size_t why_bytes)
{
    struct control_answer answer;
    bool is_so = false;
    if (control_ask(control, &answer, "/v1/status", NULL) == CLI_OK) {
        const json_t *token = json_object_get(answer.json, "token");
        const char *advice = json_string_value(json_object_get(answer.json, "advice"));
        is_so = token != NULL && !json_is_null(token);
        snprintf(why, why_bytes, "%s", advice != NULL ? advice : "it has no seat yet");
    } else
        snprintf(why, why_bytes, "no node answers at %.400s", control->path);
    control_answer_deinit(&answer);
    return is_so;
}

/* One that can act: something has become final in its window, or it is we who hold the lease. */
static bool wait_leader(struct control *control, char *why, size_t why_bytes)
{
    struct control_answer answer;
    bool is_so = false;
    if (control_ask(control, &answer, "/v1/leader", NULL) == CLI_OK) {
        const json_t *final_slot = json_object_get(answer.json, "final_slot");
        json_int_t first = json_integer_value(json_object_get(answer.json, "window_first"));
        is_so = json_is_object(json_object_get(answer.json, "leader")) &&
                json_is_integer(final_slot) && json_integer_value(final_slot) >= first;
        snprintf(why, why_bytes, "nobody leads yet: see `nftmesh quorum`");
    } else
        snprintf(why, why_bytes, "%s",
                 answer.http_status != 0 ? "this node knows nothing of a leader"
                                         : "no node answers");
    control_answer_deinit(&answer);
    return is_so;
}

struct awaited {
    const char *option, *state;
    bool (*is_so)(struct control *control, char *why, size_t why_bytes);
};

static int wait_for(struct control *control, const struct awaited *what, uint64_t timeout_ms)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000};
    uint64_t end_ms = monotonic_ms() + timeout_ms;
    char why[1024] = "";
    control->quiet = true;
    while (!what->is_so(control, why, sizeof why)) {
        if (monotonic_ms() >= end_ms)
            return cli_error(CLI_NOT_READY, "wait", "not %s after %llu s: %s", what->state,
                             (unsigned long long)(timeout_ms / 1000), why);
        nanosleep(&pause, NULL);
    }
    return CLI_OK;
}

static int wait_verb(int argc, char **argv)
{
    static const struct awaited all[] = {{"registered", "registered", wait_registered},
                                         {"ready", "ready", wait_ready},
                                         {"leader", "led", wait_leader}};
    struct node_options *options;
    struct control control;
    int status;
    bool is_any = false;
    if (!cli_parse(&options, &status, &wait_table, argc, argv)) return status;
    uint64_t timeout_ms = node_options_ms(options, "timeout");
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        is_any = is_any || node_options_flag(options, all[i].option);
    if (!is_any) {
        status = cli_error(CLI_USAGE, "wait",
                           "wait for what? give --ready, --registered, --leader or several");
    } else if (control_open(&control, &status, "wait", options)) {
        status = CLI_OK;
        for (size_t i = 0; i < sizeof all / sizeof all[0] && status == CLI_OK; i++)
            if (node_options_flag(options, all[i].option))
                status = wait_for(&control, &all[i], timeout_ms);
        control_close(&control);
    }
    node_options_free(options);
    return status;
}

const struct cli_verb cli_ask_verbs[] = {
    {"status", "this node: its seat, its trust, its checks", status_verb},
    {"members", "the members of the mesh", members},
    {"peers", "this node's links", peers},
    {"events", "what happens, as it happens", cli_events},
    {"why", "what is known of a node, and why it was refused", cli_why},
    {"verify", "each check of one member, and how it stands", cli_verify},
    {"wait", "until the node is ready, registered, or led", wait_verb},
    {"join", "a member to join through", cli_join},
    {"leave", "say goodbye and stop", cli_leave},
    {"event", "send an event to all members", cli_event},
    {"tags", "change this node's tags", cli_tags},
    {"trust", "what is trusted; accept what changed", cli_trust},
    {NULL, NULL, NULL},
};
