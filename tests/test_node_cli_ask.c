/* The asking verbs of the binary against a real control socket with a made-up node behind it: what
 * people read, what scripts read, exit codes, and what a hostile peer's text may not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/aead.h"
#include "base/err.h"
#include "cli_run.h"
#include "node/http.h"
#include "node/reason.h"

#define HOSTILE       "\x1b[31mbob\n\tdoor\xc2\x9b"
#define HOSTILE_SHOWN "\\u001b[31mbob\\u000a\\u0009door\\u009b"

static struct fixture {
    char dir[64], control[96], why[NODE_HTTP_WHY_BYTES];
    struct node_view_slot *slot;
    struct node_metrics *metrics;
    struct node_http *http;
    /* What the next command gets, and what the last one was. */
    unsigned status;
    const char *answer;
    _Atomic int kind;
    char url[256], name[80], body[512];
    uint8_t payload[NODE_HTTP_EVENT_PAYLOAD_BYTES_MAX];
    size_t payload_len;
} f;
static struct cli_run run;

#define RUN(...)                                                                                   \
    do {                                                                                           \
        const char *input_ = run.input;                                                            \
        size_t input_len_ = run.input_len;                                                         \
        cli_run_deinit(&run);                                                                      \
        run.input = input_;                                                                        \
        run.input_len = input_len_;                                                                \
        cli_run(&run, __VA_ARGS__, "--socket", f.control, (const char *)NULL);                     \
    } while (0)

static void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) fail_msg("\"%s\" is not in: %s", part, text);
}

static void assert_says_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL) fail_msg("\"%s\" is in: %s", part, text);
}

static void assert_one_line_error(int status, const char *part)
{
    const char *end = strchr(run.err, '\n');
    assert_int_equal(run.status, status);
    assert_string_equal(run.out, "");
    assert_says(run.err, part);
    if (end == NULL || end[1] != '\0') fail_msg("not one line: %s", run.err);
}

/* No byte but printable ASCII and line ends reaches the terminal. */
static void assert_is_tame(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
        if (*c != '\n' && (*c < ' ' || *c > '~')) fail_msg("byte 0x%02x in: %s", *c, text);
}

/* ---- the node ---- */

