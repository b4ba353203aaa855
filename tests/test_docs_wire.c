/* docs/wire.md says what the code does: each of its hex dumps is made again from the fixed keys
 * that the page names, and its tables are held against the constants. What fails here is the page,
 * or a change of the wire that nobody meant. */
#include "json_vectors.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/cipher.h"
#include "attest/sigchain.h"
#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "gossip/frame.h"
#include "gossip/statement.h"
#include "node/session.h"

#define EXAMPLES_MAX 64
#define CHAIN_ID     31337

struct example {
    const char *name;
    uint8_t *data;
    size_t len;
};
static struct example examples[EXAMPLES_MAX];
static size_t example_count;
static char *page;

static void add(const char *name, const void *data, size_t len)
{
    struct example *e = &examples[example_count++];
    assert(example_count <= EXAMPLES_MAX);
    *e = (struct example){name, malloc(len), len};
    assert(e->data != NULL);
    memcpy(e->data, data, len);
}

static void must(int rv)
{
    assert(rv == BASE_OK);
    (void)rv;
}

/* ---- the fixed keys ---- */

static struct base_privkey priv_of(uint8_t byte)
{
    struct base_privkey priv;
    memset(priv.bytes, byte, sizeof priv.bytes);
    return priv;
}

static struct base_key33 key_of(uint8_t byte)
{
    struct base_privkey priv = priv_of(byte);
    struct base_key33 key;
    must(base_ecdsa_pubkey(&key, &priv));
    return key;
}

static struct base_slice text(const char *string)
{
    return (struct base_slice){(const uint8_t *)string, strlen(string)};
}

static struct node_identity identity; /* the initiator's */

static void make_identity(void)
{
    static const char settings[] =
        "finality=latest:2 purpose=nftmesh-node-v1 weight=seats window=0 lease=0";
    struct node_keyset *keys = &identity.keys;
    struct base_privkey kms = priv_of(0x14), app;
    struct base_eth_address contract;
    char path[ATTEST_PATH_BYTES];
    must(base_address_parse(&contract, "0x5FbDB2315678afecb367f032d93F642f64180aa3"));
    node_identity_set_mesh(&identity, CHAIN_ID, &contract);
    memset(keys->instance.bytes, 0xb1, sizeof keys->instance.bytes);
    memset(keys->app_id.bytes, 0xa1, sizeof keys->app_id.bytes);
    must(attest_derive_app_key(&app, &kms, &keys->app_id));
    must(base_ecdsa_pubkey(&keys->app_key, &app));
    must(attest_sign_kms(&keys->kms_sig, &kms, &keys->app_id, &keys->app_key));
    attest_proof_path(path, CHAIN_ID, &contract, &keys->instance);
    must(attest_derive_key(&keys->proof_priv, &app, path, strlen(path)));
    must(base_ecdsa_pubkey(&keys->proof_key, &keys->proof_priv));
    must(attest_sign_app(&keys->app_sig, &app, ATTEST_PURPOSE, strlen(ATTEST_PURPOSE),
                         keys->proof_key.bytes, sizeof keys->proof_key.bytes));
    keys->node_priv = priv_of(0x11);
    keys->node_key = key_of(0x11);
    keys->token_id = base_u256_from_u64(7);
    memset(identity.boot_id, 0xc1, sizeof identity.boot_id);
    identity.start_incarnation = 1800000000;
    identity.features = ATTEST_FEATURES;
    memcpy(identity.settings, settings, sizeof settings);
}

static void make_record(struct gossip_signed_record *out)
{
    struct gossip_record record = {.node_key = identity.keys.node_key,
                                   .incarnation = 1800000000,
                                   .sequence = 1,
                                   .instance = identity.keys.instance,
                                   .name = text("alpha"),
                                   .url_count = 1,
                                   .version = text("0.1.0")};
    struct base_hash32 digest;
    record.urls[0] = text("tcp://203.0.113.7:7946");
    must(gossip_record_encode(out->body, &out->body_len, sizeof out->body, &record));
    base_eip712_statement(&digest, &identity.domain, BASE_STATEMENT_RECORD, out->body,
                          out->body_len);
    must(base_ecdsa_sign(&out->sig, &digest, &identity.keys.node_priv));
    add("record", out->body, out->body_len);
    add("record-digest", digest.bytes, sizeof digest.bytes);
    add("record-signature", out->sig.bytes, sizeof out->sig.bytes);
}

