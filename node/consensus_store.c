#include "node/consensus_store.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/aead.h"
#include "base/err.h"
#include "node/consensus_files.h"

#define STORE_APPLICATION_ID 0x6e66746d /* "nftm" */
#define STORE_LAYOUT         1
#define STORE_WAL_PAGES      1024 /* of 4 KiB: then they are moved into the database */
#define STORE_SQL_BYTES_MAX  4096
#define STORE_ROW_BYTES_MAX  (NODE_CONSENSUS_STATE_MAX + 1024) /* a row with its small columns */

#define STORE_WHAT_TO_DO                                                                           \
    "bring back a whole copy of it with its -wal and -mark; without one, move these files away"    \
    " and start again: then this node votes from the first epoch on that is of a later block"

/* The small columns first, so that looking for rows reads no body. */
#define STORE_COLUMNS                                                                              \
    "(seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, epoch INTEGER NOT NULL,"                     \
    " first INTEGER NOT NULL, last INTEGER NOT NULL, key TEXT NOT NULL, sum BLOB NOT NULL,"        \
    " body BLOB NOT NULL) STRICT"
static const char *const TABLES[] = {
    "CREATE TABLE head(id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, rows INTEGER NOT NULL,"
    " sum BLOB NOT NULL, cluster BLOB NOT NULL) STRICT",
    "CREATE TABLE votes" STORE_COLUMNS, /* the log, long */
    "CREATE TABLE kept" STORE_COLUMNS,  /* epochs, state, meta: few */
};
#define STORE_TABLES (sizeof TABLES / sizeof TABLES[0])

enum store_statement {
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_ROLLBACK,
    STORE_ADD_VOTE,
    STORE_ADD_KEPT,
    STORE_DROP_VOTES,
    STORE_DROP_KEPT,
    STORE_DROP_UP_TO,
    STORE_GET_VOTES,
    STORE_GET_KEPT,
    STORE_PUT_HEAD,
    STORE_GET_HEAD,
    STORE_STATEMENTS
};
/* All rows, and chosen by us: one whose kind is damaged must be seen, too. */
#define STORE_SELECT "SELECT seq, kind, epoch, first, last, key, sum, body FROM "
static const char *const STATEMENTS[STORE_STATEMENTS] = {
    [STORE_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_COMMIT] = "COMMIT",
    [STORE_ROLLBACK] = "ROLLBACK",
    [STORE_ADD_VOTE] = "INSERT INTO votes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STORE_ADD_KEPT] = "INSERT INTO kept VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STORE_DROP_VOTES] = "DELETE FROM votes WHERE epoch < ?1 OR (epoch = ?1 AND last < ?2)",
    [STORE_DROP_KEPT] = "DELETE FROM kept WHERE kind = ?1 AND epoch = ?2 AND key = ?3",
    [STORE_DROP_UP_TO] = "DELETE FROM kept WHERE kind = ?1 AND epoch <= ?2",
    [STORE_GET_VOTES] = STORE_SELECT "votes ORDER BY seq",
    [STORE_GET_KEPT] = STORE_SELECT "kept ORDER BY seq",
    [STORE_PUT_HEAD] = "INSERT OR REPLACE INTO head VALUES (1, ?1, ?2, ?3, ?4)",
    [STORE_GET_HEAD] = "SELECT seq, rows, sum, cluster FROM head",
};

struct store_head {
    uint64_t seq;  /* operations since the first start: a row has the number of its own */
    uint64_t rows; /* in votes and kept */
};

struct node_consensus_store {
    sqlite3 *db;
    sqlite3_stmt *statements[STORE_STATEMENTS];
    char *path;
    struct node_consensus_files files;
    struct store_head head; /* as of the last batch */
    int wal_pages;
    bool is_mute;
    bool has_run; /* there was a log before */
    uint8_t cluster[NODE_CONSENSUS_CLUSTER_MAX];
    size_t cluster_len;
};

/* ---- what went wrong ---- */

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

static int store_damaged(const struct node_consensus_store *s, const char *what, char *why)
{
    return store_fail(why, BASE_EMALFORMED, "%.200s %s: " STORE_WHAT_TO_DO, s->path, what);
}

