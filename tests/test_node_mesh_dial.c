/* Whom to dial, and when: mesh_dial.c alone, in virtual time, with what it asks of the others
 * played here. Every key stands on a seat that counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/info.h"
#include "node/mesh_internal.h"

#define GOSSIP_URL "tcp://told.example:1"

static struct mesh *m;
static struct node_config config;
static uint8_t record_body[GOSSIP_RECORD_BYTES_MAX];
static size_t record_len;
static unsigned failed_dials, asked, dials;

uint64_t mesh_now(void)
{
    return 1000000;
}

void mesh_log(struct mesh *mesh, enum base_log_level level, const char *mod, const char *ev,
              const char *format, ...)
{
    (void)mesh;
    (void)level;
    (void)mod;
    (void)ev;
    (void)format;
}

void mesh_gossip_later(struct mesh *mesh, enum gossip_event_type type, const struct base_key33 *key,
                       enum gossip_verdict verdict, uint64_t weight)
{
    (void)mesh;
    (void)key;
    (void)verdict;
    (void)weight;
    if (type == GOSSIP_EV_DIAL_FAILED) failed_dials++;
}

int gossip_member_find(struct gossip_member_view *out, const struct gossip *g,
                       const struct base_key33 *key)
{
    (void)g;
    *out = (struct gossip_member_view){.key = *key, .record = {record_body, record_len}};
    return BASE_OK;
}

enum node_reason node_admission_judge_key(struct node_refusal *out,
                                          const struct node_admission *admission,
                                          const struct base_key33 *node_key)
{
    (void)out;
    (void)admission;
    (void)node_key;
    return NODE_REASON_NONE;
}

int node_http_client_get(struct node_http_client *client, uint64_t *id,
                         const struct node_http_request *request, node_http_answer_fn fn, void *ctx)
{
    (void)client;
    (void)id;
    (void)request;
    (void)fn;
    (void)ctx;
    asked++;
    return BASE_OK;
}

struct mesh_conn *mesh_conn_of(struct mesh *mesh, const struct base_key33 *key)
{
    (void)mesh;
    (void)key;
    return NULL;
}

struct mesh_conn *mesh_conn_any(struct mesh *mesh, const struct base_key33 *key)
{
    (void)mesh;
    (void)key;
    return NULL;
}

bool mesh_consensus_is_voter(const struct mesh *mesh, const struct base_key33 *key)
{
    (void)mesh;
    return key->bytes[2] % 2 == 0;
}

int mesh_conn_dial(struct mesh *mesh, node_link_id *out, const char *url,
                   const struct base_key33 *key, bool trusted)
{
    (void)mesh;
    (void)out;
    (void)url;
    (void)key;
    (void)trusted;
    dials++;
    return BASE_EFULL;
}

bool mesh_member_is_alive(const struct mesh *mesh, const struct base_key33 *key)
{
    (void)mesh;
    (void)key;
    return false;
}

bool mesh_member_is_listed(const struct mesh *mesh, const struct base_key33 *key)
{
    (void)mesh;
    (void)key;
    return true;
}

bool mesh_budget_is_barred(struct mesh *mesh, const struct base_key33 *key)
{
    (void)mesh;
    (void)key;
    return false;
}

bool mesh_authority_is_on(const struct mesh *mesh)
{
    (void)mesh;
    return false;
}

/* What nothing here comes to. */
bool node_identity_owns(const struct node_identity *identity, const struct base_key33 *node_key)
{
    (void)identity;
    (void)node_key;
    return false;
}

enum node_authority_verdict mesh_authority_offer(struct mesh *mesh, struct node_refusal *refusal,
                                                 const struct node_bundle *bundle)
{
    (void)mesh;
    (void)refusal;
    (void)bundle;
    fail();
    return NODE_AUTHORITY_REFUSED;
}

void mesh_authority_settle(struct mesh *mesh)
{
    (void)mesh;
    fail();
}

int node_info_bundle(struct node_bundle *out, const void *data, size_t len,
                     char why[NODE_INFO_WHY_BYTES])
{
    (void)out;
    (void)data;
    (void)len;
    (void)why;
    fail();
    return BASE_EINVAL;
}

void mesh_refused(struct mesh *mesh, const struct node_refusal *refusal,
                  const struct base_key33 *peer, const char *remote)
{
    (void)mesh;
    (void)refusal;
    (void)peer;
    (void)remote;
    fail();
}

void node_http_complete(struct node_command *command, unsigned status, const char *json,
                        size_t json_len)
{
    (void)command;
    (void)status;
    (void)json;
    (void)json_len;
    fail();
}

void node_http_fail(struct node_command *command, unsigned status, const char *text)
{
    (void)command;
    (void)status;
    (void)text;
    fail();
}

/* ---- */

static struct base_key33 key_of(unsigned number)
{
    struct base_key33 key = {{2, 0}};
    key.bytes[1] = (uint8_t)(number >> 8);
    key.bytes[2] = (uint8_t)number;
    return key;
}