/* On an HTTP thread; the child has not seen its answer yet, so this thread does not read along. */
static int submit(void *ctx, struct node_command *command)
{
    (void)ctx;
    snprintf(f.url, sizeof f.url, "%s", command->url != NULL ? command->url : "");
    snprintf(f.name, sizeof f.name, "%s", command->name != NULL ? command->name : "");
    char *body =
        command->body != NULL ? json_dumps(command->body, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    snprintf(f.body, sizeof f.body, "%s", body != NULL ? body : "");
    free(body);
    memcpy(f.payload, command->payload, command->payload_len);
    f.payload_len = command->payload_len;
    atomic_store(&f.kind, (int)command->kind);
    if (f.status == 200)
        node_http_complete(command, 200, f.answer, strlen(f.answer));
    else
        node_http_fail(command, f.status, f.answer);
    return BASE_OK;
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    cli_run_dir_make(f.dir);
    snprintf(f.control, sizeof f.control, "%s/control.sock", f.dir);
    assert_int_equal(base_aead_init(), BASE_OK);
    assert_int_equal(node_view_slot_new(&f.slot), BASE_OK);
    assert_int_equal(node_metrics_new(&f.metrics), BASE_OK);
    const struct node_http_config config = {.control_path = f.control,
                                            .view = f.slot,
                                            .metrics = f.metrics,
                                            .build = {"0.1.0", "test", "1.1", 0},
                                            .submit = submit};
    if (node_http_new(&f.http, &config, f.why) != BASE_OK) fail_msg("%s", f.why);
    f.status = 200;
    f.answer = "{\"done\":true}";
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cli_run_deinit(&run);
    node_http_free(f.http);
    node_metrics_free(f.metrics);
    node_view_slot_free(f.slot);
    cli_run_dir_remove(f.dir);
    return 0;
}

static uint64_t wall_ms(void)
{
    return (uint64_t)time(NULL) * 1000;
}

static struct node_view *view_begin(bool ready)
{
    struct node_view *view;
    assert_int_equal(node_view_new(&view), BASE_OK);
    struct node_view_self *self = &view->self;
    self->name = "alice";
    self->url = "tcp://10.0.0.1:9470";
    self->settings = "finality=latest-2";
    self->rpc_trust = "majority";
    self->trust = "first_seen";
    self->contract_kind = "nftmesh";
    self->chain_id = 31337;
    self->kms_root.bytes[19] = 0xcc;
    self->node.bytes[0] = 2;
    self->has_seat = ready;
    self->token = base_u256_from_u64(7);
    self->has_block = true;
    self->block_number = 123;
    self->start_ms = wall_ms() - 200000;
    if (!ready) self->advice = "register this node's keys";
    node_view_add_check(view, "agent", true, "");
    node_view_add_check(view, "seat", ready, "no seat holds this node's key");
    return view;
}

static void add_member(struct node_view *view, const char *name, enum node_view_state state,
                       uint8_t digit)
{
    const struct node_view_tag tag = {"zone", HOSTILE};
    struct node_view_member member = {.name = name,
                                      .url = "tcp://10.0.0.7:9470",
                                      .app_url = "https://b.example",
                                      .version = "0.1.0",
                                      .state = state,
                                      .is_self = digit == 1,
                                      .proved_by_session = true,
                                      .weight = 1,
                                      .incarnation = 3,
                                      .verified_block = 120,
                                      .rtt_ms = digit == 1 ? -1 : 0.4,
                                      .state_since_ms = wall_ms() - 600000,
                                      .tags = &tag,
                                      .tag_count = digit == 2 ? 1 : 0};
    member.node.bytes[0] = 3;
    memset(member.node.bytes + 1, digit * 0x11, 32);
    member.instance.bytes[19] = digit;
    member.owner.bytes[0] = digit;
    member.token = base_u256_from_u64(digit);
    node_view_add_member(view, &member);
}

static void publish(struct node_view *view)
{
    assert_int_equal(node_view_publish(f.slot, view), BASE_OK);
}

static void publish_three(void)
{
    struct node_view *view = view_begin(true);
    struct node_view_link link = {.remote = "tcp://10.0.0.7:9470",
                                  .state = "up",
                                  .dialed = true,
                                  .since_ms = wall_ms() - 7200000 - 60000,
                                  .received_bytes = 999,
                                  .sent_bytes = 1234567,
                                  .rtt_ms = -1};
    add_member(view, "alice", NODE_VIEW_ALIVE, 1);
    add_member(view, HOSTILE, NODE_VIEW_FAILED, 2);
    add_member(view, "carol", NODE_VIEW_ALIVE, 3);
    memset(&link.node, 0x33, sizeof link.node);
    link.node.bytes[0] = 3;
    node_view_add_link(view, &link);
    publish(view);
}

static void publish_refused(enum node_reason reason, bool by_peer)
{
    struct node_view *view = view_begin(true);
    struct node_refusal refusal;
    struct base_buf text;
    base_buf_init(&text, 4096);
    node_refusal_set(&refusal, reason, 99);
    node_refusal_explain(&text, &refusal);
    struct node_view_refusal item = {.remote = "tcp://10.0.0.9:1",
                                     .reason = node_reason_name(reason),
                                     .explanation = text.data,
                                     .by_peer = by_peer,
                                     .block = 99,
                                     .time_ms = wall_ms() - 7200000 - 60000};
    memset(&item.peer, 0x44, sizeof item.peer);
    item.peer.bytes[0] = 2;
    node_view_add_refusal(view, &item);
    base_buf_deinit(&text);
    publish(view);
}

/* ---- members ---- */

static void test_members_are_a_table(void **state)
{
    (void)state;
    publish_three();
    RUN("members");
    assert_int_equal(run.status, 0);
    assert_string_equal(run.err, "");
    assert_is_tame(run.out);
    assert_int_equal(strncmp(run.out, "NAME ", 5), 0);
    assert_says(run.out, "alice (this node)");
    assert_says(run.out, HOSTILE_SHOWN);
    assert_says(run.out, "10 min");
    assert_says(run.out, "033333333333");
    assert_says(run.out, "\n2 alive, 1 failed; verified up to block 123\n");
}

/* Every row's second column begins where the heading's does. */
static void test_columns_are_aligned(void **state)
{
    (void)state;
    publish_three();
    RUN("members");
    const char *state_column = strstr(run.out, "STATE");
    assert_non_null(state_column);
    size_t at = (size_t)(state_column - run.out);
    const char *line = strchr(run.out, '\n') + 1;
    for (size_t i = 0; i < 3; i++, line = strchr(line, '\n') + 1)
        assert_true(strncmp(line + at, "alive ", 6) == 0 || strncmp(line + at, "failed ", 7) == 0);
}

static void test_json_is_passed_as_it_is(void **state)
{
    static const char *const verbs[] = {"members", "status", "peers"};
    (void)state;
    publish_three();
    for (size_t i = 0; i < 3; i++) {
        struct base_buf told;
        struct node_view *view = node_view_acquire(f.slot);
        base_buf_init(&told, 1 << 20);
        if (i == 0)
            node_view_members_json(&told, view);
        else if (i == 2)
            node_view_links_json(&told, view);
        base_buf_puts(&told, "\n");
        RUN(verbs[i], "--format", "json");
        assert_int_equal(run.status, 0);
        /* A status has the time of its making in it. */
        if (i != 1) assert_string_equal(run.out, told.data);
        json_t *json = json_loads(run.out, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
        json_decref(json);
        node_view_free(view);
        base_buf_deinit(&told);
    }
}

static void test_members_by_state_and_name(void **state)
{
    (void)state;
    publish_three();
    RUN("members", "--status", "failed");
    assert_says(run.out, HOSTILE_SHOWN);
    assert_says_not(run.out, "alice");
    RUN("members", "--name", "carol");
    assert_says(run.out, "carol");
    assert_says_not(run.out, "alice");
    RUN("members", "--name", "carol", "--status", "failed", "--format", "json");
    assert_int_equal(run.status, 0);
    json_t *json = json_loads(run.out, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(json, "members")), 0);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "counts"), "alive")),
                     2);
    json_decref(json);
}

