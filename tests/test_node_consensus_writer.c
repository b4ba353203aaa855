/* The writer before the consensus store: many operations, few transactions, and the loop never
 * waits for the disk. A job of the test's own keeps the only thread of the pool busy where a
 * transaction must not end yet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "base/aead.h"
#include "base/err.h"
#include "node/consensus_writer.h"

/* ---- the disk, as SQLite asks for it ---- */

static atomic_int sync_count;
static atomic_bool is_sync_broken;

int fdatasync(int fd)
{
    atomic_fetch_add(&sync_count, 1);
    if (!atomic_load(&is_sync_broken)) return (int)syscall(SYS_fdatasync, fd);
    errno = EIO;
    return -1;
}

/* ---- a store, a writer, and what it said ---- */

#define SAID_MAX 64

struct said {
    uint64_t number;
    int rv;
};

struct desk {
    char dir[64], path[128], why[NODE_STORE_WHY_BYTES], said_why[NODE_STORE_WHY_BYTES];
    struct node_consensus_store *store;
    struct node_consensus_writer *writer;
    uv_loop_t loop;
    uv_work_t job;
    uv_sem_t job_may_end;
    struct said said[SAID_MAX];
    size_t said_count;
    uint64_t put_again; /* from the first word on: so many votes more */
    bool close_when_told;
    int closed_count;
};

static const struct base_slice CLUSTER = {(const uint8_t *)"c", 1};

static void on_closed(void *ctx)
{
    struct desk *d = ctx;
    d->closed_count++;
    d->writer = NULL;
}

static int put(struct desk *d, uint64_t number)
{
    char body[32];
    snprintf(body, sizeof body, "vote %llu", (unsigned long long)number);
    const struct node_consensus_op op = {
        .kind = NODE_CONSENSUS_PUT_VOTE,
        .row = {1, number, number, {(const uint8_t *)body, strlen(body)}}};
    int rv = node_consensus_writer_put(d->writer, number, &op);
    memset(body, 0, sizeof body); /* it has a copy */
    return rv;
}

static void on_written(void *ctx, uint64_t number, int rv, const char *why)
{
    struct desk *d = ctx;
    assert_true(d->said_count < SAID_MAX);
    d->said[d->said_count++] = (struct said){number, rv};
    snprintf(d->said_why, sizeof d->said_why, "%s", why);
    for (; d->put_again > 0; d->put_again--)
        assert_int_equal(put(d, ++number), BASE_OK);
    if (d->close_when_told) node_consensus_writer_close(d->writer, on_closed, d);
}

static int setup(void **state)
{
    struct desk *d = calloc(1, sizeof *d);
    strcpy(d->dir, "/tmp/nftmesh-writer-XXXXXX");
    if (base_aead_init() != BASE_OK || mkdtemp(d->dir) == NULL) return -1;
    snprintf(d->path, sizeof d->path, "%s/consensus.db", d->dir);
    atomic_store(&is_sync_broken, false);
    assert_int_equal(node_consensus_store_open(&d->store, d->path, &CLUSTER, false, d->why),
                     BASE_OK);
    assert_int_equal(uv_loop_init(&d->loop), 0);
    assert_int_equal(uv_sem_init(&d->job_may_end, 0), 0);
    assert_int_equal(node_consensus_writer_new(&d->writer, &d->loop, d->store, on_written, d),
                     BASE_OK);
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct desk *d = *state;
    static const char *const suffixes[] = {"", "-wal", "-mark"};
    uv_sem_post(&d->job_may_end); /* a test that failed may have left it waiting */
    if (d->writer != NULL) node_consensus_writer_close(d->writer, on_closed, d);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_int_equal(d->closed_count, 1);
    assert_int_equal(uv_loop_close(&d->loop), 0);
    uv_sem_destroy(&d->job_may_end);
    atomic_store(&is_sync_broken, false);
    node_consensus_store_close(d->store);
    for (size_t i = 0; i < 3; i++) {
        char name[144];
        snprintf(name, sizeof name, "%s%s", d->path, suffixes[i]);
        unlink(name);
    }
    rmdir(d->dir);
    free(d);
    return 0;
}

static void job_run(uv_work_t *job)
{
    struct desk *d = job->data;
    uv_sem_wait(&d->job_may_end);
}

static void job_done(uv_work_t *job, int status)
{
    (void)job;
    (void)status;
}

/* Until uv_sem_post() no transaction ends. */
static void occupy_the_thread(struct desk *d)
{
    d->job.data = d;
    assert_int_equal(uv_queue_work(&d->loop, &d->job, job_run, job_done), 0);
}

