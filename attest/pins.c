#include "attest/pins.h"

#include "base/err.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const char *attest_pin_source_name(enum attest_pin_source source)
{
    switch (source) {
    case ATTEST_PIN_NONE:
        return "none";
    case ATTEST_PIN_FIRST_SEEN:
        return "first_seen";
    case ATTEST_PIN_FLAG:
        return "flags";
    }
    return "none";
}

const char *attest_pins_verdict_name(enum attest_pins_verdict verdict)
{
    switch (verdict) {
    case ATTEST_PINS_UNDECIDED:
        return "undecided";
    case ATTEST_PINS_NOTHING_PINNED:
        return "nothing_pinned";
    case ATTEST_PINS_ROOT_CHANGED:
        return "kms_root_changed";
    case ATTEST_PINS_OWN_APP:
        return "own_app_not_allowed";
    case ATTEST_PINS_APP_UNPINNED:
        return "app_not_pinned";
    case ATTEST_PINS_AGREE:
        return "agree";
    }
    return "undecided";
}

const char *attest_dev_verdict_name(enum attest_dev_verdict verdict)
{
    switch (verdict) {
    case ATTEST_DEV_UNDECIDED:
        return "undecided";
    case ATTEST_DEV_OK:
        return "ok";
    case ATTEST_DEV_CHAIN_ID:
        return "dev_chain_id";
    case ATTEST_DEV_PUBLIC_ROOT:
        return "public_kms_root";
    case ATTEST_DEV_SIMULATOR:
        return "simulator";
    }
    return "undecided";
}

/* ---- lists of addresses ---- */

static bool contains(const struct base_eth_address *list, size_t count,
                     const struct base_eth_address *value)
{
    for (size_t i = 0; i < count; i++)
        if (base_address_equal(&list[i], value)) return true;
    return false;
}

static int check_list(const struct base_eth_address *list, size_t count, size_t max)
{
    if (count > max) return BASE_ETOOBIG;
    for (size_t i = 0; i < count; i++)
        if (base_is_zero(list[i].bytes, sizeof list[i].bytes) || contains(list, i, &list[i]))
            return BASE_EINVAL;
    return BASE_OK;
}

static bool equal_lists(const struct base_eth_address *a, size_t a_count,
                        const struct base_eth_address *b, size_t b_count)
{
    if (a_count != b_count) return false;
    for (size_t i = 0; i < a_count; i++)
        if (!base_address_equal(&a[i], &b[i])) return false;
    return true;
}

static void pin_roots(struct attest_pins *pins, enum attest_pin_source source,
                      const struct base_eth_address *roots, size_t count)
{
    if (count == 0) return;
    memcpy(pins->roots, roots, count * sizeof *roots);
    pins->root_count = count;
    pins->root_source = source;
}

static void pin_app_ids(struct attest_pins *pins, enum attest_pin_source source,
                        const struct base_eth_address *app_ids, size_t count)
{
    if (count == 0) return;
    memcpy(pins->app_ids, app_ids, count * sizeof *app_ids);
    pins->app_id_count = count;
    pins->app_source = source;
}

/* ---- pinning ---- */

int attest_pins_set_flags(struct attest_pins *pins, const struct base_eth_address *roots,
                          size_t root_count, const struct base_eth_address *app_ids,
                          size_t app_id_count)
{
    int rv;

    assert(pins != NULL);
    assert((roots != NULL || root_count == 0) && (app_ids != NULL || app_id_count == 0));
    rv = check_list(roots, root_count, ATTEST_PIN_ROOTS_MAX);
    if (rv != BASE_OK) return rv;
    rv = check_list(app_ids, app_id_count, ATTEST_PIN_APP_IDS_MAX);
    if (rv != BASE_OK) return rv;
    pin_roots(pins, ATTEST_PIN_FLAG, roots, root_count);
    pin_app_ids(pins, ATTEST_PIN_FLAG, app_ids, app_id_count);
    return BASE_OK;
}

/* The root that is seen, before the ones that were pinned already: seats under an older root stay
 * members until they register again. The oldest gives way. Returns how many. */
