/* The consensus store: what was acknowledged is there, in its order, after any end of the process;
 * and a file that is not whole is never read as a shorter one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/aead.h"
#include "base/err.h"
#include "base/prng.h"
#include "node/consensus_store.h"

#define ROWS_MAX   512
#define ACKS_EACH  25 /* before the child is killed */
#define KILLS      8
#define FLIPS      400
#define FILE_BYTES ((size_t)1 << 20)

/* ---- the disk, as SQLite asks for it ---- */

static int sync_count;
static bool is_sync_broken;

static int disk_sync(int fd, long call)
{
    sync_count++;
    if (!is_sync_broken) return (int)syscall(call, fd);
    errno = EIO;
    return -1;
}

int fdatasync(int fd)
{
    return disk_sync(fd, SYS_fdatasync);
}

int fsync(int fd)
{
    return disk_sync(fd, SYS_fsync);
}

/* ---- a directory of its own ---- */

struct place {
    char dir[64];
    char path[128];
    char name[128];
    char why[NODE_STORE_WHY_BYTES];
    struct node_consensus_store *store;
};

static const struct base_slice CLUSTER = {(const uint8_t *)"cluster 1, member 2", 19};

static const char *beside(struct place *p, const char *suffix)
{
    snprintf(p->name, sizeof p->name, "%s%s", p->path, suffix);
    return p->name;
}

static int open_store(struct place *p)
{
    return node_consensus_store_open(&p->store, p->path, &CLUSTER, false, p->why);
}

static void close_store(struct place *p)
{
    node_consensus_store_close(p->store);
    p->store = NULL;
}

static void must(const struct place *p, int rv)
{
    if (rv != BASE_OK) fail_msg("%s: %s", base_strerror(rv), p->why);
}

static void reopen(struct place *p)
{
    close_store(p);
    must(p, open_store(p));
}

