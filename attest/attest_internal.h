#ifndef NFTMESH_ATTEST_ATTEST_INTERNAL_H
#define NFTMESH_ATTEST_ATTEST_INTERNAL_H

#include "base/bytes.h"

/* keccak256( purpose ":" hex(public key) ): what the app key signs. public_key_len <= 33. */
void attest__app_digest(struct base_hash32 *out, const void *purpose, size_t purpose_len,
                        const void *public_key, size_t public_key_len);

#endif
