/* The data directory: one node at a time, secrets for their user alone, and no half file believed;
 * and the log's end, which never stops the node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/aead.h"
#include "base/err.h"
#include "node/logsink.h"
#include "node/store.h"

struct place {
    char dir[64];
    char path[384];
    char why[NODE_STORE_WHY_BYTES];
    struct node_store *store;
};

static const char *in(struct place *p, const char *name)
{
    snprintf(p->path, sizeof p->path, "%s/%s", p->dir, name);
    return p->path;
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    strcpy(p->dir, "/tmp/nftmesh-store-XXXXXX");
    if (base_aead_init() != BASE_OK || mkdtemp(p->dir) == NULL) return -1;
    int rv = node_store_open(&p->store, p->dir, p->why);
    if (rv != BASE_OK) fail_msg("%s", p->why);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    node_store_close(p->store);
    DIR *dir = opendir(p->dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.') {
            unlink(in(p, entry->d_name));
            rmdir(in(p, entry->d_name));
        }
    closedir(dir);
    rmdir(p->dir);
    free(p);
    return 0;
}

static void reopen(struct place *p)
{
    node_store_close(p->store);
    p->store = NULL;
    assert_int_equal(node_store_open(&p->store, p->dir, p->why), BASE_OK);
}

static void put(struct place *p, const char *name, const void *data, size_t len, mode_t mode)
{
    unlink(in(p, name));
    int fd = open(in(p, name), O_WRONLY | O_CREAT | O_TRUNC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    fchmod(fd, mode);
    close(fd);
}

static size_t get(struct place *p, const char *name, char *out, size_t cap)
{
    FILE *file = fopen(in(p, name), "r");
    assert_non_null(file);
    size_t len = fread(out, 1, cap, file);
    fclose(file);
    return len;
}

/* ---- directory and lock ---- */

static void test_directory_is_made_private(void **state)
{
    struct place *p = *state;
    struct node_store *store;
    struct stat st;
    char dir[128];
    snprintf(dir, sizeof dir, "%s/new", p->dir);
    mode_t old = umask(0);
    assert_int_equal(node_store_open(&store, dir, p->why), BASE_OK);
    umask(old);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_string_equal(node_store_dir(store), dir);
    node_store_close(store);
    unlink(in(p, "new/lock"));
}

static void test_second_node_is_refused_by_pid(void **state)
{
    struct place *p = *state;
    struct node_store *second = NULL;
    char said[64];
    assert_int_equal(node_store_open(&second, p->dir, p->why), BASE_EEXIST);
    assert_null(second);
    snprintf(said, sizeof said, "locked by pid %ld:", (long)getpid());
    assert_non_null(strstr(p->why, said));
}