/* One turn, so that what was put is under way. */
static void turn(struct desk *d)
{
    uv_run(&d->loop, UV_RUN_NOWAIT);
}

static int is_next(void *ctx, const struct node_consensus_row *row)
{
    uint64_t *next = ctx;
    char body[32];
    snprintf(body, sizeof body, "vote %llu", (unsigned long long)*next);
    assert_int_equal(row->first, *next);
    assert_int_equal(row->body.len, strlen(body));
    assert_memory_equal(row->body.data, body, row->body.len);
    ++*next;
    return BASE_OK;
}

/* Votes first .. last are in the store, and nothing else. */
static void assert_stored(struct desk *d, uint64_t first, uint64_t last)
{
    uint64_t next = first;
    assert_int_equal(node_consensus_store_votes(d->store, 0, is_next, &next, d->why), BASE_OK);
    assert_int_equal(next, last + 1);
}

static void test_what_is_put_in_one_turn_is_one_batch(void **state)
{
    struct desk *d = *state;
    for (uint64_t i = 1; i <= 100; i++)
        assert_int_equal(put(d, i), BASE_OK);
    int before = atomic_load(&sync_count);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_int_equal(d->said_count, 1);
    assert_int_equal(d->said[0].number, 100);
    assert_int_equal(d->said[0].rv, BASE_OK);
    assert_in_range(atomic_load(&sync_count) - before, 1, 3); /* the log's first batch, its name */
    assert_stored(d, 1, 100);
}

static void test_what_is_put_meanwhile_is_the_next_batch(void **state)
{
    struct desk *d = *state;
    occupy_the_thread(d);
    assert_int_equal(put(d, 1), BASE_OK);
    turn(d);
    for (uint64_t i = 2; i <= 50; i++) {
        assert_int_equal(put(d, i), BASE_OK);
        turn(d);
    }
    assert_int_equal(d->said_count, 0);
    uv_sem_post(&d->job_may_end);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_int_equal(d->said_count, 2);
    assert_int_equal(d->said[0].number, 1);
    assert_int_equal(d->said[1].number, 50);
    assert_stored(d, 1, 50);
}

static void test_putting_when_told(void **state)
{
    struct desk *d = *state;
    d->put_again = 7;
    assert_int_equal(put(d, 1), BASE_OK);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_int_equal(d->said_count, 2);
    assert_int_equal(d->said[1].number, 8);
    assert_stored(d, 1, 8);
}

/* Wakes the loop from any of its phases, not only from those before it sleeps. */
static void on_check(uv_check_t *check)
{
    struct desk *d = check->data;
    assert_int_equal(put(d, 1), BASE_OK);
    uv_close((uv_handle_t *)check, NULL);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct desk *d = prepare->data;
    assert_int_equal(put(d, 2), BASE_OK);
    uv_close((uv_handle_t *)prepare, NULL);
}

static void test_any_phase_of_the_loop_will_do(void **state)
{
    struct desk *d = *state;
    uv_check_t check = {.data = d};
    uv_prepare_t prepare = {.data = d};
    uv_check_init(&d->loop, &check);
    uv_check_start(&check, on_check);
    turn(d);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_int_equal(d->said_count, 1);
    uv_prepare_init(&d->loop, &prepare);
    uv_prepare_start(&prepare, on_prepare);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_int_equal(d->said_count, 2);
    assert_stored(d, 1, 2);
}

static void test_keys_are_copied(void **state)
{
    struct desk *d = *state;
    char key[] = "key", value[] = "value";
    struct base_buf body;
    const struct node_consensus_op op = {
        .kind = NODE_CONSENSUS_PUT_META, .row = {.body = base_slice_text(value)}, .key = key};
    assert_int_equal(node_consensus_writer_put(d->writer, 1, &op), BASE_OK);
    memset(key, 'x', 3);
    memset(value, 'x', 5);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    base_buf_init(&body, 64);
    assert_int_equal(node_consensus_store_meta(d->store, "key", &body, d->why), BASE_OK);
    assert_string_equal(body.data, "value");
    base_buf_deinit(&body);
}

/* ---- no ---- */