/* What the system said; 0 when SQLite does not know. Only the log knows of a commit's. */
static int store_errno(const struct node_consensus_store *s)
{
    sqlite3_file *log = NULL;
    int err = sqlite3_system_errno(s->db);
    if (err == 0 &&
        sqlite3_file_control(s->db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK &&
        log != NULL && log->pMethods != NULL)
        (void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &err);
    return err;
}

static int store_unwritten(const struct node_consensus_store *s, int rc, char *why)
{
    int err = store_errno(s);
    return store_fail(why, BASE_EIO,
                      "%.200s: %s%s%s: mend the disk or make room on it, then start again", s->path,
                      sqlite3_errstr(rc), err != 0 ? ": " : "", err != 0 ? strerror(err) : "");
}

/* SQLite's own message may hold a hostile file's words; its sentence for a code does not. */
static int store_blame(const struct node_consensus_store *s, int rc, char *why)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
        return BASE_OK;
    case SQLITE_NOMEM:
        return store_fail(why, BASE_ENOMEM, "%.200s: no memory", s->path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return store_fail(why, BASE_EEXIST,
                          "%.200s is open in another process: one node, one directory", s->path);
    case SQLITE_NOTADB:
        return store_damaged(s, "is not a database, or its beginning is damaged", why);
    case SQLITE_CORRUPT:
    case SQLITE_TOOBIG:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_ERROR:
        return store_damaged(s, "is damaged", why);
    default:
        return store_unwritten(s, rc, why);
    }
}

/* ---- questions that are asked once ---- */

static int store_exec(struct node_consensus_store *s, const char *sql, char *why)
{
    return store_blame(s, sqlite3_exec(s->db, sql, NULL, NULL, NULL), why);
}

static int store_prepare(struct node_consensus_store *s, sqlite3_stmt **out, const char *sql,
                         char *why)
{
    return store_blame(s, sqlite3_prepare_v2(s->db, sql, -1, out, NULL), why);
}

/* One number. No row is a damaged file: all our questions have an answer. */
static int store_ask(struct node_consensus_store *s, int64_t *out, const char *sql, char *why)
{
    sqlite3_stmt *statement = NULL;
    int rv = store_prepare(s, &statement, sql, why);
    if (rv != BASE_OK) return rv;
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    else
        rv = store_blame(s, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc, why);
    sqlite3_finalize(statement); /* repeats the error of the step */
    return rv;
}

/* Exactly these texts, one a row; else it is damaged. */
static int store_expect(struct node_consensus_store *s, const char *sql, const char *const *texts,
                        size_t count, char *why)
{
    sqlite3_stmt *statement = NULL;
    size_t i = 0;
    int rc, rv = store_prepare(s, &statement, sql, why);
    if (rv != BASE_OK) return rv;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW && i < count) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        if (text == NULL || strcmp(text, texts[i]) != 0) break;
        i++;
    }
    if (rc == SQLITE_ROW || (rc == SQLITE_DONE && i < count)) rc = SQLITE_CORRUPT;
    rv = store_blame(s, rc == SQLITE_DONE ? SQLITE_OK : rc, why);
    sqlite3_finalize(statement); /* repeats the error of the step */
    return rv;
}

/* ---- statements ---- */

static int statements_prepare(struct node_consensus_store *s, char *why)
{
    int rv = BASE_OK;
    for (size_t i = 0; i < STORE_STATEMENTS && rv == BASE_OK; i++)
        if (s->statements[i] == NULL) rv = store_prepare(s, &s->statements[i], STATEMENTS[i], why);
    return rv;
}

