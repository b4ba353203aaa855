#include "node/http_docs.h"

#include <stdio.h>
#include <string.h>

#include "base/aead.h"
#include "base/bytes.h"

#define NONCE_MARK  "@NONCE@"
#define NONCE_BYTES 16

/* Where the mark is, or the end. */
static size_t mark_find(const char *text, size_t len)
{
    const char *at = memmem(text, len, NONCE_MARK, sizeof NONCE_MARK - 1);
    return at == NULL ? len : (size_t)(at - text);
}

void node_http_docs_render(struct base_buf *out, char policy[NODE_HTTP_DOCS_POLICY_BYTES])
{
    const char *text = (const char *)node_http_docs_page;
    size_t left = node_http_docs_page_bytes;
    uint8_t random[NONCE_BYTES];
    char nonce[2 * NONCE_BYTES + 1];
    base_random(random, sizeof random);
    base_hex_encode(nonce, random, sizeof random);
    snprintf(policy, NODE_HTTP_DOCS_POLICY_BYTES,
             "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; connect-src 'self';"
             " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
             nonce, nonce);
    for (;;) {
        size_t len = mark_find(text, left);
        base_buf_append(out, text, len);
        if (len == left) return;
        base_buf_puts(out, nonce);
        text += len + sizeof NONCE_MARK - 1;
        left -= len + sizeof NONCE_MARK - 1;
    }
}
