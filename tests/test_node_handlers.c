/* Event handlers' processes: real ones, on a loop of the test's own. Each test waits for what shall
 * happen; nothing sleeps and hopes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "node/handlers.h"

#define PATIENCE_MS 60000

struct world {
    uv_loop_t loop;
    uv_timer_t patience;
    struct node_handlers *handlers;
    char log[16384]; /* "ev: text\n" for each line */
    char counted[4096];
    bool is_late, is_closed;
};

static void environment(void *ctx, struct node_handler_env *env)
{
    (void)ctx;
    node_handler_env_both(env, "SELF_NAME",
                          (struct base_slice){(const uint8_t *)"alice", strlen("alice")});
}

static void put(char *out, size_t cap, const char *a, const char *b)
{
    size_t len = strlen(out);
    snprintf(out + len, cap - len, "%s%s\n", a, b);
}

static void take_line(void *ctx, enum base_log_level level, const char *ev, const char *command,
                      enum node_handler_event event, const char *text)
{
    struct world *w = ctx;
    (void)level;
    (void)command;
    (void)event;
    put(w->log, sizeof w->log, ev, ": ");
    w->log[strlen(w->log) - 1] = '\0';
    put(w->log, sizeof w->log, text, "");
}

static void tally(void *ctx, const char *result)
{
    struct world *w = ctx;
    put(w->counted, sizeof w->counted, result, "");
}

static void on_patience(uv_timer_t *timer)
{
    struct world *w = timer->data;
    w->is_late = true;
}

static void on_closed(void *ctx)
{
    struct world *w = ctx;
    w->is_closed = true;
}

static void begin(struct world *w, const char *spec_text, uint64_t timeout_ms, uint64_t kill_ms)
{
    struct node_handler_spec spec;
    char why[256];
    memset(w, 0, sizeof *w);
    signal(SIGPIPE, SIG_IGN);
    const struct node_handlers_config config = {.timeout_ms = timeout_ms,
                                                .kill_ms = kill_ms,
                                                .ctx = w,
                                                .environment = environment,
                                                .log = take_line,
                                                .count = tally};
    assert_int_equal(node_handler_spec_parse(&spec, spec_text, why, sizeof why), BASE_OK);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(uv_timer_init(&w->loop, &w->patience), 0);
    w->patience.data = w;
    uv_timer_start(&w->patience, on_patience, PATIENCE_MS, 0);
    assert_int_equal(node_handlers_new(&w->handlers, &w->loop, &spec, 1, &config), BASE_OK);
}

static size_t times(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        count++;
    return count;
}

static void wait_for(struct world *w, const char *where, const char *what, size_t count)
{
    while (times(where, what) < count && !w->is_late)
        uv_run(&w->loop, UV_RUN_ONCE);
    if (w->is_late) fail_msg("no %s in:\n%s\n%s", what, w->log, w->counted);
}

static void end(struct world *w, uint64_t stop_ms)
{
    node_handlers_close(w->handlers, stop_ms, on_closed, w);
    while (!w->is_closed && !w->is_late)
        uv_run(&w->loop, UV_RUN_ONCE);
    assert_true(w->is_closed);
    uv_close((uv_handle_t *)&w->patience, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0); /* no handle is left behind */
}

static void member(struct world *w, enum node_handler_event event, const char *name)
{
    char line[128];
    int len = snprintf(line, sizeof line, "%s\t10.0.0.1\tweb\trole=web\n", name);
    node_handlers_member(w->handlers, event,
                         (struct base_slice){(const uint8_t *)line, (size_t)len}, "02ab");
}

static void user(struct world *w, const char *name, const char *payload)
{
    struct node_handlers_user event = {.name = {(const uint8_t *)name, strlen(name)},
                                       .payload = {(const uint8_t *)payload, strlen(payload)},
                                       .epoch = 3,
                                       .sequence = 4,
                                       .node_hex = "03cd"};
    node_handlers_user(w->handlers, &event);
}

