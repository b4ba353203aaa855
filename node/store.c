#include "node/store.h"

#include "base/aead.h"
#include "base/err.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_SUM_PREFIX        "sum "
#define STORE_SUM_BYTES         (4 + 2 * BASE_HASH32_BYTES + 1) /* "sum ", digits, newline */
#define STORE_MODE_OTHERS       ((mode_t)(S_IRWXG | S_IRWXO))
#define STORE_NUMBER_DIGITS_MAX 20
#define STORE_WHAT_TO_DO        ": mend the disk or make room on it"

struct node_store {
    char *dir;
    int dir_fd;
    int lock_fd;
};

static int store_fail(char *why, int rv, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int store_fail(char *why, int rv, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(why, NODE_STORE_WHY_BYTES, format, ap);
    va_end(ap);
    return rv;
}

/* ---- descriptors ---- */

static int write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return BASE_EIO;
        p += n;
        len -= (size_t)n;
    }
    return BASE_OK;
}

/* Up to cap bytes; *len < cap means that this was all. */
static int read_all(int fd, void *data, size_t *len, size_t cap)
{
    char *p = data;
    *len = 0;
    while (*len < cap) {
        ssize_t n = read(fd, p + *len, cap - *len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return BASE_EIO;
        if (n == 0) break;
        *len += (size_t)n;
    }
    return BASE_OK;
}

/* ---- the directory and its lock ---- */

static int dir_check(const struct node_store *store, char *why)
{
    struct stat st;
    if (fstat(store->dir_fd, &st) != 0)
        return store_fail(why, BASE_EIO, "--data-dir %.200s: %s", store->dir, strerror(errno));
    if (st.st_uid != geteuid())
        return store_fail(why, BASE_EINVAL,
                          "--data-dir %.200s belongs to user %u, this process is %u: chown it or"
                          " name another",
                          store->dir, (unsigned)st.st_uid, (unsigned)geteuid());
    if ((st.st_mode & STORE_MODE_OTHERS) != 0)
        return store_fail(why, BASE_EINVAL,
                          "--data-dir %.200s has mode %04o, so others could read its keys: chmod"
                          " 700 it, and register again if others had access",
                          store->dir, (unsigned)(st.st_mode & 07777));
    return BASE_OK;
}

static int dir_open(struct node_store *store, char *why)
{
    if (mkdir(store->dir, 0700) != 0 && errno != EEXIST)
        return store_fail(why, BASE_EIO,
                          "--data-dir %.200s cannot be made: %s (make it, or name another)",
                          store->dir, strerror(errno));
    store->dir_fd = open(store->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->dir_fd < 0)
        return store_fail(why, BASE_EINVAL, "--data-dir %.200s cannot be opened: %s", store->dir,
                          strerror(errno));
    return dir_check(store, why);
}

static int lock_take(struct node_store *store, char *why)
{
    char pid[24] = "";
    size_t len = 0;
    store->lock_fd = openat(store->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (store->lock_fd < 0)
        return store_fail(why, BASE_EIO, "%.200s/lock cannot be opened: %s", store->dir,
                          strerror(errno));
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return store_fail(why, BASE_EIO, "%.200s/lock: %s", store->dir, strerror(errno));
        if (read_all(store->lock_fd, pid, &len, sizeof pid - 1) != BASE_OK) len = 0;
        pid[len] = '\0';
        len = strspn(pid, "0123456789");
        pid[len] = '\0';
        return store_fail(why, BASE_EEXIST,
                          "--data-dir %.200s is locked by pid %s: one node, one directory",
                          store->dir, len > 0 ? pid : "(unknown)");
    }
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(store->lock_fd, 0) != 0 || write_all(store->lock_fd, pid, (size_t)n) != BASE_OK)
        return store_fail(why, BASE_EIO, "%.200s/lock cannot be written: %s" STORE_WHAT_TO_DO,
                          store->dir, strerror(errno));
    return BASE_OK;
}

int node_store_open(struct node_store **out, const char *dir, char why[NODE_STORE_WHY_BYTES])
{
    assert(out != NULL && dir != NULL && why != NULL);
    *out = NULL;
    struct node_store *store = calloc(1, sizeof *store);
    if (store == NULL) return store_fail(why, BASE_ENOMEM, "no memory");
    store->dir_fd = store->lock_fd = -1;
    store->dir = strdup(dir);
    int rv = store->dir == NULL ? store_fail(why, BASE_ENOMEM, "no memory") : dir_open(store, why);
    if (rv == BASE_OK) rv = lock_take(store, why);
    if (rv != BASE_OK) {
        node_store_close(store);
        return rv;
    }
    *out = store;
    return BASE_OK;
}

