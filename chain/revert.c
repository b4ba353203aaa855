#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "chain/abi.h"

static const uint8_t error_selector[CHAIN_ABI_SELECTOR_BYTES] = {0x08, 0xc3, 0x79, 0xa0};
static const uint8_t panic_selector[CHAIN_ABI_SELECTOR_BYTES] = {0x4e, 0x48, 0x7b, 0x71};

/* A contract's text goes to a terminal: printable ASCII only. */
static void copy_printable(char *out, size_t cap, const uint8_t *text, size_t len)
{
    size_t n = len < cap - 1 ? len : cap - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = text[i] >= 0x20 && text[i] < 0x7f ? (char)text[i] : '?';
    out[n] = '\0';
}

static bool decode_string(struct chain_abi_revert *out, const uint8_t *args, size_t len)
{
    struct chain_abi_reader r;
    struct base_slice text;
    chain_abi_reader_init(&r, args, len, 1);
    chain_abi_get_bytes(&r, &text, len);
    if (chain_abi_reader_end(&r) != BASE_OK) return false;
    out->kind = CHAIN_ABI_REVERT_STRING;
    copy_printable(out->text, sizeof out->text, text.data, text.len);
    return true;
}

/* docs.soliditylang.org, "Panic via assert and Error via require". */
static const char *panic_text(uint64_t code)
{
    switch (code) {
    case 0x00:
        return "panic";
    case 0x01:
        return "assertion failed";
    case 0x11:
        return "arithmetic overflow";
    case 0x12:
        return "division by zero";
    case 0x21:
        return "no such enum value";
    case 0x22:
        return "broken storage bytes";
    case 0x31:
        return "pop of an empty array";
    case 0x32:
        return "index out of range";
    case 0x41:
        return "too much memory";
    case 0x51:
        return "call of an unset function";
    default:
        return "unknown panic";
    }
}

static bool decode_panic(struct chain_abi_revert *out, const uint8_t *args, size_t len)
{
    struct chain_abi_reader r;
    chain_abi_reader_init(&r, args, len, 1);
    chain_abi_get_u64(&r, &out->panic_code);
    if (chain_abi_reader_end(&r) != BASE_OK) return false;
    out->kind = CHAIN_ABI_REVERT_PANIC;
    snprintf(out->text, sizeof out->text, "panic 0x%02llx: %s", (unsigned long long)out->panic_code,
             panic_text(out->panic_code));
    return true;
}

/* The arguments of our errors are one static word each: shown in hex without leading zeros. */
static void append_args(char *text, size_t cap, const uint8_t *args, size_t len)
{
    size_t n = strlen(text);
    for (size_t at = 0; at + CHAIN_ABI_WORD_BYTES <= len; at += CHAIN_ABI_WORD_BYTES) {
        size_t skip = 0;
        char hex[2 * CHAIN_ABI_WORD_BYTES + 1];
        base_hex_encode(hex, args + at, CHAIN_ABI_WORD_BYTES);
        while (skip < 2 * CHAIN_ABI_WORD_BYTES - 1 && hex[skip] == '0')
            skip++;
        int put = snprintf(text + n, cap - n, " 0x%s", hex + skip);
        if (put < 0 || (size_t)put >= cap - n) return;
        n += (size_t)put;
    }
}

static bool decode_custom(struct chain_abi_revert *out, const uint8_t *data, size_t len,
                          const char *const *names, size_t name_count)
{
    for (size_t i = 0; i < name_count; i++) {
        uint8_t selector[CHAIN_ABI_SELECTOR_BYTES];
        chain_abi_selector(selector, names[i]);
        if (memcmp(selector, data, sizeof selector) != 0) continue;
        out->kind = CHAIN_ABI_REVERT_CUSTOM;
        out->custom = names[i];
        size_t name_len = strcspn(names[i], "(");
        snprintf(out->text, sizeof out->text, "%.*s", (int)name_len, names[i]);
        append_args(out->text, sizeof out->text, data + sizeof selector, len - sizeof selector);
        return true;
    }
    return false;
}

void chain_abi_revert_decode(struct chain_abi_revert *out, const void *data, size_t len,
                             const char *const *names, size_t name_count)
{
    assert(data != NULL || len == 0);
    const uint8_t *bytes = data;
    *out = (struct chain_abi_revert){.kind = CHAIN_ABI_REVERT_UNKNOWN};
    if (len == 0) {
        out->kind = CHAIN_ABI_REVERT_EMPTY;
        snprintf(out->text, sizeof out->text, "reverted without a reason");
        return;
    }
    if (len >= CHAIN_ABI_SELECTOR_BYTES) {
        const uint8_t *args = bytes + CHAIN_ABI_SELECTOR_BYTES;
        size_t args_len = len - CHAIN_ABI_SELECTOR_BYTES;
        if (memcmp(bytes, error_selector, sizeof error_selector) == 0 &&
            decode_string(out, args, args_len))
            return;
        if (memcmp(bytes, panic_selector, sizeof panic_selector) == 0 &&
            decode_panic(out, args, args_len))
            return;
        if (decode_custom(out, bytes, len, names, name_count)) return;
    }
    char hex[2 * 16 + 1];
    base_hex_encode(hex, bytes, len < 16 ? len : 16);
    out->panic_code = 0;
    snprintf(out->text, sizeof out->text, "reverted with unknown data 0x%s%s", hex,
             len > 16 ? ".." : "");
}