static void test_a_member_event_is_told_whole(void **state)
{
    struct world w;
    (void)state;
    assert_int_equal(setenv("PRIVATE_KEY", "do not tell", 1), 0);
    begin(&w,
          "member-join=echo \"$SERF_EVENT $NFTMESH_EVENT $SERF_SELF_NAME $NFTMESH_MEMBER_NODES\";"
          " echo \"[$PRIVATE_KEY]\" >/dev/stderr; cat /dev/stdin",
          0, 0);
    member(&w, NODE_HANDLER_MEMBER_LEAVE, "nobody"); /* not asked for */
    member(&w, NODE_HANDLER_MEMBER_JOIN, "bob");
    wait_for(&w, w.counted, "ok", 1);
    assert_non_null(strstr(w.log, "handler_output: member-join member-join alice 02ab\n"));
    assert_non_null(strstr(w.log, "handler_output: []\n"));
    assert_non_null(strstr(w.log, "handler_output: bob\t10.0.0.1\tweb\trole=web\n"));
    assert_null(strstr(w.log, "nobody"));
    end(&w, 1000);
    assert_int_equal(unsetenv("PRIVATE_KEY"), 0);
}

/* The name and the payload are data, whatever a shell would make of them. */
static void test_a_user_event_is_told_whole(void **state)
{
    struct world w;
    (void)state;
    begin(&w,
          "user=echo \"$SERF_USER_EVENT,$SERF_USER_LTIME,$NFTMESH_USER_EPOCH,"
          "$NFTMESH_USER_SEQUENCE,$NFTMESH_USER_NODE\"; cat",
          0, 0);
    user(&w, "a$(touch /evil)`id`; b", "$(reboot); payload");
    wait_for(&w, w.counted, "ok", 1);
    assert_non_null(strstr(w.log, "handler_output: a$(touch /evil)`id`; b,3145732,3,4,03cd\n"));
    assert_non_null(strstr(w.log, "handler_output: $(reboot); payload\n"));
    end(&w, 1000);
}

/* While one runs, members of one change gather behind it; another change starts a new one. */
static void test_waiting_members_come_together(void **state)
{
    struct world w;
    char name[16];
    (void)state;
    begin(&w, "echo \"$SERF_EVENT $(wc -l)\"", 0, 0);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "m%d", i);
        member(&w, NODE_HANDLER_MEMBER_JOIN, name);
    }
    member(&w, NODE_HANDLER_MEMBER_FAILED, "m0");
    member(&w, NODE_HANDLER_MEMBER_JOIN, "m7");
    wait_for(&w, w.counted, "ok", 4);
    const char *first = strstr(w.log, "member-join 1\n"), *rest = strstr(w.log, "member-join 5\n"),
               *failed = strstr(w.log, "member-failed 1\n");
    assert_true(first != NULL && rest > first && failed > rest);
    assert_int_equal(times(w.log, "member-join 1\n"), 2);
    end(&w, 1000);
}

static void test_a_command_that_hangs_is_ended(void **state)
{
    struct world w;
    (void)state;
    begin(&w, "trap '' TERM; echo begun; sleep 600 & wait; sleep 600", 50, 50);
    user(&w, "one", "");
    wait_for(&w, w.counted, "timeout", 1);
    assert_non_null(strstr(w.log, "handler_failed: was ended: it ran longer than 50 ms\n"));
    end(&w, 1000);
}

static void test_failures_are_told(void **state)
{
    struct world w;
    (void)state;
    begin(&w, "/does/not/exist", 0, 0);
    user(&w, "one", "");
    wait_for(&w, w.counted, "failed", 1);
    assert_non_null(strstr(w.log, "handler_failed: ended with status 127\n"));
    end(&w, 1000);
    begin(&w, "kill -9 $$", 0, 0);
    user(&w, "one", "");
    wait_for(&w, w.counted, "failed", 1);
    assert_non_null(strstr(w.log, "handler_failed: ended with signal 9\n"));
    end(&w, 1000);
}