static int setup(void **state)
{
    struct gossip_record record = {.incarnation = 1, .url_count = 1};
    (void)state;
    record.node_key = key_of(9999);
    record.name = base_slice_text("told");
    record.version = base_slice_text("0");
    record.urls[0] = base_slice_text(GOSSIP_URL);
    if (gossip_record_encode(record_body, &record_len, sizeof record_body, &record) != BASE_OK)
        return -1;
    memset(&config, 0, sizeof config);
    config.dev = true;
    m = calloc(1, sizeof *m);
    if (m == NULL) return -1;
    m->targets = calloc(MESH_TARGETS_MAX, sizeof *m->targets);
    m->config = &config;
    m->gossip = (struct gossip *)m; /* never looked into */
    m->env.ready = true;
    m->chain_fresh = true;
    base_prng_init(&m->prng, 1);
    failed_dials = asked = dials = 0;
    return m->targets != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(m->targets);
    free(m);
    return 0;
}

static int find(unsigned number)
{
    struct mesh_found found = {.key = key_of(number)};
    char why[256];
    snprintf(found.url, sizeof found.url, "tcp://n%u.example:1", number);
    return mesh_dial_found(m, &found, NULL, why, sizeof why);
}

static struct mesh_target *target_of(unsigned number)
{
    struct base_key33 key = key_of(number);
    for (size_t i = 0; i < m->target_count; i++)
        if (base_key33_equal(&m->targets[i].key, &key)) return &m->targets[i];
    return NULL;
}

static void want(unsigned number)
{
    struct base_key33 key = key_of(number);
    mesh_dial_want(m, &key);
}

/* There are more members than addresses that we keep: one whom nobody wants makes room. */
static void test_a_wanted_member_finds_room(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MESH_TARGETS_MAX; i++)
        assert_int_equal(find(i), BASE_OK);
    target_of(7)->next_ms += 1000;
    want(5000);
    assert_int_equal(failed_dials, 0);
    assert_int_equal(m->target_count, MESH_TARGETS_MAX);
    assert_true(target_of(5000)->wanted);
    assert_string_equal(target_of(5000)->url, GOSSIP_URL);
    assert_null(target_of(7)); /* the one that was due last */
}

static void test_who_is_needed_is_not_pushed_out(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MESH_TARGETS_MAX; i++) {
        struct node_command *command = (struct node_command *)m; /* never looked into */
        struct mesh_target *t;
        assert_int_equal(find(i), BASE_OK);
        t = target_of(i);
        t->next_ms += i;
        t->link = i % 4 == 0 ? 1 : 0;
        t->wanted = i % 4 == 1;
        t->command = i % 4 == 2 ? command : NULL;
        if (i % 4 == 3) t->source = MESH_SOURCE_BOOTSTRAP;
    }
    want(5000);
    assert_int_equal(failed_dials, 1);
    assert_null(target_of(5000));
}

/* Whoever has answered is dialled without regard to the bounds for strangers' hints; one that has
 * fallen silent may have led its name to somebody else. */
static void test_who_falls_silent_is_a_hint_again(void **state)
{
    struct base_key33 key = key_of(1);
    (void)state;
    assert_int_equal(find(1), BASE_OK);
    mesh_dial_up(m, &key);
    assert_true(target_of(1)->answered);
    for (int failures = 1; failures <= 3; failures++) {
        target_of(1)->link = 5;
        mesh_dial_ended(m, 5, false, 0, 0, "timeout");
        assert_int_equal(target_of(1)->answered, failures < 3);
    }
    for (int i = 0; i < 4; i++) { /* two in a row, an answer, two in a row */
        target_of(1)->link = 5;
        mesh_dial_ended(m, 5, i % 2 == 0, NODE_CODE_BUSY, 0, "busy");
        assert_true(target_of(1)->answered);
    }
}

/* One is asked at a time: that the next is due meanwhile wakes nobody. */
static void test_a_bootstrap_that_waits_for_another_is_not_due(void **state)
{
    char why[256];
    (void)state;
    assert_int_equal(mesh_dial_bootstrap(m, "http://127.0.0.1:1", NULL, why, sizeof why), BASE_OK);
    assert_int_equal(mesh_dial_bootstrap(m, "http://127.0.0.1:2", NULL, why, sizeof why), BASE_OK);
    assert_true(mesh_dial_deadline_ms(m) <= mesh_now());
    mesh_dial_step(m, mesh_now());
    assert_int_equal(asked, 1);
    assert_true(mesh_dial_deadline_ms(m) > mesh_now());
    mesh_dial_step(m, mesh_now());
    assert_int_equal(asked, 1);
}

/* Without a seat nobody is dialled, but those that our vote is for, where we still have one. */
static void test_without_a_seat_only_voters_are_dialled(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 5; i++) { /* 2 and 4 vote */
        assert_int_equal(find(i), BASE_OK);
        target_of(i)->answered = true;
        target_of(i)->next_ms = 0;
    }
    m->env.ready = false;
    mesh_dial_step(m, mesh_now());
    assert_int_equal(dials, 0);
    assert_true(mesh_dial_deadline_ms(m) == UINT64_MAX);
    m->env.votes_only = true;
    assert_true(mesh_dial_deadline_ms(m) <= mesh_now());
    mesh_dial_step(m, mesh_now());
    assert_int_equal(dials, 2);
    want(2); /* of gossip's wishes none */
    assert_int_equal(failed_dials, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_wanted_member_finds_room),
        TEST(test_who_is_needed_is_not_pushed_out),
        TEST(test_who_falls_silent_is_a_hint_again),
        TEST(test_a_bootstrap_that_waits_for_another_is_not_due),
        TEST(test_without_a_seat_only_voters_are_dialled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
