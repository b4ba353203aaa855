#include "node/admission.h"

#include "attest/sigchain.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "node/authority.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* One judgement under way. */
struct bench {
    const struct node_admission *admission;
    struct node_refusal *out;
    const struct base_key33 *node_key;   /* proved by the handshake, or named by gossip */
    const struct chain_seat *seat;       /* NULL: the key stands on none */
    struct chain_seat authorised;        /* the seat, with the keys that HELLO shows for it */
    const struct base_eth_address *root; /* set by line 15 */
    struct node_facts claim;
    struct node_proof proof;
    struct base_slice record_body;
    struct base_sig65 record_sig;
    struct gossip_record record;
    const struct attest_hello *hello;     /* HELLO only */
    struct node_bundle *bundle;           /* HELLO only: the authorisation that it shows */
    const struct node_hello_input *input; /* HELLO only */
};

/* Who asks: which lines apply. */
enum { KEY = 1, HELLO = 2, MEMBER = 4, RECHECK = 8, ALL = 15 };

static bool refuse(struct bench *b, enum node_reason reason)
{
    uint64_t block = b->admission->snapshot != NULL ? b->admission->snapshot->block.number : 0;
    node_refusal_set(b->out, reason, block);
    return false;
}

static bool refuse_keys(struct bench *b, enum node_reason reason, const struct base_key33 *expected,
                        const struct base_key33 *found)
{
    refuse(b, reason);
    node_refusal_expect(b->out, "%s", node_hex_of(expected->bytes, BASE_KEY33_BYTES).text);
    node_refusal_find(b->out, "%s", node_hex_of(found->bytes, BASE_KEY33_BYTES).text);
    return false;
}

static bool refuse_addresses(struct bench *b, enum node_reason reason,
                             const struct base_eth_address *expected,
                             const struct base_eth_address *found)
{
    refuse(b, reason);
    node_refusal_expect(b->out, "0x%s", node_hex_of(expected->bytes, BASE_ADDRESS_BYTES).text);
    node_refusal_find(b->out, "0x%s", node_hex_of(found->bytes, BASE_ADDRESS_BYTES).text);
    return false;
}

/* Line 3. Even bits must be known, odd ones may be ignored: the first unknown even bit is named. */
static bool features_known(struct bench *b)
{
    uint64_t unknown = b->hello->features & ~(uint64_t)ATTEST_FEATURES;
    uint64_t required = unknown & UINT64_C(0x5555555555555555);
    unsigned bit = 0;
    if (required == 0) return true;
    while ((required >> bit & 1) == 0)
        bit++;
    refuse(b, NODE_REASON_FEATURE_REQUIRED);
    node_refusal_expect(b->out, "features within 0x%llx", (unsigned long long)ATTEST_FEATURES);
    node_refusal_find(b->out, "feature bit %u required", bit);
    return false;
}

/* Line 4. The prologue says the same: this names which of the two differs. */
static bool same_mesh(struct bench *b)
{
    if (b->hello->chain_id != b->admission->chain_id) {
        refuse(b, NODE_REASON_NOT_THIS_MESH);
        node_refusal_expect(b->out, "chain id %llu", (unsigned long long)b->admission->chain_id);
        node_refusal_find(b->out, "chain id %llu", (unsigned long long)b->hello->chain_id);
        return false;
    }
    if (base_address_equal(&b->hello->contract, &b->admission->contract)) return true;
    return refuse_addresses(b, NODE_REASON_NOT_THIS_MESH, &b->admission->contract,
                            &b->hello->contract);
}

static struct base_slice word_at(struct base_slice text, size_t *pos)
{
    struct base_slice word = {text.data + *pos, 0};
    while (*pos < text.len && text.data[*pos] != ' ')
        (*pos)++, word.len++;
    if (*pos < text.len) (*pos)++;
    return word;
}

