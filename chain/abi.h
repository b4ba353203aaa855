#ifndef NFTMESH_CHAIN_ABI_H
#define NFTMESH_CHAIN_ABI_H

#include "base/buf.h"
#include "base/bytes.h"

/* Solidity's ABI: selectors, calldata out, return data in. Knows no contract: contract.h does.
 *
 * Reading takes the canonical encoding only, the one that solc writes: offsets point at the next
 * unread byte, padding is zero, nothing is left over. So each value has one encoding, two elements
 * can never share a tail (64 elements of one 2 KiB string would be an amplifier), and what was
 * accepted can be written back to the same bytes.
 * Source: docs.soliditylang.org, Contract ABI Specification, "strict encoding mode". */
#define CHAIN_ABI_WORD_BYTES     32
#define CHAIN_ABI_SELECTOR_BYTES 4
#define CHAIN_ABI_CALL_BYTES_MAX ((size_t)64 << 10)

/* First 4 bytes of keccak256 of a canonical signature, "ownerOf(uint256)". */
void chain_abi_selector(uint8_t out[CHAIN_ABI_SELECTOR_BYTES], const char *signature);

/* ---- reading: one tuple at a time ----
 *
 *   struct chain_abi_reader ret, list;
 *   size_t count;
 *   chain_abi_reader_init(&ret, data, len, 2);           two head words
 *   chain_abi_get_address(&ret, &root);
 *   chain_abi_get_array(&ret, &list, &count, 64);        bounds count before anything else
 *   while (count-- > 0) chain_abi_get_bytes20(&list, &id);
 *   chain_abi_leave(&ret, &list);
 *   if (chain_abi_reader_end(&ret) != BASE_OK) ..
 *
 * Each call returns BASE_OK, BASE_EMALFORMED or BASE_ETOOBIG; after an error every later one of
 * the same reader fails with the same code, so that only _end needs to be checked. Values read
 * after an error are zero. Nothing is allocated; slices are borrowed from data. */
struct chain_abi_reader {
    const uint8_t *data; /* from the tuple's first byte to the end of all */
    size_t len;
    size_t head, head_end; /* next head word, end of the head */
    size_t tail;           /* where the next tail must begin */
    int error;
};
void chain_abi_reader_init(struct chain_abi_reader *r, const void *data, size_t len,
                           size_t head_words);
int chain_abi_get_u256(struct chain_abi_reader *r, struct base_u256 *out);
int chain_abi_get_u64(struct chain_abi_reader *r, uint64_t *out);
int chain_abi_get_u32(struct chain_abi_reader *r, uint32_t *out);
int chain_abi_get_bool(struct chain_abi_reader *r, bool *out); /* 0 or 1 */
int chain_abi_get_address(struct chain_abi_reader *r, struct base_eth_address *out);
int chain_abi_get_bytes20(struct chain_abi_reader *r, struct base_eth_address *out);
int chain_abi_get_hash32(struct chain_abi_reader *r, struct base_hash32 *out);
/* bytes or string, at most max bytes. A string's bytes are what a stranger wrote: not checked to
 * be UTF-8, may hold NUL. */
int chain_abi_get_bytes(struct chain_abi_reader *r, struct base_slice *out, size_t max);
/* A dynamic array of at most max elements of one head word each (static values of one word, or
 * dynamic ones): read count elements from child, then leave it. */
int chain_abi_get_array(struct chain_abi_reader *r, struct chain_abi_reader *child, size_t *count,
                        size_t max);
/* A dynamic tuple: read its fields from child, then leave it. */
int chain_abi_get_tuple(struct chain_abi_reader *r, struct chain_abi_reader *child,
                        size_t head_words);
/* child must have been read to its end; its error becomes r's. */
int chain_abi_leave(struct chain_abi_reader *r, const struct chain_abi_reader *child);
/* Head read completely and no byte left over? */
int chain_abi_reader_end(const struct chain_abi_reader *r);

/* ---- writing ----
 * A tuple's head and tail grow side by side; running out of room or memory is remembered and
 * reported by _finish. head_words must be the number of values put. */
struct chain_abi_writer {
    struct base_buf head, tail;
    size_t head_bytes;
};
void chain_abi_writer_init(struct chain_abi_writer *w, size_t head_words);
void chain_abi_put_u256(struct chain_abi_writer *w, const struct base_u256 *value);
void chain_abi_put_u64(struct chain_abi_writer *w, uint64_t value);
void chain_abi_put_bool(struct chain_abi_writer *w, bool value);
void chain_abi_put_address(struct chain_abi_writer *w, const struct base_eth_address *value);
void chain_abi_put_bytes20(struct chain_abi_writer *w, const struct base_eth_address *value);
void chain_abi_put_hash32(struct chain_abi_writer *w, const struct base_hash32 *value);
void chain_abi_put_bytes(struct chain_abi_writer *w, const void *data, size_t len);
/* child is finished and freed. An array's child has one head word an element. */
void chain_abi_put_tuple(struct chain_abi_writer *w, struct chain_abi_writer *child);
void chain_abi_put_array(struct chain_abi_writer *w, struct chain_abi_writer *child, size_t count);
/* Appends head and tail to out and frees the writer. BASE_OK, BASE_ETOOBIG (also: no memory). */
int chain_abi_writer_finish(struct chain_abi_writer *w, struct base_buf *out);

/* The commonest calldata: a selector alone (arguments may follow), and with one argument. */
void chain_abi_call(struct base_buf *out, const char *signature);
void chain_abi_call_u256(struct base_buf *out, const char *signature,
                         const struct base_u256 *value);
void chain_abi_call_address(struct base_buf *out, const char *signature,
                            const struct base_eth_address *value);

/* ---- reverts ---- */
enum chain_abi_revert_kind {
    CHAIN_ABI_REVERT_UNKNOWN = 0, /* not one of the three, or malformed */
    CHAIN_ABI_REVERT_EMPTY,       /* no data: require(false), out of gas, no such function */
    CHAIN_ABI_REVERT_STRING,      /* Error(string) */
    CHAIN_ABI_REVERT_PANIC,       /* Panic(uint256) */
    CHAIN_ABI_REVERT_CUSTOM       /* one of the names given */
};
#define CHAIN_ABI_REVERT_TEXT_BYTES 160
struct chain_abi_revert {
    enum chain_abi_revert_kind kind;
    uint64_t panic_code;
    const char *custom; /* signature out of names, or NULL */
    /* One printable ASCII line for people, whatever the data was. */
    char text[CHAIN_ABI_REVERT_TEXT_BYTES];
};
/* names: custom errors' signatures, "NonceDiffers(uint64,uint64)". Never fails. */
void chain_abi_revert_decode(struct chain_abi_revert *out, const void *data, size_t len,
                             const char *const *names, size_t name_count);

#endif