/* The lock is the process's, not the file's: a dead one leaves nothing behind. */
static void test_lock_ends_with_its_process(void **state)
{
    struct place *p = *state;
    node_store_close(p->store);
    p->store = NULL;
    pid_t child = fork();
    if (child == 0) {
        struct node_store *store;
        char why[NODE_STORE_WHY_BYTES];
        _exit(node_store_open(&store, p->dir, why) == BASE_OK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(node_store_open(&p->store, p->dir, p->why), BASE_OK);
}

static void test_wide_directory_is_refused(void **state)
{
    struct place *p = *state;
    static const mode_t wide[] = {0755, 0710, 0701, 0770};
    node_store_close(p->store);
    p->store = NULL;
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        chmod(p->dir, wide[i]);
        assert_int_equal(node_store_open(&p->store, p->dir, p->why), BASE_EINVAL);
        assert_non_null(strstr(p->why, "chmod 700"));
    }
    chmod(p->dir, 0700);
}

/* Another user's directory, as far as this process may make one. */
static void test_foreign_directory_is_refused(void **state)
{
    struct place *p = *state;
    if (geteuid() != 0) skip();
    node_store_close(p->store);
    p->store = NULL;
    assert_int_equal(chown(p->dir, 1, 1), 0);
    assert_int_equal(node_store_open(&p->store, p->dir, p->why), BASE_EINVAL);
    assert_non_null(strstr(p->why, "belongs to user 1, this process is 0"));
    assert_int_equal(chown(p->dir, 0, 0), 0);
}

static void test_not_a_directory_is_refused(void **state)
{
    struct place *p = *state;
    struct node_store *store = NULL;
    put(p, "file", "x", 1, 0600);
    assert_int_equal(node_store_open(&store, in(p, "file"), p->why), BASE_EINVAL);
    assert_int_equal(node_store_open(&store, "/nonexistent/a/b", p->why), BASE_EIO);
    assert_non_null(strstr(p->why, "/nonexistent/a/b"));
    assert_null(store);
}

/* ---- seed ---- */

static void test_seed_is_made_once(void **state)
{
    struct place *p = *state;
    uint8_t first[32], second[32];
    struct stat st;
    bool made;
    mode_t old = umask(0);
    assert_int_equal(node_store_seed(p->store, first, &made, p->why), BASE_OK);
    umask(old);
    assert_true(made);
    assert_false(base_is_zero(first, sizeof first));
    assert_int_equal(stat(in(p, "seed"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, 32);
    reopen(p);
    assert_int_equal(node_store_seed(p->store, second, &made, p->why), BASE_OK);
    assert_false(made);
    assert_memory_equal(first, second, 32);
}

static void test_wide_seed_is_refused(void **state)
{
    struct place *p = *state;
    uint8_t seed[32];
    bool made;
    assert_int_equal(node_store_seed(p->store, seed, &made, p->why), BASE_OK);
    chmod(in(p, "seed"), 0640);
    assert_int_equal(node_store_seed(p->store, seed, &made, p->why), BASE_EINVAL);
    assert_non_null(strstr(p->why, "0640"));
    chmod(in(p, "seed"), 0604);
    assert_int_equal(node_store_seed(p->store, seed, &made, p->why), BASE_EINVAL);
}

/* A seed of another length is neither taken nor replaced. */
static void test_torn_seed_is_refused(void **state)
{
    struct place *p = *state;
    uint8_t seed[32];
    char data[40];
    bool made;
    memset(data, 7, sizeof data);
    static const size_t lengths[] = {0, 1, 31, 33};
    for (size_t i = 0; i < 4; i++) {
        put(p, "seed", data, lengths[i], 0600);
        assert_int_equal(node_store_seed(p->store, seed, &made, p->why), BASE_EMALFORMED);
        assert_int_equal(get(p, "seed", data, sizeof data), lengths[i]);
    }
    memset(data, 0, sizeof data); /* what some file systems leave after a crash */
    put(p, "seed", data, 32, 0600);
    assert_int_equal(node_store_seed(p->store, seed, &made, p->why), BASE_EMALFORMED);
}

static void test_seed_behind_a_link_is_refused(void **state)
{
    struct place *p = *state;
    uint8_t seed[32];
    bool made;
    assert_int_equal(symlink("/etc/hostname", in(p, "seed")), 0);
    assert_int_equal(node_store_seed(p->store, seed, &made, p->why), BASE_EIO);
}

/* ---- texts ---- */

static void test_values_come_back(void **state)
{
    struct place *p = *state;
    uint64_t incarnation = 0;
    struct node_store_reference reference = {.number = 12345678901ull}, reference_back;
    struct base_hash32 genesis, genesis_back;
    memset(&reference.hash, 0xa5, sizeof reference.hash);
    memset(&genesis, 0x5a, sizeof genesis);
    assert_int_equal(node_store_incarnation_load(p->store, &incarnation, p->why), BASE_ENOTFOUND);
    assert_int_equal(node_store_reference_load(p->store, &reference_back, p->why), BASE_ENOTFOUND);
    assert_int_equal(node_store_genesis_load(p->store, &genesis_back, p->why), BASE_ENOTFOUND);
    assert_int_equal(node_store_incarnation_save(p->store, UINT64_MAX, p->why), BASE_OK);
    assert_int_equal(node_store_reference_save(p->store, &reference, p->why), BASE_OK);
    assert_int_equal(node_store_genesis_save(p->store, &genesis, p->why), BASE_OK);
    reopen(p);
    assert_int_equal(node_store_incarnation_load(p->store, &incarnation, p->why), BASE_OK);
    assert_true(incarnation == UINT64_MAX);
    assert_int_equal(node_store_reference_load(p->store, &reference_back, p->why), BASE_OK);
    assert_true(reference.number == reference_back.number);
    assert_memory_equal(&reference.hash, &reference_back.hash, 32);
    assert_int_equal(node_store_genesis_load(p->store, &genesis_back, p->why), BASE_OK);
    assert_memory_equal(&genesis, &genesis_back, 32);
    assert_int_equal(node_store_incarnation_save(p->store, 7, p->why), BASE_OK);
    assert_int_equal(node_store_incarnation_load(p->store, &incarnation, p->why), BASE_OK);
    assert_true(incarnation == 7);
}

/* Goal: whatever prefix a crash left of a file, or whichever bit the disk turned, it is refused,
 * never read as a lower number and never as "there is none". */
static void test_torn_files_are_refused(void **state)
{
    struct place *p = *state;
    char whole[256], torn[256];
    uint64_t value;
    assert_int_equal(node_store_incarnation_save(p->store, 1732300000, p->why), BASE_OK);
    size_t len = get(p, "incarnation", whole, sizeof whole);
    for (size_t cut = 0; cut < len; cut++) {
        put(p, "incarnation", whole, cut, 0600);
        assert_int_equal(node_store_incarnation_load(p->store, &value, p->why), BASE_EMALFORMED);
    }
    for (size_t i = 0; i < len; i++) {
        memcpy(torn, whole, len);
        torn[i] ^= 1;
        put(p, "incarnation", torn, len, 0600);
        assert_int_equal(node_store_incarnation_load(p->store, &value, p->why), BASE_EMALFORMED);
    }
    memcpy(torn, whole, len);
    torn[len] = '\n';
    put(p, "incarnation", torn, len + 1, 0600);
    assert_int_equal(node_store_incarnation_load(p->store, &value, p->why), BASE_EMALFORMED);
    put(p, "incarnation", whole, len, 0600);
    assert_int_equal(node_store_incarnation_load(p->store, &value, p->why), BASE_OK);
}

/* A right sum does not make a wrong text right. */
static void test_strict_texts(void **state)
{
    struct place *p = *state;
    uint64_t value;
    struct node_store_reference reference;
    struct base_hash32 hash;
    char text[128];
    static const char *const numbers[] = {
        "",     "\n",   "7", "07\n", "-7\n", "7 \n", "7\n7\n", "x\n", "18446744073709551616\n",
        " 7\n", "0x7\n"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        node_store_text_save(p->store, "incarnation", numbers[i], strlen(numbers[i]), p->why);
        assert_int_equal(node_store_incarnation_load(p->store, &value, p->why), BASE_EMALFORMED);
    }
    static const char *const references[] = {"7\n", "7 \n", "7 00\n", " 00\n"};
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++) {
        node_store_text_save(p->store, "reference", references[i], strlen(references[i]), p->why);
        assert_int_equal(node_store_reference_load(p->store, &reference, p->why), BASE_EMALFORMED);
    }
    snprintf(text, sizeof text, "%063d\n", 0);
    node_store_text_save(p->store, "genesis", text, strlen(text), p->why);
    assert_int_equal(node_store_genesis_load(p->store, &hash, p->why), BASE_EMALFORMED);
    snprintf(text, sizeof text, "%065d\n", 0);
    node_store_text_save(p->store, "genesis", text, strlen(text), p->why);
    assert_int_equal(node_store_genesis_load(p->store, &hash, p->why), BASE_EMALFORMED);
}

/* What was being written when the power went stays beside, and counts for nothing. */
static void test_half_written_new_file_is_ignored(void **state)
{
    struct place *p = *state;
    uint64_t value;
    assert_int_equal(node_store_incarnation_save(p->store, 5, p->why), BASE_OK);
    put(p, "incarnation.new", "99", 2, 0600);
    assert_int_equal(node_store_incarnation_load(p->store, &value, p->why), BASE_OK);
    assert_true(value == 5);
    assert_int_equal(node_store_incarnation_save(p->store, 6, p->why), BASE_OK);
    assert_int_equal(access(in(p, "incarnation.new"), F_OK), -1);
}

static void test_pins_text(void **state)
{
    struct place *p = *state;
    char out[64];
    size_t len;
    assert_int_equal(node_store_text_load(p->store, "pins", out, &len, sizeof out, p->why),
                     BASE_ENOTFOUND);
    assert_int_equal(node_store_text_save(p->store, "pins", "root 0x1\n", 9, p->why), BASE_OK);
    assert_int_equal(node_store_text_load(p->store, "pins", out, &len, sizeof out, p->why),
                     BASE_OK);
    assert_int_equal(len, 9);
    assert_string_equal(out, "root 0x1\n");
    assert_int_equal(node_store_text_load(p->store, "pins", out, &len, 9, p->why), BASE_ETOOBIG);
    chmod(in(p, "pins"), 0644);
    assert_int_equal(node_store_text_load(p->store, "pins", out, &len, sizeof out, p->why),
                     BASE_EINVAL);
    char *large = calloc(1, NODE_STORE_TEXT_BYTES_MAX + 1);
    assert_int_equal(
        node_store_text_save(p->store, "pins", large, NODE_STORE_TEXT_BYTES_MAX + 1, p->why),
        BASE_ETOOBIG);
    free(large);
}

static void test_save_fails_without_harm(void **state)
{
    struct place *p = *state;
    uint64_t value;
    assert_int_equal(node_store_incarnation_save(p->store, 5, p->why), BASE_OK);
    assert_int_equal(mkdir(in(p, "incarnation.new"), 0700), 0); /* in the way */
    assert_int_equal(node_store_incarnation_save(p->store, 6, p->why), BASE_EIO);
    assert_non_null(strstr(p->why, "incarnation.new is in the way"));
    assert_int_equal(node_store_incarnation_load(p->store, &value, p->why), BASE_OK);
    assert_true(value == 5);
}

static void file_size_limit(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Goal: without room the old text stays, nothing half lies about, and it is said what to do. */
static void test_a_full_disk_keeps_what_was(void **state)
{
    struct place *p = *state;
    uint64_t value;
    assert_int_equal(node_store_incarnation_save(p->store, 5, p->why), BASE_OK);
    file_size_limit(10);
    int rv = node_store_incarnation_save(p->store, 6, p->why);
    file_size_limit(RLIM_INFINITY);
    assert_int_equal(rv, BASE_EIO);
    assert_non_null(strstr(p->why, p->dir));
    assert_non_null(strstr(p->why, "make room"));
    assert_int_equal(access(in(p, "incarnation.new"), F_OK), -1);
    assert_int_equal(node_store_incarnation_load(p->store, &value, p->why), BASE_OK);
    assert_true(value == 5);
    assert_int_equal(node_store_incarnation_save(p->store, 6, p->why), BASE_OK);
}

/* ---- secrets elsewhere ---- */

static void test_secrets(void **state)
{
    struct place *p = *state;
    char out[24];
    static const struct {
        const char *text, *said;
        mode_t mode;
    } bad[] = {{"abc\n", "mode 0644", 0644}, {"abc\n", "mode 0620", 0620},
               {"", "is empty", 0600},       {"\n", "is empty", 0600},
               {"a b\n", "one line", 0600},  {"a\nb\n", "one line", 0600},
               {"a\tb", "one line", 0600},   {"aaaaaaaaaaaaaaaaaaaaaaaa", "too long", 0600}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put(p, "token", bad[i].text, strlen(bad[i].text), bad[i].mode);
        assert_int_equal(node_secret_read(out, sizeof out, in(p, "token"), p->why), BASE_EINVAL);
        if (strstr(p->why, bad[i].said) == NULL) fail_msg("%s", p->why);
    }
    put(p, "token", "secret-token\r\n", 14, 0400);
    assert_int_equal(node_secret_read(out, sizeof out, in(p, "token"), p->why), BASE_OK);
    assert_string_equal(out, "secret-token");
    assert_int_equal(node_secret_read(out, sizeof out, in(p, "none"), p->why), BASE_EIO);
    assert_int_equal(node_secret_read(out, sizeof out, p->dir, p->why), BASE_EINVAL);
}

/* ---- the log's end ---- */

struct clock_of_test {
    uint64_t now_ms;
};

static uint64_t test_now_ms(void *ctx)
{
    return ((struct clock_of_test *)ctx)->now_ms;
}

static size_t drain(int fd, char *out, size_t cap)
{
    size_t len = 0;
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    while (len + 1 < cap && poll(&pfd, 1, 0) == 1) {
        ssize_t n = read(fd, out + len, cap - 1 - len);
        if (n <= 0) break;
        len += (size_t)n;
    }
    out[len] = '\0';
    return len;
}

static size_t lines_with(const char *text, const char *needle)
{
    size_t count = 0;
    for (const char *p = text; (p = strstr(p, needle)) != NULL; p++)
        count++;
    return count;
}

static void say(struct node_logsink *sink, unsigned ts, const char *rest)
{
    static char line[BASE_LOG_LINE_BYTES_MAX];
    int len = snprintf(line, sizeof line, "{\"ts\":%u.000,%s", ts, rest);
    node_logsink_write(sink, BASE_LOG_INFO, line, (size_t)len);
}

static void test_sink_counts_repeats(void **state)
{
    struct clock_of_test clock = {.now_ms = 1000};
    struct node_logsink *sink;
    char text[65536];
    int fds[2];
    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(node_logsink_new(&sink, fds[1], BASE_LOG_JSON, test_now_ms, &clock), BASE_OK);
    for (unsigned i = 0; i < 100; i++) {
        say(sink, i, "\"ev\":\"same\"}");
        say(sink, i, i % 2 ? "\"ev\":\"one\"}" : "\"ev\":\"two\"}");
    }
    drain(fds[0], text, sizeof text);
    assert_int_equal(lines_with(text, "\"ev\":\"same\"}\n"), NODE_LOGSINK_REPEATS_MAX);
    assert_int_equal(lines_with(text, "\"ev\":\"one\"}\n"), NODE_LOGSINK_REPEATS_MAX);
    node_logsink_flush(sink); /* too early: nothing */
    assert_int_equal(drain(fds[0], text, sizeof text), 0);
    clock.now_ms += NODE_LOGSINK_WINDOW_MS;
    node_logsink_flush(sink);
    drain(fds[0], text, sizeof text);
    assert_int_equal(lines_with(text, "\"ev\":\"repeated\",\"count\":90,"), 1);
    assert_int_equal(lines_with(text, "\"count\":40,"), 2);
    say(sink, 200, "\"ev\":\"same\"}"); /* a new window */
    drain(fds[0], text, sizeof text);
    assert_int_equal(lines_with(text, "\"ev\":\"same\"}\n"), 1);
    node_logsink_free(sink);
    close(fds[0]);
    close(fds[1]);
}

/* Lines that differ are never held back, however many. */
static void test_sink_writes_each_line_whole(void **state)
{
    struct node_logsink *sink;
    char text[65536], rest[64];
    int fds[2];
    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(node_logsink_new(&sink, fds[1], BASE_LOG_JSON, NULL, NULL), BASE_OK);
    for (unsigned i = 0; i < 500; i++) {
        snprintf(rest, sizeof rest, "\"n\":%u}", i);
        say(sink, 1, rest);
    }
    node_logsink_free(sink);
    drain(fds[0], text, sizeof text);
    assert_int_equal(lines_with(text, "\n"), 500);
    assert_non_null(strstr(text, "\"n\":499}\n"));
    close(fds[0]);
    close(fds[1]);
}

static int lowest_free_fd(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

/* Goal: a reader that stopped reading costs lines, not the node; the loss is told afterwards.
 * Method: lines longer than a pipe takes in one piece, which a plain write() would wait with. */
static void check_full(int reader, int writer)
{
    struct node_logsink *sink;
    static char text[2 << 20];
    static char rest[BASE_LOG_LINE_BYTES_MAX];
    unsigned sent = 0;
    int free_fd = lowest_free_fd();
    assert_int_equal(node_logsink_new(&sink, writer, BASE_LOG_JSON, NULL, NULL), BASE_OK);
    while (node_logsink_dropped(sink) < 3 && sent < 100000) {
        snprintf(rest, sizeof rest, "\"n\":%u,\"pad\":\"%06000d\"}", sent++, 0);
        say(sink, 1, rest);
    }
    assert_int_equal(node_logsink_dropped(sink), 3);
    assert_int_equal(fcntl(writer, F_GETFL) & O_NONBLOCK, 0); /* others share it */
    size_t len = drain(reader, text, sizeof text);
    say(sink, 2, "\"ev\":\"after\"}");
    drain(reader, text + len, sizeof text - len);
    for (const char *line = text + 1; (line = strstr(line, "{\"ts\":")) != NULL; line++)
        assert_int_equal(line[-1], '\n'); /* half a line ends before the next begins */
    assert_int_equal(lines_with(text, "\"ev\":\"dropped\",\"count\":3}\n"), 1);
    assert_int_equal(lines_with(text, "\"ev\":\"after\"}\n"), 1);
    node_logsink_free(sink);
    assert_int_equal(lowest_free_fd(), free_fd);
    close(reader);
    close(writer);
}

static void test_sink_with_a_full_pipe(void **state)
{
    int fds[2];
    (void)state;
    assert_int_equal(pipe(fds), 0);
    check_full(fds[0], fds[1]);
}

static void test_sink_with_a_full_socket(void **state)
{
    int fds[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    check_full(fds[0], fds[1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_directory_is_made_private, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_node_is_refused_by_pid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lock_ends_with_its_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wide_directory_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_directory_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_a_directory_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seed_is_made_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wide_seed_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_torn_seed_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seed_behind_a_link_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_torn_files_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strict_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_written_new_file_is_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pins_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_save_fails_without_harm, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_disk_keeps_what_was, setup, teardown),
        cmocka_unit_test_setup_teardown(test_secrets, setup, teardown),
        cmocka_unit_test(test_sink_counts_repeats),
        cmocka_unit_test(test_sink_writes_each_line_whole),
        cmocka_unit_test(test_sink_with_a_full_pipe),
        cmocka_unit_test(test_sink_with_a_full_socket),
    };
    return cmocka_run_group_tests_name("node_store", tests, NULL, NULL);
}
