/* why ID, verify ID: what this node knows of another, and how each check of it stands. */
#include <stdio.h>
#include <string.h>

#include "node/cli_ask.h"
#include "node/cli_show.h"
#include "node/control.h"
#include "node/reason.h"

#define TEXT_BYTES_MAX ((size_t)16 << 20)
#define ID_BYTES_MAX   256

static const struct node_option why_options[] = {CONTROL_OPTIONS, CLI_FORMAT_OPTION};
static const struct node_option_table why_table = {
    .command = "nftmesh why",
    .usage = "ID",
    .intro = "Says what this node knows of another: as a member, as a link, and why it was "
             "refused. ID is the first digits of a node key (at least 4), a name, a token id, an "
             "instance id or a remote address.",
    .outro = "Exit codes: 0 something is known, 1 nothing is.\n",
    .options = why_options,
    .option_count = sizeof why_options / sizeof why_options[0],
    .passes_over = true,
    .arg_min = 1,
    .arg_max = 1,
};
static const struct node_option_table verify_table = {
    .command = "nftmesh verify",
    .usage = "ID",
    .intro = "Shows each check that admission makes of a node, in its order, and how it stands: "
             "passed [+], failed [-], not reached [ ]. ID is as for `nftmesh why`.",
    .outro = "Exit codes: 0 a verified member, 1 not.\n",
    .options = why_options,
    .option_count = sizeof why_options / sizeof why_options[0],
    .passes_over = true,
    .arg_min = 1,
    .arg_max = 1,
};

/* ---- asking ---- */

/* Whatever has a meaning in a URL goes as %xx. */
static int why_path(char *out, size_t cap, const char *id)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    int len = snprintf(out, cap, "/v1/why?id=");
    for (; *id != '\0'; id++) {
        bool is_plain = strchr(plain, *id) != NULL;
        len += snprintf(out + len, cap - (size_t)len, is_plain ? "%c" : "%%%02x",
                        (unsigned)(unsigned char)*id);
    }
    return len;
}

typedef int show_fn(const json_t *json);

static int ask(int argc, char **argv, const struct node_option_table *table, show_fn *show,
               show_fn *judge)
{
    struct node_options *options;
    struct control control;
    struct control_answer answer;
    char path[3 * ID_BYTES_MAX + 16];
    int status;
    if (!cli_parse(&options, &status, table, argc, argv)) return status;
    const char *id = node_options_arg(options, 0);
    if (*id == '\0' || strlen(id) > ID_BYTES_MAX) {
        status = cli_error(CLI_USAGE, argv[0], "ID has 1 to %d bytes", ID_BYTES_MAX);
    } else if (control_open(&control, &status, argv[0], options)) {
        why_path(path, sizeof path, id);
        status = control_ask(&control, &answer, path, NULL);
        if (status == CLI_OK) {
            if (cli_is_json(options))
                printf("%s\n", answer.body.data);
            else
                show(answer.json);
            status = judge(answer.json);
        }
        control_answer_deinit(&answer);
        control_close(&control);
    }
    node_options_free(options);
    return status;
}

static const json_t *first_of(const json_t *json, const char *key)
{
    return json_array_get(json_object_get(json, key), 0);
}

static size_t count_of(const json_t *json, const char *key)
{
    return json_array_size(json_object_get(json, key));
}

/* ---- why ---- */

static void put_refusal(struct base_buf *out, const json_t *refusal)
{
    static const char *const fields[][2] = {
        {"  peer", "peer"}, {"  remote", "remote"}, {"  why", "explanation"}};
    bool by_peer = strcmp(json_string_value(json_object_get(refusal, "by")) != NULL
                              ? json_string_value(json_object_get(refusal, "by"))
                              : "",
                          "peer") == 0;
    base_buf_puts(out, by_peer ? "it refused us: " : "refused: ");
    cli_field(out, refusal, "reason");
    base_buf_puts(out, ", ");
    cli_age(out, json_number_value(json_object_get(refusal, "time")), cli_now_s());
    base_buf_puts(out, " ago\n");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const json_t *value = json_object_get(refusal, fields[i][1]);
        if (value != NULL && !json_is_null(value))
            cli_pair(out, fields[i][0], refusal, fields[i][1]);
    }
}

static void put_link(struct base_buf *out, const json_t *link)
{
    base_buf_puts(out, "link ");
    cli_field(out, link, "direction");
    base_buf_puts(out, ": ");
    cli_field(out, link, "state");
    base_buf_puts(out, " for ");
    cli_age(out, json_number_value(json_object_get(link, "since")), cli_now_s());
    base_buf_puts(out, ", ");
    cli_field(out, link, "remote");
    base_buf_puts(out, "\n");
}

static int show_why(const json_t *json)
{
    struct base_buf out;
    size_t i;
    json_t *item;
    base_buf_init(&out, TEXT_BYTES_MAX);
    cli_field(&out, json, "id");
    base_buf_puts(&out, ": ");
    cli_field(&out, json, "summary");
    base_buf_puts(&out, "\n");
    json_array_foreach(json_object_get(json, "members"), i, item) cli_member_show(&out, item);
    json_array_foreach(json_object_get(json, "peers"), i, item) put_link(&out, item);
    json_array_foreach(json_object_get(json, "refusals"), i, item) put_refusal(&out, item);
    cli_grid_print(&out);
    base_buf_deinit(&out);
    return CLI_OK;
}

