#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "link_ends.h"

#define GUARD_MS 20

static uv_timer_t guard;

/* nng, which is not built for it, frees what it counts with atomics that TSan cannot see. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:pthread_mutex_destroy\n";
}

static void on_guard(uv_timer_t *timer)
{
    (void)timer; /* wakes the loop, so that ends_until() sees its time run out */
}

void ends_loop_open(uv_loop_t *loop)
{
    assert_int_equal(uv_loop_init(loop), 0);
    assert_int_equal(uv_timer_init(loop, &guard), 0);
    assert_int_equal(uv_timer_start(&guard, on_guard, GUARD_MS, GUARD_MS), 0);
}

void ends_loop_close(uv_loop_t *loop)
{
    uv_close((uv_handle_t *)&guard, NULL);
    assert_int_equal(uv_run(loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(loop), 0);
}

struct end_link *end_link(struct end *end, node_link_id id)
{
    struct end_link *link;
    for (int i = 0; i < end->seen_count; i++) {
        if (end->seen[i].id == id) return &end->seen[i];
    }
    assert_true(end->seen_count < ENDS_LINKS_MAX);
    link = &end->seen[end->seen_count++];
    memset(link, 0, sizeof *link);
    link->id = id;
    return link;
}

static bool on_allow(void *ctx, const struct sockaddr *address)
{
    struct end *end = ctx;
    end->allow_count++;
    return end->allow == NULL || end->allow(address);
}

static void on_up(void *ctx, node_link_id id, bool dialed, const char *remote)
{
    struct end *end = ctx;
    struct end_link *link = end_link(end, id);
    assert_int_equal(link->up_count, 0);
    assert_int_equal(link->down_count, 0);
    link->up_count++;
    link->is_up = true;
    link->is_dialed = dialed;
    snprintf(link->remote, sizeof link->remote, "%s", remote);
    assert_string_equal(remote, node_link_remote(end->links, id));
    if (end->habit == END_CLOSES_AT_UP) node_link_close(end->links, id, NODE_LINK_WHY_LOCAL);
}

static void on_frame(void *ctx, node_link_id id, const uint8_t *frame, size_t len)
{
    struct end *end = ctx;
    struct end_link *link = end_link(end, id);
    assert_int_equal(link->up_count, 1);
    assert_int_equal(link->down_count, 0);
    link->frame_count++;
    link->frame_bytes += len;
    link->last_len = len;
    memcpy(link->last, frame, len < sizeof link->last ? len : sizeof link->last);
    if (len >= 8) {
        if (base_get_u64be(frame) != link->next_number) link->is_out_of_order = true;
        link->next_number++;
    }
    if (end->on_frame != NULL) end->on_frame(end, link, frame, len);
    switch (end->habit) {
    case END_ECHOES:
        assert_int_equal(node_link_send(end->links, id, frame, len), BASE_OK);
        break;
    case END_CLOSES_AT_FRAME:
        node_link_close(end->links, id, NODE_LINK_WHY_LOCAL);
        break;
    case END_KEEPS:
    case END_CLOSES_AT_UP:
        break;
    }
}

static void on_sent(void *ctx, node_link_id id)
{
    struct end *end = ctx;
    struct end_link *link = end_link(end, id);
    assert_int_equal(link->down_count, 0);
    link->sent_count++;
    if (end->on_sent != NULL) end->on_sent(end, link);
}

static void on_down(void *ctx, node_link_id id, enum node_link_why why)
{
    struct end *end = ctx;
    struct end_link *link = end_link(end, id);
    assert_int_equal(link->down_count, 0);
    assert_int_not_equal(why, NODE_LINK_WHY_NONE);
    link->down_count++;
    link->is_up = false;
    link->why = why;
    assert_int_equal(node_link_send(end->links, id, (const uint8_t *)"x", 1), BASE_ECLOSED);
}

void end_open(struct end *end, uv_loop_t *loop, const struct node_links_config *config)
{
    static const struct node_links_config defaults = {.unproved_address_max = 32};
    const struct node_links_events events = {.ctx = end,
                                             .allow = on_allow,
                                             .up = on_up,
                                             .frame = on_frame,
                                             .sent = on_sent,
                                             .down = on_down};
    memset(end, 0, sizeof *end);
    end->loop = loop;
    assert_int_equal(node_inbox_new(&end->inbox, loop), BASE_OK);
    assert_int_equal(
        node_links_new(&end->links, loop, end->inbox, config != NULL ? config : &defaults, &events),
        BASE_OK);
}

static void set_closed(void *ctx)
{
    ((struct end *)ctx)->is_closed = true;
}

void end_close(struct end *end)
{
    node_links_close(end->links, set_closed, end);
    ends_until(end->loop, end->is_closed);
    for (int i = 0; i < end->seen_count; i++)
        assert_int_equal(end->seen[i].down_count, 1);
    end->is_closed = false;
    node_inbox_close(end->inbox, set_closed, end);
    ends_until(end->loop, end->is_closed);
}

struct end_link *end_dial(struct end *end, const char *format, ...)
{
    char url[NODE_LINK_URL_BYTES_MAX];
    node_link_id id;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(url, sizeof url, format, arguments);
    va_end(arguments);
    assert_int_equal(node_link_dial(end->links, &id, url), BASE_OK);
    return end_link(end, id);
}

uint16_t end_listen(struct end *end, const char *url)
{
    uint16_t port = 0;
    assert_int_equal(node_links_listen(end->links, &port, url), BASE_OK);
    assert_int_not_equal(port, 0);
    return port;
}

int end_up_count(const struct end *end)
{
    int count = 0;
    for (int i = 0; i < end->seen_count; i++)
        count += end->seen[i].is_up ? 1 : 0;
    return count;
}

struct end_link *end_accepted(struct end *end, int n)
{
    for (int i = 0; i < end->seen_count; i++) {
        if (end->seen[i].up_count > 0 && !end->seen[i].is_dialed && n-- == 0) return &end->seen[i];
    }
    return NULL;
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int raw_listen(uint16_t *port, int backlog)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

int raw_connect(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void raw_write(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

void raw_greet(int fd, uint8_t protocol)
{
    uint8_t greeting[8] = {0, 'S', 'P', 0, 0, protocol, 0, 0};
    raw_write(fd, greeting, sizeof greeting);
}

void raw_take_greeting(int fd)
{
    uint8_t greeting[8];
    assert_int_equal(recv(fd, greeting, sizeof greeting, MSG_WAITALL), sizeof greeting);
}

bool raw_is_writable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    return poll(&poll_fd, 1, 0) == 1; /* the kernel says so while a third of it is free */
}

bool raw_is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

void raw_message(int fd, const void *body, size_t len)
{
    uint8_t head[12];
    base_put_u64be(head, len + 4);
    base_put_u32be(head + 8, 0x80000001u);
    raw_write(fd, head, sizeof head);
    if (len > 0) raw_write(fd, body, len);
}
