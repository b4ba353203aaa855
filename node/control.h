#ifndef NFTMESH_NODE_CONTROL_H
#define NFTMESH_NODE_CONTROL_H

#include "node/cli.h"
#include "node/http_sync.h"
#include <jansson.h>

/* A command's end of a node's control socket: finds it, asks, and says in one line what is wrong.
 *
 * The socket is --socket (NFTMESH_SOCKET), or control.sock in --data-dir (NFTMESH_DATA_DIR). The
 * stronger source names it, a flag before the environment; of two that are equally strong the
 * socket. */
#define CONTROL_PATH_BYTES       4200
#define CONTROL_ANSWER_BYTES_MAX ((size_t)64 << 20)
#define CONTROL_OPTIONS                                                                            \
    {.name = "socket",                                                                             \
     .argument = "PATH",                                                                           \
     .help = "The running node's control socket.",                                                 \
     .group = "Which node",                                                                        \
     .kind = NODE_OPTION_TEXT},                                                                    \
        {.name = "config",                                                                         \
         .argument = "FILE",                                                                       \
         .help = "The node's configuration file, whose data_dir it is.",                           \
         .scope = NODE_OPTION_NOT_IN_FILE,                                                         \
         .kind = NODE_OPTION_TEXT},                                                                \
    {                                                                                              \
        .name = "data-dir", .argument = "DIR",                                                     \
        .help = "The running node's data directory, which holds the socket.",                      \
        .fallback = "/var/lib/nftmesh", .kind = NODE_OPTION_TEXT                                   \
    }

struct control {
    const char *verb; /* for messages; borrowed */
    struct node_http_sync *http;
    char path[CONTROL_PATH_BYTES];
    bool quiet; /* a missing answer is not told: `wait` tries again */
};

/* The table must have CONTROL_OPTIONS. False: told, and *status is the exit status. */
bool control_open(struct control *control, int *status, const char *verb,
                  const struct node_options *options);
void control_close(struct control *control);

struct control_answer {
    int http_status; /* 0: nobody answered */
    struct base_buf body;
    json_t *json; /* NULL when the body is none; given back by control_answer_deinit */
};
/* One request; body NULL is a GET, else a POST of that JSON object, which the call takes.
 * Returns CLI_OK for a 200 (or 202) with JSON; else CLI_FAILED, or CLI_NOT_READY for a 503, and
 * one line has been told. answer is made either way. */
int control_ask(struct control *control, struct control_answer *answer, const char *path,
                json_t *body);
/* The same for a route that answers in text; 200 and 503 are both answers of it (no line told). */
int control_ask_text(struct control *control, struct control_answer *answer, const char *path);
void control_answer_deinit(struct control_answer *answer);
/* The socket, connected, for a stream of one's own. -1: told. */
int control_connect(struct control *control);

#endif