/* NFTMESH_NAME is the node's own name, for `nftmesh node`. */
static void test_members_are_not_filtered_by_the_environment(void **state)
{
    (void)state;
    publish_three();
    cli_run_deinit(&run);
    run.env[0] = "NFTMESH_NAME=carol";
    cli_run(&run, "members", "--socket", f.control, (const char *)NULL);
    assert_int_equal(run.status, 0);
    assert_says(run.out, "alice");
}

static void test_members_in_detail(void **state)
{
    (void)state;
    publish_three();
    RUN("members", "--detailed", "--status", "failed");
    assert_int_equal(run.status, 0);
    assert_is_tame(run.out);
    assert_says(run.out, "https://b.example");
    assert_says(run.out, "session");
    assert_says(run.out, "zone=" HOSTILE_SHOWN);
    assert_says(run.out, "0x0200000000000000000000000000000000000000");
}

/* ---- status, peers ---- */

static void test_status_of_a_ready_node(void **state)
{
    (void)state;
    publish_three();
    RUN("status");
    assert_int_equal(run.status, 0);
    assert_is_tame(run.out);
    assert_says(run.out, "[+]seat");
    assert_says(run.out, "\nready; 2 alive");
    assert_says(run.out, "3 min");
    assert_says_not(run.out, "not ready");
    assert_says_not(run.out, "DEVELOPMENT");
}

/* The question is not whether it is ready: the exit status is that of the asking. */
static void test_status_of_a_node_that_is_not_ready(void **state)
{
    (void)state;
    struct node_view *view = view_begin(false);
    view->self.dev = true;
    publish(view);
    RUN("status");
    assert_int_equal(run.status, 0);
    assert_says(run.out, "[-]seat");
    assert_says(run.out, "no seat holds this node's key");
    assert_says(run.out, "\nregister this node's keys\n");
    assert_says(run.out, "DEVELOPMENT");
    assert_says(run.out, "\nnot ready; ");
}

