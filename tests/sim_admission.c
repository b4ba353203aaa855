/* Who comes in: node/admission.c itself, all of its lines, over the simulated chain.
 *
 * It is compiled a second time for the simulator with its three calls of curve work renamed to the
 * functions at the top of this file (tests/sim.cmake), which judge by a keyed hash; a statement's
 * digest is looked up where it has been made before. Nothing else of it differs: formats, look-ups,
 * order of the lines, words of a refusal. */
#include <assert.h>
#include <string.h>

#include "attest/hello.h"
#include "attest/sigchain.h"
#include "base/aead.h"
#include "base/err.h"
#include "sim_internal.h"

const char *const SIM__SETTINGS = "finality=simulated";

/* ---- in the place of the curve ---- */

int sim_ecdsa_verify(const struct base_hash32 *digest, const struct base_sig65 *sig,
                     const struct base_key33 *pub);
int sim_ecdsa_recover(struct base_key33 *out, const struct base_hash32 *digest,
                      const struct base_sig65 *sig);
void sim_sigchain_verify(enum attest_verdict *verdict, const struct attest_sigchain *chain,
                         const struct attest_trust *trust);

int sim_ecdsa_verify(const struct base_hash32 *digest, const struct base_sig65 *sig,
                     const struct base_key33 *pub)
{
    struct base_sig65 right;
    sim__seal(&right, pub, digest);
    return memcmp(right.bytes, sig->bytes, sizeof right.bytes) == 0 ? BASE_OK : BASE_ESIG;
}

int sim_ecdsa_recover(struct base_key33 *out, const struct base_hash32 *digest,
                      const struct base_sig65 *sig)
{
    out->bytes[0] = (uint8_t)(2 + (sig->bytes[64] & 1));
    memcpy(out->bytes + 1, sig->bytes + 32, BASE_KEY33_BYTES - 1);
    return sim_ecdsa_verify(digest, sig, out);
}

static struct base_key33 key_called(const char *what, uint32_t i)
{
    struct base_hash32 hash;
    struct base_key33 key = {{3}};
    sim__hash(&hash, what, i);
    memcpy(key.bytes + 1, hash.bytes, sizeof hash.bytes);
    return key;
}

static void app_digest(struct base_hash32 *out, const struct base_slice *purpose,
                       const struct base_slice *derived_key)
{
    base_sha256_2(out, purpose->data, purpose->len, derived_key->data, derived_key->len);
}

static void kms_digest(struct base_hash32 *out, const struct base_eth_address *root,
                       const struct base_slice *app_id, const struct base_key33 *app_key)
{
    uint8_t head[2 * BASE_ADDRESS_BYTES];
    memcpy(head, root->bytes, BASE_ADDRESS_BYTES);
    memcpy(head + BASE_ADDRESS_BYTES, app_id->data, BASE_ADDRESS_BYTES);
    base_sha256_2(out, head, sizeof head, app_key->bytes, sizeof app_key->bytes);
}

void sim_sigchain_verify(enum attest_verdict *verdict, const struct attest_sigchain *chain,
                         const struct attest_trust *trust)
{
    struct base_hash32 app, kms;
    struct base_key33 app_key, root = key_called("kms root", 0);
    struct base_sig65 app_sig, kms_sig;
    memcpy(app_key.bytes, chain->app_key.data, sizeof app_key.bytes);
    memcpy(app_sig.bytes, chain->app_sig.data, sizeof app_sig.bytes);
    memcpy(kms_sig.bytes, chain->kms_sig.data, sizeof kms_sig.bytes);
    app_digest(&app, &chain->purpose, &chain->derived_key);
    kms_digest(&kms, &trust->kms_root, &chain->app_id, &app_key);
    *verdict = ATTEST_REJECT_APP_SIGNATURE;
    if (sim_ecdsa_verify(&app, &app_sig, &app_key) != BASE_OK) return;
    *verdict = ATTEST_REJECT_KMS_ROOT;
    if (sim_ecdsa_verify(&kms, &kms_sig, &root) != BASE_OK) return;
    *verdict = ATTEST_REJECT_APP_ID;
    for (size_t i = 0; i < trust->app_id_count; i++)
        if (memcmp(trust->app_ids[i].bytes, chain->app_id.data, BASE_ADDRESS_BYTES) == 0)
            *verdict = ATTEST_ACCEPT;
}