static void test_bounds(void **state)
{
    struct desk *d = *state;
    struct node_consensus_op op = {.kind = NODE_CONSENSUS_PUT_VOTE, .row = {1, 2, 1, {NULL, 0}}};
    assert_int_equal(node_consensus_writer_put(d->writer, 1, &op), BASE_EINVAL);
    op.row = (struct node_consensus_row){.body = {NULL, NODE_CONSENSUS_BODY_MAX + 1}};
    assert_int_equal(node_consensus_writer_put(d->writer, 1, &op), BASE_ETOOBIG);
    occupy_the_thread(d);
    uint64_t number = 0;
    for (; number < NODE_CONSENSUS_WRITER_OPS_MAX / 2; number++)
        assert_int_equal(put(d, number), BASE_OK);
    turn(d); /* under way, and still in memory */
    for (; number < NODE_CONSENSUS_WRITER_OPS_MAX; number++)
        assert_int_equal(put(d, number), BASE_OK);
    assert_int_equal(put(d, number), BASE_EFULL);
    uv_sem_post(&d->job_may_end);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_int_equal(put(d, number), BASE_OK);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_stored(d, 0, number);
}

static void test_bound_of_bytes(void **state)
{
    struct desk *d = *state;
    uint8_t *bytes = calloc(1, NODE_CONSENSUS_BODY_MAX);
    const struct node_consensus_op op = {.kind = NODE_CONSENSUS_PUT_EPOCH,
                                         .row = {.body = {bytes, NODE_CONSENSUS_BODY_MAX}}};
    const uint64_t fit = NODE_CONSENSUS_WRITER_BYTES_MAX / (NODE_CONSENSUS_BODY_MAX + 1);
    occupy_the_thread(d);
    for (uint64_t i = 0; i < fit; i++) {
        assert_int_equal(node_consensus_writer_put(d->writer, i, &op), BASE_OK);
        if (i == fit / 2) turn(d);
    }
    assert_int_equal(node_consensus_writer_put(d->writer, fit, &op), BASE_EFULL);
    assert_int_equal(put(d, fit), BASE_OK); /* a small one fits still */
    node_consensus_writer_close(d->writer, on_closed, d);
    uv_sem_post(&d->job_may_end);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    free(bytes);
}

/* Goal: a failure is said once, with its cause and with what is on disk, and is the last word. */
static void test_a_failure_is_said_once(void **state)
{
    struct desk *d = *state;
    assert_int_equal(put(d, 1), BASE_OK);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    occupy_the_thread(d);
    assert_int_equal(put(d, 2), BASE_OK);
    turn(d);
    assert_int_equal(put(d, 3), BASE_OK);
    atomic_store(&is_sync_broken, true);
    uv_sem_post(&d->job_may_end);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    atomic_store(&is_sync_broken, false);
    assert_int_equal(d->said_count, 2);
    assert_int_equal(d->said[1].number, 1);
    assert_int_equal(d->said[1].rv, BASE_EIO);
    assert_non_null(strstr(d->said_why, "consensus.db"));
    assert_int_equal(put(d, 4), BASE_ESTATE);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_int_equal(d->said_count, 2);
    assert_stored(d, 1, 1);
}

/* ---- the end ---- */

static void test_closing_waits_for_what_is_under_way(void **state)
{
    struct desk *d = *state;
    occupy_the_thread(d);
    assert_int_equal(put(d, 1), BASE_OK);
    assert_int_equal(put(d, 2), BASE_OK);
    turn(d);
    assert_int_equal(put(d, 3), BASE_OK);
    node_consensus_writer_close(d->writer, on_closed, d);
    turn(d);
    turn(d);
    assert_int_equal(d->closed_count, 0);
    assert_int_equal(put(d, 4), BASE_ESTATE);
    uv_sem_post(&d->job_may_end);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_int_equal(d->closed_count, 1);
    assert_int_equal(d->said_count, 0);
    assert_stored(d, 1, 2); /* 3 was not begun */
}

static void test_closing_before_anything_is_begun(void **state)
{
    struct desk *d = *state;
    assert_int_equal(put(d, 1), BASE_OK);
    node_consensus_writer_close(d->writer, on_closed, d);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_int_equal(d->closed_count, 1);
    assert_stored(d, 1, 0);
}

static void test_closing_when_told(void **state)
{
    struct desk *d = *state;
    d->close_when_told = true;
    d->put_again = 2;
    assert_int_equal(put(d, 1), BASE_OK);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_int_equal(d->closed_count, 1);
    assert_int_equal(d->said_count, 1);
    assert_stored(d, 1, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_put_in_one_turn_is_one_batch),
        TEST(test_what_is_put_meanwhile_is_the_next_batch),
        TEST(test_putting_when_told),
        TEST(test_any_phase_of_the_loop_will_do),
        TEST(test_keys_are_copied),
        TEST(test_bounds),
        TEST(test_bound_of_bytes),
        TEST(test_a_failure_is_said_once),
        TEST(test_closing_waits_for_what_is_under_way),
        TEST(test_closing_before_anything_is_begun),
        TEST(test_closing_when_told),
    };
    setenv("UV_THREADPOOL_SIZE", "1", 1); /* read when the first job is queued */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