static void test_a_full_queue_drops_and_counts(void **state)
{
    struct world w;
    char fifo[] = "/tmp/nftmesh-handlers-XXXXXX", spec[128];
    (void)state;
    assert_non_null(mkdtemp(fifo));
    char path[64];
    snprintf(path, sizeof path, "%s/go", fifo);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(spec, sizeof spec, "*=test -e %s && cat %s; true", path, path);
    begin(&w, spec, 0, 0);
    for (int i = 0; i < 1 + NODE_HANDLERS_QUEUE_MAX + 5; i++) /* the first one runs */
        user(&w, "busy", "");
    assert_int_equal(times(w.counted, "dropped"), 5);
    assert_int_equal(times(w.log, "handler_dropped: "), 1); /* one line for the five */
    int fd = open(path, O_RDWR); /* the first one ends, the others find no fifo */
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    close(fd);
    wait_for(&w, w.counted, "ok", 1 + NODE_HANDLERS_QUEUE_MAX);
    user(&w, "again", "");
    assert_non_null(strstr(w.log, "handler_dropped: 5 events were dropped\n"));
    wait_for(&w, w.counted, "ok", 2 + NODE_HANDLERS_QUEUE_MAX);
    end(&w, 1000);
    assert_int_equal(rmdir(fifo), 0);
}

static void test_output_is_bounded(void **state)
{
    struct world w;
    (void)state;
    begin(&w, "yes 12345 | head -n 80; printf %1500s x; printf no-newline", 0, 0);
    user(&w, "one", "");
    wait_for(&w, w.counted, "ok", 1);
    assert_int_equal(times(w.log, "handler_output: 12345\n"), NODE_HANDLERS_LINES_MAX);
    assert_non_null(strstr(w.log, "more lines of output were not shown\n"));
    end(&w, 1000);
    begin(&w, "printf %1500s x; printf no-newline", 0, 0);
    user(&w, "one", "");
    wait_for(&w, w.counted, "ok", 1);
    assert_int_equal(times(w.log, "handler_output: "), 3); /* cut into pieces of 512 */
    assert_non_null(strstr(w.log, "xno-newline\n"));
    end(&w, 1000);
}

/* What a command leaves running keeps neither us nor the next command. */
static void test_a_child_left_behind_keeps_nobody(void **state)
{
    struct world w;
    (void)state;
    begin(&w, "sleep 30 & echo $SERF_USER_EVENT", 0, 0);
    user(&w, "one", "");
    user(&w, "two", "");
    wait_for(&w, w.counted, "ok", 2);
    assert_non_null(strstr(w.log, "handler_output: two\n"));
    end(&w, 1000);
}

static void test_closing_ends_what_runs(void **state)
{
    struct world w;
    (void)state;
    begin(&w, "trap '' TERM; echo begun; while :; do sleep 600; done", 0, 0);
    user(&w, "one", "");
    user(&w, "never", "");
    wait_for(&w, w.log, "begun", 1);
    end(&w, 50);
    assert_int_equal(times(w.log, "begun"), 1);
    node_handlers_close(NULL, 0, NULL, NULL);
}

/* The shell obeys; who it has started does not, and is ended with it. */
static void test_closing_ends_the_whole_group(void **state)
{
    struct world w;
    char dir[] = "/tmp/nftmesh-handlers-XXXXXX", path[64], spec[192], byte;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/held", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    int held = open(path, O_RDONLY | O_NONBLOCK); /* at its end when nobody has it open any more */
    assert_true(held >= 0);
    snprintf(spec, sizeof spec,
             "*=(trap '' TERM; exec 3>%s; echo begun; exec sleep 600 >/dev/null 2>&1) & wait",
             path);
    begin(&w, spec, 0, 0);
    user(&w, "one", "");
    wait_for(&w, w.log, "begun", 1);
    end(&w, PATIENCE_MS);
    struct pollfd ended = {.fd = held, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 10000), 1);
    assert_int_equal(read(held, &byte, 1), 0);
    close(held);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_member_event_is_told_whole),
        cmocka_unit_test(test_a_user_event_is_told_whole),
        cmocka_unit_test(test_waiting_members_come_together),
        cmocka_unit_test(test_a_command_that_hangs_is_ended),
        cmocka_unit_test(test_failures_are_told),
        cmocka_unit_test(test_a_full_queue_drops_and_counts),
        cmocka_unit_test(test_output_is_bounded),
        cmocka_unit_test(test_a_child_left_behind_keeps_nobody),
        cmocka_unit_test(test_closing_ends_what_runs),
        cmocka_unit_test(test_closing_ends_the_whole_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