static void test_a_node_that_starts_is_not_ready(void **state)
{
    (void)state;
    RUN("status");
    assert_one_line_error(3, "starting");
    RUN("members");
    assert_one_line_error(3, "starting");
    RUN("why", "alice");
    assert_one_line_error(3, "starting");
}

static void test_peers_are_links(void **state)
{
    (void)state;
    publish_three();
    RUN("peers");
    assert_int_equal(run.status, 0);
    assert_is_tame(run.out);
    assert_says(run.out, "033333333333  up");
    assert_says(run.out, "999 B");
    assert_says(run.out, "1.2 MB");
    assert_says(run.out, "2 h");
    assert_says(run.out, "out");
}

/* ---- why, verify ---- */

static void test_why_of_a_member(void **state)
{
    (void)state;
    publish_three();
    RUN("why", "0333");
    assert_int_equal(run.status, 0);
    assert_says(run.out, "carol");
    assert_says(run.out, "link out: up for 2 h, tcp://10.0.0.7:9470");
    RUN("why", "2");
    assert_int_equal(run.status, 0);
    assert_is_tame(run.out);
    assert_says(run.out, HOSTILE_SHOWN);
}

static void test_why_of_a_refused(void **state)
{
    (void)state;
    publish_refused(NODE_REASON_OWNER_CHANGED, false);
    RUN("why", "0x024444");
    assert_int_equal(run.status, 0);
    assert_says(run.out, "refused: owner_changed, 2 h ago");
    assert_says(run.out, "Check 11");
    assert_says(run.out, "block 99");
    publish_refused(NODE_REASON_REFUSED, true);
    RUN("why", "tcp://10.0.0.9:1");
    assert_int_equal(run.status, 0);
    assert_says(run.out, "it refused us: ");
}

static void test_why_of_nobody(void **state)
{
    (void)state;
    publish_three();
    RUN("why", "02ffff");
    assert_int_equal(run.status, 1);
    assert_says(run.out, "nothing is known");
    RUN("why", "02ffff", "--format", "json");
    assert_int_equal(run.status, 1);
    assert_says(run.out, "\"members\":[]");
}

/* Whatever means something in a URL is asked for as it is. */
static void test_why_asks_for_any_text(void **state)
{
    static const char id[] = "a b&id=c%20#/?+\xc3\xb6";
    (void)state;
    publish_three();
    RUN("why", id, "--format", "json");
    assert_int_equal(run.status, 1);
    json_t *json = json_loads(run.out, 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "id")), id);
    json_decref(json);
}

static size_t count(const char *text, const char *part)
{
    size_t found = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        found++;
    return found;
}

static void test_verify_a_member(void **state)
{
    (void)state;
    publish_three();
    RUN("verify", "carol");
    assert_int_equal(run.status, 0);
    assert_int_equal(count(run.out, "[-]"), 0);
    assert_true(count(run.out, "[+]") >= 7);
    assert_says(run.out, "carol is verified, as of block 120");
    assert_says(run.out, "0x0300000000000000000000000000000000000000");
}

static void test_verify_two_at_once(void **state)
{
    (void)state;
    publish_three();
    struct node_view *view = view_begin(true);
    add_member(view, "twin", NODE_VIEW_ALIVE, 2);
    add_member(view, "twin", NODE_VIEW_ALIVE, 3);
    publish(view);
    RUN("verify", "twin");
    assert_int_equal(run.status, 1);
    assert_says(run.out, "several members");
    RUN("verify", "nobody");
    assert_int_equal(run.status, 1);
    assert_says(run.out, "nothing is known");
}

/* Each word that admission can say no with fails one line, and what is behind it was not reached.
 */
