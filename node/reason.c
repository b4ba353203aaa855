#include "node/reason.h"

#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct reason_entry {
    const char *name;
    enum node_code code;
    const char *sentence;
};

static const struct reason_entry REASONS[NODE_REASON_COUNT] = {
    [NODE_REASON_NONE] = {"none", NODE_CODE_NONE, "Nothing is refused."},
    [NODE_REASON_JUNK] = {"junk", NODE_CODE_NONE,
                          "Check 0: the first message must be 50 bytes, version 0 and a point on "
                          "the curve; this is no handshake of ours."},
    [NODE_REASON_NOT_THIS_MESH] = {"not_this_mesh", NODE_CODE_NOT_ADMITTED,
                                   "Checks 0 and 4: the peer must dial one of our node keys and "
                                   "name our chain id and contract; it belongs to another mesh or "
                                   "dials a key that we do not have any more."},
    [NODE_REASON_SELF] = {"self", NODE_CODE_NO_SEAT,
                          "Check 1: the peer must not be ourselves; this node dialled itself."},
    [NODE_REASON_COPY] = {"copy", NODE_CODE_NO_SEAT,
                          "Check 1: the peer must not have our node key; another process holds a "
                          "copy of this node's identity."},
    [NODE_REASON_MALFORMED] = {"malformed", NODE_CODE_MALFORMED,
                               "Check 2: HELLO must be one map with every field in its exact "
                               "length and a well-formed record."},
    [NODE_REASON_FEATURE_REQUIRED] = {"feature_required", NODE_CODE_VERSION,
                                      "Check 3: the peer must not require a feature that this "
                                      "version does not have; one side needs an update."},
    [NODE_REASON_SETTINGS_DIFFER] = {"settings_differ", NODE_CODE_SETTINGS_DIFFER,
                                     "Check 5: the cluster settings must be equal byte for byte "
                                     "on all nodes."},
    [NODE_REASON_RECORD_KEY] = {"record_key", NODE_CODE_NOT_ADMITTED,
                                "Check 6: the record must be of the key that completed the "
                                "handshake; the peer shows the record of another node."},
    [NODE_REASON_NO_SEAT] = {"no_seat", NODE_CODE_NO_SEAT,
                             "Check 7: the node key must stand on a seat of the contract; it is "
                             "not registered, or was replaced by another key."},
    [NODE_REASON_TOKEN_DIFFERS] = {"token_differs", NODE_CODE_NOT_ADMITTED,
                                   "Check 8: the claimed token must be the one on which the node "
                                   "key is registered."},
    [NODE_REASON_INSTANCE_DIFFERS] = {"instance_differs", NODE_CODE_NOT_ADMITTED,
                                      "Check 9: the claimed instance must be the one bound to the "
                                      "seat."},
    [NODE_REASON_PROOF_KEY_DIFFERS] = {"proof_key_differs", NODE_CODE_NOT_ADMITTED,
                                       "Check 10: the claimed app proof key must be the one "
                                       "registered on the seat."},
    [NODE_REASON_OWNER_CHANGED] = {"owner_changed", NODE_CODE_NO_SEAT,
                                   "Check 11: the seat's owner must be the wallet that registered "
                                   "the node; the seat was sold or moved."},
    [NODE_REASON_INACTIVE] = {"inactive", NODE_CODE_NO_SEAT,
                              "Check 12: the seat must be active; its owner deactivated it."},
    [NODE_REASON_SUSPENDED] = {"suspended", NODE_CODE_NO_SEAT,
                               "Check 13: the seat must not be suspended at the block's time."},
    [NODE_REASON_EXPIRED] = {"expired", NODE_CODE_NO_SEAT,
                             "Check 14: the registration must not have expired at the block's "
                             "time; its owner has to renew it."},
    [NODE_REASON_ROOT_EPOCH] = {"root_epoch", NODE_CODE_NO_SEAT,
                                "Check 15: the seat must have been registered under a KMS root "
                                "that we trust."},
    [NODE_REASON_APP_ID_NOT_ALLOWED] = {"app_id_not_allowed", NODE_CODE_NO_SEAT,
                                        "Checks 15 and 17: the app id must be the seat's, on the "
                                        "contract's list and among our pins."},
    [NODE_REASON_RECORD_SIGNATURE] = {"record_signature", NODE_CODE_NOT_ADMITTED,
                                      "Check 16: the record must be signed by the node key, for "
                                      "this chain and contract."},
    [NODE_REASON_CHAIN_ENCODING] = {"chain_encoding", NODE_CODE_NOT_ADMITTED,
                                    "Check 17: keys and signatures of the signature chain must "
                                    "follow the strict encoding."},
    [NODE_REASON_CHAIN_APP_SIGNATURE] = {"chain_app_signature", NODE_CODE_NOT_ADMITTED,
                                         "Check 17: the app key shown must have signed the app "
                                         "proof key for our purpose."},
    [NODE_REASON_CHAIN_KMS_ROOT] = {"chain_kms_root", NODE_CODE_NOT_ADMITTED,
                                    "Check 17: the trusted KMS root must have signed the app key "
                                    "for the app id."},
    [NODE_REASON_POP] = {"pop", NODE_CODE_NOT_ADMITTED,
                         "Check 18: the peer must sign this very handshake with the app proof "
                         "key; it does not hold that key, or relays somebody else's answer."},
    [NODE_REASON_KEY_IN_USE] = {"key_in_use", NODE_CODE_KEY_IN_USE,
                                "Check 19: no other live process may hold the same node key."},
    [NODE_REASON_NO_AUTHORISATION] =
        {"no_authorisation", NODE_CODE_NO_SEAT,
         "Check 7: this contract stores no keys, so the peer must show "
         "the seat owner's authorisation of its keys; `nftmesh "
         "authorize` makes one."},
    [NODE_REASON_SUPERSEDED] =
        {"superseded", NODE_CODE_NO_SEAT,
         "Check 7: the authorisation must be the owner's latest word for the "
         "seat; a later one, or a revocation, is known here."},
    [NODE_REASON_AUTHORISATION_SIGNATURE] = {"authorisation_signature", NODE_CODE_NO_SEAT,
                                             "Check 7: the authorisation must be signed by the "
                                             "seat's owner, the node key and the app proof key."},
    [NODE_REASON_NOT_YET] = {"not_yet", NODE_CODE_NO_SEAT,
                             "Check 7: the authorisation must be issued at or before our reference "
                             "block; ours may be behind, and it is judged again at the next one."},
    [NODE_REASON_AUTHORISATION_BLOCK] = {"authorisation_block", NODE_CODE_NO_SEAT,
                                         "Check 7: the block at which the authorisation was issued "
                                         "must be on the chain; after a reorganisation the owner "
                                         "issues another one."},
    [NODE_REASON_AUTHORISATION_TERM] = {"authorisation_term", NODE_CODE_NO_SEAT,
                                        "Check 7: the authorisation must end at most 30 days after "
                                        "the block at which it was issued."},
    [NODE_REASON_NODE_KEY_TAKEN] =
        {"node_key_taken", NODE_CODE_NO_SEAT,
         "Check 7: a node key counts for one seat only; one with a lower "
         "token id has it."},
    [NODE_REASON_VERIFYING] = {"verifying", NODE_CODE_NOT_READY,
                               "This node is still asking the chain for the block at which the "
                               "authorisation was issued, or for the seat's transfers."},
    [NODE_REASON_NOT_READY] = {"not_ready", NODE_CODE_NOT_READY,
                               "This node has no seat or no snapshot of the chain yet, so it can "
                               "admit nobody."},
    [NODE_REASON_BUSY] = {"busy", NODE_CODE_BUSY, "This node is over its budget for newcomers."},
    [NODE_REASON_BOOTSTRAP_NOT_A_MEMBER] = {"bootstrap_not_a_member", NODE_CODE_NONE,
                                            "The key of the bootstrap address must stand on an "
                                            "active seat; it was not dialled."},
    [NODE_REASON_ROLLED_BACK_OR_COPIED] = {"rolled_back_or_copied", NODE_CODE_NONE,
                                           "A record signed by this node is newer than its disk "
                                           "knows: the disk was rolled back or copied."},
    [NODE_REASON_HANDSHAKE] = {"handshake", NODE_CODE_NONE,
                               "The second or third message of the handshake does not verify."},
    [NODE_REASON_PROTOCOL] = {"protocol", NODE_CODE_NOT_ADMITTED,
                              "The peer broke the rules of frames: a counter, a tag, an "
                              "acknowledgement, a size, or a type out of its place."},
    [NODE_REASON_TIMEOUT] = {"timeout", NODE_CODE_NONE, "The peer was not ready in time."},
    [NODE_REASON_STUCK] = {"stuck", NODE_CODE_NONE,
                           "The peer does not acknowledge any more what is sent to it."},
    [NODE_REASON_EVICTED] = {"evicted", NODE_CODE_EVICTED, "The seat does not count any more."},
    [NODE_REASON_REFUSED] = {"refused", NODE_CODE_NONE,
                             "The peer refused this node; it tells a coarse code only, the exact "
                             "reason is in its own log."},
    [NODE_REASON_OVER_BUDGET] = {"over_budget", NODE_CODE_BUSY,
                                 "The member sent more frames, bytes or signed statements than a "
                                 "member may, and went on while its link was slowed down; it may "
                                 "come back after a while."},
    [NODE_REASON_DUPLICATE] = {"duplicate", NODE_CODE_DUPLICATE,
                               "Two links to one process: one of them stays."},
    [NODE_REASON_REPLACED] = {"replaced", NODE_CODE_REPLACED,
                              "The peer came back as a new process."},
    [NODE_REASON_RENEWED] = {"renewed", NODE_CODE_RENEWED,
                             "A younger session with new keys took over."},
    [NODE_REASON_LEAVING] = {"leaving", NODE_CODE_LEAVING, "One side said goodbye."},
    [NODE_REASON_CLOSED] = {"closed", NODE_CODE_NONE, "The connection is gone."},
    [NODE_REASON_NO_MEMORY] = {"no_memory", NODE_CODE_NONE, "There is no memory left."},
};