static int judge_why(const json_t *json)
{
    bool is_known =
        count_of(json, "members") + count_of(json, "peers") + count_of(json, "refusals") > 0;
    return is_known ? CLI_OK : CLI_FAILED;
}

int cli_why(int argc, char **argv)
{
    return ask(argc, argv, &why_table, show_why, judge_why);
}

/* ---- verify ---- */

/* Admission's checks as people name them, in their order; each word that a refusal can have
 * belongs to one of them. */
static const struct check {
    const char *name;
    const char *key;      /* of a member's JSON: what was found; NULL shows "ok" */
    const char *words[4]; /* the reasons of a no */
} checks[] = {
    {"mesh", NULL, {"not_this_mesh", "junk", "handshake", NULL}},
    {"itself", NULL, {"self", "copy", NULL, NULL}},
    {"form", NULL, {"malformed", "feature_required", NULL, NULL}},
    {"settings", NULL, {"settings_differ", NULL, NULL, NULL}},
    {"node key", "node", {"record_key", NULL, NULL, NULL}},
    {"seat", NULL, {"no_seat", NULL, NULL, NULL}},
    {"token", "token", {"token_differs", NULL, NULL, NULL}},
    {"instance", "instance", {"instance_differs", NULL, NULL, NULL}},
    {"proof key", NULL, {"proof_key_differs", NULL, NULL, NULL}},
    {"owner", "owner", {"owner_changed", NULL, NULL, NULL}},
    {"active", NULL, {"inactive", "suspended", NULL, NULL}},
    {"expiry", NULL, {"expired", NULL, NULL, NULL}},
    {"app id", NULL, {"app_id_not_allowed", "root_epoch", NULL, NULL}},
    {"record", NULL, {"record_signature", NULL, NULL, NULL}},
    {"chain", NULL, {"chain_encoding", "chain_app_signature", "chain_kms_root", NULL}},
    {"possession", NULL, {"pop", NULL, NULL, NULL}},
    {"one process", NULL, {"key_in_use", NULL, NULL, NULL}},
};
#define CHECK_COUNT (sizeof checks / sizeof checks[0])

/* CHECK_COUNT: the word is none of admission's (a peer's code, a time-out). */
static size_t check_of(const char *word)
{
    size_t at = 0;
    for (; word != NULL && at < CHECK_COUNT; at++) {
        for (size_t i = 0; i < 4 && checks[at].words[i] != NULL; i++)
            if (strcmp(checks[at].words[i], word) == 0) return at;
    }
    return CHECK_COUNT;
}

/* The newest refusal by us that names a check of admission; NULL for none. */
static const json_t *own_refusal(const json_t *json)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(json, "refusals"), i, item)
    {
        const char *by = json_string_value(json_object_get(item, "by"));
        if (by != NULL && strcmp(by, "us") == 0 &&
            check_of(json_string_value(json_object_get(item, "reason"))) < CHECK_COUNT)
            return item;
    }
    return NULL;
}

static void show_member_checks(struct base_buf *out, const json_t *member)
{
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        base_buf_printf(out, "[+]%s\t", checks[i].name);
        if (checks[i].key != NULL)
            cli_field(out, member, checks[i].key);
        else
            base_buf_puts(out, "ok");
        base_buf_puts(out, "\n");
    }
    cli_field(out, member, "name");
    base_buf_puts(out, " is verified, as of block ");
    cli_field(out, member, "verified_block");
    base_buf_puts(out, " (by its ");
    cli_field(out, member, "proved");
    base_buf_puts(out, "), and ");
    cli_field(out, member, "state");
    base_buf_puts(out, "\n");
}

static void show_refused_checks(struct base_buf *out, const json_t *refusal)
{
    size_t failed = check_of(json_string_value(json_object_get(refusal, "reason")));
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        base_buf_printf(out, "[%c]%s\t",
                        i < failed    ? '+'
                        : i == failed ? '-'
                                      : ' ',
                        checks[i].name);
        if (i == failed)
            cli_field(out, refusal, "explanation");
        else
            base_buf_puts(out, i < failed ? "ok" : "not reached");
        base_buf_puts(out, "\n");
    }
    base_buf_puts(out, "not a member: ");
    cli_field(out, refusal, "reason");
    base_buf_puts(out, ", as of block ");
    cli_field(out, refusal, "block");
    base_buf_puts(out, "\n");
}

static int show_verify(const json_t *json)
{
    struct base_buf out;
    const json_t *refusal = own_refusal(json);
    base_buf_init(&out, TEXT_BYTES_MAX);
    if (count_of(json, "members") == 1) {
        show_member_checks(&out, first_of(json, "members"));
    } else if (count_of(json, "members") == 0 && refusal != NULL) {
        show_refused_checks(&out, refusal);
    } else {
        cli_field(&out, json, "id");
        base_buf_puts(&out, ": ");
        cli_field(&out, json, "summary");
        base_buf_puts(&out, "\n");
    }
    cli_grid_print(&out);
    base_buf_deinit(&out);
    return CLI_OK;
}

static int judge_verify(const json_t *json)
{
    return count_of(json, "members") == 1 ? CLI_OK : CLI_FAILED;
}

int cli_verify(int argc, char **argv)
{
    return ask(argc, argv, &verify_table, show_verify, judge_verify);
}
