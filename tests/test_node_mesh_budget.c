/* What a member's frames cost it, whichever of its pipes they come by: mesh_budget.c alone, in
 * virtual time, with what it asks of the others played here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "node/mesh_internal.h"

#define FRAME_BYTES 60000
#define NEVER       UINT64_MAX

static struct mesh m;
static struct mesh_member member;
static struct mesh_conn conn, surplus;
static uint64_t now_ms;
static unsigned holds, goings_on, closes;
static node_link_id held;

uint64_t mesh_now(void)
{
    return now_ms;
}

struct mesh_member *mesh_member_find(struct mesh *mesh, const struct base_key33 *key)
{
    (void)mesh;
    (void)key;
    return &member;
}

const struct base_key33 *node_session_remote(const struct node_session *session)
{
    (void)session;
    return &member.key;
}

void node_link_hold(struct node_links *links, node_link_id id)
{
    (void)links;
    held = id;
    holds++;
}

void node_link_go_on(struct node_links *links, node_link_id id)
{
    (void)links;
    (void)id;
    goings_on++;
}

void mesh_conn_due(const struct mesh_conn *c)
{
    assert_int_not_equal(c->resume_ms, NEVER);
}

void mesh_conn_close(struct mesh *mesh, const struct base_key33 *key, enum node_reason reason)
{
    (void)mesh;
    (void)key;
    assert_int_equal(reason, NODE_REASON_OVER_BUDGET);
    closes++;
}

void mesh_refused(struct mesh *mesh, const struct node_refusal *refusal,
                  const struct base_key33 *peer, const char *remote)
{
    (void)mesh;
    (void)peer;
    (void)remote;
    assert_int_equal(refusal->reason, NODE_REASON_OVER_BUDGET);
}

static int setup(void **state)
{
    (void)state;
    memset(&m, 0, sizeof m);
    memset(&member, 0, sizeof member);
    conn = (struct mesh_conn){.mesh = &m, .link = 1, .is_up = true, .resume_ms = NEVER};
    surplus = conn;
    surplus.link = 2;
    surplus.is_closing = true;
    now_ms = 5000;
    holds = goings_on = closes = 0;
    return node_metrics_new(&m.metrics) == BASE_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    node_metrics_free(m.metrics);
    return 0;
}

/* A frame a millisecond, read whenever it may be, for so long. */
static void flood(struct mesh_conn *c, uint64_t ms)
{
    for (uint64_t end_ms = now_ms + ms; now_ms < end_ms && closes == 0;) {
        unsigned before = holds;
        mesh_budget_frame(c, FRAME_BYTES);
        now_ms++;
        if (holds == before || closes > 0) continue;
        assert_int_equal(held, c->link);
        if (c->resume_ms > now_ms) now_ms = c->resume_ms;
        mesh_budget_go_on(c);
    }
}

static void test_a_link_rests(void **state)
{
    (void)state;
    flood(&conn, 10000);
    assert_true(holds > 0);
    assert_int_equal(holds, goings_on);
    assert_int_equal(closes, 0);
}

/* The surplus pipe of a pair drains for 15 s, and a member makes pairs as it likes. */
static void test_a_surplus_pipe_rests_too(void **state)
{
    (void)state;
    flood(&surplus, 10000);
    assert_true(holds > 0);
    assert_int_equal(holds, goings_on);
}

/* Over its budget by way of surplus pipes: barred, and what is left of the pipe is not read. */
static void test_a_flood_by_surplus_pipes_ends(void **state)
{
    (void)state;
    flood(&surplus, UINT64_C(2) * NODE_PEER_PATIENCE_MS);
    assert_int_equal(closes, 1);
    assert_true(mesh_budget_is_barred(&m, &member.key));
    assert_int_equal(holds, goings_on + 1);
    assert_int_equal(held, surplus.link);
    assert_int_equal(surplus.resume_ms, NEVER);
}

/* One whose session is not up, or has ended, is nobody's. */
static void test_who_is_not_up_is_not_charged(void **state)
{
    (void)state;
    conn.is_up = false;
    for (int i = 0; i < 1000; i++)
        mesh_budget_frame(&conn, FRAME_BYTES);
    assert_int_equal(holds, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_link_rests),
        TEST(test_a_surplus_pipe_rests_too),
        TEST(test_a_flood_by_surplus_pipes_ends),
        TEST(test_who_is_not_up_is_not_charged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
