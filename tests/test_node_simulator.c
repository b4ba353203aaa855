/* The simulator as a process: its sockets as a client meets them, what it makes and leaves on
 * disk, and the command lines that it refuses. */
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "node/agent_sim.h"
#include "node/simulator.h"

#define ARGS_MAX   16
#define TEXT_BYTES 65536

static char dir[64];
static char first[100], second[100], kms_key[100];

struct run {
    pid_t pid;
    int out; /* its standard output and error */
    char said[TEXT_BYTES];
    size_t len;
};

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/nftmesh-sim-XXXXXX");
    if (mkdtemp(dir) == NULL || base_ecdsa_init() != BASE_OK || base_aead_init() != BASE_OK)
        return -1;
    snprintf(first, sizeof first, "%s/a.sock", dir);
    snprintf(second, sizeof second, "%s/b.sock", dir);
    snprintf(kms_key, sizeof kms_key, "%s/kms.key", dir);
    return 0;
}

static int teardown(void **state)
{
    char path[512];
    (void)state;
    DIR *d = opendir(dir);
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.') unlink(path);
    }
    if (d != NULL) closedir(d);
    return rmdir(dir);
}

/* ---- the process ---- */

static void start(struct run *run, const char *const *args)
{
    char *argv[ARGS_MAX] = {"simulator"};
    int argc = 1, fds[2];
    memset(run, 0, sizeof *run);
    for (; args[argc - 1] != NULL; argc++) {
        assert_true(argc < ARGS_MAX - 1);
        argv[argc] = (char *)(uintptr_t)args[argc - 1];
    }
    assert_int_equal(pipe(fds), 0);
    fflush(stdout);
    run->pid = fork();
    assert_true(run->pid >= 0);
    if (run->pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        int status = node_simulator_main(argc, argv);
        fflush(stdout);
        _exit(status);
    }
    close(fds[1]);
    run->out = fds[0];
}

/* Reads what it says until the text is there, or until it ends. */
static bool said(struct run *run, const char *text)
{
    while (text == NULL || strstr(run->said, text) == NULL) {
        if (run->len == sizeof run->said - 1) return false;
        ssize_t n = read(run->out, run->said + run->len, sizeof run->said - 1 - run->len);
        if (n <= 0) return text == NULL;
        run->len += (size_t)n;
    }
    return true;
}

static int wait_for(struct run *run)
{
    int status = 0;
    assert_true(said(run, NULL));
    assert_int_equal(waitpid(run->pid, &status, 0), run->pid);
    close(run->out);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void start_ready(struct run *run, const char *const *args)
{
    start(run, args);
    if (!said(run, "\nready\n")) fail_msg("not ready: %s", run->said);
}

static void stop(struct run *run)
{
    assert_int_equal(kill(run->pid, SIGTERM), 0);
    assert_int_equal(wait_for(run), 0);
}

static void assert_fails(int want_status, const char *why, const char *const *args)
{
    struct run run;
    start(&run, args);
    int status = wait_for(&run);
    if (status != want_status || strstr(run.said, why) == NULL)
        fail_msg("status %d, said: %s", status, run.said);
}

/* ---- a client ---- */

static int dial(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    return fd;
}

static void send_all(int fd, const char *data, size_t len, size_t piece)
{
    for (size_t at = 0; at < len;) {
        size_t n = len - at < piece ? len - at : piece;
        ssize_t sent = send(fd, data + at, n, MSG_NOSIGNAL);
        assert_true(sent > 0);
        at += (size_t)sent;
    }
}

/* Everything until the server ends its side, which it has to do by itself. */
static void receive_all(int fd, char out[TEXT_BYTES])
{
    size_t len = 0;
    for (;;) {
        assert_true(len < TEXT_BYTES - 1);
        ssize_t n = recv(fd, out + len, TEXT_BYTES - 1 - len, 0);
        if (n < 0 && errno == ECONNRESET) break;
        assert_true(n >= 0);
        if (n == 0) break;
        len += (size_t)n;
    }
    out[len] = '\0';
    close(fd);
}

static char answer[TEXT_BYTES];

/* The body of the answer; the whole of it is in answer. */
static const char *talk(const char *path, const char *request, size_t piece)
{
    int fd = dial(path);
    send_all(fd, request, strlen(request), piece);
    receive_all(fd, answer);
    const char *body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    return body + 4;
}

static bool status_is(const char *status)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 && strncmp(answer + 9, status, 3) == 0;
}