void node_store_close(struct node_store *store)
{
    if (store == NULL) return;
    if (store->lock_fd >= 0) close(store->lock_fd); /* and with it the lock */
    if (store->dir_fd >= 0) close(store->dir_fd);
    free(store->dir);
    free(store);
}

const char *node_store_dir(const struct node_store *store)
{
    return store->dir;
}

int node_store_path(char *out, size_t cap, const struct node_store *store, const char *name)
{
    int len = snprintf(out, cap, "%s/%s", store->dir, name);
    return len >= 0 && (size_t)len < cap ? BASE_OK : BASE_ETOOBIG;
}

/* ---- whole files ---- */

/* One file of ours: a regular one, readable by nobody else. */
static int file_read(const struct node_store *store, const char *name, void *data, size_t *len,
                     size_t cap, char *why)
{
    struct stat st;
    int fd = openat(store->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) return BASE_ENOTFOUND;
    if (fd < 0)
        return store_fail(why, BASE_EIO, "%.200s/%s cannot be opened: %s", store->dir, name,
                          strerror(errno));
    int rv = BASE_OK;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        rv = store_fail(why, BASE_EINVAL, "%.200s/%s is not a regular file", store->dir, name);
    else if ((st.st_mode & STORE_MODE_OTHERS) != 0)
        rv = store_fail(why, BASE_EINVAL, "%.200s/%s has mode %04o: chmod 600 it", store->dir, name,
                        (unsigned)(st.st_mode & 07777));
    if (rv == BASE_OK && read_all(fd, data, len, cap) != BASE_OK)
        rv = store_fail(why, BASE_EIO, "%.200s/%s cannot be read: %s", store->dir, name,
                        strerror(errno));
    close(fd);
    return rv;
}

/* Under a temporary name, to the disk, and then renamed: a crash leaves the old or the new. */
static int file_replace(const struct node_store *store, const char *name, const void *data,
                        size_t len, char *why)
{
    char temporary[80];
    snprintf(temporary, sizeof temporary, "%.64s.new", name);
    if (unlinkat(store->dir_fd, temporary, 0) != 0 && errno != ENOENT)
        return store_fail(why, BASE_EIO, "%.200s/%s is in the way: %s", store->dir, temporary,
                          strerror(errno));
    int fd = openat(store->dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                    0600);
    int rv = fd < 0 ? BASE_EIO : write_all(fd, data, len);
    if (rv == BASE_OK && fsync(fd) != 0) rv = BASE_EIO;
    int saved = errno;
    if (fd >= 0 && close(fd) != 0 && rv == BASE_OK) {
        rv = BASE_EIO;
        saved = errno;
    }
    if (rv == BASE_OK && (renameat(store->dir_fd, temporary, store->dir_fd, name) != 0 ||
                          fsync(store->dir_fd) != 0)) {
        rv = BASE_EIO;
        saved = errno;
    }
    if (rv == BASE_OK) return BASE_OK;
    unlinkat(store->dir_fd, temporary, 0);
    return store_fail(why, rv, "%.200s/%s cannot be written: %s" STORE_WHAT_TO_DO, store->dir, name,
                      strerror(saved));
}

int node_store_seed(struct node_store *store, uint8_t seed[NODE_STORE_SEED_BYTES], bool *made,
                    char why[NODE_STORE_WHY_BYTES])
{
    assert(store != NULL && seed != NULL && made != NULL && why != NULL);
    uint8_t data[NODE_STORE_SEED_BYTES + 1];
    size_t len;
    *made = false;
    int rv = file_read(store, "seed", data, &len, sizeof data, why);
    if (rv == BASE_ENOTFOUND) {
        base_random(seed, NODE_STORE_SEED_BYTES);
        *made = true;
        return file_replace(store, "seed", seed, NODE_STORE_SEED_BYTES, why);
    }
    if (rv == BASE_OK &&
        (len != NODE_STORE_SEED_BYTES || base_is_zero(data, NODE_STORE_SEED_BYTES)))
        rv = store_fail(why, BASE_EMALFORMED,
                        "%.200s/seed is not 32 random bytes: bring back a whole copy, or move it"
                        " away and register the seat again",
                        store->dir);
    if (rv == BASE_OK) memcpy(seed, data, NODE_STORE_SEED_BYTES);
    base_memzero(data, sizeof data);
    return rv;
}

/* ---- texts with a sum ---- */