static bool slice_equal(struct base_slice a, struct base_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static size_t key_len(struct base_slice word)
{
    const void *sign = word.len > 0 ? memchr(word.data, '=', word.len) : NULL;
    return sign == NULL ? word.len : (size_t)((const uint8_t *)sign - word.data);
}

/* "finality ours=.. theirs=..": the first word that differs. A word of theirs under another key is
 * shown whole, since the order of keys is fixed and there is no value to compare. */
static void name_difference(struct bench *b, struct base_slice ours, struct base_slice theirs)
{
    size_t i = 0, j = 0;
    struct base_slice mine, other;
    do {
        mine = word_at(ours, &i);
        other = word_at(theirs, &j);
    } while (slice_equal(mine, other) && (i < ours.len || j < theirs.len));
    struct base_slice named = mine.len > 0 ? mine : other;
    size_t name = key_len(named);
    bool same_key = name < mine.len && name < other.len && key_len(other) == name &&
                    memcmp(mine.data, other.data, name) == 0;
    size_t skip = same_key ? name + 1 : 0;
    node_refusal_expect(b->out, "%.*s ours=%.*s", (int)name, (const char *)named.data,
                        (int)(mine.len - skip), (const char *)mine.data + skip);
    node_refusal_find(b->out, "theirs=%.*s", (int)(other.len - skip),
                      (const char *)other.data + skip);
}

/* Line 5 */
static bool same_settings(struct bench *b)
{
    const char *text = b->admission->settings;
    struct base_slice ours = {(const uint8_t *)text, strlen(text)};
    if (slice_equal(ours, b->hello->settings)) return true;
    refuse(b, NODE_REASON_SETTINGS_DIFFER);
    name_difference(b, ours, b->hello->settings);
    return false;
}

/* Line 6 */
static bool record_is_of_key(struct bench *b)
{
    if (base_key33_equal(&b->record.node_key, b->node_key)) return true;
    return refuse_keys(b, NODE_REASON_RECORD_KEY, b->node_key, &b->record.node_key);
}

static bool stores_no_keys(const struct node_admission *admission)
{
    return admission->snapshot != NULL && admission->snapshot->kind == CHAIN_KIND_PROTOTYPE;
}

/* Line 7 for a HELLO, where the contract stores no keys. Of the seat's root: the one that the chain
 * descends from; of a chain that descends from none line 17 says what is wrong with it. */
static bool owner_authorises(struct bench *b)
{
    const struct node_authority_world *world = b->admission->world;
    const struct chain_seat *seat;
    enum node_reason why;
    if (!stores_no_keys(b->admission)) return true;
    if (!b->hello->has_authorisation) {
        refuse(b, NODE_REASON_NO_AUTHORISATION);
        node_refusal_expect(b->out, "the owner's authorisation of these keys");
        return false;
    }
    seat = chain_snapshot_find_token(world->raw, &b->claim.token_id);
    b->seat = NULL;
    if (seat == NULL) return true; /* the next line says so */
    node_bundle_of_hello(b->bundle, b->hello, b->node_key, &seat->owner);
    enum node_authority_verdict verdict =
        node_authority_judge(b->out, b->admission->authority, world, b->bundle);
    if (verdict != NODE_AUTHORITY_ACCEPTED && verdict != NODE_AUTHORITY_SAME) return false;
    const struct base_eth_address *root = node_authority_root_of(&why, world, &b->bundle->proof);
    if (root == NULL && world->pins->root_count > 0) root = &world->pins->roots[0];
    node_authority_seat(&b->authorised, seat, b->bundle,
                        root != NULL ? node_authority_root_epoch(world, root) : 0);
    b->seat = &b->authorised;
    return true;
}

/* Line 7 */
static bool key_on_a_seat(struct bench *b)
{
    if (b->seat != NULL) return true;
    refuse(b, NODE_REASON_NO_SEAT);
    node_refusal_expect(b->out, "a seat with this node key");
    node_refusal_find(b->out, "none with %s",
                      node_hex_of(b->node_key->bytes, BASE_KEY33_BYTES).text);
    return false;
}

/* Line 8 */
static bool token_as_claimed(struct bench *b)
{
    if (base_u256_equal(&b->claim.token_id, &b->seat->token_id)) return true;
    refuse(b, NODE_REASON_TOKEN_DIFFERS);
    node_refusal_expect(b->out, "token 0x%s", node_hex_of(b->seat->token_id.bytes, 32).text);
    node_refusal_find(b->out, "token 0x%s", node_hex_of(b->claim.token_id.bytes, 32).text);
    return false;
}

/* Line 9. A seat without an instance admits nobody, whatever is claimed. */
static bool instance_as_claimed(struct bench *b)
{
    if (base_address_equal(&b->claim.instance, &b->seat->instance) &&
        !base_is_zero(b->seat->instance.bytes, BASE_ADDRESS_BYTES))
        return true;
    return refuse_addresses(b, NODE_REASON_INSTANCE_DIFFERS, &b->seat->instance,
                            &b->claim.instance);
}

/* Line 9 for the record in a HELLO, which names an instance of its own. */
static bool record_instance_as_claimed(struct bench *b)
{
    if (base_address_equal(&b->record.instance, &b->seat->instance)) return true;
    return refuse_addresses(b, NODE_REASON_INSTANCE_DIFFERS, &b->seat->instance,
                            &b->record.instance);
}

/* Line 10 */
static bool proof_key_as_claimed(struct bench *b)
{
    if (base_key33_equal(&b->claim.proof_key, &b->seat->proof_key)) return true;
    return refuse_keys(b, NODE_REASON_PROOF_KEY_DIFFERS, &b->seat->proof_key, &b->claim.proof_key);
}

/* Line 11 */
static bool owner_is_who_bound(struct bench *b)
{
    if (base_address_equal(&b->seat->owner, &b->seat->bound_by)) return true;
    return refuse_addresses(b, NODE_REASON_OWNER_CHANGED, &b->seat->bound_by, &b->seat->owner);
}

/* Line 12 */
static bool seat_is_active(struct bench *b)
{
    if (b->seat->active) return true;
    return refuse(b, NODE_REASON_INACTIVE);
}

/* Line 13 */
static bool seat_is_not_suspended(struct bench *b)
{
    uint64_t time_s = b->admission->snapshot->block.time_s;
    if (b->seat->suspended_until <= time_s) return true;
    refuse(b, NODE_REASON_SUSPENDED);
    node_refusal_expect(b->out, "suspended until %llu at the latest", (unsigned long long)time_s);
    node_refusal_find(b->out, "%llu", (unsigned long long)b->seat->suspended_until);
    return false;
}

/* Line 14 */
static bool seat_has_not_expired(struct bench *b)
{
    uint64_t time_s = b->admission->snapshot->block.time_s;
    if (b->seat->expires_at > time_s) return true;
    refuse(b, NODE_REASON_EXPIRED);
    node_refusal_expect(b->out, "an expiry later than %llu", (unsigned long long)time_s);
    node_refusal_find(b->out, "%llu", (unsigned long long)b->seat->expires_at);
    return false;
}

/* Line 15, first half: the seat counts under a pinned root whose epoch it has, whatever root the
 * contract names now. A root whose private key is public signs for anybody. */
static bool root_is_trusted(struct bench *b)
{
    const struct attest_pins *pins = b->admission->pins;
    const struct chain_snapshot *snapshot = b->admission->snapshot;
    uint64_t epochs[ATTEST_PIN_ROOTS_MAX] = {0};
    for (size_t i = 0; i < pins->root_count; i++)
        epochs[i] = chain_snapshot_root_epoch(snapshot, &pins->roots[i]);
    b->root = attest_pins_root_of_epoch(pins, epochs, b->seat->root_epoch);
    if (b->root != NULL && (b->admission->dev || !attest_root_is_public(b->root))) return true;
    refuse(b, NODE_REASON_ROOT_EPOCH);
    node_refusal_expect(b->out, "the epoch of a trusted KMS root");
    node_refusal_find(b->out, "epoch %llu%s", (unsigned long long)b->seat->root_epoch,
                      b->root != NULL ? ", whose root's private key is public" : "");
    return false;
}

/* Line 15, second half: the contract's list cut with the pins. */
static bool app_is_allowed(struct bench *b)
{
    const struct chain_snapshot *snapshot = b->admission->snapshot;
    struct attest_pins_seen seen = {snapshot->kms_root, snapshot->app_ids, snapshot->app_id_count};
    if (attest_pins_allows_app(b->admission->pins, &seen, &b->seat->app_id)) return true;
    refuse(b, NODE_REASON_APP_ID_NOT_ALLOWED);
    node_refusal_expect(b->out, "an app id that is on the contract's list and pinned");
    node_refusal_find(b->out, "0x%s", node_hex_of(b->seat->app_id.bytes, BASE_ADDRESS_BYTES).text);
    return false;
}

/* Line 16 */
static bool record_is_signed(struct bench *b)
{
    struct base_hash32 digest;
    base_eip712_statement(&digest, &b->admission->domain, BASE_STATEMENT_RECORD,
                          b->record_body.data, b->record_body.len);
    if (base_ecdsa_verify(&digest, &b->record_sig, b->node_key) == BASE_OK) return true;
    refuse(b, NODE_REASON_RECORD_SIGNATURE);
    node_refusal_expect(b->out, "a signature by %s",
                        node_hex_of(b->node_key->bytes, BASE_KEY33_BYTES).text);
    return false;
}

enum node_reason node_chain_reason(enum attest_verdict verdict)
{
    switch (verdict) {
    case ATTEST_ACCEPT:
        return NODE_REASON_NONE;
    case ATTEST_UNDECIDED:
    case ATTEST_REJECT_LENGTH:
    case ATTEST_REJECT_PURPOSE:
    case ATTEST_REJECT_DERIVED_KEY:
    case ATTEST_REJECT_APP_KEY:
    case ATTEST_REJECT_APP_SIGNATURE_FORM:
    case ATTEST_REJECT_KMS_SIGNATURE_FORM:
        return NODE_REASON_CHAIN_ENCODING;
    case ATTEST_REJECT_APP_SIGNATURE:
        return NODE_REASON_CHAIN_APP_SIGNATURE;
    case ATTEST_REJECT_KMS_ROOT:
        return NODE_REASON_CHAIN_KMS_ROOT;
    case ATTEST_REJECT_APP_ID:
        return NODE_REASON_APP_ID_NOT_ALLOWED;
    }
    return NODE_REASON_CHAIN_ENCODING;
}

struct attest_sigchain node_proof_chain(const struct node_proof *p)
{
    return (struct attest_sigchain){
        .purpose = {(const uint8_t *)ATTEST_PURPOSE, strlen(ATTEST_PURPOSE)},
        .derived_key = {p->proof_key.bytes, BASE_KEY33_BYTES},
        .app_key = {p->app_key.bytes, BASE_KEY33_BYTES},
        .app_sig = {p->app_sig.bytes, BASE_SIG65_BYTES},
        .kms_sig = {p->kms_sig.bytes, BASE_SIG65_BYTES},
        .app_id = {p->app_id.bytes, BASE_ADDRESS_BYTES},
    };
}

/* Line 17: the purpose is ours, the root the one of line 15, the app id the seat's. */
static bool chain_descends_from_root(struct bench *b)
{
    static const struct base_eth_address no_root;
    const struct node_proof *p = &b->proof;
    struct attest_sigchain chain = node_proof_chain(p);
    struct attest_trust trust = {ATTEST_PURPOSE, b->root != NULL ? *b->root : no_root,
                                 &b->seat->app_id, 1};
    enum attest_verdict verdict;
    attest_sigchain_verify(&verdict, &chain, &trust);
    enum node_reason reason = node_chain_reason(verdict);
    if (reason == NODE_REASON_NONE) return true;
    refuse(b, reason);
    b->out->code = NODE_CODE_NOT_ADMITTED; /* an app id at this line too */
    node_refusal_expect(b->out, "a chain from root 0x%s for app 0x%s",
                        node_hex_of(trust.kms_root.bytes, BASE_ADDRESS_BYTES).text,
                        node_hex_of(b->seat->app_id.bytes, BASE_ADDRESS_BYTES).text);
    node_refusal_find(b->out, "%s of app 0x%s", attest_verdict_name(verdict),
                      node_hex_of(p->app_id.bytes, BASE_ADDRESS_BYTES).text);
    return false;
}

/* Line 17 for a peer that is in: its chain was for this app id, the seat must still be. */
static bool app_id_as_proved(struct bench *b)
{
    if (base_address_equal(&b->claim.app_id, &b->seat->app_id)) return true;
    return refuse_addresses(b, NODE_REASON_APP_ID_NOT_ALLOWED, &b->seat->app_id, &b->claim.app_id);
}

/* Line 18. The role is the peer's: our own answer, reflected, is over the other one. */
static bool pop_is_of_proof_key(struct bench *b)
{
    struct base_hash32 digest;
    struct base_key33 signer;
    base_eip712_hello(&digest, &b->admission->domain, &b->input->h, b->input->role, b->node_key);
    bool recovered = base_ecdsa_recover(&signer, &digest, &b->hello->pop) == BASE_OK;
    if (recovered && base_key33_equal(&signer, &b->claim.proof_key)) return true;
    refuse(b, NODE_REASON_POP);
    node_refusal_expect(b->out, "this handshake signed by %s",
                        node_hex_of(b->claim.proof_key.bytes, BASE_KEY33_BYTES).text);
    node_refusal_find(b->out, "%s",
                      recovered ? node_hex_of(signer.bytes, BASE_KEY33_BYTES).text
                                : "no signature");
    return false;
}

/* The order is the law: look-ups first, then curve work. */
static const struct line {
    unsigned number;
    unsigned who;
    bool (*holds)(struct bench *b);
} LINES[] = {
    {3, HELLO, features_known},
    {4, HELLO, same_mesh},
    {5, HELLO, same_settings},
    {6, HELLO | MEMBER, record_is_of_key},
    {7, HELLO, owner_authorises},
    {7, ALL, key_on_a_seat},
    {8, HELLO | RECHECK, token_as_claimed},
    {9, HELLO | MEMBER | RECHECK, instance_as_claimed},
    {9, HELLO, record_instance_as_claimed},
    {10, HELLO | MEMBER | RECHECK, proof_key_as_claimed},
    {11, ALL, owner_is_who_bound},
    {12, ALL, seat_is_active},
    {13, ALL, seat_is_not_suspended},
    {14, ALL, seat_has_not_expired},
    {15, ALL, root_is_trusted},
    {15, ALL, app_is_allowed},
    {16, HELLO | MEMBER, record_is_signed},
    {17, HELLO | MEMBER, chain_descends_from_root},
    {17, RECHECK, app_id_as_proved},
    {18, HELLO, pop_is_of_proof_key},
};

static enum node_reason judge(struct bench *b, unsigned who)
{
    if (b->admission->snapshot == NULL) {
        refuse(b, NODE_REASON_NOT_READY);
        return NODE_REASON_NOT_READY;
    }
    b->seat = chain_snapshot_find_key(b->admission->snapshot, b->node_key);
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++)
        if ((LINES[i].who & who) != 0 && !LINES[i].holds(b)) return b->out->reason;
    node_refusal_set(b->out, NODE_REASON_NONE, b->admission->snapshot->block.number);
    return NODE_REASON_NONE;
}

