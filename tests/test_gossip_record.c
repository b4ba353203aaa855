/* Records and short statements as bytes: what we accept, and what we refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "base/pack.h"
#include "gossip/gossip.h"
#include "gossip/record.h"
#include "gossip/statement.h"

static struct base_slice slice(const char *text)
{
    return (struct base_slice){(const uint8_t *)text, strlen(text)};
}

static bool is_text(const struct base_slice *s, const char *text)
{
    return s->len == strlen(text) && memcmp(s->data, text, s->len) == 0;
}

static struct gossip_record sample(void)
{
    struct gossip_record r = {
        .node_key = {{2, 1, 2, 3}},
        .incarnation = 1732300000,
        .sequence = 7,
        .instance = {{9, 9}},
        .name = slice("alpha"),
        .urls = {slice("tcp://10.0.0.1:7946"), slice("wss://a.example:443/mesh")},
        .url_count = 2,
        .app_url = slice("http://10.0.0.1:8080"),
        .version = slice("0.1.0"),
        .tags = {{slice("role"), slice("db")}, {slice("zone"), slice("")}},
        .tag_count = 2,
    };
    return r;
}

static size_t encode(uint8_t body[GOSSIP_RECORD_BYTES_MAX], const struct gossip_record *r)
{
    size_t len = 0;
    assert_int_equal(gossip_record_encode(body, &len, GOSSIP_RECORD_BYTES_MAX, r), BASE_OK);
    return len;
}

static void test_record_round_trip(void **state)
{
    uint8_t body[GOSSIP_RECORD_BYTES_MAX];
    struct gossip_record r = sample(), back;
    (void)state;
    size_t len = encode(body, &r);
    assert_int_equal(gossip_record_decode(&back, body, len), BASE_OK);
    assert_memory_equal(back.node_key.bytes, r.node_key.bytes, BASE_KEY33_BYTES);
    assert_memory_equal(back.instance.bytes, r.instance.bytes, BASE_ADDRESS_BYTES);
    assert_int_equal(back.incarnation, 1732300000);
    assert_int_equal(back.sequence, 7);
    assert_true(is_text(&back.name, "alpha"));
    assert_int_equal(back.url_count, 2);
    assert_true(is_text(&back.urls[1], "wss://a.example:443/mesh"));
    assert_true(is_text(&back.app_url, "http://10.0.0.1:8080"));
    assert_true(is_text(&back.version, "0.1.0"));
    assert_int_equal(back.tag_count, 2);
    assert_true(is_text(&back.tags[0].key, "role") && is_text(&back.tags[0].value, "db"));
    assert_true(is_text(&back.tags[1].value, ""));
}

static void test_record_every_cut_is_refused(void **state)
{
    uint8_t body[GOSSIP_RECORD_BYTES_MAX + 1];
    struct gossip_record r = sample(), back;
    (void)state;
    size_t len = encode(body, &r);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_not_equal(gossip_record_decode(&back, body, cut), BASE_OK);
    body[len] = 0;
    assert_int_equal(gossip_record_decode(&back, body, len + 1), BASE_EMALFORMED);
    assert_int_equal(gossip_record_decode(&back, body, GOSSIP_RECORD_BYTES_MAX + 1), BASE_ETOOBIG);
}

/* One wrong value each. */
static void refuse(const struct gossip_record *r, int why)
{
    uint8_t body[GOSSIP_RECORD_BYTES_MAX];
    size_t len = 0;
    assert_int_equal(gossip_record_encode(body, &len, sizeof body, r), why);
}

static void test_record_refuses_values(void **state)
{
    char long_text[GOSSIP_URL_BYTES_MAX + 2];
    struct gossip_record r = sample();
    (void)state;
    memset(long_text, 'a', sizeof long_text);
    r.name = slice("");
    refuse(&r, BASE_EINVAL);
    r.name = slice("a\nb");
    refuse(&r, BASE_EINVAL);
    r.name = slice("a\x7f");
    refuse(&r, BASE_EINVAL);
    r.name = slice("a\xc2\x80"); /* C1 */
    refuse(&r, BASE_EINVAL);
    r.name = slice("a\xff");
    refuse(&r, BASE_EINVAL);
    r.name = (struct base_slice){(const uint8_t *)long_text, GOSSIP_NAME_BYTES_MAX + 1};
    refuse(&r, BASE_EINVAL);
    r = sample();
    r.urls[0] = slice("http://10.0.0.1");
    refuse(&r, BASE_EINVAL);
    r.urls[0] = slice("tcp://");
    refuse(&r, BASE_EINVAL);
    r.urls[0] = slice("tcp://a b");
    refuse(&r, BASE_EINVAL);
    memcpy(long_text, "tcp://", 6);
    r.urls[0] = (struct base_slice){(const uint8_t *)long_text, GOSSIP_URL_BYTES_MAX + 1};
    refuse(&r, BASE_EINVAL);
    r = sample();
    r.app_url = slice("http://\xc3\xa4");
    refuse(&r, BASE_EINVAL);
    r = sample();
    r.tags[1].key = slice("role"); /* twice */
    refuse(&r, BASE_EINVAL);
    r.tags[1].key = slice("");
    refuse(&r, BASE_EINVAL);
    r = sample();
    r.incarnation = (uint64_t)INT64_MAX + 1;
    refuse(&r, BASE_EINVAL);
    r = sample();
    r.url_count = GOSSIP_URLS_MAX + 1;
    refuse(&r, BASE_EINVAL);
    r = sample();
    r.tag_count = GOSSIP_TAGS_MAX + 1;
    refuse(&r, BASE_EINVAL);
}