static void text_sum(char out[STORE_SUM_BYTES + 1], const char *text, size_t len)
{
    struct base_hash32 sum;
    base_sha256(&sum, text, len);
    memcpy(out, STORE_SUM_PREFIX, 4);
    base_hex_encode(out + 4, sum.bytes, sizeof sum.bytes);
    out[STORE_SUM_BYTES - 1] = '\n';
    out[STORE_SUM_BYTES] = '\0';
}

int node_store_text_load(struct node_store *store, const char *name, char *out, size_t *len,
                         size_t cap, char why[NODE_STORE_WHY_BYTES])
{
    assert(store != NULL && name != NULL && out != NULL && len != NULL && why != NULL);
    assert(strchr(name, '/') == NULL && strlen(name) <= 64);
    char sum[STORE_SUM_BYTES + 1];
    size_t total, bytes_max = NODE_STORE_TEXT_BYTES_MAX + STORE_SUM_BYTES;
    char *data = malloc(bytes_max + 1);
    if (data == NULL) return store_fail(why, BASE_ENOMEM, "no memory");
    int rv = file_read(store, name, data, &total, bytes_max + 1, why);
    if (rv == BASE_OK) {
        size_t body = total < STORE_SUM_BYTES ? 0 : total - STORE_SUM_BYTES;
        text_sum(sum, data, body);
        if (total < STORE_SUM_BYTES || total > bytes_max ||
            memcmp(data + body, sum, STORE_SUM_BYTES) != 0)
            rv = store_fail(why, BASE_EMALFORMED,
                            "%.200s/%s is not whole (its sum differs): bring back a whole copy, or"
                            " move it away to start without it",
                            store->dir, name);
        else if (body >= cap)
            rv = store_fail(why, BASE_ETOOBIG, "%.200s/%s is too large", store->dir, name);
        if (rv == BASE_OK) {
            memcpy(out, data, body);
            out[body] = '\0';
            *len = body;
        }
    }
    free(data);
    return rv;
}

int node_store_text_save(struct node_store *store, const char *name, const char *text, size_t len,
                         char why[NODE_STORE_WHY_BYTES])
{
    assert(store != NULL && name != NULL && text != NULL && why != NULL);
    assert(strchr(name, '/') == NULL && strlen(name) <= 64);
    if (len > NODE_STORE_TEXT_BYTES_MAX)
        return store_fail(why, BASE_ETOOBIG, "%.200s/%s would be too large", store->dir, name);
    char *data = malloc(len + STORE_SUM_BYTES + 1);
    if (data == NULL) return store_fail(why, BASE_ENOMEM, "no memory");
    memcpy(data, text, len);
    text_sum(data + len, text, len);
    int rv = file_replace(store, name, data, len + STORE_SUM_BYTES, why);
    free(data);
    return rv;
}

/* "<decimal>" without leading zeros, up to end; *next stands behind it. */
static int number_parse(uint64_t *out, const char *text, const char **next)
{
    uint64_t value = 0;
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > STORE_NUMBER_DIGITS_MAX || (len > 1 && text[0] == '0'))
        return BASE_EMALFORMED;
    for (size_t i = 0; i < len; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) return BASE_EMALFORMED;
        value = value * 10 + digit;
    }
    *out = value;
    *next = text + len;
    return BASE_OK;
}

static int hash_parse(struct base_hash32 *out, const char *text, const char **next)
{
    if (strnlen(text, 2 * sizeof out->bytes) < 2 * sizeof out->bytes) return BASE_EMALFORMED;
    *next = text + 2 * sizeof out->bytes;
    return base_hex_decode(out->bytes, sizeof out->bytes, text, 2 * sizeof out->bytes);
}

static int malformed(const struct node_store *store, const char *name, char *why)
{
    return store_fail(why, BASE_EMALFORMED,
                      "%.200s/%s does not say what it should: bring back a whole copy, or move it"
                      " away to start without it",
                      store->dir, name);
}

int node_store_incarnation_load(struct node_store *store, uint64_t *out,
                                char why[NODE_STORE_WHY_BYTES])
{
    char text[64];
    const char *next = text;
    size_t len;
    uint64_t value;
    int rv = node_store_text_load(store, "incarnation", text, &len, sizeof text, why);
    if (rv != BASE_OK) return rv;
    if (number_parse(&value, text, &next) != BASE_OK || strcmp(next, "\n") != 0)
        return malformed(store, "incarnation", why);
    *out = value;
    return BASE_OK;
}