enum node_reason node_admission_judge_key(struct node_refusal *out,
                                          const struct node_admission *admission,
                                          const struct base_key33 *node_key)
{
    struct bench b = {.admission = admission, .out = out, .node_key = node_key};
    return judge(&b, KEY);
}

enum node_reason node_admission_judge_static(struct node_refusal *out,
                                             const struct node_admission *admission,
                                             const struct node_identity *identity,
                                             const struct base_key33 *node_key, bool own_ephemeral)
{
    if (node_identity_owns(identity, node_key)) {
        node_refusal_set(out, own_ephemeral ? NODE_REASON_SELF : NODE_REASON_COPY, 0);
        node_refusal_expect(out, "another node's key");
        node_refusal_find(out, "our own, %s", node_hex_of(node_key->bytes, BASE_KEY33_BYTES).text);
        return out->reason;
    }
    if (stores_no_keys(admission)) {
        node_refusal_set(out, NODE_REASON_NONE, admission->snapshot->block.number);
        return NODE_REASON_NONE;
    }
    return node_admission_judge_key(out, admission, node_key);
}

/* Line 2. Key 16 belongs to a contract that stores no keys; ours does. */
static bool well_formed(struct bench *b, struct attest_hello *hello)
{
    const struct node_hello_input *in = b->input;
    const char *what = NULL;
    if (attest_hello_decode(hello, in->data, in->len) != BASE_OK)
        what = "a HELLO that does not follow its format";
    else if (hello->has_authorisation && !stores_no_keys(b->admission))
        what = "an authorisation, which this contract has no use for";
    else if (gossip_record_decode(&b->record, hello->record.data, hello->record.len) != BASE_OK)
        what = "a record that does not follow its format";
    if (what == NULL) return true;
    refuse(b, NODE_REASON_MALFORMED);
    node_refusal_find(b->out, "%s", what);
    return false;
}