static size_t root_before(struct base_eth_address out[ATTEST_PIN_ROOTS_MAX],
                          const struct attest_pins *pins, const struct base_eth_address *seen)
{
    size_t count = 0;

    out[count++] = *seen;
    for (size_t i = 0; i < pins->root_count && count < ATTEST_PIN_ROOTS_MAX; i++) {
        if (!base_address_equal(&pins->roots[i], seen)) out[count++] = pins->roots[i];
    }
    return count;
}

/* What is seen becomes a pin for each kind whose source is at most `replaceable`. */
static int adopt(struct attest_pins *pins, bool *changed, const struct attest_pins_seen *seen,
                 bool dev, enum attest_pin_source replaceable)
{
    bool wants_root = pins->root_source <= replaceable;
    bool wants_apps = pins->app_source <= replaceable && seen->app_id_count > 0;
    struct base_eth_address roots[ATTEST_PIN_ROOTS_MAX];
    size_t root_count = root_before(roots, pins, &seen->root);
    int rv;

    *changed = false;
    if (wants_root && base_is_zero(seen->root.bytes, sizeof seen->root.bytes)) return BASE_EINVAL;
    if (wants_root && !dev && attest_root_is_public(&seen->root)) return BASE_EREFUSED;
    if (wants_apps) {
        rv = check_list(seen->app_ids, seen->app_id_count, ATTEST_PIN_APP_IDS_MAX);
        if (rv != BASE_OK) return rv;
    }
    if (wants_root && !equal_lists(pins->roots, pins->root_count, roots, root_count)) {
        pin_roots(pins, ATTEST_PIN_FIRST_SEEN, roots, root_count);
        *changed = true;
    }
    if (wants_apps &&
        !equal_lists(pins->app_ids, pins->app_id_count, seen->app_ids, seen->app_id_count)) {
        pin_app_ids(pins, ATTEST_PIN_FIRST_SEEN, seen->app_ids, seen->app_id_count);
        *changed = true;
    }
    return BASE_OK;
}

int attest_pins_see(struct attest_pins *pins, bool *changed, const struct attest_pins_seen *seen,
                    bool dev)
{
    assert(pins != NULL && changed != NULL && seen != NULL);
    return adopt(pins, changed, seen, dev, ATTEST_PIN_NONE);
}

int attest_pins_accept(struct attest_pins *pins, bool *changed, const struct attest_pins_seen *seen,
                       bool dev)
{
    assert(pins != NULL && changed != NULL && seen != NULL);
    return adopt(pins, changed, seen, dev, ATTEST_PIN_FIRST_SEEN);
}

/* ---- judging ---- */

bool attest_pins_has_root(const struct attest_pins *pins, const struct base_eth_address *root)
{
    assert(pins != NULL && root != NULL);
    return contains(pins->roots, pins->root_count, root);
}

bool attest_pins_allows_app(const struct attest_pins *pins, const struct attest_pins_seen *seen,
                            const struct base_eth_address *app_id)
{
    assert(pins != NULL && seen != NULL && app_id != NULL);
    return contains(seen->app_ids, seen->app_id_count, app_id) &&
           contains(pins->app_ids, pins->app_id_count, app_id);
}

size_t attest_pins_allowed(struct base_eth_address out[ATTEST_PIN_APP_IDS_MAX],
                           const struct attest_pins *pins, const struct attest_pins_seen *seen)
{
    size_t count = 0;

    assert(out != NULL && pins != NULL && seen != NULL);
    for (size_t i = 0; i < seen->app_id_count; i++) {
        const struct base_eth_address *app_id = &seen->app_ids[i];

        /* A value twice on the chain counts once, so that the pins bound the output. */
        if (contains(pins->app_ids, pins->app_id_count, app_id) && !contains(out, count, app_id))
            out[count++] = *app_id;
    }
    return count;
}

const struct base_eth_address *attest_pins_root_of_epoch(const struct attest_pins *pins,
                                                         const uint64_t *epochs, uint64_t epoch)
{
    assert(pins != NULL && (epochs != NULL || pins->root_count == 0));
    if (epoch == 0) return NULL;
    for (size_t i = 0; i < pins->root_count; i++)
        if (epochs[i] == epoch) return &pins->roots[i];
    return NULL;
}