/* ---- the handshake, and what comes after it ---- */

struct ends {
    struct attest_cipher a, b; /* initiator, responder */
    struct base_hash32 h;
};

static void make_acts(struct ends *ends)
{
    struct base_privkey rs = priv_of(0x21), ie = priv_of(0x12), re = priv_of(0x22);
    struct base_key33 responder = key_of(0x21);
    struct attest_noise i, r;
    struct attest_noise_keys ik, rk;
    uint8_t prologue[ATTEST_PROLOGUE_BYTES], act[ATTEST_ACT3_BYTES];
    size_t which;
    attest_prologue(prologue, identity.chain_id, &identity.contract);
    add("prologue", prologue, sizeof prologue);
    must(attest_noise_dial(&i, act, prologue, sizeof prologue, &responder, &ie));
    add("act1", act, ATTEST_ACT1_BYTES);
    must(
        attest_noise_accept(&r, &which, prologue, sizeof prologue, &rs, 1, act, ATTEST_ACT1_BYTES));
    must(attest_noise_write_act2(&r, act, &re));
    add("act2", act, ATTEST_ACT2_BYTES);
    must(attest_noise_read_act2(&i, act, ATTEST_ACT2_BYTES));
    attest_noise_write_act3(&i, act, &ik, &identity.keys.node_priv);
    add("act3", act, ATTEST_ACT3_BYTES);
    must(attest_noise_read_act3(&r, &rk, act, ATTEST_ACT3_BYTES));
    assert(base_hash32_equal(&ik.h, &rk.h));
    ends->h = ik.h;
    add("handshake-hash", ik.h.bytes, sizeof ik.h.bytes);
    add("key-ck", ik.ck.bytes, sizeof ik.ck.bytes);
    add("key-initiator", ik.sk.bytes, sizeof ik.sk.bytes);
    add("key-responder", ik.rk.bytes, sizeof ik.rk.bytes);
    attest_cipher_init(&ends->a, &ik);
    attest_cipher_init(&ends->b, &rk);
}

/* One frame from one end to the other; returns its bytes as they travel. */
static size_t carry(uint8_t *wire, struct attest_cipher *from, struct attest_cipher *to,
                    uint8_t type, const void *body, size_t len)
{
    static uint8_t copy[ATTEST_FRAME_BYTES_MAX];
    struct attest_frame frame;
    size_t wire_len;
    attest_cipher_seal(from, wire, &wire_len, type, body, len);
    memcpy(copy, wire, wire_len);
    must(attest_cipher_open(to, &frame, copy, wire_len));
    return wire_len;
}

static void make_frames(struct ends *ends, const struct gossip_signed_record *record)
{
    static uint8_t wire[ATTEST_FRAME_BYTES_MAX];
    uint8_t hello[ATTEST_HELLO_BYTES_MAX], bye[NODE_BYE_BYTES_MAX];
    struct base_hash32 digest;
    struct node_bye words = {.code = NODE_CODE_LEAVING, .text = "SIGTERM"};
    size_t len;
    must(node_identity_hello(hello, &len, &identity, &identity.keys, record, BASE_ROLE_INITIATOR,
                             &ends->h));
    add("hello", hello, len);
    base_eip712_hello(&digest, &identity.domain, &ends->h, BASE_ROLE_INITIATOR,
                      &identity.keys.node_key);
    add("hello-digest", digest.bytes, sizeof digest.bytes);
    len = carry(wire, &ends->a, &ends->b, ATTEST_FRAME_HELLO, hello, len);
    add("frame-hello-header", wire, ATTEST_FRAME_HEADER_BYTES);
    carry(wire, &ends->b, &ends->a, ATTEST_FRAME_HELLO, hello, 1); /* stands for the responder's */
    len = carry(wire, &ends->a, &ends->b, ATTEST_FRAME_READY, NULL, 0);
    add("frame-ready", wire, len);
    len = carry(wire, &ends->b, &ends->a, ATTEST_FRAME_ACK, NULL, 0);
    add("frame-ack", wire, len);
    len = node_bye_encode(bye, &words);
    add("bye", bye, len);
    len = carry(wire, &ends->a, &ends->b, ATTEST_FRAME_BYE, bye, len);
    add("frame-bye", wire, len);
}