static struct node_proof hello_proof(const struct attest_hello *hello)
{
    return (struct node_proof){hello->proof_key, hello->app_id, hello->app_key, hello->app_sig,
                               hello->kms_sig};
}

enum node_reason node_admission_judge_hello(struct node_refusal *out, struct attest_hello *hello,
                                            struct node_facts *facts, struct node_bundle *bundle,
                                            const struct node_admission *admission,
                                            const struct node_hello_input *in)
{
    struct node_bundle unasked;
    struct bench b = {.admission = admission, .out = out, .node_key = &in->node_key, .input = in};
    b.bundle = bundle != NULL ? bundle : &unasked;
    if (!well_formed(&b, hello)) return out->reason;
    b.hello = hello;
    b.proof = hello_proof(hello);
    b.record_body = hello->record;
    b.record_sig = hello->record_sig;
    b.claim = (struct node_facts){in->node_key, hello->proof_key, hello->token_id, hello->instance,
                                  hello->app_id};
    enum node_reason reason = judge(&b, HELLO);
    if (reason == NODE_REASON_NONE) *facts = b.claim;
    return reason;
}

enum node_reason node_admission_judge_member(struct node_refusal *out, struct node_facts *facts,
                                             const struct node_admission *admission,
                                             const struct base_key33 *node_key,
                                             const struct gossip_signed_record *record,
                                             const void *proof, size_t proof_len)
{
    struct bench b = {.admission = admission, .out = out, .node_key = node_key};
    bool well = record->body_len <= GOSSIP_RECORD_BYTES_MAX &&
                gossip_record_decode(&b.record, record->body, record->body_len) == BASE_OK &&
                node_proof_decode(&b.proof, proof, proof_len) == BASE_OK;
    if (!well) {
        refuse(&b, NODE_REASON_MALFORMED);
        node_refusal_find(out, "a record or proof that does not follow its format");
        return out->reason;
    }
    b.record_body = (struct base_slice){record->body, record->body_len};
    b.record_sig = record->sig;
    b.claim.node_key = *node_key;
    b.claim.proof_key = b.proof.proof_key;
    b.claim.instance = b.record.instance;
    b.claim.app_id = b.proof.app_id;
    enum node_reason reason = judge(&b, MEMBER);
    if (reason != NODE_REASON_NONE) return reason;
    b.claim.token_id = b.seat->token_id;
    *facts = b.claim;
    return NODE_REASON_NONE;
}