enum attest_pins_verdict attest_pins_judge(const struct attest_pins *pins,
                                           const struct attest_pins_seen *seen,
                                           const struct base_eth_address *own_app_id)
{
    assert(pins != NULL && seen != NULL && own_app_id != NULL);
    if (pins->root_count == 0 || pins->app_id_count == 0) return ATTEST_PINS_NOTHING_PINNED;
    if (!attest_pins_has_root(pins, &seen->root)) return ATTEST_PINS_ROOT_CHANGED;
    if (!attest_pins_allows_app(pins, seen, own_app_id)) return ATTEST_PINS_OWN_APP;
    for (size_t i = 0; i < seen->app_id_count; i++)
        if (!contains(pins->app_ids, pins->app_id_count, &seen->app_ids[i]))
            return ATTEST_PINS_APP_UNPINNED;
    return ATTEST_PINS_AGREE;
}

enum attest_dev_verdict attest_dev_judge(bool dev, uint64_t chain_id,
                                         const struct base_eth_address *roots, size_t root_count,
                                         const char *app_name)
{
    assert(roots != NULL || root_count == 0);
    if (dev) return chain_id == 31337 || chain_id == 1337 ? ATTEST_DEV_OK : ATTEST_DEV_CHAIN_ID;
    for (size_t i = 0; i < root_count; i++)
        if (attest_root_is_public(&roots[i])) return ATTEST_DEV_PUBLIC_ROOT;
    if (app_name != NULL && strcmp(app_name, ATTEST_SIMULATOR_APP_NAME) == 0)
        return ATTEST_DEV_SIMULATOR;
    return ATTEST_DEV_OK;
}

/* ---- the file ---- */

static const char file_head[] = "nftmesh-pins 1";

void attest_pins_file_encode(struct base_buf *out, const struct attest_pins_file *file)
{
    assert(out != NULL && file != NULL);
    assert(file->root_count <= ATTEST_PIN_ROOTS_MAX);
    assert(file->app_id_count <= ATTEST_PIN_APP_IDS_MAX);
    base_buf_printf(out, "%s\nchain %llu\n", file_head, (unsigned long long)file->chain_id);
    if (file->has_genesis) {
        base_buf_puts(out, "genesis ");
        base_buf_hex(out, file->genesis.bytes, sizeof file->genesis.bytes);
        base_buf_puts(out, "\n");
    }
    base_buf_puts(out, "contract 0x");
    base_buf_hex(out, file->contract.bytes, sizeof file->contract.bytes);
    for (size_t i = 0; i < file->root_count; i++) {
        base_buf_puts(out, "\nroot 0x");
        base_buf_hex(out, file->roots[i].bytes, sizeof file->roots[i].bytes);
    }
    for (size_t i = 0; i < file->app_id_count; i++) {
        base_buf_puts(out, "\napp ");
        base_buf_hex(out, file->app_ids[i].bytes, sizeof file->app_ids[i].bytes);
    }
    base_buf_puts(out, "\n");
}

/* A cursor over lines. current is without its newline, and stays until it is taken. */
struct line_reader {
    const char *data;
    size_t len, pos;
    const char *current;
    size_t current_len;
    unsigned number;
    bool has_line; /* false: at the end, or the last line has no newline */
};

static void next_line(struct line_reader *r)
{
    const char *start = r->data + r->pos;
    const char *end = r->pos < r->len ? memchr(start, '\n', r->len - r->pos) : NULL;

    r->number++;
    r->has_line = end != NULL;
    if (end == NULL) return;
    r->current = start;
    r->current_len = (size_t)(end - start);
    r->pos += r->current_len + 1;
}

/* Is the current line `word` and a value? Then *value is the rest; the line is not taken yet. */
static bool line_is(const struct line_reader *r, const char *word, struct base_slice *value)
{
    size_t len = strlen(word);

    if (!r->has_line || r->current_len < len || memcmp(r->current, word, len) != 0) return false;
    *value = (struct base_slice){(const uint8_t *)r->current + len, r->current_len - len};
    return true;
}