static const char *post(const char *socket_path, const char *method, const char *body)
{
    static char request[4096];
    snprintf(request, sizeof request,
             "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             method, strlen(body), body);
    return talk(socket_path, request, sizeof request);
}

static const char *get(const char *target)
{
    static char request[4096];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
    return talk(first, request, sizeof request);
}

/* ---- serving ---- */

static void test_two_instances_of_one_app(void **state)
{
    struct run run;
    struct stat st;
    char one[TEXT_BYTES];
    (void)state;
    start_ready(&run, (const char *[]){"--socket", first, "--socket", second, NULL});
    assert_int_equal(stat(first, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0777);
    assert_int_equal(stat(kms_key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 65);
    snprintf(one, sizeof one, "%s", post(first, "/Info", "{}"));
    const char *other = post(second, "/Info", "{}");
    assert_memory_equal(strstr(one, "\"app_id\""), strstr(other, "\"app_id\""), 52);
    assert_memory_not_equal(strstr(one, "\"instance_id\""), strstr(other, "\"instance_id\""), 57);
    snprintf(one, sizeof one, "%s", post(first, "/GetKey", "{\"path\":\"x\"}"));
    assert_string_equal(one, post(second, "/GetKey", "{\"path\":\"x\"}"));
    stop(&run);
    assert_int_equal(access(first, F_OK), -1);
    assert_int_equal(access(second, F_OK), -1);
}

/* The official client writes each header by itself, wants a Content-Length, and answers its
 * caller only when our side of the connection ends. */
static void test_what_the_official_client_needs(void **state)
{
    struct run run;
    char want[TEXT_BYTES];
    (void)state;
    start_ready(&run, (const char *[]){"--socket", first, NULL});
    snprintf(want, sizeof want, "%s", post(first, "/Info", "{}"));
    char *length = strstr(answer, "Content-Length: ");
    assert_non_null(length);
    assert_int_equal(strtoul(length + 16, NULL, 10), strlen(want));
    assert_null(strstr(answer, "chunked"));
    assert_non_null(strstr(answer, "Content-Type: application/json"));
    assert_string_equal(want, talk(first,
                                   "POST /Info HTTP/1.1\r\nHost: localhost\r\n"
                                   "Content-Length: 2\r\n\r\n{}",
                                   1));
    stop(&run);
}

static void test_get_is_post_with_the_same_fields(void **state)
{
    struct run run;
    char want[TEXT_BYTES];
    (void)state;
    start_ready(&run, (const char *[]){"--socket", first, NULL});
    snprintf(want, sizeof want, "%s",
             post(first, "/GetKey", "{\"path\":\"a/b c\",\"purpose\":\"\\u00fc\"}"));
    assert_string_equal(get("/GetKey?path=a%2Fb+c&purpose=%c3%bc"), want);
    assert_string_equal(get("/GetKey?purpose=%C3%BC&path=a/b%20c&unknown=1"), want);
    snprintf(want, sizeof want, "%s", post(first, "/GetKey", "{}"));
    assert_string_equal(get("/GetKey"), want);
    assert_string_equal(get("/GetKey?path="), want);
    assert_string_equal(get("/GetKey?path"), want);
    stop(&run);
}

static void test_a_query_that_cannot_be_read_is_refused(void **state)
{
    static const char *const targets[] = {
        "/GetKey?path=%ff",   "/GetKey?path=%c3", "/GetKey?path=a&path=b",
        "/GetKey?path=a%00b", "/GetKey?%ff=a",    "/GetKey?pa%00th=a",
    };
    struct run run;
    (void)state;
    start_ready(&run, (const char *[]){"--socket", first, NULL});
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        const char *body = get(targets[i]);
        if (!status_is("400") || strstr(body, "\"error\"") == NULL)
            fail_msg("%s: %s", targets[i], answer);
    }
    stop(&run);
}

static void test_other_requests_are_refused(void **state)
{
    struct run run;
    (void)state;
    start_ready(&run, (const char *[]){"--socket", first, NULL});
    assert_non_null(
        strstr(talk(first, "PUT /Info HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 4096),
               "use POST or GET"));
    assert_true(status_is("400"));
    assert_non_null(strstr(post(first, "/Nothing", "{}"), "method not found"));
    assert_true(status_is("400"));
    assert_non_null(strstr(post(first, "/Info", "{"), "failed to parse"));
    assert_true(status_is("400"));
    stop(&run);
}

static void test_a_body_above_the_bound_is_refused(void **state)
{
    struct run run;
    char head[200];
    (void)state;
    size_t len = NODE_AGENT_SIM_BODY_BYTES_MAX + 1;
    char *body = malloc(len);
    assert_non_null(body);
    memset(body, ' ', len);
    start_ready(&run, (const char *[]){"--socket", first, NULL});
    snprintf(head, sizeof head, "POST /Info HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
             len);
    int fd = dial(first);
    send_all(fd, head, strlen(head), len);
    send_all(fd, body, len, len);
    receive_all(fd, answer);
    assert_true(status_is("400"));
    assert_non_null(strstr(answer, "request body too large"));
    free(body);
    stop(&run);
}

/* ---- keys and ids ---- */

static void test_the_same_identity_after_a_restart(void **state)
{
    struct run run;
    char before[TEXT_BYTES];
    (void)state;
    start_ready(&run, (const char *[]){"--socket", first, NULL});
    snprintf(before, sizeof before, "%s", run.said);
    stop(&run);
    start_ready(&run, (const char *[]){"--socket", first, NULL});
    assert_string_equal(run.said, before);
    stop(&run);
    assert_int_equal(unlink(kms_key), 0);
    start_ready(&run, (const char *[]){"--socket", first, NULL});
    assert_string_not_equal(run.said, before);
    stop(&run);
}

static void test_ids_from_the_command_line(void **state)
{
    struct run run;
    const char *app = "00112233445566778899aabbccddeeff00112233";
    const char *one = "0x1111111111111111111111111111111111111111";
    const char *two = "2222222222222222222222222222222222222222";
    (void)state;
    start_ready(&run, (const char *[]){"--socket", first, "--app-id", app, "--instance-id", one,
                                       "--socket", second, "--instance-id", two, NULL});
    assert_non_null(strstr(post(first, "/Info", "{}"), app));
    assert_non_null(strstr(answer, one + 2));
    assert_non_null(strstr(post(second, "/Info", "{}"), app));
    assert_non_null(strstr(answer, two));
    stop(&run);
}

static void test_official_keys_are_called_public(void **state)
{
    struct run run;
    (void)state;
    start_ready(&run,
                (const char *[]){"--socket", first, "--appkeys",
                                 NFTMESH_TESTS_DIR "/vectors/dstack-simulator/appkeys-v0.5.3.json",
                                 "--app-id", "ea549f02e1a25fabd1cb788380e033ec5461b2ff", NULL});
    assert_non_null(strstr(run.said, "0x8f2cF602C9695b23130367ed78d8F557554de7C5  (its private "
                                     "key is public: for development only)"));
    assert_non_null(
        strstr(post(first, "/GetKey", "{\"path\":\"wallet/ethereum\",\"purpose\":\"ethereum\"}"),
               "7c019ee7f279e47ef73ebf7dcb6844f398db2e06ea0dc4e45e528483ab924b57"));
    stop(&run);
    assert_int_equal(access(kms_key, F_OK), -1);
}

/* ---- sockets that are there already ---- */

static void test_a_stale_socket_is_replaced(void **state)
{
    struct run run;
    (void)state;
    start_ready(&run, (const char *[]){"--socket", first, NULL});
    assert_int_equal(kill(run.pid, SIGKILL), 0);
    assert_int_equal(waitpid(run.pid, NULL, 0), run.pid);
    close(run.out);
    assert_int_equal(access(first, F_OK), 0);
    start_ready(&run, (const char *[]){"--socket", first, NULL});
    post(first, "/Info", "{}");
    stop(&run);
}

static void test_a_socket_that_answers_is_left_alone(void **state)
{
    struct run run;
    (void)state;
    start_ready(&run, (const char *[]){"--socket", first, NULL});
    assert_fails(1, "another process serves this socket",
                 (const char *[]){"--socket", second, "--socket", first, NULL});
    assert_int_equal(access(second, F_OK), -1);
    post(first, "/Info", "{}");
    stop(&run);
}

static void test_a_file_is_not_replaced(void **state)
{
    (void)state;
    int fd = open(first, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_fails(1, first, (const char *[]){"--socket", first, NULL});
    assert_int_equal(access(first, F_OK), 0);
}

/* ---- refusals ---- */

static void write_key(const char *text, mode_t mode)
{
    int fd = open(kms_key, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void test_command_lines_that_are_refused(void **state)
{
    char path[300];
    (void)state;
    assert_fails(2, "give 1 to 64 sockets", (const char *[]){NULL});
    assert_fails(2, "is not 40 hex digits",
                 (const char *[]){"--socket", first, "--app-id", "12", NULL});
    assert_fails(2, "is not 40 hex digits",
                 (const char *[]){"--socket", first, "--instance-id", "zz", NULL});
    assert_fails(2, "--appkeys needs --app-id",
                 (const char *[]){"--socket", first, "--appkeys", "x", NULL});
    assert_fails(2, "leave out --kms-key",
                 (const char *[]){"--socket", first, "--appkeys", "x", "--kms-key", "y", "--app-id",
                                  "00112233445566778899aabbccddeeff00112233", NULL});
    assert_fails(1, "--appkeys /nowhere",
                 (const char *[]){"--socket", first, "--appkeys", "/nowhere", "--app-id",
                                  "00112233445566778899aabbccddeeff00112233", NULL});
    assert_fails(2, "--nonsense", (const char *[]){"--socket", first, "--nonsense", NULL});
    snprintf(path, sizeof path, "%s/%0200d", dir, 0);
    assert_fails(1, "longer than the", (const char *[]){"--socket", path, NULL});
    assert_fails(1, "--kms-key /nowhere/k",
                 (const char *[]){"--socket", first, "--kms-key", "/nowhere/k", NULL});
}

static void test_kms_keys_that_are_refused(void **state)
{
    char zeros[66];
    (void)state;
    snprintf(zeros, sizeof zeros, "%064d\n", 0);
    write_key(zeros, 0600);
    assert_fails(1, "not a private key", (const char *[]){"--socket", first, NULL});
    zeros[62] = '1';
    write_key(zeros, 0644);
    assert_fails(2, "others can read this secret", (const char *[]){"--socket", first, NULL});
    assert_int_equal(unlink(kms_key), 0);
    write_key("words", 0600);
    assert_fails(1, "not a private key", (const char *[]){"--socket", first, NULL});
}

int main(void)
{
#define IN_A_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        IN_A_DIRECTORY(test_two_instances_of_one_app),
        IN_A_DIRECTORY(test_what_the_official_client_needs),
        IN_A_DIRECTORY(test_get_is_post_with_the_same_fields),
        IN_A_DIRECTORY(test_a_query_that_cannot_be_read_is_refused),
        IN_A_DIRECTORY(test_other_requests_are_refused),
        IN_A_DIRECTORY(test_a_body_above_the_bound_is_refused),
        IN_A_DIRECTORY(test_the_same_identity_after_a_restart),
        IN_A_DIRECTORY(test_ids_from_the_command_line),
        IN_A_DIRECTORY(test_official_keys_are_called_public),
        IN_A_DIRECTORY(test_a_stale_socket_is_replaced),
        IN_A_DIRECTORY(test_a_socket_that_answers_is_left_alone),
        IN_A_DIRECTORY(test_a_file_is_not_replaced),
        IN_A_DIRECTORY(test_command_lines_that_are_refused),
        IN_A_DIRECTORY(test_kms_keys_that_are_refused),
    };
    return cmocka_run_group_tests_name("node_simulator", tests, NULL, NULL);
}
