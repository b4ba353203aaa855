#ifndef NFTMESH_TESTS_LINK_ENDS_H
#define NFTMESH_TESTS_LINK_ENDS_H

/* Ends of links for tests: each end is a struct node_links with an inbox of its own, all on one
 * loop in one thread, so that a test can do one thing after the other and look. Real sockets on
 * loopback. Nothing sleeps: ends_until() turns the loop until a condition holds, and fails the
 * test after ENDS_PATIENCE_MS, which only a hang reaches. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "node/link_nng.h"

#define ENDS_PATIENCE_MS 60000
#define ENDS_LINKS_MAX   1024

enum end_habit {
    END_KEEPS = 0,       /* counts frames, and keeps the last */
    END_ECHOES,          /* sends each frame back */
    END_CLOSES_AT_UP,    /* node_link_close() in the callback */
    END_CLOSES_AT_FRAME, /* the same */
};

struct end_link {
    node_link_id id;
    bool is_up, is_dialed;
    int up_count, down_count;
    enum node_link_why why;
    char remote[NODE_LINK_REMOTE_BYTES];
    uint64_t frame_count, sent_count, frame_bytes;
    uint8_t last[64]; /* the beginning of the last frame */
    size_t last_len;
    uint64_t next_number; /* frames of test bursts are numbers in a row */
    bool is_out_of_order;
};

struct end {
    uv_loop_t *loop;
    struct node_inbox *inbox;
    struct node_links *links;
    enum end_habit habit;
    struct end_link seen[ENDS_LINKS_MAX]; /* in the order of first mention */
    int seen_count;
    bool (*allow)(const struct sockaddr *address);
    int allow_count;
    void (*on_frame)(struct end *end, struct end_link *link, const uint8_t *frame, size_t len);
    void (*on_sent)(struct end *end, struct end_link *link);
    void *ctx;
    bool is_closed;
};

/* A loop with a guard timer. */
void ends_loop_open(uv_loop_t *loop);
void ends_loop_close(uv_loop_t *loop);

void end_open(struct end *end, uv_loop_t *loop, const struct node_links_config *config);
/* Closes links, then the inbox, and turns the loop until both are gone: each up has its down. */
void end_close(struct end *end);

/* What this end knows of a link; makes the record on first mention. */
struct end_link *end_link(struct end *end, node_link_id id);
/* Dials, and expects the URL to be taken. */
struct end_link *end_dial(struct end *end, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
uint16_t end_listen(struct end *end, const char *url);
/* Links that are up now, or that have ever been seen as accepted. */
int end_up_count(const struct end *end);
/* The nth accepted link; NULL before it is up. */
struct end_link *end_accepted(struct end *end, int n);

/* Turns the loop until the expression is true. */
#define ends_until(loop, condition)                                                                \
    do {                                                                                           \
        uint64_t ends_start = uv_hrtime();                                                         \
        while (!(condition)) {                                                                     \
            uv_run((loop), UV_RUN_ONCE);                                                           \
            if (uv_hrtime() - ends_start > ENDS_PATIENCE_MS * 1000000ull)                          \
                fail_msg("waited in vain for: %s", #condition);                                    \
        }                                                                                          \
    } while (0)

/* Plain sockets, for peers that do not behave. */
int raw_listen(uint16_t *port, int backlog);
int raw_connect(uint16_t port);
/* What SP sends first: "\0SP\0", protocol, two zeros. REQ is 0x30, REP 0x31. */
void raw_greet(int fd, uint8_t protocol);
/* The other side's, which it must have sent: what is left unread turns a close into a reset, and
 * that drops what was said before. */
void raw_take_greeting(int fd);
/* Would a message of a few kB fit into the kernel's buffer now? */
bool raw_is_writable(int fd);
bool raw_is_readable(int fd);
/* One SP message over TCP: length, request id, body. */
void raw_message(int fd, const void *body, size_t len);

#endif