/* Lower-case hex of exactly len bytes: one value, one spelling. */
static bool read_hex(void *out, size_t len, struct base_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] >= 'A' && text.data[i] <= 'F') return false;
    return base_hex_decode(out, len, (const char *)text.data, text.len) == BASE_OK;
}

static bool read_decimal(uint64_t *out, struct base_slice text)
{
    uint64_t value = 0;

    if (text.len == 0 || (text.len > 1 && text.data[0] == '0')) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

/* All lines that begin with word, each an address that is new and not zero. */
static bool read_list(struct line_reader *r, const char *word, struct base_eth_address *list,
                      size_t *count, size_t max)
{
    struct base_slice value;

    for (; line_is(r, word, &value); next_line(r)) {
        if (*count == max) return false;
        if (!read_hex(list[*count].bytes, sizeof list->bytes, value)) return false;
        (*count)++;
        if (check_list(list, *count, max) != BASE_OK) return false;
    }
    return true;
}

static bool read_file(struct attest_pins_file *out, struct line_reader *r)
{
    struct base_slice value;

    next_line(r);
    if (!line_is(r, file_head, &value) || value.len != 0) return false;
    next_line(r);
    if (!line_is(r, "chain ", &value) || !read_decimal(&out->chain_id, value)) return false;
    next_line(r);
    if (line_is(r, "genesis ", &value)) {
        out->has_genesis = true;
        if (!read_hex(out->genesis.bytes, sizeof out->genesis.bytes, value)) return false;
        next_line(r);
    }
    if (!line_is(r, "contract 0x", &value)) return false;
    if (!read_hex(out->contract.bytes, sizeof out->contract.bytes, value)) return false;
    next_line(r);
    if (!read_list(r, "root 0x", out->roots, &out->root_count, ATTEST_PIN_ROOTS_MAX)) return false;
    if (!read_list(r, "app ", out->app_ids, &out->app_id_count, ATTEST_PIN_APP_IDS_MAX))
        return false;
    return !r->has_line && r->pos == r->len;
}

int attest_pins_file_decode(struct attest_pins_file *out, char why[ATTEST_PINS_WHY_BYTES],
                            const void *data, size_t len)
{
    struct line_reader reader = {.data = len > 0 ? data : "", .len = len};

    assert(out != NULL && (data != NULL || len == 0));
    memset(out, 0, sizeof *out);
    if (len > ATTEST_PINS_BYTES_MAX) {
        if (why != NULL)
            snprintf(why, ATTEST_PINS_WHY_BYTES, "more than %d bytes", ATTEST_PINS_BYTES_MAX);
        return BASE_ETOOBIG;
    }
    if (read_file(out, &reader)) return BASE_OK;
    memset(out, 0, sizeof *out);
    if (why != NULL)
        snprintf(why, ATTEST_PINS_WHY_BYTES, "line %u is not what a pins file has there",
                 reader.number);
    return BASE_EMALFORMED;
}

void attest_pins_load(struct attest_pins *pins, const struct attest_pins_file *file)
{
    assert(pins != NULL && file != NULL);
    if (pins->root_source == ATTEST_PIN_NONE)
        pin_roots(pins, ATTEST_PIN_FIRST_SEEN, file->roots, file->root_count);
    if (pins->app_source == ATTEST_PIN_NONE)
        pin_app_ids(pins, ATTEST_PIN_FIRST_SEEN, file->app_ids, file->app_id_count);
}

void attest_pins_store(struct attest_pins_file *file, const struct attest_pins *pins)
{
    assert(file != NULL && pins != NULL);
    if (pins->root_source == ATTEST_PIN_FIRST_SEEN) {
        memcpy(file->roots, pins->roots, sizeof file->roots);
        file->root_count = pins->root_count;
    }
    if (pins->app_source == ATTEST_PIN_FIRST_SEEN) {
        memcpy(file->app_ids, pins->app_ids, sizeof file->app_ids);
        file->app_id_count = pins->app_id_count;
    }
}