static void make_bodies(const struct ends *ends)
{
    struct node_refuse refuse = {.code = NODE_CODE_SETTINGS_DIFFER,
                                 .text = "finality ours=latest:2 theirs=safe"};
    struct node_proof proof;
    uint8_t bytes[NODE_REFUSE_BYTES_MAX + NODE_PROOF_BYTES];
    add("refuse", bytes, node_refuse_encode(bytes, &refuse));
    refuse =
        (struct node_refuse){.code = NODE_CODE_KEY_IN_USE, .text = "key_in_use", .has_alive = true};
    must(node_alive_sign(&refuse.alive, &identity, &identity.keys, &ends->h));
    node_alive_encode(bytes, &refuse.alive);
    add("alive", bytes, NODE_ALIVE_BYTES);
    add("refuse-copy", bytes, node_refuse_encode(bytes, &refuse));
    node_proof_of(&proof, &identity.keys);
    node_proof_encode(bytes, &proof);
    add("proof", bytes, NODE_PROOF_BYTES);
}

/* An authorisation of the keys above by the wallet of 0x41, and a revocation by the same. */
static void make_authority(void)
{
    struct base_privkey owner = priv_of(0x41);
    struct base_key33 owner_key = key_of(0x41);
    const struct node_keyset *keys = &identity.keys;
    struct node_bundle bundle = {.token_id = keys->token_id,
                                 .issued_block = 1000,
                                 .not_after = 1802592000,
                                 .instance = keys->instance,
                                 .node_key = keys->node_key};
    struct node_bundle revocation = {.revokes = true, .issued_block = 1001};
    struct base_hash32 digest;
    uint8_t bytes[NODE_BUNDLE_BYTES_MAX];
    memset(bundle.issued_block_hash.bytes, 0xe1, BASE_HASH32_BYTES);
    must(base_ecdsa_address(&bundle.owner, &owner_key));
    node_proof_of(&bundle.proof, keys);
    node_bundle_digest(&digest, &identity.domain, &bundle);
    must(base_ecdsa_sign(&bundle.owner_sig, &digest, &owner));
    must(base_ecdsa_sign(&bundle.node_sig, &digest, &keys->node_priv));
    must(base_ecdsa_sign(&bundle.proof_sig, &digest, &keys->proof_priv));
    add("authority", bytes, node_bundle_encode(bytes, &bundle));
    add("authority-digest", digest.bytes, sizeof digest.bytes);
    revocation.token_id = bundle.token_id;
    revocation.owner = bundle.owner;
    memset(revocation.issued_block_hash.bytes, 0xe2, BASE_HASH32_BYTES);
    node_bundle_digest(&digest, &identity.domain, &revocation);
    must(base_ecdsa_sign(&revocation.owner_sig, &digest, &owner));
    add("authority-revocation", bytes, node_bundle_encode(bytes, &revocation));
}

/* ---- gossip ---- */

static void add_gossip(const char *name, struct gossip_frame *frame, uint8_t type)
{
    static uint8_t body[GOSSIP_FRAME_BYTES_MAX];
    size_t len;
    frame->type = type;
    must(gossip_frame_encode(body, &len, sizeof body, frame));
    add(name, body, len);
}

static void make_probes(void)
{
    struct gossip_frame f = {0};
    f.u.ping.nonce = 258;
    f.u.ping.digest.count = 3;
    f.u.ping.digest.sum = 0x0123456789abcdef;
    add_gossip("gossip-ack", &f, GOSSIP_FRAME_ACK);
    f.u.ping.id_count = 1;
    f.u.ping.ids[0] = (struct gossip_event_id){key_of(0x11), 1800000000, 4, 1500};
    add_gossip("gossip-ping", &f, GOSSIP_FRAME_PING);
    f = (struct gossip_frame){0};
    f.u.relay.key = key_of(0x31);
    f.u.relay.nonce = 258;
    add_gossip("gossip-ping-req", &f, GOSSIP_FRAME_PING_REQ);
    add_gossip("gossip-nack", &f, GOSSIP_FRAME_NACK);
    f.u.relay.key = key_of(0x11);
    add_gossip("gossip-challenge", &f, GOSSIP_FRAME_CHALLENGE);
}

