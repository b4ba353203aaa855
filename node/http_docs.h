#ifndef NFTMESH_NODE_HTTP_DOCS_H
#define NFTMESH_NODE_HTTP_DOCS_H

#include "base/buf.h"

/* /openapi.json and the page that shows it, compiled in by CMake from node/http_docs/. The page
 * needs nothing from anywhere else, so that it works in an enclave without a way out. */
extern const uint8_t node_http_docs_openapi[];
extern const size_t node_http_docs_openapi_bytes;
extern const uint8_t node_http_docs_page[];
extern const size_t node_http_docs_page_bytes;

#define NODE_HTTP_DOCS_POLICY_BYTES 256

/* Appends the page. policy: the Content-Security-Policy that goes with this very copy: only its own
 * script and style, by a nonce that is made anew for each answer, and only this node to talk to. */
void node_http_docs_render(struct base_buf *out, char policy[NODE_HTTP_DOCS_POLICY_BYTES]);

#endif