int node_store_incarnation_save(struct node_store *store, uint64_t value,
                                char why[NODE_STORE_WHY_BYTES])
{
    char text[32];
    int len = snprintf(text, sizeof text, "%llu\n", (unsigned long long)value);
    return node_store_text_save(store, "incarnation", text, (size_t)len, why);
}

int node_store_reference_load(struct node_store *store, struct node_store_reference *out,
                              char why[NODE_STORE_WHY_BYTES])
{
    char text[128];
    const char *next = text;
    size_t len;
    struct node_store_reference value;
    int rv = node_store_text_load(store, "reference", text, &len, sizeof text, why);
    if (rv != BASE_OK) return rv;
    if (number_parse(&value.number, text, &next) != BASE_OK || *next != ' ' ||
        hash_parse(&value.hash, next + 1, &next) != BASE_OK || strcmp(next, "\n") != 0)
        return malformed(store, "reference", why);
    *out = value;
    return BASE_OK;
}

int node_store_reference_save(struct node_store *store, const struct node_store_reference *value,
                              char why[NODE_STORE_WHY_BYTES])
{
    char text[128], hash[2 * BASE_HASH32_BYTES + 1];
    base_hex_encode(hash, value->hash.bytes, sizeof value->hash.bytes);
    int len = snprintf(text, sizeof text, "%llu %s\n", (unsigned long long)value->number, hash);
    return node_store_text_save(store, "reference", text, (size_t)len, why);
}

int node_store_genesis_load(struct node_store *store, struct base_hash32 *out,
                            char why[NODE_STORE_WHY_BYTES])
{
    char text[128];
    const char *next = text;
    size_t len;
    struct base_hash32 value;
    int rv = node_store_text_load(store, "genesis", text, &len, sizeof text, why);
    if (rv != BASE_OK) return rv;
    if (hash_parse(&value, text, &next) != BASE_OK || strcmp(next, "\n") != 0)
        return malformed(store, "genesis", why);
    *out = value;
    return BASE_OK;
}

int node_store_genesis_save(struct node_store *store, const struct base_hash32 *value,
                            char why[NODE_STORE_WHY_BYTES])
{
    char text[2 * BASE_HASH32_BYTES + 2];
    base_hex_encode(text, value->bytes, sizeof value->bytes);
    memcpy(text + 2 * BASE_HASH32_BYTES, "\n", 2);
    return node_store_text_save(store, "genesis", text, sizeof text - 1, why);
}

/* ---- secrets elsewhere ---- */

static int secret_line(char *out, size_t cap, size_t len, const char *path, char *why)
{
    if (len > 0 && out[len - 1] == '\n') len--;
    if (len > 0 && out[len - 1] == '\r') len--;
    out[len < cap ? len : cap - 1] = '\0';
    if (len == 0) return store_fail(why, BASE_EINVAL, "%.200s is empty", path);
    if (len >= cap) return store_fail(why, BASE_EINVAL, "%.200s is too long", path);
    for (size_t i = 0; i < len; i++)
        if (out[i] < '!' || out[i] > '~')
            return store_fail(why, BASE_EINVAL,
                              "%.200s is not one line of printable characters without blanks",
                              path);
    return BASE_OK;
}

int node_secret_load(char *out, size_t *len, size_t cap, const char *path,
                     char why[NODE_STORE_WHY_BYTES])
{
    assert(out != NULL && len != NULL && path != NULL && why != NULL);
    struct stat st;
    *len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return store_fail(why, BASE_EIO, "%.200s cannot be opened: %s", path, strerror(errno));
    int rv = BASE_OK;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        rv = store_fail(why, BASE_EINVAL, "%.200s is not a regular file", path);
    else if ((st.st_mode & STORE_MODE_OTHERS) != 0)
        rv = store_fail(why, BASE_EINVAL,
                        "%.200s has mode %04o, so others can read this secret: chmod 600 it", path,
                        (unsigned)(st.st_mode & 07777));
    else if (read_all(fd, out, len, cap) != BASE_OK)
        rv = store_fail(why, BASE_EIO, "%.200s cannot be read: %s", path, strerror(errno));
    close(fd);
    return rv;
}

int node_secret_read(char *out, size_t cap, const char *path, char why[NODE_STORE_WHY_BYTES])
{
    assert(out != NULL && cap > 2 && path != NULL && why != NULL);
    size_t len;
    int rv = node_secret_load(out, &len, cap, path, why);
    if (rv == BASE_OK) rv = secret_line(out, cap, len, path, why);
    if (rv != BASE_OK) base_memzero(out, cap);
    return rv;
}