static void make_sync(void)
{
    struct gossip_frame f = {0};
    f.u.sync.mask = UINT64_MAX;
    add_gossip("gossip-sync", &f, GOSSIP_FRAME_SYNC);
    f = (struct gossip_frame){0};
    f.u.list.mask = 0x20;
    f.u.list.entry_count = 1;
    f.u.list.entries[0] = (struct gossip_entry){key_of(0x31), 1800000000, 2, GOSSIP_ENTRY_FAILED};
    add_gossip("gossip-list", &f, GOSSIP_FRAME_LIST);
    f = (struct gossip_frame){0};
    f.u.pull.key_count = 1;
    f.u.pull.keys[0] = key_of(0x31);
    add_gossip("gossip-pull", &f, GOSSIP_FRAME_PULL);
}

static void make_sparse(void)
{
    struct gossip_frame f = {0};
    f.u.sync.mask = UINT64_MAX;
    f.u.sync.within = 6;
    add_gossip("gossip-sync-within", &f, GOSSIP_FRAME_SYNC);
    f = (struct gossip_frame){0};
    f.u.list.deep = 0x20;
    add_gossip("gossip-list-deep", &f, GOSSIP_FRAME_LIST);
    f = (struct gossip_frame){0};
    add_gossip("gossip-part", &f, GOSSIP_FRAME_PART);
}

/* A signed statement as the one item of a frame. */
static void add_news(const char *name, uint8_t type, enum base_statement kind, const uint8_t *body,
                     size_t len, uint8_t signer)
{
    struct gossip_frame f = {0};
    struct base_hash32 digest;
    struct base_privkey priv = priv_of(signer);
    f.u.news.reach = 2;
    f.u.news.item_count = 1;
    f.u.news.items[0] = (struct gossip_item){.kind = kind, .body = {body, len}};
    base_eip712_statement(&digest, &identity.domain, kind, body, len);
    must(base_ecdsa_sign(&f.u.news.items[0].sig, &digest, &priv));
    add_gossip(name, &f, type);
}

static void make_statements(void)
{
    struct gossip_accusation accusation = {key_of(0x31), 1800000000, key_of(0x11)};
    struct gossip_leave leave = {key_of(0x31), 1800000000};
    struct gossip_refutation refutation = {key_of(0x31), 1800000000, key_of(0x11), 258};
    struct gossip_user_event event = {key_of(0x11), 1800000000, 4, text("deploy"), text("v2")};
    struct gossip_frame f = {0};
    struct base_privkey priv = priv_of(0x31);
    struct base_hash32 digest;
    uint8_t body[GOSSIP_EVENT_BODY_BYTES_MAX];
    size_t len = gossip_accusation_encode(body, &accusation);
    add("accusation", body, len);
    len = gossip_leave_encode(body, &leave);
    add("leave", body, len);
    add_news("gossip-update", GOSSIP_FRAME_UPDATE, BASE_STATEMENT_LEAVE, body, len, 0x31);
    len = gossip_user_event_encode(body, &event);
    add("event", body, len);
    add_news("gossip-event", GOSSIP_FRAME_EVENT, BASE_STATEMENT_EVENT, body, len, 0x11);
    len = gossip_refutation_encode(body, &refutation);
    add("refutation", body, len);
    f.u.refute.body = (struct base_slice){body, len};
    base_eip712_statement(&digest, &identity.domain, BASE_STATEMENT_REFUTATION, body, len);
    must(base_ecdsa_sign(&f.u.refute.sig, &digest, &priv));
    add_gossip("gossip-refute", &f, GOSSIP_FRAME_REFUTE);
}

static void make_examples(void)
{
    struct gossip_signed_record record;
    struct ends ends;
    make_identity();
    add("domain-separator", identity.domain.separator.bytes, BASE_HASH32_BYTES);
    make_acts(&ends);
    make_record(&record);
    make_frames(&ends, &record);
    make_bodies(&ends);
    make_authority();
    make_probes();
    make_sync();
    make_sparse();
    make_statements();
}

/* ---- the page ---- */

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *data = malloc(1u << 20);
    if (f == NULL || data == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    size_t len = fread(data, 1, (1u << 20) - 1, f);
    fclose(f);
    data[len] = '\0';
    return data;
}

