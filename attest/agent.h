#ifndef NFTMESH_ATTEST_AGENT_H
#define NFTMESH_ATTEST_AGENT_H

#include "attest/sigchain.h"
#include "base/buf.h"

/* What we ask the DStack guest agent, and what we make of its answers; node/ moves the bytes.
 * POST to the path with Content-Type: application/json. The agent is our own VM's, yet its socket
 * may be anybody's: answers are bounded, parsed strictly in every field that we use, and the key
 * is checked before it is believed. Fields that we do not know are ignored, as its clients do.
 * Source: Dstack-TEE/dstack guest-agent/rpc/proto/agent_rpc.proto, dstack.sock and tappd.sock. */
#define ATTEST_AGENT_REPLY_BYTES_MAX   (1u << 20)
#define ATTEST_AGENT_REQUEST_BYTES_MAX 1024
#define ATTEST_AGENT_TEXT_BYTES        129 /* with the NUL */
#define ATTEST_AGENT_WHY_BYTES         256
#define ATTEST_AGENT_NO_INSTANCE       "no_instance_id" /* what why says for BASE_ENOTFOUND */

enum attest_agent_api {
    ATTEST_AGENT_DSTACK = 0, /* dstack.sock, since 0.4 */
    ATTEST_AGENT_TAPPD       /* tappd.sock, the older one */
};
enum attest_agent_method { ATTEST_AGENT_GET_KEY = 0, ATTEST_AGENT_INFO };
/* "/GetKey", "/prpc/Tappd.Info" and so on. Static memory. */
const char *attest_agent_path(enum attest_agent_api api, enum attest_agent_method method);

/* Bodies, appended to a buffer made with ATTEST_AGENT_REQUEST_BYTES_MAX (check body->failed).
 * BASE_EINVAL: path or purpose is not printable ASCII, or purpose has a ':' (agents and their
 * clients disagree about the length of anything else). */
int attest_agent_get_key_body(struct base_buf *body, const char *path, const char *purpose);
void attest_agent_info_body(struct base_buf *body);

struct attest_agent_key { /* secret; zero with base_memzero */
    struct base_privkey priv;
    struct base_key33 pub;     /* of priv */
    struct base_key33 app_key; /* recovered from app_sig; the agent does not send it */
    struct base_sig65 app_sig; /* app key over purpose ":" hex(pub) */
    struct base_sig65 kms_sig; /* KMS root over the app id and the app key */
};
struct attest_agent_info {
    struct base_eth_address app_id, instance;
    char app_name[ATTEST_AGENT_TEXT_BYTES]; /* printable ASCII, the rest replaced by '?' */
    bool has_compose_hash;                  /* older agents leave it out or empty */
    struct base_hash32 compose_hash;
};

/* Parse a reply, the HTTP status with it. why gets one line of printable ASCII for a log.
 *   BASE_EREMOTE     {"error":..} or a status other than 200: why is the agent's own text
 *   BASE_EMALFORMED  not the JSON that the method answers
 *   BASE_ETOOBIG     above ATTEST_AGENT_REPLY_BYTES_MAX
 *   BASE_ENOMEM
 *   BASE_EKEY        (key) zero or >= n
 *   BASE_ESIG        (key) a signature that breaks the strict rules, or recovers nothing
 *   BASE_ENOTFOUND   (info) the instance id is empty: why begins with ATTEST_AGENT_NO_INSTANCE
 * *out is zeroed on an error. That the chain leads to a trusted root is attest_sigchain_verify's
 * to say, not this function's. The JSON parser's own copies of the key are freed unzeroed. */
int attest_agent_key_parse(struct attest_agent_key *out, char why[ATTEST_AGENT_WHY_BYTES],
                           enum attest_agent_api api, const char *purpose, long status,
                           const void *reply, size_t len);
int attest_agent_info_parse(struct attest_agent_info *out, char why[ATTEST_AGENT_WHY_BYTES],
                            long status, const void *reply, size_t len);

#endif