const char *node_reason_name(enum node_reason reason)
{
    assert((size_t)reason < NODE_REASON_COUNT);
    return REASONS[reason].name;
}

int node_reason_parse(enum node_reason *out, const char *name)
{
    for (size_t i = 0; i < NODE_REASON_COUNT; i++) {
        if (strcmp(REASONS[i].name, name) != 0) continue;
        *out = (enum node_reason)i;
        return BASE_OK;
    }
    return BASE_ENOTFOUND;
}

enum node_code node_reason_code(enum node_reason reason)
{
    assert((size_t)reason < NODE_REASON_COUNT);
    return REASONS[reason].code;
}

const char *node_code_name(uint8_t code)
{
    static const char *const refuse[] = {"none",       "no_seat", "settings_differ", "not_admitted",
                                         "key_in_use", "busy",    "not_ready",       "version",
                                         "malformed",  "evicted"};
    static const char *const bye[] = {"leaving", "duplicate", "replaced", "renewed"};
    if (code < sizeof refuse / sizeof refuse[0]) return refuse[code];
    size_t later = (size_t)code - NODE_CODE_LEAVING; /* huge for a code below */
    if (later < sizeof bye / sizeof bye[0]) return bye[later];
    return "code";
}

void node_refusal_set(struct node_refusal *refusal, enum node_reason reason, uint64_t block)
{
    memset(refusal, 0, sizeof *refusal);
    refusal->reason = reason;
    refusal->code = node_reason_code(reason);
    refusal->block = block;
}

