#ifndef NFTMESH_NODE_WALLET_KEY_H
#define NFTMESH_NODE_WALLET_KEY_H

#include "base/bytes.h"

/* Where a wallet's private key comes from. Never argv, which every process of the machine reads:
 * a file, an inherited descriptor, the environment, or a person. File and descriptor hold either 64
 * hex digits or a v3 keystore (node/keystore.h); a keystore needs a password as well. */
#define NODE_WALLET_KEY_WHY_BYTES 512
#define NODE_WALLET_PASSWORD_MAX  1024

enum node_wallet_secret { NODE_WALLET_SECRET_KEY, NODE_WALLET_SECRET_PASSWORD };

struct node_wallet_key_source { /* strings borrowed; NULL: not given */
    bool has_fd;
    int fd;                    /* read to its end, not closed; goes before file */
    const char *file;          /* mode 0600; goes before hex */
    const char *hex;           /* the environment's PRIVATE_KEY */
    const char *password_file; /* mode 0600, its first line; goes before password */
    const char *password;      /* the environment's NFTMESH_WALLET_PASSWORD */
    /* Asks a person, last of all; NULL: nobody is there. Writes at most cap - 1 bytes and a NUL.
     * BASE_ENOTFOUND when there is no terminal; else negative, with why. */
    int (*ask)(enum node_wallet_secret what, char *out, size_t cap,
               char why[NODE_WALLET_KEY_WHY_BYTES]);
};

/* The key and its address; the caller zeroes *key. why names the source and what to do, never a
 * byte of the secret. BASE_EINVAL, BASE_EIO, BASE_EKEY, and what node/keystore has. */
int node_wallet_key_read(struct base_privkey *key, struct base_eth_address *address,
                         const struct node_wallet_key_source *source,
                         char why[NODE_WALLET_KEY_WHY_BYTES]);

#endif