static void test_verify_names_the_check_of_every_reason(void **state)
{
    (void)state;
    for (int reason = NODE_REASON_JUNK; reason <= NODE_REASON_KEY_IN_USE; reason++) {
        const char *name = node_reason_name((enum node_reason)reason);
        publish_refused((enum node_reason)reason, false);
        RUN("verify", "024444");
        assert_int_equal(run.status, 1);
        if (count(run.out, "[-]") != 1) fail_msg("%s: %s", name, run.out);
        assert_says(run.out, name);
        const char *failed = strstr(run.out, "[-]"), *after = strstr(failed, "[+]");
        assert_null(after);
        assert_true(failed == run.out || strncmp(run.out, "[+]", 3) == 0);
    }
}

/* What a peer says of us, or how a link ended, is no check of ours. */
static void test_verify_of_other_refusals(void **state)
{
    (void)state;
    publish_refused(NODE_REASON_NO_SEAT, true);
    RUN("verify", "024444");
    assert_int_equal(run.status, 1);
    assert_int_equal(count(run.out, "[-]"), 0);
    publish_refused(NODE_REASON_TIMEOUT, false);
    RUN("verify", "024444");
    assert_int_equal(run.status, 1);
    assert_int_equal(count(run.out, "[-]"), 0);
}

/* ---- wait ---- */

static void test_wait_for_what_is_so(void **state)
{
    (void)state;
    publish(view_begin(true));
    RUN("wait", "--ready", "--registered");
    assert_int_equal(run.status, 0);
    assert_string_equal(run.out, "");
    assert_string_equal(run.err, "");
}

static void test_wait_for_what_is_not(void **state)
{
    (void)state;
    publish(view_begin(false));
    RUN("wait", "--ready", "--timeout", "300ms");
    assert_one_line_error(3, "[-]seat no seat holds");
    RUN("wait", "--registered", "--timeout", "300ms");
    assert_one_line_error(3, "register this node's keys");
}

/* ---- events ---- */

static void event(const char *json)
{
    node_http_event(f.http, "up", json, strlen(json));
}

static void test_past_events_are_lines(void **state)
{
    (void)state;
    event("{\"ts\":1700000000.5,\"level\":\"info\",\"ev\":\"up\",\"name\":\"bob\"}");
    event(
        "{\"ts\":\"T2\",\"level\":\"info\",\"ev\":\"down\",\"name\":\"a\\u001b\\n[2Jb\",\"n\":3}");
    RUN("events");
    assert_int_equal(run.status, 0);
    assert_is_tame(run.out);
    assert_string_equal(
        run.out, "2023-11-14T22:13:20.500Z up name=bob\nT2 down name=a\\u001b\\u000a[2Jb n=3\n");
    RUN("events", "--format", "json");
    assert_int_equal(count(run.out, "\n"), 2);
    assert_int_equal(strncmp(run.out, "{\"ts\":1700000000.5,", 18), 0);
    RUN("events", "--last", "1");
    assert_string_equal(run.out, "T2 down name=a\\u001b\\u000a[2Jb n=3\n");
    RUN("events", "--last", "0");
    assert_int_equal(run.status, 0);
    assert_string_equal(run.out, "");
}

static void test_an_event_as_long_as_they_come(void **state)
{
    (void)state;
    char json[NODE_HTTP_EVENT_BYTES_MAX + 1];
    int len = snprintf(json, sizeof json, "{\"ev\":\"long\",\"text\":\"");
    memset(json + len, 'x', sizeof json - (size_t)len);
    memcpy(json + NODE_HTTP_EVENT_BYTES_MAX - 2, "\"}", 3);
    event(json);
    event("{\"ev\":\"short\"}");
    RUN("events", "--format", "json");
    assert_int_equal(run.status, 0);
    assert_int_equal(run.out_len, NODE_HTTP_EVENT_BYTES_MAX + 1 + 15);
}

/* ---- telling ---- */

static void test_join_passes_the_url(void **state)
{
    static const char url[] =
        "mesh://020202020202020202020202020202020202020202020202020202020202020202@10.0.0.1:9470";
    (void)state;
    RUN("join", url);
    if (run.status != 0) fail_msg("%s", run.err);
    assert_string_equal(run.out, "done\n");
    assert_int_equal(atomic_load(&f.kind), NODE_COMMAND_JOIN);
    assert_string_equal(f.url, url);
    RUN("join", "nonsense");
    assert_one_line_error(1, "url");
}

