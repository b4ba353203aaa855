#include "node/expiry.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define DAY_S  INT64_C(86400)
#define HOUR_S INT64_C(3600)

int64_t node_expiry_left_s(uint64_t expires_s, uint64_t block_time_s)
{
    uint64_t apart = expires_s > block_time_s ? expires_s - block_time_s : block_time_s - expires_s;
    int64_t left = apart > INT64_MAX ? INT64_MAX : (int64_t)apart;
    return expires_s > block_time_s ? left : -left;
}

enum node_expiry node_expiry_judge(uint64_t expires_s, uint64_t block_time_s)
{
    static const struct {
        int64_t days;
        enum node_expiry level;
    } levels[] = {{0, NODE_EXPIRY_OVER},
                  {1, NODE_EXPIRY_1_DAY},
                  {3, NODE_EXPIRY_3_DAYS},
                  {14, NODE_EXPIRY_14_DAYS}};
    if (expires_s == 0 || block_time_s == 0) return NODE_EXPIRY_UNKNOWN;
    int64_t left_s = node_expiry_left_s(expires_s, block_time_s);
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (left_s <= levels[i].days * DAY_S) return levels[i].level;
    return NODE_EXPIRY_FAR;
}

bool node_expiry_warning(char *out, size_t cap, const char *what, const char *command,
                         uint64_t expires_s, uint64_t block_time_s)
{
    enum node_expiry level = node_expiry_judge(expires_s, block_time_s);
    int64_t left_s = node_expiry_left_s(expires_s, block_time_s);
    assert(out != NULL && cap > 0);
    out[0] = '\0';
    if (level == NODE_EXPIRY_UNKNOWN || level == NODE_EXPIRY_FAR) return false;
    if (level == NODE_EXPIRY_OVER)
        snprintf(out, cap, "this node's %s has ended: make a new one with `%s`", what, command);
    else if (left_s >= 2 * DAY_S)
        snprintf(out, cap, "this node's %s ends in %" PRId64 " days: renew it with `%s`", what,
                 left_s / DAY_S, command);
    else if (left_s >= 2 * HOUR_S)
        snprintf(out, cap, "this node's %s ends in %" PRId64 " hours: renew it with `%s`", what,
                 left_s / HOUR_S, command);
    else
        snprintf(out, cap, "this node's %s ends in %" PRId64 " minutes: renew it with `%s`", what,
                 left_s / 60, command);
    return true;
}
