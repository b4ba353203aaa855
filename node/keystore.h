#ifndef NFTMESH_NODE_KEYSTORE_H
#define NFTMESH_NODE_KEYSTORE_H

#include "base/buf.h"
#include "base/bytes.h"

/* A private key under a password: Web3 Secret Storage, version 3, as geth, ethers, MetaMask and
 * Foundry write it. The one file that includes OpenSSL (AES and PBKDF2).
 *
 * Everything in the file is an attacker's until its MAC verifies, and the work that verifying
 * takes is the file's own claim: so that is bounded before any is done. geth's heaviest parameters
 * (scrypt n 262144, r 8, p 1: 256 MiB) are just within.
 * Source: github.com/ethereum/wiki, "Web3 Secret Storage Definition". */
#define NODE_KEYSTORE_BYTES_MAX      ((size_t)16 << 10)
#define NODE_KEYSTORE_SALT_BYTES_MAX 64
#define NODE_KEYSTORE_DKLEN_MAX      64
#define NODE_KEYSTORE_MEMORY_MAX     ((uint64_t)256 << 20) /* 128 * n * r */
#define NODE_KEYSTORE_BLOCKS_MAX     ((uint64_t)16 << 20)  /* 128 * r * p */
#define NODE_KEYSTORE_WORK_MAX       ((uint64_t)1 << 23)   /* n * r * p: some 10 s */
#define NODE_KEYSTORE_ROUNDS_MAX     10000000u             /* pbkdf2's c */
#define NODE_KEYSTORE_WHY_BYTES      256

enum node_keystore_kdf { NODE_KEYSTORE_UNDECIDED = 0, NODE_KEYSTORE_SCRYPT, NODE_KEYSTORE_PBKDF2 };
struct node_keystore {
    enum node_keystore_kdf kdf;
    uint64_t n, r, p; /* scrypt */
    uint64_t c;       /* pbkdf2, HMAC-SHA-256 */
    uint64_t dklen;   /* 32 to NODE_KEYSTORE_DKLEN_MAX */
    uint8_t salt[NODE_KEYSTORE_SALT_BYTES_MAX];
    size_t salt_len;
    uint8_t iv[16], ciphertext[32];
    struct base_hash32 mac;
    bool has_address; /* what the file says; held against the key once that is there */
    struct base_eth_address address;
};

/* Does this look like a keystore rather than like a key in hex? */
bool node_keystore_is(const char *text, size_t len);
/* why: one line. BASE_EMALFORMED: not such a file, or cut off. BASE_EUNSUPPORTED: a version, kdf
 * or cipher that we do not read. BASE_ETOOBIG: parameters that would take more memory or work
 * than the bounds above. */
int node_keystore_parse(struct node_keystore *out, const char *text, size_t len,
                        char why[NODE_KEYSTORE_WHY_BYTES]);
/* BASE_EAUTH: the password is wrong (or a byte of the file is: the MAC cannot tell which).
 * BASE_EKEY: what was inside is no private key. BASE_EMALFORMED: it is another address's than the
 * file says. BASE_ENOMEM. The caller zeroes *key. */
int node_keystore_open(struct base_privkey *key, const struct node_keystore *keystore,
                       const char *password, size_t password_len,
                       char why[NODE_KEYSTORE_WHY_BYTES]);
/* Appends a keystore of the key: scrypt, n 2^log_n (14 to 18), r 8, p 1. BASE_EINVAL, BASE_ENOMEM,
 * BASE_EKEY. */
int node_keystore_make(struct base_buf *out, const struct base_privkey *key, const char *password,
                       size_t password_len, unsigned log_n);

#endif
