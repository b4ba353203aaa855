#ifndef NFTMESH_NODE_EXPIRY_H
#define NFTMESH_NODE_EXPIRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How near the end of a registration or authorisation is. Pure, and by the reference block's time
 * alone: a clock of ours that is wrong warns nobody, and keeps nobody from being warned. */
enum node_expiry { /* the later, the more urgent */
                   NODE_EXPIRY_UNKNOWN = 0,
                   NODE_EXPIRY_FAR,
                   NODE_EXPIRY_14_DAYS, /* 14 days are left, or fewer */
                   NODE_EXPIRY_3_DAYS,
                   NODE_EXPIRY_1_DAY,
                   NODE_EXPIRY_OVER /* from expires_s on: the seat does not count any more */
};

/* Both in seconds since 1970. UNKNOWN when one of them is 0. */
enum node_expiry node_expiry_judge(uint64_t expires_s, uint64_t block_time_s);
/* Seconds that are left; negative once it is over. */
int64_t node_expiry_left_s(uint64_t expires_s, uint64_t block_time_s);
/* One line: what ends, when, and with which command it goes on. what: "registration". Returns
 * false, and an empty line, when there is nothing to warn of. */
bool node_expiry_warning(char *out, size_t cap, const char *what, const char *command,
                         uint64_t expires_s, uint64_t block_time_s);

#endif