/* ---- what node i holds ---- */

static struct base_eth_address instance_of(uint32_t i)
{
    struct gossip_record r;
    sim__record_fields(&r, i, 1);
    return r.instance;
}

static void proof_of(struct node_proof *p, uint32_t i)
{
    struct base_hash32 digest;
    struct base_key33 root = key_called("kms root", 0);
    p->proof_key = key_called("proof key", i);
    p->app_id = SIM__APP;
    p->app_key = key_called("app key", 0);
    struct attest_sigchain chain = node_proof_chain(p);
    app_digest(&digest, &chain.purpose, &chain.derived_key);
    sim__seal(&p->app_sig, &p->app_key, &digest);
    kms_digest(&digest, &SIM__ROOT, &chain.app_id, &p->app_key);
    sim__seal(&p->kms_sig, &root, &digest);
}

void sim__proof_of(uint8_t out[NODE_PROOF_BYTES], uint32_t i)
{
    struct node_proof p;
    proof_of(&p, i);
    node_proof_encode(out, &p);
}

void sim__seat_keys(struct chain_seat *seat, uint32_t i)
{
    seat->has_keys = true;
    seat->instance = instance_of(i);
    seat->node_key = sim_key_of(i);
    seat->proof_key = key_called("proof key", i);
    seat->app_id = SIM__APP;
    seat->root_epoch = 1;
}

/* ---- judging ---- */

void sim__admission_init(struct sim *s)
{
    int rv = attest_pins_set_flags(&s->pins, &SIM__ROOT, 1, &SIM__APP, 1);
    assert(rv == BASE_OK);
    s->admission = (struct node_admission){.pins = &s->pins,
                                           .chain_id = SIM__CHAIN_ID,
                                           .contract = SIM__CONTRACT,
                                           .domain = *sim__domain(),
                                           .settings = SIM__SETTINGS};
    for (uint32_t i = 0; i < s->count; i++) {
        s->nodes[i].proof_key = key_called("proof key", i);
        s->nodes[i].instance = instance_of(i);
    }
}

static const struct node_admission *admission_of(struct sim *s, uint32_t i)
{
    const struct sim__block *block = s->nodes[i].reference;
    s->admission.snapshot = block == NULL ? NULL : sim__block_snapshot(block);
    return &s->admission;
}

static uint32_t token_of(const struct base_u256 *token_id)
{
    return base_get_u32be(token_id->bytes + 28);
}

/* j's HELLO in the session with this handshake hash, as j makes it by its own snapshot. */
static size_t hello_make(struct sim *s, uint8_t *out, uint32_t j, enum base_role role,
                         const struct base_hash32 *h, const struct gossip_signed_record *record)
{
    const struct sim__node *n = &s->nodes[j];
    const struct chain_seat *own = NULL;
    struct node_proof p;
    struct base_hash32 digest;
    size_t len = 0;
    proof_of(&p, j);
    if (n->reference != NULL)
        own = chain_snapshot_find_key(sim__block_snapshot(n->reference), &n->key);
    struct attest_hello hello = {.wire_minor = ATTEST_WIRE_MINOR,
                                 .features = ATTEST_FEATURES,
                                 .chain_id = SIM__CHAIN_ID,
                                 .contract = SIM__CONTRACT,
                                 .settings = sim__slice(SIM__SETTINGS),
                                 .instance = instance_of(j),
                                 .start_incarnation = n->started_incarnation,
                                 .record = {record->body, record->body_len},
                                 .record_sig = record->sig,
                                 .proof_key = p.proof_key,
                                 .app_id = p.app_id,
                                 .app_key = p.app_key,
                                 .app_sig = p.app_sig,
                                 .kms_sig = p.kms_sig};
    if (own != NULL) hello.token_id = own->token_id;
    base_eip712_hello(&digest, sim__domain(), h, role, &n->key);
    sim__seal(&hello.pop, &p.proof_key, &digest);
    int rv = attest_hello_encode(out, &len, ATTEST_HELLO_BYTES_MAX, &hello);
    assert(rv == BASE_OK);
    return len;
}