static void print(char out[NODE_REFUSAL_TEXT_BYTES], const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void print(char out[NODE_REFUSAL_TEXT_BYTES], const char *format, va_list args)
{
    int len = vsnprintf(out, NODE_REFUSAL_TEXT_BYTES, format, args);
    assert(len >= 0);
    for (char *c = out; *c != '\0'; c++)
        if (*c < 0x20 || *c > 0x7e) *c = '?';
}

void node_refusal_expect(struct node_refusal *refusal, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(refusal->expected, format, args);
    va_end(args);
}

void node_refusal_find(struct node_refusal *refusal, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(refusal->found, format, args);
    va_end(args);
}

void node_refusal_explain(struct base_buf *out, const struct node_refusal *refusal)
{
    assert((size_t)refusal->reason < NODE_REASON_COUNT);
    base_buf_puts(out, REASONS[refusal->reason].sentence);
    if (refusal->expected[0] != '\0') base_buf_printf(out, " Expected: %s.", refusal->expected);
    if (refusal->found[0] != '\0') base_buf_printf(out, " Found: %s.", refusal->found);
    if (refusal->block != 0)
        base_buf_printf(out, " Judged at block %llu.", (unsigned long long)refusal->block);
}

struct node_hex node_hex_of(const void *data, size_t len)
{
    struct node_hex hex;
    assert(2 * len < sizeof hex.text);
    base_hex_encode(hex.text, data, len);
    return hex;
}
