#include "node/consensus_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/aead.h"
#include "base/err.h"

#define MARK_BYTES  (8 + BASE_HASH32_BYTES) /* the number, its SHA-256 */
#define MODE_OTHERS ((mode_t)(S_IRWXG | S_IRWXO))

static int files_fail(char *why, int rv, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int files_fail(char *why, int rv, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(why, NODE_STORE_WHY_BYTES, format, ap);
    va_end(ap);
    return rv;
}

/* ---- the mark ---- */

static void mark_encode(uint8_t out[MARK_BYTES], uint64_t number)
{
    struct base_hash32 sum;
    base_put_u64be(out, number);
    base_sha256(&sum, out, 8);
    memcpy(out + 8, sum.bytes, sizeof sum.bytes);
}

static int mark_load(struct node_consensus_files *files, char *why)
{
    char data[MARK_BYTES + 1];
    uint8_t again[MARK_BYTES];
    struct stat st;
    size_t len;
    if (lstat(files->mark_path, &st) != 0 && errno == ENOENT) return BASE_OK;
    int rv = node_secret_load(data, &len, sizeof data, files->mark_path, why);
    if (rv != BASE_OK) return rv;
    files->has_mark = true;
    files->acknowledged = base_get_u64be((const uint8_t *)data);
    mark_encode(again, files->acknowledged);
    if (len == MARK_BYTES && memcmp(data, again, MARK_BYTES) == 0) return BASE_OK;
    return files_fail(why, BASE_EMALFORMED,
                      "%.200s is not whole: bring back a whole copy, or move"
                      " it away with the log beside it, and start again",
                      files->mark_path);
}

static int mark_write(int fd, uint64_t number)
{
    uint8_t data[MARK_BYTES];
    ssize_t n;
    mark_encode(data, number);
    do
        n = pwrite(fd, data, sizeof data, 0);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof data ? BASE_OK : BASE_EIO;
}

/* A name is on disk when its directory is. */
static int directory_sync(const char *path)
{
    char dir[NODE_STORE_PATH_BYTES];
    const char *end = strrchr(path, '/');
    if (end == NULL)
        strcpy(dir, ".");
    else
        snprintf(dir, sizeof dir, "%.*s", end == path ? 1 : (int)(end - path), path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return BASE_EIO;
    int rv = fsync(fd) == 0 ? BASE_OK : BASE_EIO;
    close(fd);
    return rv;
}

static int mark_fail(const struct node_consensus_files *files, char *why)
{
    return files_fail(why, BASE_EIO,
                      "%.200s cannot be written: %s: mend the disk or make room on it, then start"
                      " again",
                      files->mark_path, strerror(errno));
}

int node_consensus_files_mark_start(struct node_consensus_files *files, uint64_t number,
                                    char why[NODE_STORE_WHY_BYTES])
{
    if (files->mark_fd < 0)
        files->mark_fd = open(files->mark_path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (files->mark_fd < 0 || mark_write(files->mark_fd, number) != BASE_OK ||
        fsync(files->mark_fd) != 0 || directory_sync(files->mark_path) != BASE_OK)
        return mark_fail(files, why);
    files->has_mark = true;
    return BASE_OK;
}

int node_consensus_files_mark(const struct node_consensus_files *files, uint64_t number,
                              char why[NODE_STORE_WHY_BYTES])
{
    return mark_write(files->mark_fd, number) == BASE_OK ? BASE_OK : mark_fail(files, why);
}

/* ---- the database ---- */

static int database_look(struct node_consensus_files *files, const char *path, char *why)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? BASE_OK
                               : files_fail(why, BASE_EIO, "%.200s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return files_fail(why, BASE_EINVAL, "%.200s is not a regular file", path);
    if ((st.st_mode & MODE_OTHERS) != 0)
        return files_fail(why, BASE_EINVAL, "%.200s has mode %04o: chmod 600 it", path,
                          (unsigned)(st.st_mode & 07777));
    files->is_there = true;
    files->has_bytes = st.st_size > 1; /* SQLite takes a single byte for none */
    return BASE_OK;
}

/* "-wal" of the database; BASE_EINVAL: too long. */
static int log_path(char out[NODE_STORE_PATH_BYTES], const char *path, char *why)
{
    int len = snprintf(out, NODE_STORE_PATH_BYTES, "%s-wal", path);
    return len < 0 || len >= NODE_STORE_PATH_BYTES
               ? files_fail(why, BASE_EINVAL, "%.200s..: the path is too long", path)
               : BASE_OK;
}

static int log_look(struct node_consensus_files *files, const char *path, char *why)
{
    char name[NODE_STORE_PATH_BYTES];
    struct stat st;
    int rv = log_path(name, path, why);
    files->has_log = rv == BASE_OK && lstat(name, &st) == 0 && st.st_size > 0;
    return rv;
}

int node_consensus_files_drop_log(const char *path, char why[NODE_STORE_WHY_BYTES])
{
    char name[NODE_STORE_PATH_BYTES];
    int rv = log_path(name, path, why);
    if (rv != BASE_OK) return rv;
    if (unlink(name) != 0 && errno != ENOENT)
        return files_fail(why, BASE_EIO, "%.200s cannot be removed: %s", name, strerror(errno));
    return BASE_OK;
}

int node_consensus_files_look(struct node_consensus_files *out, const char *path,
                              char why[NODE_STORE_WHY_BYTES])
{
    *out = (struct node_consensus_files){.mark_fd = -1};
    int len = snprintf(out->mark_path, sizeof out->mark_path, "%s-mark", path);
    if (len < 0 || (size_t)len >= sizeof out->mark_path)
        return files_fail(why, BASE_EINVAL, "%.200s..: the path is too long", path);
    int rv = mark_load(out, why);
    if (rv == BASE_OK) rv = log_look(out, path, why);
    return rv == BASE_OK ? database_look(out, path, why) : rv;
}

int node_consensus_files_make(const char *path, char why[NODE_STORE_WHY_BYTES])
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return files_fail(why, BASE_EIO, "%.200s cannot be made: %s", path, strerror(errno));
    close(fd);
    return BASE_OK;
}

void node_consensus_files_close(struct node_consensus_files *files)
{
    if (files->mark_fd >= 0) close(files->mark_fd);
    files->mark_fd = -1;
}