bool node_admission_is_seat_gone(enum node_reason reason)
{
    return reason == NODE_REASON_NO_SEAT || reason == NODE_REASON_OWNER_CHANGED ||
           reason == NODE_REASON_INACTIVE || reason == NODE_REASON_EXPIRED;
}

enum node_reason node_admission_recheck(struct node_refusal *out,
                                        const struct node_admission *admission,
                                        const struct node_facts *facts)
{
    struct bench b = {.admission = admission, .out = out, .node_key = &facts->node_key};
    b.claim = *facts;
    return judge(&b, RECHECK);
}

void node_proof_encode(uint8_t out[NODE_PROOF_BYTES], const struct node_proof *proof)
{
    uint8_t *p = out;
    *p++ = NODE_PROOF_VERSION;
    memcpy(p, proof->proof_key.bytes, BASE_KEY33_BYTES), p += BASE_KEY33_BYTES;
    memcpy(p, proof->app_id.bytes, BASE_ADDRESS_BYTES), p += BASE_ADDRESS_BYTES;
    memcpy(p, proof->app_key.bytes, BASE_KEY33_BYTES), p += BASE_KEY33_BYTES;
    memcpy(p, proof->app_sig.bytes, BASE_SIG65_BYTES), p += BASE_SIG65_BYTES;
    memcpy(p, proof->kms_sig.bytes, BASE_SIG65_BYTES), p += BASE_SIG65_BYTES;
    assert(p == out + NODE_PROOF_BYTES);
}

int node_proof_decode(struct node_proof *out, const void *data, size_t len)
{
    const uint8_t *p = data;
    if (len != NODE_PROOF_BYTES) return BASE_EMALFORMED;
    if (*p++ != NODE_PROOF_VERSION) return BASE_EUNSUPPORTED;
    memcpy(out->proof_key.bytes, p, BASE_KEY33_BYTES), p += BASE_KEY33_BYTES;
    memcpy(out->app_id.bytes, p, BASE_ADDRESS_BYTES), p += BASE_ADDRESS_BYTES;
    memcpy(out->app_key.bytes, p, BASE_KEY33_BYTES), p += BASE_KEY33_BYTES;
    memcpy(out->app_sig.bytes, p, BASE_SIG65_BYTES), p += BASE_SIG65_BYTES;
    memcpy(out->kms_sig.bytes, p, BASE_SIG65_BYTES);
    return BASE_OK;
}

void node_proof_of(struct node_proof *out, const struct node_keyset *keys)
{
    *out = (struct node_proof){keys->proof_key, keys->app_id, keys->app_key, keys->app_sig,
                               keys->kms_sig};
}