/* Where the block of this name begins, after its fence; NULL without one. */
static const char *find_block(const char *name)
{
    char fence[80];
    snprintf(fence, sizeof fence, "\n```hex %s\n", name);
    const char *at = strstr(page, fence);
    return at == NULL ? NULL : at + strlen(fence);
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Pairs of digits up to the closing fence; what stands behind a ';' is for readers. */
static size_t read_block(uint8_t *out, size_t cap, const char *at)
{
    size_t digits = 0;
    for (; strncmp(at, "```", 3) != 0; at++) {
        for (; *at != '\n' && *at != ';'; at++) {
            int digit = digit_of(*at);
            if (*at == ' ') continue;
            if (digit < 0 || digits / 2 == cap) fail_msg("not hex: %.40s", at);
            out[digits / 2] = (uint8_t)(digits % 2 == 0 ? digit << 4 : out[digits / 2] | digit);
            digits++;
        }
        while (*at != '\n')
            at++;
    }
    assert_int_equal(digits % 2, 0);
    return digits / 2;
}

static void test_dump(void **state)
{
    const struct example *e = *state;
    static uint8_t shown[8192];
    const char *block = find_block(e->name);
    size_t len = block == NULL ? 0 : read_block(shown, sizeof shown, block);
    if (len == e->len && memcmp(shown, e->data, len) == 0) return;
    printf("the code gives, for %s:\n", e->name);
    for (size_t i = 0; i < e->len; i++)
        printf("%02x%s", e->data[i], i % 32 == 31 || i + 1 == e->len ? "\n" : "");
    fail_msg("docs/wire.md, %s: %s", e->name, block == NULL ? "no such block" : "other bytes");
}

static void test_no_dump_without_code(void **state)
{
    size_t blocks = 0;
    (void)state;
    for (const char *at = page; (at = strstr(at, "\n```hex ")) != NULL; at++)
        blocks++;
    assert_int_equal(blocks, example_count);
}

static void assert_on_page(const char *line)
{
    if (strstr(page, line) == NULL) fail_msg("docs/wire.md lacks: %s", line);
}

static void test_each_reason_and_its_code(void **state)
{
    char row[200];
    (void)state;
    for (size_t i = 1; i < NODE_REASON_COUNT; i++) {
        enum node_reason reason = (enum node_reason)i;
        enum node_code code = node_reason_code(reason);
        if (code == NODE_CODE_NONE)
            snprintf(row, sizeof row, "\n| `%s` | none |", node_reason_name(reason));
        else
            snprintf(row, sizeof row, "\n| `%s` | %d %s |", node_reason_name(reason), (int)code,
                     node_code_name((uint8_t)code));
        assert_on_page(row);
    }
}

static void assert_type(uint8_t type, const char *name)
{
    char row[100];
    snprintf(row, sizeof row, "\n| 0x%02x | %s | %zu |", type, name, attest_frame_body_max(type));
    assert_on_page(row);
}

static void test_each_frame_type_and_its_bound(void **state)
{
    (void)state;
    assert_type(ATTEST_FRAME_HELLO, "HELLO");
    assert_type(ATTEST_FRAME_READY, "READY");
    assert_type(ATTEST_FRAME_REFUSE, "REFUSE");
    assert_type(ATTEST_FRAME_ACK, "ACK");
    assert_type(ATTEST_FRAME_BYE, "BYE");
    assert_type(ATTEST_FRAME_COPY, "COPY?");
    assert_type(ATTEST_FRAME_ALIVE, "ALIVE");
    assert_type(GOSSIP_FRAME_PING, "PING");
    assert_type(GOSSIP_FRAME_ACK, "ACK");
    assert_type(GOSSIP_FRAME_PING_REQ, "PING_REQ");
    assert_type(GOSSIP_FRAME_NACK, "NACK");
    assert_type(GOSSIP_FRAME_CHALLENGE, "CHALLENGE");
    assert_type(GOSSIP_FRAME_REFUTE, "REFUTE");
    assert_type(GOSSIP_FRAME_SYNC, "SYNC");
    assert_type(GOSSIP_FRAME_LIST, "LIST");
    assert_type(GOSSIP_FRAME_PULL, "PULL");
    assert_type(GOSSIP_FRAME_UPDATE, "UPDATE");
    assert_type(GOSSIP_FRAME_EVENT, "EVENT");
    assert_type(NODE_FRAME_AUTHORITY, "AUTHORITY");
}

static void test_each_number(void **state)
{
    static const struct {
        const char *name;
        unsigned long long value;
    } numbers[] = {
        {"whole frame, bytes", ATTEST_FRAME_BYTES_MAX},
        {"frames between key rotations", ATTEST_ROTATION_FRAMES},
        {"act 1 to READY, ms", NODE_SESSION_HANDSHAKE_MS},
        {"after REFUSE or BYE, ms", NODE_SESSION_LINGER_MS},
        {"bare ACK after, ms", NODE_SESSION_ACK_DELAY_MS},
        {"bare ACK after, frames", NODE_SESSION_ACK_FRAMES},
        {"window, frames", NODE_SESSION_WINDOW_FRAMES},
        {"ACKs unanswered", NODE_SESSION_ACKS_UNANSWERED},
        {"stuck, ms", NODE_SESSION_STUCK_MS},
        {"one ALIVE in, ms", NODE_SESSION_COPY_ANSWER_MS},
        {"new handshake after, ms", NODE_SESSION_RENEW_MS},
        {"plus or minus, ms", NODE_SESSION_RENEW_JITTER_MS},
        {"act 1 read in a second", NODE_SESSION_ACT1_PER_SECOND},
        {"text in REFUSE and BYE, bytes", NODE_SESSION_TEXT_BYTES_MAX},
        {"record body, bytes", GOSSIP_RECORD_BYTES_MAX},
        {"proof blob, bytes", NODE_PROOF_BYTES},
        {"authorisation in AUTHORITY, bytes", NODE_BUNDLE_BYTES_MAX},
        {"revocation in AUTHORITY, bytes", NODE_BUNDLE_REVOCATION_BYTES},
        {"an authorisation lasts, seconds at most", NODE_AUTHORITY_TERM_S},
        {"wire minor", ATTEST_WIRE_MINOR},
        {"feature bits known", ATTEST_FEATURES},
    };
    char row[120];
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        snprintf(row, sizeof row, "\n| %s | %llu |", numbers[i].name, numbers[i].value);
        assert_on_page(row);
    }
}

