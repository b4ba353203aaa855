#ifndef NFTMESH_BASE_U256_H
#define NFTMESH_BASE_U256_H

#include "base/bytes.h"

/* The little arithmetic on uint256 that fees and balances need. Sums and products stop at the
 * largest number instead of wrapping round to a small one: an endpoint's absurd fee must never
 * look cheap. */
#define BASE_U256_TEXT_BYTES  79 /* 78 digits */
#define BASE_ETHER_TEXT_BYTES 82

struct base_u256 base_u256_add(const struct base_u256 *a, const struct base_u256 *b);
struct base_u256 base_u256_times(const struct base_u256 *a, uint64_t factor);
struct base_u256 base_u256_sub(const struct base_u256 *a, const struct base_u256 *b); /* or zero */

/* Decimal digits. */
void base_u256_format(char out[BASE_U256_TEXT_BYTES], const struct base_u256 *value);
/* Wei as ether, exact: "0.25", "12", "0.000000000000000001". */
void base_ether_format(char out[BASE_ETHER_TEXT_BYTES], const struct base_u256 *wei);
/* Wei as gwei, exact. */
void base_gwei_format(char out[BASE_ETHER_TEXT_BYTES], const struct base_u256 *wei);

#endif