static void test_leave(void **state)
{
    (void)state;
    RUN("leave", "--format", "json");
    assert_int_equal(run.status, 0);
    assert_string_equal(run.out, "{\"done\":true}\n");
    assert_int_equal(atomic_load(&f.kind), NODE_COMMAND_LEAVE);
}

static void test_an_event_with_its_payload(void **state)
{
    (void)state;
    RUN("event", "deploy");
    assert_int_equal(run.status, 0);
    assert_string_equal(f.name, "deploy");
    assert_int_equal(f.payload_len, 0);
    RUN("event", "deploy", "v2");
    assert_int_equal(f.payload_len, 2);
    assert_memory_equal(f.payload, "v2", 2);
    run.input = "\0\xff\n";
    run.input_len = 3;
    RUN("event", "deploy", "-");
    run.input = NULL;
    run.input_len = 0;
    assert_int_equal(run.status, 0);
    assert_int_equal(f.payload_len, 3);
    assert_memory_equal(f.payload, "\0\xff\n", 3);
    char full[NODE_HTTP_EVENT_PAYLOAD_BYTES_MAX + 1];
    memset(full, 'p', sizeof full);
    full[sizeof full - 1] = '\0';
    RUN("event", "deploy", full);
    assert_int_equal(run.status, 0);
    assert_int_equal(f.payload_len, NODE_HTTP_EVENT_PAYLOAD_BYTES_MAX);
}

static void test_tags(void **state)
{
    (void)state;
    RUN("tags", "--set", "zone=eu=west", "--set", "empty=", "--delete", "old");
    assert_int_equal(run.status, 0);
    assert_int_equal(atomic_load(&f.kind), NODE_COMMAND_TAGS);
    assert_string_equal(f.body,
                        "{\"delete\":[\"old\"],\"set\":{\"empty\":\"\",\"zone\":\"eu=west\"}}");
}

static void test_trust(void **state)
{
    (void)state;
    publish(view_begin(true));
    RUN("trust", "show");
    assert_int_equal(run.status, 0);
    assert_says(run.out, "0x00000000000000000000000000000000000000cc");
    assert_says(run.out, "first_seen");
    assert_says(run.out, "123");
    RUN("trust", "accept");
    assert_int_equal(run.status, 0);
    assert_int_equal(atomic_load(&f.kind), NODE_COMMAND_TRUST_ACCEPT);
}

static void test_a_no_of_the_node_is_told(void **state)
{
    (void)state;
    f.status = 409;
    f.answer = "this node has no seat";
    RUN("event", "deploy");
    assert_one_line_error(1, "nftmesh event: this node has no seat");
    f.status = 503;
    f.answer = "busy";
    RUN("leave");
    assert_one_line_error(3, "busy");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_members_are_a_table),
        TEST(test_columns_are_aligned),
        TEST(test_json_is_passed_as_it_is),
        TEST(test_members_by_state_and_name),
        TEST(test_members_are_not_filtered_by_the_environment),
        TEST(test_members_in_detail),
        TEST(test_status_of_a_ready_node),
        TEST(test_status_of_a_node_that_is_not_ready),
        TEST(test_a_node_that_starts_is_not_ready),
        TEST(test_peers_are_links),
        TEST(test_why_of_a_member),
        TEST(test_why_of_a_refused),
        TEST(test_why_of_nobody),
        TEST(test_why_asks_for_any_text),
        TEST(test_verify_a_member),
        TEST(test_verify_two_at_once),
        TEST(test_verify_names_the_check_of_every_reason),
        TEST(test_verify_of_other_refusals),
        TEST(test_wait_for_what_is_so),
        TEST(test_wait_for_what_is_not),
        TEST(test_past_events_are_lines),
        TEST(test_an_event_as_long_as_they_come),
        TEST(test_join_passes_the_url),
        TEST(test_leave),
        TEST(test_an_event_with_its_payload),
        TEST(test_tags),
        TEST(test_trust),
        TEST(test_a_no_of_the_node_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