static void test_record_too_long_as_a_whole(void **state)
{
    char text[GOSSIP_URL_BYTES_MAX];
    struct gossip_record r = sample();
    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "tcp://", 6);
    for (size_t i = 0; i < GOSSIP_URLS_MAX; i++)
        r.urls[i] = (struct base_slice){(const uint8_t *)text, sizeof text};
    r.url_count = GOSSIP_URLS_MAX;
    refuse(&r, BASE_ETOOBIG);
}

/* A later minor version's fields are stepped over and stay under the signature; a later format is
 * not ours to judge. */
static void test_record_unknown_keys_and_formats(void **state)
{
    uint8_t body[GOSSIP_RECORD_BYTES_MAX];
    struct gossip_record r = sample(), back;
    struct base_packer p;
    (void)state;
    size_t len = encode(body, &r);
    assert_int_equal(body[0], 0x8a); /* a map of ten */
    body[0] = 0x8b;
    base_packer_init(&p, body + len, sizeof body - len);
    base_pack_u64(&p, 40);
    base_pack_str(&p, "later", 5);
    assert_int_equal(gossip_record_decode(&back, body, len + p.len), BASE_OK);
    body[len] = 9; /* a key twice */
    assert_int_equal(gossip_record_decode(&back, body, len + p.len), BASE_EMALFORMED);
    body[len] = 64; /* beyond */
    assert_int_equal(gossip_record_decode(&back, body, len + p.len), BASE_EMALFORMED);
    len = encode(body, &r);
    assert_int_equal(body[2], 1); /* its format */
    body[2] = 2;
    assert_int_equal(gossip_record_decode(&back, body, len), BASE_EUNSUPPORTED);
}

/* ---- statements ---- */

static void test_accusation(void **state)
{
    uint8_t body[GOSSIP_STATEMENT_BYTES_MAX + 1];
    struct gossip_accusation in = {{{2, 1}}, 5, {{3, 9}}}, out;
    (void)state;
    size_t len = gossip_accusation_encode(body, &in);
    assert_int_equal(gossip_accusation_decode(&out, body, len), BASE_OK);
    assert_true(base_key33_equal(&out.target, &in.target));
    assert_true(base_key33_equal(&out.accuser, &in.accuser));
    assert_int_equal(out.incarnation, 5);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_not_equal(gossip_accusation_decode(&out, body, cut), BASE_OK);
    body[len] = 0;
    assert_int_equal(gossip_accusation_decode(&out, body, len + 1), BASE_EMALFORMED);
    assert_int_equal(gossip_accusation_decode(&out, body, sizeof body), BASE_ETOOBIG);
    /* Not as another kind, although the bytes look alike. */
    struct gossip_refutation refutation;
    assert_int_equal(gossip_refutation_decode(&refutation, body, len), BASE_EMALFORMED);
    in.incarnation = UINT64_MAX; /* beyond what a record may carry */
    len = gossip_accusation_encode(body, &in);
    assert_int_equal(gossip_accusation_decode(&out, body, len), BASE_EMALFORMED);
}

static void test_leave_and_refutation(void **state)
{
    uint8_t body[GOSSIP_STATEMENT_BYTES_MAX];
    struct gossip_leave leave = {{{2, 7}}, 11}, leave_out;
    struct gossip_refutation refutation = {{{2, 7}}, 11, {{3, 3}}, 99}, refutation_out;
    (void)state;
    size_t len = gossip_leave_encode(body, &leave);
    assert_int_equal(gossip_leave_decode(&leave_out, body, len), BASE_OK);
    assert_int_equal(leave_out.incarnation, 11);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_not_equal(gossip_leave_decode(&leave_out, body, cut), BASE_OK);
    len = gossip_refutation_encode(body, &refutation);
    assert_int_equal(gossip_refutation_decode(&refutation_out, body, len), BASE_OK);
    assert_int_equal(refutation_out.nonce, 99);
    assert_memory_equal(refutation_out.requester.bytes, refutation.requester.bytes, 33);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_not_equal(gossip_refutation_decode(&refutation_out, body, cut), BASE_OK);
}

static void test_user_event(void **state)
{
    uint8_t body[GOSSIP_EVENT_BODY_BYTES_MAX], payload[GOSSIP_EVENT_PAYLOAD_MAX] = {0};
    char name[GOSSIP_EVENT_NAME_MAX];
    struct gossip_user_event in = {.origin = {{2, 5}}, .epoch = INT64_MAX, .sequence = INT64_MAX};
    struct gossip_user_event out;
    (void)state;
    memset(name, 'n', sizeof name);
    in.name = (struct base_slice){(const uint8_t *)name, sizeof name};
    in.payload = (struct base_slice){payload, sizeof payload};
    size_t len = gossip_user_event_encode(body, &in); /* the largest fits */
    assert_int_equal(gossip_user_event_decode(&out, body, len), BASE_OK);
    assert_int_equal(out.payload.len, GOSSIP_EVENT_PAYLOAD_MAX);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_not_equal(gossip_user_event_decode(&out, body, cut), BASE_OK);
    in.name = slice("a\x1b[2J"); /* a terminal's escape */
    len = gossip_user_event_encode(body, &in);
    assert_int_equal(gossip_user_event_decode(&out, body, len), BASE_EMALFORMED);
    in.name = slice("");
    len = gossip_user_event_encode(body, &in);
    assert_int_equal(gossip_user_event_decode(&out, body, len), BASE_EMALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_round_trip),
        cmocka_unit_test(test_record_every_cut_is_refused),
        cmocka_unit_test(test_record_refuses_values),
        cmocka_unit_test(test_record_too_long_as_a_whole),
        cmocka_unit_test(test_record_unknown_keys_and_formats),
        cmocka_unit_test(test_accusation),
        cmocka_unit_test(test_leave_and_refutation),
        cmocka_unit_test(test_user_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
