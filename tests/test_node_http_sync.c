/* One request at a time, given up from another thread: what a node that stops does to a command's
 * work that waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "node/http_sync.h"

#define PATIENCE_MS 600000 /* longer than the test may take */

/* Listens, and never answers. */
static int mute_listen(char url[64])
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    socklen_t len = sizeof v4;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&v4, sizeof v4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&v4, &len), 0);
    assert_int_equal(listen(fd, 4), 0);
    snprintf(url, 64, "http://127.0.0.1:%u/", (unsigned)ntohs(v4.sin_port));
    return fd;
}

static int call(struct node_http_sync *sync, const char *url)
{
    struct node_http_sync_answer answer;
    const struct node_http_request request = {.url = url,
                                              .body = "{}",
                                              .body_len = 2,
                                              .answer_bytes_max = 1024,
                                              .timeout_ms = PATIENCE_MS};
    int rv = node_http_sync_call(sync, &answer, &request);
    assert_true(rv == BASE_OK || answer.text[0] != '\0'); /* why there is no answer */
    base_buf_deinit(&answer.body);
    return rv;
}

static void *cancel(void *arg)
{
    node_http_sync_cancel(arg);
    return NULL;
}

/* Whenever it comes, before the call or in the middle of it, the call ends; and so does each later
 * one. */
static void test_a_cancelled_call_ends(void **state)
{
    char url[64];
    int fd = mute_listen(url);
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct node_http_sync *sync;
        pthread_t thread;
        assert_int_equal(node_http_sync_new(&sync, NULL), BASE_OK);
        assert_false(node_http_sync_is_cancelled(sync));
        assert_int_equal(pthread_create(&thread, NULL, cancel, sync), 0);
        assert_int_equal(call(sync, url), BASE_ECLOSED);
        pthread_join(thread, NULL);
        assert_true(node_http_sync_is_cancelled(sync));
        assert_int_equal(call(sync, url), BASE_ECLOSED);
        node_http_sync_free(sync);
    }
    close(fd);
}

static void test_without_it_nothing_ends_early(void **state)
{
    struct node_http_sync *sync;
    (void)state;
    assert_int_equal(node_http_sync_new(&sync, NULL), BASE_OK);
    assert_int_equal(call(sync, "http://127.0.0.1:1/"), BASE_EREFUSED); /* nobody listens */
    assert_int_equal(call(sync, "http://127.0.0.1:1/"), BASE_EREFUSED);
    assert_false(node_http_sync_is_cancelled(sync));
    node_http_sync_free(sync);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cancelled_call_ends),
        cmocka_unit_test(test_without_it_nothing_ends_early),
    };
    return cmocka_run_group_tests_name("node_http_sync", tests, NULL, NULL);
}