static void test_each_signed_type(void **state)
{
    json_t *vectors = json_vectors_load("eip712.json");
    const char *name;
    json_t *type;
    char line[300];
    (void)state;
    json_object_foreach((json_t *)(uintptr_t)json_vectors_object(vectors, "types"), name, type)
    {
        snprintf(line, sizeof line, "\n%s\n", json_vectors_string(type, "type"));
        assert_on_page(line);
    }
    snprintf(line, sizeof line, "\n%s\n", json_vectors_string(vectors, "domain_type"));
    assert_on_page(line);
    json_decref(vectors);
}

/* The list itself is inside of node/dial_rules.c. */
static void test_each_refused_range(void **state)
{
    char *source = read_file(NFTMESH_TESTS_DIR "/../node/dial_rules.c");
    char *at = strstr(source, "unsafe_ranges[] = {");
    size_t count = 0;
    (void)state;
    assert_non_null(at);
    char *end = strstr(at, "};");
    assert_non_null(end);
    *end = '\0';
    for (at = strtok(at, "\""); (at = strtok(NULL, "\"")) != NULL; at = strtok(NULL, "\"")) {
        char row[60];
        snprintf(row, sizeof row, "`%s`", at);
        assert_on_page(row);
        count++;
    }
    assert_true(count >= 16);
    free(source);
}

int main(void)
{
    static const struct {
        const char *name;
        CMUnitTestFunction function;
    } cases[] = {
        {"no dump without code", test_no_dump_without_code},
        {"each reason and its code", test_each_reason_and_its_code},
        {"each frame type and its bound", test_each_frame_type_and_its_bound},
        {"each number", test_each_number},
        {"each signed type", test_each_signed_type},
        {"each refused range", test_each_refused_range},
    };
    struct json_vectors_tests tests = {0};
    must(base_ecdsa_init());
    must(base_aead_init());
    page = read_file(NFTMESH_TESTS_DIR "/../docs/wire.md");
    make_examples();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        json_vectors_add(&tests, cases[i].function, NULL, "%s", cases[i].name);
    for (size_t i = 0; i < example_count; i++)
        json_vectors_add(&tests, test_dump, &examples[i], "dump %s", examples[i].name);
    int failed = json_vectors_run(&tests, "docs_wire", NULL);
    for (size_t i = 0; i < example_count; i++)
        free(examples[i].data);
    free(page);
    return failed;
}