enum node_reason sim__judge_hello(struct sim *s, uint32_t i, uint32_t j, enum base_role role,
                                  const struct gossip_signed_record *record)
{
    uint8_t bytes[ATTEST_HELLO_BYTES_MAX];
    struct node_hello_input in = {.role = role, .node_key = s->nodes[j].key, .data = bytes};
    struct node_refusal refusal;
    struct node_facts facts;
    struct attest_hello hello;
    uint32_t lower = i < j ? i : j;
    sim__hash(&in.h, "handshake", lower * SIM_NODES_MAX + (lower == i ? j : i));
    enum node_reason reason = node_admission_judge_key(&refusal, admission_of(s, i), &in.node_key);
    if (reason == NODE_REASON_NONE) {
        in.len = hello_make(s, bytes, j, role, &in.h, record);
        reason =
            node_admission_judge_hello(&refusal, &hello, &facts, NULL, admission_of(s, i), &in);
    }
    /* While the endpoints are silent members stay, and nobody else comes in. */
    if (reason == NODE_REASON_NONE && s->nodes[i].is_out &&
        s->nodes[i].seen[j].state == GOSSIP_NONE)
        reason = NODE_REASON_NOT_READY;
    if (reason != NODE_REASON_NONE) s->refused_count++;
    if (reason == NODE_REASON_NONE) s->nodes[i].seen[j].token = token_of(&facts.token_id);
    return reason;
}

/* As the rim answers ACTION_JUDGE. */
enum gossip_verdict sim__judge_member(struct sim *s, uint32_t i, const struct gossip_action *act)
{
    struct gossip_signed_record record = {.sig = act->u.judge.sig};
    struct node_refusal refusal;
    struct node_facts facts;
    if (act->u.judge.record.len > sizeof record.body) return GOSSIP_REFUSED;
    memcpy(record.body, act->u.judge.record.data, act->u.judge.record.len);
    record.body_len = act->u.judge.record.len;
    enum node_reason reason =
        node_admission_judge_member(&refusal, &facts, admission_of(s, i), &act->key, &record,
                                    act->u.judge.proof.data, act->u.judge.proof.len);
    if (reason == NODE_REASON_NO_SEAT || reason == NODE_REASON_NOT_READY) return GOSSIP_UNKNOWN;
    if (reason != NODE_REASON_NONE) {
        s->refused_count++;
        return GOSSIP_REFUSED;
    }
    s->nodes[i].seen[sim__index(s, &act->key)].token = token_of(&facts.token_id);
    return GOSSIP_OK;
}

enum node_reason sim__recheck(struct sim *s, uint32_t i, uint32_t j)
{
    struct node_refusal refusal;
    struct node_facts facts = {.node_key = s->nodes[j].key,
                               .proof_key = s->nodes[j].proof_key,
                               .token_id = base_u256_from_u64(s->nodes[i].seen[j].token),
                               .instance = s->nodes[j].instance,
                               .app_id = SIM__APP};
    return node_admission_recheck(&refusal, admission_of(s, i), &facts);
}

/* By the block that i judges by; as the rim has it, 1 for a key without a seat. */
uint64_t sim__weight_of(const struct sim *s, uint32_t i, uint32_t j)
{
    const struct chain_seat *seat =
        s->nodes[i].reference == NULL
            ? NULL
            : chain_snapshot_find_key(sim__block_snapshot(s->nodes[i].reference), &s->nodes[j].key);
    return seat == NULL ? 1 : seat->weight;
}