static void files_remove(struct place *p)
{
    static const char *const suffixes[] = {"", "-wal", "-mark", "-journal", "-shm"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        unlink(beside(p, suffixes[i]));
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    strcpy(p->dir, "/tmp/nftmesh-consensus-XXXXXX");
    if (base_aead_init() != BASE_OK || mkdtemp(p->dir) == NULL) return -1;
    snprintf(p->path, sizeof p->path, "%s/consensus.db", p->dir);
    must(p, open_store(p));
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    is_sync_broken = false;
    close_store(p);
    files_remove(p);
    rmdir(p->dir);
    free(p);
    return 0;
}

/* ---- what is written, and what is read ---- */

static struct base_slice text(const char *of)
{
    return (struct base_slice){(const uint8_t *)of, strlen(of)};
}

static struct node_consensus_op vote(uint64_t epoch, uint64_t first, uint64_t last,
                                     const char *body)
{
    return (struct node_consensus_op){.kind = NODE_CONSENSUS_PUT_VOTE,
                                      .row = {epoch, first, last, text(body)}};
}

static struct node_consensus_op epoch(uint64_t number, const char *body)
{
    return (struct node_consensus_op){.kind = NODE_CONSENSUS_PUT_EPOCH,
                                      .row = {.epoch = number, .body = text(body)}};
}

static struct node_consensus_op state_at(uint64_t of, uint64_t first, const char *body)
{
    return (struct node_consensus_op){.kind = NODE_CONSENSUS_PUT_STATE,
                                      .row = {.epoch = of, .first = first, .body = text(body)}};
}

static struct node_consensus_op meta(const char *key, const char *body)
{
    return (struct node_consensus_op){
        .kind = NODE_CONSENSUS_PUT_META, .row = {.body = text(body)}, .key = key};
}

static struct node_consensus_op drop_epochs(uint64_t below)
{
    return (struct node_consensus_op){.kind = NODE_CONSENSUS_DROP_EPOCHS, .row = {.epoch = below}};
}

static int apply(struct place *p, struct node_consensus_op op)
{
    return node_consensus_store_apply(p->store, &op, 1, p->why);
}

static void put(struct place *p, struct node_consensus_op op)
{
    must(p, apply(p, op));
}

/* All that was read, as text: "epoch:first-last=body " for each. */
static int say(void *ctx, const struct node_consensus_row *row)
{
    base_buf_printf(ctx, "%llu:%llu-%llu=%.*s ", (unsigned long long)row->epoch,
                    (unsigned long long)row->first, (unsigned long long)row->last,
                    (int)row->body.len, (const char *)row->body.data);
    return BASE_OK;
}

static int read_all(struct place *p, struct base_buf *out)
{
    struct base_buf body;
    uint64_t of, first;
    base_buf_init(&body, NODE_CONSENSUS_STATE_MAX);
    base_buf_clear(out);
    int rv = node_consensus_store_votes(p->store, 0, say, out, p->why);
    base_buf_puts(out, "| ");
    if (rv == BASE_OK) rv = node_consensus_store_epochs(p->store, say, out, p->why);
    int got = node_consensus_store_state(p->store, &of, &first, &body, p->why);
    if (got == BASE_OK)
        base_buf_printf(out, "| %llu:%llu=%s ", (unsigned long long)of, (unsigned long long)first,
                        body.data);
    else if (rv == BASE_OK && got != BASE_ENOTFOUND)
        rv = got;
    got = node_consensus_store_meta(p->store, "key", &body, p->why);
    if (got == BASE_OK)
        base_buf_printf(out, "| %s", body.data);
    else if (rv == BASE_OK && got != BASE_ENOTFOUND)
        rv = got;
    base_buf_deinit(&body);
    return rv;
}

static void assert_all(struct place *p, const char *expected)
{
    struct base_buf out;
    base_buf_init(&out, FILE_BYTES);
    must(p, read_all(p, &out));
    assert_string_equal(out.data, expected);
    base_buf_deinit(&out);
}

/* ---- round trips ---- */

static void test_a_new_store_is_empty_and_private(void **state)
{
    struct place *p = *state;
    static const char *const suffixes[] = {"", "-wal", "-mark"};
    struct stat st;
    close_store(p);
    files_remove(p);
    mode_t old = umask(0);
    must(p, open_store(p));
    assert_all(p, "| ");
    put(p, vote(1, 2, 2, "a"));
    umask(old);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(stat(beside(p, suffixes[i]), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    assert_int_equal(stat(beside(p, "-shm"), &st), -1); /* nothing is mapped */
}

static void test_all_comes_back_in_its_order(void **state)
{
    struct place *p = *state;
    const struct node_consensus_op batch[] = {vote(7, 5, 9, "skip"), vote(7, 3, 3, ""),
                                              epoch(7, "seven"), vote(6, 1, 1, "late"),
                                              meta("key", "value")};
    static const char expected[] = "7:5-9=skip 7:3-3= 6:1-1=late 7:4-4=b | 7:0-0=seven | value";
    must(p, node_consensus_store_apply(p->store, batch, 5, p->why));
    put(p, vote(7, 4, 4, "b"));
    assert_all(p, expected);
    reopen(p);
    assert_all(p, expected);
    struct base_buf out;
    base_buf_init(&out, 256);
    must(p, node_consensus_store_votes(p->store, 7, say, &out, p->why));
    assert_string_equal(out.data, "7:5-9=skip 7:3-3= 7:4-4=b ");
    base_buf_deinit(&out);
}

static void test_later_ones_take_the_place(void **state)
{
    struct place *p = *state;
    put(p, epoch(1, "one"));
    put(p, epoch(2, "two"));
    put(p, epoch(1, "first"));
    put(p, meta("key", "old"));
    put(p, meta("keys", "another"));
    put(p, meta("key", "new"));
    put(p, state_at(1, 9, "old"));
    put(p, state_at(NODE_CONSENSUS_NUMBER_MAX, 4, "far"));
    put(p, state_at(2, 3, "new"));
    assert_all(p, "| 2:0-0=two 1:0-0=first | 2:3=new | new");
    put(p, drop_epochs(0));
    put(p, drop_epochs(2));
    reopen(p);
    assert_all(p, "| 2:0-0=two | 2:3=new | new");
}

/* Goal: a state takes with it exactly the votes that it makes useless. */
static void test_a_state_trims_votes(void **state)
{
    struct place *p = *state;
    const struct node_consensus_op batch[] = {
        vote(4, 90, 90, "a"), vote(5, 10, 10, "b"),  vote(5, 8, 11, "c"), vote(5, 11, 11, "d"),
        vote(6, 1, 1, "e"),   vote(3, 10, 700, "f"), epoch(4, "four"),    vote(5, 0, 0, "h")};
    must(p, node_consensus_store_apply(p->store, batch, 8, p->why));
    put(p, state_at(5, 0, "begins")); /* with nothing done in it */
    assert_all(p, "5:10-10=b 5:8-11=c 5:11-11=d 6:1-1=e 5:0-0=h | 4:0-0=four | 5:0=begins ");
    put(p, state_at(5, 11, "s"));
    assert_all(p, "5:8-11=c 5:11-11=d 6:1-1=e | 4:0-0=four | 5:11=s ");
    put(p, vote(5, 2, 2, "g")); /* later ones stay, whatever they say */
    reopen(p);
    assert_all(p, "5:8-11=c 5:11-11=d 6:1-1=e 5:2-2=g | 4:0-0=four | 5:11=s ");
}

static void test_bodies_up_to_their_bounds(void **state)
{
    struct place *p = *state;
    uint8_t *bytes = malloc(NODE_CONSENSUS_STATE_MAX + 1);
    struct node_consensus_op op = vote(1, 1, 1, "");
    struct base_buf body;
    uint64_t of, first;
    memset(bytes, 'x', NODE_CONSENSUS_STATE_MAX + 1);
    op.row.body = (struct base_slice){bytes, NODE_CONSENSUS_BODY_MAX};
    put(p, op);
    op.row.body.len++;
    assert_int_equal(apply(p, op), BASE_ETOOBIG);
    op = state_at(1, 0, "");
    op.row.body = (struct base_slice){bytes, NODE_CONSENSUS_STATE_MAX};
    put(p, op);
    op.row.body.len++;
    assert_int_equal(apply(p, op), BASE_ETOOBIG);
    put(p, meta("key", "still not mute"));
    reopen(p);
    base_buf_init(&body, NODE_CONSENSUS_STATE_MAX);
    must(p, node_consensus_store_state(p->store, &of, &first, &body, p->why));
    assert_int_equal(body.len, NODE_CONSENSUS_STATE_MAX);
    assert_memory_equal(body.data, bytes, body.len);
    base_buf_deinit(&body);
    base_buf_init(&body, 3);
    assert_int_equal(node_consensus_store_state(p->store, &of, &first, &body, p->why),
                     BASE_ETOOBIG);
    base_buf_deinit(&body);
    free(bytes);
}

/* A batch with one bad operation is not tried at all. */
static void test_bad_operations_are_refused(void **state)
{
    struct place *p = *state;
    char key[NODE_CONSENSUS_KEY_MAX + 2];
    const uint64_t over = NODE_CONSENSUS_NUMBER_MAX + 1;
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    const struct node_consensus_op bad[] = {
        vote(over, 1, 1, "a"),
        vote(1, 1, over, "a"),
        vote(1, over, UINT64_MAX, "a"),
        vote(1, 2, 1, "a"),
        epoch(UINT64_MAX, "a"),
        state_at(1, UINT64_MAX, "a"),
        drop_epochs(over),
        meta("", "a"),
        meta("two words", "a"),
        meta("caf\xc3\xa9", "a"),
        meta(key, "a"),
        meta(NULL, "a"),
        {.kind = NODE_CONSENSUS_PUT_VOTE, .key = "key"},
        {.kind = NODE_CONSENSUS_PUT_EPOCH, .row = {.first = 1}},
        {.kind = NODE_CONSENSUS_PUT_STATE, .row = {.first = 1, .last = 1}},
        {.kind = NODE_CONSENSUS_PUT_STATE, .row = {.last = 1}},
        {.kind = NODE_CONSENSUS_PUT_META, .row = {.epoch = 1}, .key = "key"},
        {.row = {.epoch = 1}},
        {.kind = (enum node_consensus_op_kind)99},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct node_consensus_op batch[] = {vote(1, 1, 1, "good"), bad[i]};
        if (node_consensus_store_apply(p->store, batch, 2, p->why) != BASE_EINVAL)
            fail_msg("bad operation %zu", i);
        assert_non_null(strstr(p->why, "operation 2 of 2"));
    }
    struct node_consensus_op op = drop_epochs(1);
    op.row.body = text("a");
    assert_int_equal(apply(p, op), BASE_ETOOBIG);
    assert_int_equal(node_consensus_store_apply(p->store, NULL, 0, p->why), BASE_OK);
    put(p,
        vote(NODE_CONSENSUS_NUMBER_MAX, NODE_CONSENSUS_NUMBER_MAX, NODE_CONSENSUS_NUMBER_MAX, "a"));
    reopen(p);
    assert_all(p, "9223372036854775807:9223372036854775807-9223372036854775807=a | ");
}

static int stop_at_two(void *ctx, const struct node_consensus_row *row)
{
    (void)row;
    return ++*(int *)ctx == 2 ? BASE_EFULL : BASE_OK;
}

static void test_reading_ends_when_told(void **state)
{
    struct place *p = *state;
    int count = 0;
    for (uint64_t i = 0; i < 5; i++)
        put(p, vote(1, i, i, "a"));
    assert_int_equal(node_consensus_store_votes(p->store, 0, stop_at_two, &count, p->why),
                     BASE_EFULL);
    assert_int_equal(count, 2);
    put(p, vote(1, 5, 5, "a")); /* no reading is left open */
    count = -10;
    must(p, node_consensus_store_votes(p->store, 0, stop_at_two, &count, p->why));
    assert_int_equal(count, -4);
}

/* ---- on disk, and on nobody else's ---- */

static void test_each_batch_is_synced_once(void **state)
{
    struct place *p = *state;
    put(p, vote(1, 0, 0, "the first makes the log"));
    for (uint64_t i = 1; i < 20; i++) {
        int before = sync_count;
        put(p, vote(1, i, i, "a"));
        assert_int_equal(sync_count, before + 1);
    }
}

static int open_in_a_child(struct place *p)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct node_consensus_store *second = NULL;
        int rv = node_consensus_store_open(&second, p->path, &CLUSTER, false, p->why);
        bool is_said = strstr(p->why, "open in another process") != NULL;
        _exit(rv == BASE_OK ? 0 : rv == BASE_EEXIST && is_said ? 1 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_a_second_opener_is_refused(void **state)
{
    struct place *p = *state;
    struct node_consensus_store *second = NULL;
    assert_int_equal(open_in_a_child(p), 1);
    put(p, vote(1, 1, 1, "a"));
    assert_int_equal(open_in_a_child(p), 1);
    assert_int_equal(node_consensus_store_open(&second, p->path, &CLUSTER, false, p->why),
                     BASE_EEXIST);
    assert_null(second);
    assert_int_equal(open_in_a_child(p), 1); /* its attempt has not cost us the lock */
    put(p, vote(1, 2, 2, "b"));
    close_store(p);
    assert_int_equal(open_in_a_child(p), 0);
    must(p, open_store(p));
    assert_all(p, "1:1-1=a 1:2-2=b | ");
}

/* ---- the process is killed ---- */

/* Batches of one to three votes, each with the next numbers, until somebody ends us; the number of
 * each batch's last vote goes to fd when it is acknowledged. */
static void write_until_killed(struct place *p, uint64_t from, int fd)
{
    char body[2000];
    memset(body, 'v', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    if (node_consensus_store_open(&p->store, p->path, &CLUSTER, false, p->why) != BASE_OK) _exit(1);
    for (uint64_t next = from;;) {
        struct node_consensus_op batch[3];
        size_t count = 1 + next % 3;
        for (size_t i = 0; i < count; i++, next++)
            batch[i] = vote(1, next, next, body);
        if (node_consensus_store_apply(p->store, batch, count, p->why) != BASE_OK) _exit(2);
        uint64_t acknowledged = next - 1;
        if (write(fd, &acknowledged, sizeof acknowledged) != sizeof acknowledged) _exit(3);
    }
}

static int count_up(void *ctx, const struct node_consensus_row *row)
{
    uint64_t *next = ctx;
    assert_int_equal(row->first, *next); /* none is missing, none comes twice */
    ++*next;
    return BASE_OK;
}

/* Kills it after so many acknowledgements; gives the highest number that was acknowledged. */
static uint64_t kill_a_writer(struct place *p, uint64_t from, int acks)
{
    int ends[2], status;
    uint64_t acknowledged = from;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        write_until_killed(p, from, ends[1]);
    }
    close(ends[1]);
    for (int i = 0; i < acks; i++)
        assert_int_equal(read(ends[0], &acknowledged, sizeof acknowledged), sizeof acknowledged);
    kill(child, SIGKILL);
    while (read(ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged)
        continue; /* what it had said before it died */
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return acknowledged;
}

/* Goal: whatever moment a process dies at, all that it was told is stored is there, in order. */
static void test_what_was_acknowledged_outlives_a_kill(void **state)
{
    struct place *p = *state;
    uint64_t next = 0;
    for (int round = 0; round < KILLS; round++) {
        close_store(p);
        uint64_t acknowledged = kill_a_writer(p, next, ACKS_EACH + round);
        must(p, open_store(p));
        next = 0;
        must(p, node_consensus_store_votes(p->store, 0, count_up, &next, p->why));
        assert_true(next > acknowledged);
    }
}

/* As above, over many rounds of the log: it is moved into the database, and begun anew. */
static void test_the_log_stays_short(void **state)
{
    struct place *p = *state;
    static char body[NODE_CONSENSUS_BODY_MAX];
    struct stat st;
    memset(body, 'v', sizeof body - 1);
    for (uint64_t i = 0; i < 300; i++) {
        put(p, vote(1, i, i, body));
        if (i % 100 == 99) put(p, state_at(1, i, "s"));
    }
    assert_int_equal(stat(beside(p, "-wal"), &st), 0);
    assert_in_range(st.st_size, 1, 8 << 20);
    assert_int_equal(stat(p->path, &st), 0);
    assert_in_range(st.st_size, 1, 24 << 20); /* what was dropped makes room */
    reopen(p);
    uint64_t next = 299;
    must(p, node_consensus_store_votes(p->store, 0, count_up, &next, p->why));
    assert_int_equal(next, 300);
}

/* ---- the disk says no ---- */

static void assert_mute_and_whole(struct place *p, uint64_t count)
{
    struct base_buf out;
    uint64_t next = 0;
    assert_int_equal(apply(p, vote(1, count, count, "x")), BASE_ESTATE);
    assert_non_null(strstr(p->why, "start again"));
    must(p, node_consensus_store_votes(p->store, 0, count_up, &next, p->why)); /* rolled back */
    assert_int_equal(next, count);
    assert_int_equal(apply(p, vote(1, count, count, "x")), BASE_ESTATE);
    reopen(p);
    put(p, meta("key", "not mute any more"));
    base_buf_init(&out, FILE_BYTES);
    must(p, read_all(p, &out));
    base_buf_deinit(&out);
}

static void file_size_limit(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Goal: a full disk costs nothing that was acknowledged, and is an error with its cause; after it
 * the voter stays mute, even when there is room again. */
static void test_a_full_disk_makes_it_mute(void **state)
{
    struct place *p = *state;
    char body[1500];
    uint64_t next = 0;
    int rv;
    memset(body, 'v', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    file_size_limit(200000);
    while ((rv = apply(p, vote(1, next, next, body))) == BASE_OK)
        next++;
    file_size_limit(RLIM_INFINITY);
    assert_int_equal(rv, BASE_EIO);
    assert_non_null(strstr(p->why, p->path));
    assert_non_null(strstr(p->why, "make room"));
    assert_in_range(next, 10, 100);
    assert_mute_and_whole(p, next);
    uint64_t again = 0;
    must(p, node_consensus_store_votes(p->store, 0, count_up, &again, p->why));
    assert_int_equal(again, next);
}

/* Of a batch that does not fit not even the beginning is there. */
static void test_a_batch_is_whole_or_not_there(void **state)
{
    struct place *p = *state;
    static char body[NODE_CONSENSUS_BODY_MAX];
    struct node_consensus_op batch[8];
    memset(body, 'v', sizeof body - 1);
    for (uint64_t i = 0; i < 8; i++)
        batch[i] = vote(1, i, i, body);
    file_size_limit(500000);
    int rv = node_consensus_store_apply(p->store, batch, 8, p->why);
    file_size_limit(RLIM_INFINITY);
    assert_int_equal(rv, BASE_EIO);
    assert_mute_and_whole(p, 0);
}

static void test_a_failing_sync_makes_it_mute(void **state)
{
    struct place *p = *state;
    put(p, vote(1, 0, 0, "a"));
    is_sync_broken = true;
    assert_int_equal(apply(p, vote(1, 1, 1, "b")), BASE_EIO);
    is_sync_broken = false;
    if (strstr(p->why, strerror(EIO)) == NULL) fail_msg("%s", p->why);
    assert_mute_and_whole(p, 1);
}

static void test_no_opening_without_a_disk(void **state)
{
    struct place *p = *state;
    close_store(p);
    is_sync_broken = true;
    assert_int_equal(open_store(p), BASE_EIO);
    is_sync_broken = false;
    assert_null(p->store);
    snprintf(p->path, sizeof p->path, "%s/missing/consensus.db", p->dir);
    assert_int_equal(open_store(p), BASE_EIO);
    assert_non_null(strstr(p->why, "missing/consensus.db"));
    snprintf(p->path, sizeof p->path, "%s/consensus.db", p->dir);
    must(p, open_store(p));
}

/* ---- files that are not whole, or not ours ---- */

struct image { /* of a file */
    uint8_t *bytes;
    size_t len;
};

static struct image image_of(const char *path)
{
    struct image image = {malloc(FILE_BYTES), 0};
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    for (ssize_t n; (n = read(fd, image.bytes + image.len, FILE_BYTES - image.len)) > 0;)
        image.len += (size_t)n;
    assert_true(image.len < FILE_BYTES);
    close(fd);
    return image;
}

static void image_put(const char *path, const struct image *image, size_t len)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, image->bytes, len), (ssize_t)len);
    close(fd);
}

static void fill(struct place *p)
{
    static char large[20000];
    memset(large, 'L', sizeof large - 1);
    put(p, epoch(1, "one"));
    put(p, meta("key", "value"));
    for (uint64_t i = 0; i < 40; i++)
        put(p, vote(1, i, i, "a vote of some length, so that there are several pages"));
    put(p, vote(1, 40, 40, large));
    put(p, state_at(1, 9, "state"));
}

/* Leaves the files as a killed process does, with batches in the log. */
static void fill_and_die(struct place *p)
{
    int status;
    close_store(p);
    pid_t child = fork();
    if (child == 0) {
        if (open_store(p) != BASE_OK) _exit(1);
        fill(p);
        _exit(0); /* without closing */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Opens and reads all: the very same, or an error with its sentence. */
static bool is_same_or_refused(struct place *p, const struct base_buf *expected)
{
    struct base_buf out;
    base_buf_init(&out, FILE_BYTES);
    p->why[0] = '\0';
    int rv = open_store(p);
    if (rv == BASE_OK) rv = read_all(p, &out);
    close_store(p);
    bool same = rv == BASE_OK && strcmp(out.data, expected->data) == 0;
    bool refused = rv != BASE_OK && strstr(p->why, p->path) != NULL && strstr(p->why, ": ") != NULL;
    if (!same && !refused) print_message("%s: %s\n", base_strerror(rv), p->why);
    base_buf_deinit(&out);
    return same || refused;
}

static void expect_all(struct place *p, struct base_buf *expected)
{
    must(p, open_store(p));
    base_buf_init(expected, FILE_BYTES);
    must(p, read_all(p, expected));
    close_store(p);
}

/* Goal: no byte that the disk turns is believed. In the database, the log and the mark, one at a
 * time; a seed chooses which. */
static void test_flipped_bytes_are_refused(void **state)
{
    struct place *p = *state;
    static const char *const suffixes[] = {"", "-wal", "-mark"};
    struct image images[3];
    struct base_buf expected;
    struct base_prng prng;
    fill_and_die(p);
    for (size_t i = 0; i < 3; i++)
        images[i] = image_of(beside(p, suffixes[i]));
    assert_true(images[1].len > 100000);
    expect_all(p, &expected);
    struct image closed = image_of(p->path); /* all of it in the database */
    base_prng_init(&prng, 1);
    for (int i = 0; i < FLIPS; i++) {
        files_remove(p);
        for (size_t j = 0; j < 3; j++)
            image_put(beside(p, suffixes[j]), &images[j], images[j].len);
        size_t which = base_prng_below(&prng, 3);
        struct image *image = &images[which];
        if (i % 2 == 0) { /* half of them without a log */
            unlink(beside(p, "-wal"));
            which = 0;
            image = &closed;
            image_put(p->path, image, image->len);
        }
        size_t at = base_prng_below(&prng, i % 8 < 2 && image->len > 100 ? 100 : image->len);
        uint8_t bits = (uint8_t)(1u << base_prng_below(&prng, 8));
        image->bytes[at] ^= bits;
        image_put(beside(p, suffixes[which]), image, image->len);
        image->bytes[at] ^= bits;
        if (!is_same_or_refused(p, &expected))
            fail_msg("flip %d: byte %zu of \"%s\"", i, at, suffixes[which]);
    }
    for (size_t i = 0; i < 3; i++)
        free(images[i].bytes);
    free(closed.bytes);
    base_buf_deinit(&expected);
}

/* The disk turns a bit where SQLite sees nothing: in the body, in its sum, in the key, in what kind
 * of row it is, which lie in this order, from the end. */
static void test_a_flipped_row_is_refused(void **state)
{
    struct place *p = *state;
    static const char needle[] = "needle in the haystack";
    static const size_t before[] = {0, 1, 40, 41};
    put(p, meta("kept-key", needle));
    close_store(p);
    struct image image = image_of(p->path);
    uint8_t *body = memmem(image.bytes, image.len, needle, strlen(needle));
    assert_non_null(body);
    assert_memory_equal(body - 40, "kept-key", 8);
    assert_int_equal(body[-41], NODE_CONSENSUS_PUT_META);
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        *(body - before[i]) ^= 0x02;
        image_put(p->path, &image, image.len);
        assert_int_equal(open_store(p), BASE_EMALFORMED);
        assert_non_null(strstr(p->why, "is damaged: bring back a whole copy"));
        *(body - before[i]) ^= 0x02;
    }
    free(image.bytes);
}

/* Whatever prefix is left of the database or of the log: refused, or it lacks nothing. */
static void test_cut_files_are_refused(void **state)
{
    struct place *p = *state;
    static const char *const suffixes[] = {"", "-wal", "-mark"};
    struct image images[3];
    struct base_buf expected;
    fill_and_die(p);
    for (size_t i = 0; i < 3; i++)
        images[i] = image_of(beside(p, suffixes[i]));
    expect_all(p, &expected);
    for (size_t which = 0; which < 3; which++)
        for (size_t cut = 0; cut < 30; cut++) {
            size_t len = images[which].len * cut / 30;
            files_remove(p);
            for (size_t j = 0; j < 3; j++)
                image_put(beside(p, suffixes[j]), &images[j], j == which ? len : images[j].len);
            if (!is_same_or_refused(p, &expected))
                fail_msg("\"%s\" cut to %zu bytes", suffixes[which], len);
        }
    for (size_t i = 0; i < 3; i++)
        free(images[i].bytes);
    base_buf_deinit(&expected);
}

/* Goal: the log and the mark of a database are missed, and what is there stays as it is. */
static void test_missing_files_are_missed(void **state)
{
    struct place *p = *state;
    static const char *const suffixes[] = {"-wal", "-mark", ""};
    struct image images[3];
    fill_and_die(p);
    for (size_t i = 0; i < 3; i++)
        images[i] = image_of(beside(p, suffixes[i]));
    for (size_t missing = 0; missing < 2; missing++) {
        files_remove(p);
        for (size_t j = 0; j < 3; j++)
            if (j != missing) image_put(beside(p, suffixes[j]), &images[j], images[j].len);
        assert_int_equal(open_store(p), BASE_EMALFORMED);
        assert_non_null(strstr(p->why, "move these files away and start again"));
        for (size_t j = 0; j < 3; j++) { /* what is refused stays as it is */
            if (j == missing) continue;
            struct image after = image_of(beside(p, suffixes[j]));
            assert_int_equal(after.len, images[j].len);
            assert_memory_equal(after.bytes, images[j].bytes, after.len);
            free(after.bytes);
        }
    }
    for (size_t i = 0; i < 3; i++)
        free(images[i].bytes);
}

/* ---- a log that is lost ---- */

static int lost_of(struct place *p, struct node_consensus_lost *out)
{
    return node_consensus_store_lost(p->store, out, p->why);
}

static void assert_lost(struct place *p, uint64_t block)
{
    struct node_consensus_lost lost;
    must(p, lost_of(p, &lost));
    assert_int_equal(lost.how, NODE_CONSENSUS_LOST_MISSING);
    assert_true(lost.block == block);
}

/* Goal: who has had a log and finds none begins another one, which says so, and goes on saying so.
 * Without its log, or with one of nothing, or beside what is left of it. */
static void test_a_missing_log_is_begun_anew(void **state)
{
    struct place *p = *state;
    static const char *const suffixes[] = {"-wal", "-mark"};
    struct image images[2], nothing = {(uint8_t *)"", 0};
    struct node_consensus_lost lost;
    assert_int_equal(lost_of(p, &lost), BASE_ENOTFOUND);
    fill_and_die(p);
    for (size_t i = 0; i < 2; i++)
        images[i] = image_of(beside(p, suffixes[i]));
    for (size_t way = 0; way < 3; way++) {
        files_remove(p);
        image_put(beside(p, "-mark"), &images[1], images[1].len);
        if (way == 1) image_put(beside(p, "-wal"), &images[0], images[0].len);
        if (way == 2) image_put(p->path, &nothing, 0);
        must(p, open_store(p));
        assert_lost(p, NODE_CONSENSUS_BLOCK_UNKNOWN);
        reopen(p);
        assert_lost(p, NODE_CONSENSUS_BLOCK_UNKNOWN);
        put(p, vote(2, 1, 1, "a"));
        reopen(p);
        assert_lost(p, NODE_CONSENSUS_BLOCK_UNKNOWN);
        close_store(p);
    }
    for (size_t i = 0; i < 2; i++)
        free(images[i].bytes);
}

/* Without a mark the caller knows. Whoever has a log need not be told; nor is the first one lost.
 */
static void test_the_caller_knows_of_a_log(void **state)
{
    struct place *p = *state;
    struct node_consensus_lost lost;
    put(p, vote(1, 1, 1, "a"));
    close_store(p);
    must(p, node_consensus_store_open(&p->store, p->path, &CLUSTER, true, p->why));
    assert_int_equal(lost_of(p, &lost), BASE_ENOTFOUND);
    close_store(p);
    files_remove(p);
    must(p, node_consensus_store_open(&p->store, p->path, &CLUSTER, true, p->why));
    assert_lost(p, NODE_CONSENSUS_BLOCK_UNKNOWN);
    reopen(p);
    assert_lost(p, NODE_CONSENSUS_BLOCK_UNKNOWN);
    close_store(p);
    files_remove(p);
    must(p, open_store(p));
    assert_int_equal(lost_of(p, &lost), BASE_ENOTFOUND);
}

/* What was acknowledged before is above what a new log would count: it goes on from there. */
static void test_a_lost_log_is_lost_again(void **state)
{
    struct place *p = *state;
    for (int i = 0; i < 3; i++) {
        fill_and_die(p);
        unlink(p->path);
        must(p, open_store(p));
        assert_lost(p, NODE_CONSENSUS_BLOCK_UNKNOWN);
        put(p, vote(2, 1, 1, "a"));
        reopen(p);
    }
}

static void test_the_block_is_put_and_replaced(void **state)
{
    struct place *p = *state;
    uint8_t body[NODE_CONSENSUS_LOST_BYTES];
    struct node_consensus_lost lost = {NODE_CONSENSUS_LOST_SHOWN, NODE_CONSENSUS_BLOCK_UNKNOWN};
    put(p, node_consensus_lost_op(body, &lost));
    lost.block = UINT64_C(0x0102030405060708);
    put(p, node_consensus_lost_op(body, &lost));
    reopen(p);
    memset(&lost, 0, sizeof lost);
    must(p, lost_of(p, &lost));
    assert_int_equal(lost.how, NODE_CONSENSUS_LOST_SHOWN);
    assert_true(lost.block == UINT64_C(0x0102030405060708));
    struct base_buf out;
    base_buf_init(&out, 16);
    assert_int_equal(node_consensus_store_meta(p->store, NODE_CONSENSUS_VOTED_KEY, &out, p->why),
                     BASE_ENOTFOUND);
    put(p, node_consensus_voted_op());
    must(p, node_consensus_store_meta(p->store, NODE_CONSENSUS_VOTED_KEY, &out, p->why));
    base_buf_deinit(&out);
}

static void test_what_says_lost_has_one_form(void **state)
{
    uint8_t body[NODE_CONSENSUS_LOST_BYTES + 1] = {NODE_CONSENSUS_LOST_SHOWN};
    struct node_consensus_lost lost;
    struct place *p = *state;
    assert_int_equal(node_consensus_lost_decode(&lost, body, NODE_CONSENSUS_LOST_BYTES), BASE_OK);
    for (size_t len = 0; len <= sizeof body; len++)
        if (len != NODE_CONSENSUS_LOST_BYTES)
            assert_int_equal(node_consensus_lost_decode(&lost, body, len), BASE_EMALFORMED);
    for (int how = 0; how < 256; how++) {
        body[0] = (uint8_t)how;
        bool is_good = how == NODE_CONSENSUS_LOST_MISSING || how == NODE_CONSENSUS_LOST_SHOWN;
        assert_int_equal(node_consensus_lost_decode(&lost, body, NODE_CONSENSUS_LOST_BYTES),
                         is_good ? BASE_OK : BASE_EMALFORMED);
    }
    put(p, meta(NODE_CONSENSUS_LOST_KEY, "ten bytes."));
    assert_int_equal(lost_of(p, &lost), BASE_EMALFORMED);
    put(p, meta(NODE_CONSENSUS_LOST_KEY, "nine byte"));
    assert_int_equal(lost_of(p, &lost), BASE_EMALFORMED);
}

/* An older copy of the database, brought back beside a mark that knows better. */
static void test_an_older_copy_is_refused(void **state)
{
    struct place *p = *state;
    put(p, vote(1, 1, 1, "a"));
    close_store(p);
    struct image old = image_of(p->path);
    must(p, open_store(p));
    put(p, vote(1, 2, 2, "b"));
    close_store(p);
    image_put(p->path, &old, old.len);
    assert_int_equal(open_store(p), BASE_EMALFORMED);
    assert_non_null(strstr(p->why, "lacks its last batches"));
    free(old.bytes);
}

/* The disk has left the page of the votes as it was before the last one: whole by itself. */
static void test_a_page_left_behind_is_missed(void **state)
{
    struct place *p = *state;
    const size_t page = 4096, at = 2 * page; /* of the second table */
    put(p, vote(1, 1, 1, "a"));
    close_store(p);
    struct image old = image_of(p->path);
    must(p, open_store(p));
    put(p, vote(1, 2, 2, "b"));
    close_store(p);
    struct image new = image_of(p->path);
    assert_true(memcmp(new.bytes + at, old.bytes + at, page) != 0);
    memcpy(new.bytes + at, old.bytes + at, page);
    image_put(p->path, &new, new.len);
    assert_int_equal(open_store(p), BASE_EMALFORMED);
    assert_non_null(strstr(p->why, "has lost rows"));
    free(old.bytes);
    free(new.bytes);
}

static void test_what_is_no_database_is_refused(void **state)
{
    struct place *p = *state;
    static uint8_t noise[9000];
    close_store(p);
    files_remove(p);
    memset(noise, 'n', sizeof noise);
    const struct image image = {noise, sizeof noise};
    static const size_t lens[] = {2, 99, 100, 512, 4096, 9000};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        image_put(p->path, &image, lens[i]);
        assert_int_equal(open_store(p), BASE_EMALFORMED);
        assert_non_null(strstr(p->why, "is not a database"));
    }
}

/* Overwrites a number in the database's header. Source: https://www.sqlite.org/fileformat.html */
static void header_set(struct place *p, long offset, uint32_t value)
{
    uint8_t bytes[4];
    base_put_u32be(bytes, value);
    int fd = open(p->path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, 4, offset), 4);
    close(fd);
}

static void test_foreign_and_newer_ones_are_refused(void **state)
{
    struct place *p = *state;
    close_store(p);
    header_set(p, 60, 2); /* user_version */
    assert_int_equal(open_store(p), BASE_EUNSUPPORTED);
    assert_non_null(strstr(p->why, "newer version (layout 2, this one knows 1): run that one"));
    header_set(p, 60, 0);
    assert_int_equal(open_store(p), BASE_EMALFORMED);
    header_set(p, 60, 1);
    header_set(p, 68, 7); /* application_id */
    assert_int_equal(open_store(p), BASE_EMALFORMED);
    assert_non_null(strstr(p->why, "another program's"));
    header_set(p, 68, 0x6e66746d);
    must(p, open_store(p));
}

static void test_another_clusters_log_is_refused(void **state)
{
    struct place *p = *state;
    static const char *const others[] = {"cluster 1, member 3", "cluster 1, member 2 ", "c"};
    put(p, vote(1, 1, 1, "a"));
    close_store(p);
    for (size_t i = 0; i < 3; i++) {
        struct base_slice other = text(others[i]);
        assert_int_equal(node_consensus_store_open(&p->store, p->path, &other, false, p->why),
                         BASE_EINVAL);
        assert_non_null(strstr(p->why, "another cluster"));
        assert_null(p->store);
    }
    must(p, open_store(p));
    assert_all(p, "1:1-1=a | ");
}

static void test_what_others_may_read_is_refused(void **state)
{
    struct place *p = *state;
    static const char *const suffixes[] = {"", "-mark"};
    close_store(p);
    for (size_t i = 0; i < 2; i++) {
        chmod(beside(p, suffixes[i]), 0640);
        assert_int_equal(open_store(p), BASE_EINVAL);
        assert_non_null(strstr(p->why, "chmod 600"));
        chmod(beside(p, suffixes[i]), 0600);
    }
    assert_int_equal(rename(p->path, beside(p, "-journal")), 0);
    assert_int_equal(symlink(beside(p, "-journal"), p->path), 0);
    assert_int_equal(open_store(p), BASE_EINVAL);
    assert_non_null(strstr(p->why, "not a regular file"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_new_store_is_empty_and_private),
        TEST(test_all_comes_back_in_its_order),
        TEST(test_later_ones_take_the_place),
        TEST(test_a_state_trims_votes),
        TEST(test_bodies_up_to_their_bounds),
        TEST(test_bad_operations_are_refused),
        TEST(test_reading_ends_when_told),
        TEST(test_each_batch_is_synced_once),
        TEST(test_a_second_opener_is_refused),
        TEST(test_what_was_acknowledged_outlives_a_kill),
        TEST(test_the_log_stays_short),
        TEST(test_a_full_disk_makes_it_mute),
        TEST(test_a_batch_is_whole_or_not_there),
        TEST(test_a_failing_sync_makes_it_mute),
        TEST(test_no_opening_without_a_disk),
        TEST(test_flipped_bytes_are_refused),
        TEST(test_a_flipped_row_is_refused),
        TEST(test_cut_files_are_refused),
        TEST(test_missing_files_are_missed),
        TEST(test_a_missing_log_is_begun_anew),
        TEST(test_the_caller_knows_of_a_log),
        TEST(test_a_lost_log_is_lost_again),
        TEST(test_the_block_is_put_and_replaced),
        TEST(test_what_says_lost_has_one_form),
        TEST(test_an_older_copy_is_refused),
        TEST(test_a_page_left_behind_is_missed),
        TEST(test_what_is_no_database_is_refused),
        TEST(test_foreign_and_newer_ones_are_refused),
        TEST(test_another_clusters_log_is_refused),
        TEST(test_what_others_may_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