/* From the first parameter on. */
static int bind_numbers(sqlite3_stmt *statement, const uint64_t *numbers, int count)
{
    int rc = SQLITE_OK;
    for (int i = 0; i < count && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_int64(statement, i + 1, (int64_t)numbers[i]);
    return rc;
}

/* Runs a statement without rows, whose binding went as rc says. */
static int statement_run(struct node_consensus_store *s, enum store_statement which, int rc,
                         char *why)
{
    sqlite3_stmt *statement = s->statements[which];
    if (rc == SQLITE_OK) rc = sqlite3_step(statement);
    int rv = store_blame(s, rc == SQLITE_DONE ? SQLITE_OK : rc, why);
    sqlite3_reset(statement); /* repeats the error of the step */
    rc = sqlite3_clear_bindings(statement);
    return rv == BASE_OK ? store_blame(s, rc, why) : rv;
}

static bool is_number(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_INTEGER &&
           sqlite3_column_int64(statement, column) >= 0;
}

/* A blob's bytes, borrowed until the next step. */
static bool blob_get(struct base_slice *out, sqlite3_stmt *statement, int column, size_t max)
{
    if (sqlite3_column_type(statement, column) != SQLITE_BLOB) return false;
    out->data = sqlite3_column_blob(statement, column);
    out->len = (size_t)sqlite3_column_bytes(statement, column);
    return out->len <= max && (out->data != NULL || out->len == 0);
}

static bool sum_is(sqlite3_stmt *statement, int column, const struct base_hash32 *expected)
{
    struct base_slice sum;
    return blob_get(&sum, statement, column, sizeof expected->bytes) &&
           sum.len == sizeof expected->bytes && memcmp(sum.data, expected->bytes, sum.len) == 0;
}

/* ---- the head ---- */

static void head_sum(struct base_hash32 *sum, const struct store_head *head,
                     const struct base_slice *cluster)
{
    uint8_t data[2 * 8];
    base_put_u64be(data, head->seq);
    base_put_u64be(data + 8, head->rows);
    base_sha256_2(sum, data, sizeof data, cluster->data, cluster->len);
}

static int head_put(struct node_consensus_store *s, const struct store_head *head, char *why)
{
    const struct base_slice cluster = {s->cluster, s->cluster_len};
    const uint64_t numbers[] = {head->seq, head->rows};
    sqlite3_stmt *statement = s->statements[STORE_PUT_HEAD];
    struct base_hash32 sum;
    head_sum(&sum, head, &cluster);
    int rc = bind_numbers(statement, numbers, 2);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob(statement, 3, sum.bytes, sizeof sum.bytes, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(statement, 4, cluster.data, cluster.len, SQLITE_STATIC);
    return statement_run(s, STORE_PUT_HEAD, rc, why);
}

static int head_read(struct node_consensus_store *s, sqlite3_stmt *statement, char *why)
{
    struct base_hash32 sum;
    struct base_slice cluster;
    if (!is_number(statement, 0) || !is_number(statement, 1) ||
        !blob_get(&cluster, statement, 3, NODE_CONSENSUS_CLUSTER_MAX))
        return store_damaged(s, "is damaged", why);
    s->head.seq = (uint64_t)sqlite3_column_int64(statement, 0);
    s->head.rows = (uint64_t)sqlite3_column_int64(statement, 1);
    head_sum(&sum, &s->head, &cluster);
    if (!sum_is(statement, 2, &sum)) return store_damaged(s, "is damaged", why);
    if (cluster.len != s->cluster_len || memcmp(cluster.data, s->cluster, cluster.len) != 0)
        return store_fail(why, BASE_EINVAL,
                          "%.200s is of another cluster, or another member's: give this node a"
                          " --data-dir of its own, or move the file away with its -wal and -mark",
                          s->path);
    return BASE_OK;
}

static int head_load(struct node_consensus_store *s, char *why)
{
    sqlite3_stmt *statement = s->statements[STORE_GET_HEAD];
    int rc = sqlite3_step(statement);
    int rv = rc == SQLITE_ROW ? head_read(s, statement, why)
                              : store_blame(s, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc, why);
    sqlite3_reset(statement); /* repeats the error of the step */
    return rv;
}

/* ---- rows ---- */

/* The operation that a row was made by, borrowed until the next step. False: damaged. */
static bool row_get(struct node_consensus_op *op, const struct node_consensus_store *s,
                    sqlite3_stmt *statement)
{
    struct base_hash32 sum;
    for (int i = 0; i < 5; i++)
        if (!is_number(statement, i)) return false;
    uint64_t seq = (uint64_t)sqlite3_column_int64(statement, 0);
    int64_t kind = sqlite3_column_int64(statement, 1);
    if (seq > s->head.seq || kind < NODE_CONSENSUS_PUT_VOTE || kind > NODE_CONSENSUS_PUT_META)
        return false;
    op->kind = (enum node_consensus_op_kind)kind;
    op->row.epoch = (uint64_t)sqlite3_column_int64(statement, 2);
    op->row.first = (uint64_t)sqlite3_column_int64(statement, 3);
    op->row.last = (uint64_t)sqlite3_column_int64(statement, 4);
    op->key = (const char *)sqlite3_column_text(statement, 5);
    if (op->key == NULL ||
        !blob_get(&op->row.body, statement, 7, node_consensus_op_body_max(op->kind)))
        return false;
    node_consensus_op_sum(&sum, seq, op);
    return sum_is(statement, 6, &sum);
}

struct row_filter {
    enum node_consensus_op_kind kind; /* 0: any */
    uint64_t epoch_from;
    const char *key; /* NULL: any */
};

static bool is_wanted(const struct row_filter *filter, const struct node_consensus_op *op)
{
    if (filter->kind != 0 && op->kind != filter->kind) return false;
    if (filter->key != NULL && strcmp(op->key, filter->key) != 0) return false;
    return op->row.epoch >= filter->epoch_from;
}

static int rows_read(struct node_consensus_store *s, enum store_statement which,
                     const struct row_filter *filter, node_consensus_each each, void *ctx,
                     char *why)
{
    sqlite3_stmt *statement = s->statements[which];
    struct node_consensus_op op;
    int rc = SQLITE_DONE, rv = BASE_OK;
    while (rv == BASE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (!row_get(&op, s, statement))
            rv = store_damaged(s, "is damaged", why);
        else if (is_wanted(filter, &op))
            rv = each(ctx, &op.row);
    }
    if (rv == BASE_OK && rc != SQLITE_DONE) rv = store_blame(s, rc, why);
    sqlite3_reset(statement); /* repeats the error of the step */
    return rv;
}

/* ---- opening: a connection ---- */

/* A file is believed as little as a peer is. Source: https://www.sqlite.org/security.html */
static int db_harden(struct node_consensus_store *s)
{
    static const int configs[][2] = {{SQLITE_DBCONFIG_DEFENSIVE, 1},
                                     {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                                     {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
                                     {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
                                     {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
                                     {SQLITE_DBCONFIG_DQS_DML, 0},
                                     {SQLITE_DBCONFIG_DQS_DDL, 0},
                                     /* what is refused stays as it is */
                                     {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1}};
    static const int limits[][2] = {{SQLITE_LIMIT_LENGTH, STORE_ROW_BYTES_MAX},
                                    {SQLITE_LIMIT_SQL_LENGTH, STORE_SQL_BYTES_MAX},
                                    {SQLITE_LIMIT_COLUMN, 16},
                                    {SQLITE_LIMIT_EXPR_DEPTH, 16},
                                    {SQLITE_LIMIT_COMPOUND_SELECT, 2},
                                    {SQLITE_LIMIT_ATTACHED, 0},
                                    {SQLITE_LIMIT_VARIABLE_NUMBER, 16},
                                    {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
                                    {SQLITE_LIMIT_WORKER_THREADS, 0}};
    int rc = sqlite3_extended_result_codes(s->db, 1);
    for (size_t i = 0; i < sizeof configs / sizeof configs[0] && rc == SQLITE_OK; i++)
        rc = sqlite3_db_config(s->db, configs[i][0], configs[i][1], (int *)NULL);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        sqlite3_limit(s->db, limits[i][0], limits[i][1]); /* gives the former one */
    return rc;
}

static int on_wal(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct node_consensus_store *s = ctx;
    (void)db;
    (void)name;
    s->wal_pages = pages;
    return SQLITE_OK;
}

/* Exclusive before the first look, so that the log's index is in memory and never a file that is
 * mapped; and the lock is taken even where nothing is to be written. */
static int db_open(struct node_consensus_store *s, char *why)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int rc = sqlite3_open_v2(s->path, &s->db, flags, NULL);
    if (s->db == NULL) return store_fail(why, BASE_ENOMEM, "no memory");
    if (rc == SQLITE_OK) rc = db_harden(s);
    if (rc != SQLITE_OK) return store_blame(s, rc, why);
    sqlite3_wal_hook(s->db, on_wal, s); /* automatic checkpoints would lose their errors */
    return store_exec(
        s,
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"
        "PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = OFF;"
        "PRAGMA cell_size_check = ON; PRAGMA journal_size_limit = 16777216;"
        "BEGIN EXCLUSIVE; COMMIT",
        why);
}

static int op_apply(struct node_consensus_store *s, struct store_head *head,
                    const struct node_consensus_op *op, char *why);

/* The numbers go on: what was acknowledged is not, ever again. */
static int lost_put(struct node_consensus_store *s, char *why)
{
    const struct node_consensus_lost lost = {NODE_CONSENSUS_LOST_MISSING,
                                             NODE_CONSENSUS_BLOCK_UNKNOWN};
    uint8_t body[NODE_CONSENSUS_LOST_BYTES];
    const struct node_consensus_op op = node_consensus_lost_op(body, &lost);
    s->head.seq = s->files.acknowledged;
    return op_apply(s, &s->head, &op, why);
}

static int db_make(struct node_consensus_store *s, char *why)
{
    char sql[128];
    snprintf(sql, sizeof sql, "BEGIN; PRAGMA application_id = %d; PRAGMA user_version = %d",
             STORE_APPLICATION_ID, STORE_LAYOUT);
    int rv = store_exec(s, sql, why);
    for (size_t i = 0; i < STORE_TABLES && rv == BASE_OK; i++)
        rv = store_exec(s, TABLES[i], why);
    if (rv == BASE_OK) rv = statements_prepare(s, why);
    if (rv == BASE_OK && s->has_run) rv = lost_put(s, why);
    if (rv == BASE_OK) rv = head_put(s, &s->head, why);
    return rv == BASE_OK ? store_exec(s, "COMMIT", why) : rv;
}

/* ---- opening: is it ours, and whole? ---- */

/* *is_new: nobody has written anything yet. */
static int db_identify(struct node_consensus_store *s, bool *is_new, char *why)
{
    int64_t id, layout, tables;
    int rv = store_ask(s, &id, "PRAGMA application_id", why);
    if (rv == BASE_OK) rv = store_ask(s, &layout, "PRAGMA user_version", why);
    if (rv == BASE_OK) rv = store_ask(s, &tables, "SELECT count(*) FROM sqlite_schema", why);
    if (rv != BASE_OK) return rv;
    *is_new = id == 0 && layout == 0 && tables == 0;
    if (*is_new && s->files.has_bytes && s->files.acknowledged > 0)
        return store_damaged(s, "holds nothing", why);
    if (*is_new) return BASE_OK;
    if (id != STORE_APPLICATION_ID)
        return store_damaged(s, "is another program's database, or damaged", why);
    if (layout > STORE_LAYOUT)
        return store_fail(why, BASE_EUNSUPPORTED,
                          "%.200s was written by a newer version (layout %lld, this one knows %d):"
                          " run that one",
                          s->path, (long long)layout, STORE_LAYOUT);
    return layout == STORE_LAYOUT ? BASE_OK : store_damaged(s, "is damaged", why);
}

static int count_row(void *ctx, const struct node_consensus_row *row)
{
    (void)row;
    ++*(uint64_t *)ctx;
    return BASE_OK;
}

/* Each row, and that none is missing: a page that the disk has left in an older state may well look
 * whole. */
static int rows_verify(struct node_consensus_store *s, char *why)
{
    static const struct row_filter any;
    uint64_t count = 0;
    int rv = rows_read(s, STORE_GET_VOTES, &any, count_row, &count, why);
    if (rv == BASE_OK) rv = rows_read(s, STORE_GET_KEPT, &any, count_row, &count, why);
    if (rv == BASE_OK && count != s->head.rows) rv = store_damaged(s, "has lost rows", why);
    return rv;
}

static int db_verify(struct node_consensus_store *s, char *why)
{
    static const char *const ok[] = {"ok"};
    int rv =
        store_expect(s, "SELECT sql FROM sqlite_schema ORDER BY rowid", TABLES, STORE_TABLES, why);
    if (rv == BASE_OK) rv = store_expect(s, "PRAGMA quick_check(1)", ok, 1, why);
    if (rv == BASE_OK) rv = statements_prepare(s, why);
    if (rv == BASE_OK) rv = head_load(s, why);
    if (rv == BASE_OK) rv = rows_verify(s, why);
    if (rv != BASE_OK) return rv;
    if (s->head.seq < s->files.acknowledged)
        return store_damaged(s, "lacks its last batches, which were acknowledged", why);
    if (s->head.seq > 0 && !s->files.has_mark) return store_damaged(s, "lacks its -mark", why);
    return BASE_OK;
}

/* ---- opening: ready to write ---- */

/* After a sync that failed, the kernel may hold pages for clean that never reached the disk: what a
 * former process left in the log is written once more. */
static int db_settle(struct node_consensus_store *s, char *why)
{
    static const char *const wal[] = {"wal"};
    int rv = store_expect(s, "PRAGMA journal_mode = WAL", wal, 1, why);
    if (rv != BASE_OK) return rv;
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, (int *)NULL);
    if (rc != SQLITE_OK) return store_blame(s, rc, why);
    return node_consensus_files_mark_start(&s->files, s->head.seq, why);
}

/* There was a database, and there is none. An empty one beside a log is what is left of one;
 * without a log it may be one that we were about to make. And one without a mark would be refused:
 * so that comes first. */
static int lost_begin(struct node_consensus_store *s, char *why)
{
    if (s->files.is_there && s->files.has_log)
        return store_damaged(s, "is empty, and its -wal is not", why);
    int rv = node_consensus_files_drop_log(s->path, why);
    return rv == BASE_OK ? node_consensus_files_mark_start(&s->files, s->files.acknowledged, why)
                         : rv;
}

static int store_begin(struct node_consensus_store *s, char *why)
{
    bool is_new;
    int rv = node_consensus_files_look(&s->files, s->path, why);
    s->has_run = s->has_run || s->files.has_mark;
    if (rv == BASE_OK && !s->files.has_bytes && s->has_run) rv = lost_begin(s, why);
    if (rv == BASE_OK && !s->files.is_there) rv = node_consensus_files_make(s->path, why);
    if (rv == BASE_OK) rv = db_open(s, why);
    if (rv == BASE_OK) rv = db_identify(s, &is_new, why);
    if (rv == BASE_OK && is_new) rv = db_make(s, why);
    if (rv == BASE_OK) rv = db_verify(s, why);
    return rv == BASE_OK ? db_settle(s, why) : rv;
}

int node_consensus_store_open(struct node_consensus_store **out, const char *path,
                              const struct base_slice *cluster, bool has_run,
                              char why[NODE_STORE_WHY_BYTES])
{
    assert(out != NULL && path != NULL && cluster != NULL && why != NULL);
    assert(cluster->len > 0 && cluster->len <= NODE_CONSENSUS_CLUSTER_MAX);
    *out = NULL;
    struct node_consensus_store *s = calloc(1, sizeof *s);
    if (s == NULL) return store_fail(why, BASE_ENOMEM, "no memory");
    s->files.mark_fd = -1;
    s->has_run = has_run;
    s->path = strdup(path);
    memcpy(s->cluster, cluster->data, cluster->len);
    s->cluster_len = cluster->len;
    int rv = s->path == NULL ? store_fail(why, BASE_ENOMEM, "no memory") : store_begin(s, why);
    if (rv != BASE_OK) {
        node_consensus_store_close(s);
        return rv;
    }
    *out = s;
    return BASE_OK;
}

void node_consensus_store_close(struct node_consensus_store *s)
{
    if (s == NULL) return;
    for (size_t i = 0; i < STORE_STATEMENTS; i++)
        sqlite3_finalize(s->statements[i]); /* repeats the error of its last step */
    int rc = sqlite3_close(s->db);          /* rolls back what was not committed */
    assert(rc == SQLITE_OK);                /* BUSY: a statement of ours is left */
    (void)rc;
    node_consensus_files_close(&s->files);
    free(s->path);
    free(s);
}

/* ---- writing ---- */

static const char *key_of(const struct node_consensus_op *op)
{
    return op->key != NULL ? op->key : "";
}

static int row_add(struct node_consensus_store *s, struct store_head *head,
                   const struct node_consensus_op *op, char *why)
{
    bool is_vote = op->kind == NODE_CONSENSUS_PUT_VOTE;
    enum store_statement which = is_vote ? STORE_ADD_VOTE : STORE_ADD_KEPT;
    const struct node_consensus_row *row = &op->row;
    const uint64_t numbers[] = {head->seq, op->kind, row->epoch, row->first, row->last};
    const void *body = row->body.len > 0 ? row->body.data : (const uint8_t *)""; /* not NULL */
    sqlite3_stmt *statement = s->statements[which];
    struct base_hash32 sum;
    node_consensus_op_sum(&sum, head->seq, op);
    int rc = bind_numbers(statement, numbers, 5);
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(statement, 6, key_of(op), -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob(statement, 7, sum.bytes, sizeof sum.bytes, SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_bind_blob64(statement, 8, body, row->body.len, SQLITE_STATIC);
    head->rows++;
    return statement_run(s, which, rc, why);
}

/* Runs a DELETE with two numbers and perhaps a key, and counts what went. */
static int rows_drop(struct node_consensus_store *s, struct store_head *head,
                     enum store_statement which, const uint64_t numbers[2], const char *key,
                     char *why)
{
    sqlite3_stmt *statement = s->statements[which];
    int rc = bind_numbers(statement, numbers, 2);
    if (rc == SQLITE_OK && key != NULL)
        rc = sqlite3_bind_text(statement, 3, key, -1, SQLITE_STATIC);
    int rv = statement_run(s, which, rc, why);
    if (rv == BASE_OK) head->rows -= (uint64_t)sqlite3_changes64(s->db);
    return rv;
}

/* What an operation takes the place of, or is there to drop. */
static int op_drop(struct node_consensus_store *s, struct store_head *head,
                   const struct node_consensus_op *op, char *why)
{
    const struct node_consensus_row *row = &op->row;
    const uint64_t same[] = {op->kind, row->epoch}, votes[] = {row->epoch, row->first},
                   states[] = {NODE_CONSENSUS_PUT_STATE, NODE_CONSENSUS_NUMBER_MAX},
                   epochs[] = {NODE_CONSENSUS_PUT_EPOCH, row->epoch - 1};
    int rv = BASE_OK;
    switch (op->kind) {
    case NODE_CONSENSUS_PUT_VOTE:
        break;
    case NODE_CONSENSUS_PUT_EPOCH:
    case NODE_CONSENSUS_PUT_META:
        rv = rows_drop(s, head, STORE_DROP_KEPT, same, key_of(op), why);
        break;
    case NODE_CONSENSUS_PUT_STATE:
        rv = rows_drop(s, head, STORE_DROP_UP_TO, states, NULL, why);
        if (rv == BASE_OK) rv = rows_drop(s, head, STORE_DROP_VOTES, votes, NULL, why);
        break;
    case NODE_CONSENSUS_DROP_EPOCHS:
        if (row->epoch > 0) rv = rows_drop(s, head, STORE_DROP_UP_TO, epochs, NULL, why);
        break;
    }
    return rv;
}

static int op_apply(struct node_consensus_store *s, struct store_head *head,
                    const struct node_consensus_op *op, char *why)
{
    head->seq++;
    int rv = op_drop(s, head, op, why);
    if (rv != BASE_OK || op->kind == NODE_CONSENSUS_DROP_EPOCHS) return rv;
    return row_add(s, head, op, why);
}

/* Moves a log that has grown long into the database; the next batch begins it anew. */
static int log_shorten(struct node_consensus_store *s, char *why)
{
    if (s->wal_pages < STORE_WAL_PAGES) return BASE_OK;
    s->wal_pages = 0;
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return store_blame(s, rc, why);
}

static int batch_commit(struct node_consensus_store *s, const struct node_consensus_op *ops,
                        size_t count, char *why)
{
    struct store_head head = s->head;
    int rv = log_shorten(s, why);
    if (rv == BASE_OK) rv = statement_run(s, STORE_BEGIN, SQLITE_OK, why);
    for (size_t i = 0; i < count && rv == BASE_OK; i++)
        rv = op_apply(s, &head, &ops[i], why);
    if (rv == BASE_OK) rv = head_put(s, &head, why);
    if (rv == BASE_OK) rv = statement_run(s, STORE_COMMIT, SQLITE_OK, why);
    if (rv != BASE_OK) return rv;
    s->head = head;
    return node_consensus_files_mark(&s->files, head.seq, why);
}

int node_consensus_store_apply(struct node_consensus_store *s, const struct node_consensus_op *ops,
                               size_t count, char why[NODE_STORE_WHY_BYTES])
{
    assert(s != NULL && (ops != NULL || count == 0) && why != NULL);
    if (s->is_mute)
        return store_fail(why, BASE_ESTATE, "%.200s could not be written before: start again",
                          s->path);
    for (size_t i = 0; i < count; i++) {
        int rv = node_consensus_op_check(&ops[i]);
        if (rv != BASE_OK)
            return store_fail(why, rv, "operation %zu of %zu: %s", i + 1, count, base_strerror(rv));
    }
    if (count == 0) return BASE_OK;
    int rv = batch_commit(s, ops, count, why);
    if (rv == BASE_OK) return BASE_OK;
    s->is_mute = true;
    char second[NODE_STORE_WHY_BYTES]; /* the first cause counts; closing rolls back as well */
    if (!sqlite3_get_autocommit(s->db)) (void)statement_run(s, STORE_ROLLBACK, SQLITE_OK, second);
    return rv;
}

/* ---- reading ---- */

int node_consensus_store_votes(struct node_consensus_store *s, uint64_t epoch_from,
                               node_consensus_each each, void *ctx, char why[NODE_STORE_WHY_BYTES])
{
    assert(s != NULL && each != NULL && why != NULL);
    const struct row_filter filter = {NODE_CONSENSUS_PUT_VOTE, epoch_from, NULL};
    return rows_read(s, STORE_GET_VOTES, &filter, each, ctx, why);
}

int node_consensus_store_epochs(struct node_consensus_store *s, node_consensus_each each, void *ctx,
                                char why[NODE_STORE_WHY_BYTES])
{
    assert(s != NULL && each != NULL && why != NULL);
    const struct row_filter filter = {.kind = NODE_CONSENSUS_PUT_EPOCH};
    return rows_read(s, STORE_GET_KEPT, &filter, each, ctx, why);
}

struct row_copy { /* of the one row of its kind and key */
    struct node_consensus_row row;
    struct base_buf *body;
    bool is_found;
};

static int copy_row(void *ctx, const struct node_consensus_row *row)
{
    struct row_copy *copy = ctx;
    copy->is_found = true;
    copy->row = *row;
    base_buf_clear(copy->body);
    base_buf_append(copy->body, row->body.data, row->body.len);
    if (!copy->body->failed) return BASE_OK;
    return row->body.len > copy->body->max ? BASE_ETOOBIG : BASE_ENOMEM;
}

static int kept_copy(struct node_consensus_store *s, struct row_copy *copy,
                     enum node_consensus_op_kind kind, const char *key, char *why)
{
    const struct row_filter filter = {.kind = kind, .key = key};
    int rv = rows_read(s, STORE_GET_KEPT, &filter, copy_row, copy, why);
    if (copy->is_found && copy->body->failed)
        return store_fail(why, rv, "%.200s: %s", s->path, base_strerror(rv));
    return rv == BASE_OK && !copy->is_found ? BASE_ENOTFOUND : rv;
}

int node_consensus_store_state(struct node_consensus_store *s, uint64_t *epoch, uint64_t *first,
                               struct base_buf *body, char why[NODE_STORE_WHY_BYTES])
{
    assert(s != NULL && epoch != NULL && first != NULL && body != NULL && why != NULL);
    struct row_copy copy = {.body = body};
    int rv = kept_copy(s, &copy, NODE_CONSENSUS_PUT_STATE, NULL, why);
    if (rv != BASE_OK) return rv;
    *epoch = copy.row.epoch;
    *first = copy.row.first;
    return BASE_OK;
}

int node_consensus_store_meta(struct node_consensus_store *s, const char *key,
                              struct base_buf *body, char why[NODE_STORE_WHY_BYTES])
{
    assert(s != NULL && key != NULL && body != NULL && why != NULL);
    struct row_copy copy = {.body = body};
    return kept_copy(s, &copy, NODE_CONSENSUS_PUT_META, key, why);
}

int node_consensus_store_lost(struct node_consensus_store *s, struct node_consensus_lost *out,
                              char why[NODE_STORE_WHY_BYTES])
{
    struct base_buf body;
    base_buf_init(&body, NODE_CONSENSUS_LOST_BYTES);
    int rv = node_consensus_store_meta(s, NODE_CONSENSUS_LOST_KEY, &body, why);
    if (rv == BASE_ETOOBIG ||
        (rv == BASE_OK && node_consensus_lost_decode(out, body.data, body.len) != BASE_OK))
        rv = store_damaged(s, "is damaged", why);
    base_buf_deinit(&body);
    return rv;
}
