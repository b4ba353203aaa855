#ifndef NFTMESH_NODE_STORE_H
#define NFTMESH_NODE_STORE_H

#include "base/bytes.h"

/* What a node keeps on disk, in --data-dir (0700, made when missing, refused when others may read
 * or when it belongs to another user):
 *
 *   lock         flock()ed for the process's life; holds the pid for the message
 *   seed         32 random bytes, 0600: half of the node key. Lost: register again
 *   incarnation  the highest that we ever announced
 *   genesis      hash of block 0 of the chain, as first seen
 *   reference    number and hash of the last reference block
 *   pins         first-seen trust (text of attest/pins)
 *   transfers    which tokens moved in the last 30 days, with the same contract
 *   authorities  owners' authorisations, where the contract stores no keys: hex, one a line
 *   voters       node keys that have had a log of votes here, hex, one a line (node/voter_store.h)
 *   votes-..db   such a log, of one node key (node/consensus_store.h)
 *   control.sock the control socket, made by node/http
 *
 * Text files end in a line `sum <64 hex>`, SHA-256 of everything before it, and are replaced by
 * write, fsync, rename, fsync of the directory: a file is whole, or it is refused (never taken as
 * absent, since that would silently lower an incarnation or drop a pin). */
#define NODE_STORE_WHY_BYTES      512
#define NODE_STORE_PATH_BYTES     4096
#define NODE_STORE_TEXT_BYTES_MAX ((size_t)8 << 20)
#define NODE_STORE_SEED_BYTES     32

struct node_store;

/* why: one line that names the path and what to do. BASE_EEXIST: locked ("locked by pid N").
 * BASE_EINVAL: not a directory, wrong owner or mode. BASE_EIO, BASE_ENOMEM. */
int node_store_open(struct node_store **out, const char *dir, char why[NODE_STORE_WHY_BYTES]);
void node_store_close(struct node_store *store); /* NULL is fine; releases the lock */

const char *node_store_dir(const struct node_store *store);
/* "<dir>/<name>". BASE_ETOOBIG. */
int node_store_path(char *out, size_t cap, const struct node_store *store, const char *name);

/* Reads the seed, or makes it at the first start (*made). BASE_EMALFORMED: not 32 bytes.
 * BASE_EINVAL: its mode is wider than 0600. */
int node_store_seed(struct node_store *store, uint8_t seed[NODE_STORE_SEED_BYTES], bool *made,
                    char why[NODE_STORE_WHY_BYTES]);

/* Each load: BASE_ENOTFOUND when there is none yet, BASE_EMALFORMED when it is not whole. */
int node_store_incarnation_load(struct node_store *store, uint64_t *out,
                                char why[NODE_STORE_WHY_BYTES]);
int node_store_incarnation_save(struct node_store *store, uint64_t value,
                                char why[NODE_STORE_WHY_BYTES]);

struct node_store_reference {
    uint64_t number;
    struct base_hash32 hash;
};
int node_store_reference_load(struct node_store *store, struct node_store_reference *out,
                              char why[NODE_STORE_WHY_BYTES]);
int node_store_reference_save(struct node_store *store, const struct node_store_reference *value,
                              char why[NODE_STORE_WHY_BYTES]);
int node_store_genesis_load(struct node_store *store, struct base_hash32 *out,
                            char why[NODE_STORE_WHY_BYTES]);
int node_store_genesis_save(struct node_store *store, const struct base_hash32 *value,
                            char why[NODE_STORE_WHY_BYTES]);

/* Any other small text ("pins"): name is a plain file name. out is terminated; *len does not
 * count that. BASE_ETOOBIG when cap is too small. */
int node_store_text_load(struct node_store *store, const char *name, char *out, size_t *len,
                         size_t cap, char why[NODE_STORE_WHY_BYTES]);
int node_store_text_save(struct node_store *store, const char *name, const char *text, size_t len,
                         char why[NODE_STORE_WHY_BYTES]);

/* A secret from a file that its user alone may read (mode 0600 or 0400): one line, 1 to cap - 1
 * printable characters, terminated, trailing newline dropped. BASE_EINVAL with why. */
int node_secret_read(char *out, size_t cap, const char *path, char why[NODE_STORE_WHY_BYTES]);
/* The whole of such a file, whatever is in it: at most cap bytes, not terminated. The caller
 * zeroes out. BASE_EINVAL, BASE_EIO. */
int node_secret_load(char *out, size_t *len, size_t cap, const char *path,
                     char why[NODE_STORE_WHY_BYTES]);

#endif
