#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>

#include <uv.h>

#include "base/err.h"
#include "node/inbox.h"

#define POSTERS    4
#define POSTS_EACH 20000
#define GUARD_MS   20

static uv_loop_t loop;
static uv_timer_t guard;
static struct node_inbox *inbox;

static void on_guard(uv_timer_t *timer)
{
    (void)timer; /* wakes the loop, so that a missing wake is seen as a failure */
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_timer_init(&loop, &guard), 0);
    assert_int_equal(uv_timer_start(&guard, on_guard, GUARD_MS, GUARD_MS), 0);
    assert_int_equal(node_inbox_new(&inbox, &loop), BASE_OK);
    return 0;
}

static void count_closed(void *ctx)
{
    ++*(int *)ctx;
}

static int teardown(void **state)
{
    int closed_count = 0;
    (void)state;
    if (inbox != NULL) {
        node_inbox_close(inbox, count_closed, &closed_count);
        inbox = NULL;
    } else {
        closed_count = 1;
    }
    uv_close((uv_handle_t *)&guard, NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(closed_count, 1);
    return uv_loop_close(&loop);
}

static void run_until_empty(void)
{
    while (node_inbox_count(inbox) > 0)
        uv_run(&loop, UV_RUN_ONCE);
}

/* One item that says in which order it was handled. */
struct note {
    struct node_inbox_item item;
    int *handled_count;
    int order;
};

static void note_handle(struct node_inbox_item *item)
{
    struct note *note = item->ptr;
    note->order = ++*note->handled_count;
}

static void note_init(struct note *note, int *handled_count)
{
    *note =
        (struct note){.item = {.handle = note_handle, .ptr = note}, .handled_count = handled_count};
}

static void test_items_are_handled_in_order_on_the_next_turn(void **state)
{
    struct note notes[3];
    int handled_count = 0;
    (void)state;
    for (int i = 0; i < 3; i++) {
        note_init(&notes[i], &handled_count);
        assert_int_equal(node_inbox_post(inbox, &notes[i].item), BASE_OK);
    }
    assert_int_equal(handled_count, 0);
    assert_int_equal(node_inbox_count(inbox), 3);
    while (handled_count == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(handled_count, 3); /* one wake for all */
    assert_int_equal(node_inbox_count(inbox), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(notes[i].order, i + 1);
}

static void test_full_inbox_refuses_all_but_reserved_items(void **state)
{
    static struct note notes[NODE_INBOX_ITEMS_MAX + 2];
    int handled_count = 0;
    (void)state;
    for (int i = 0; i < NODE_INBOX_ITEMS_MAX + 2; i++)
        note_init(&notes[i], &handled_count);
    for (int i = 0; i < NODE_INBOX_ITEMS_MAX; i++)
        assert_int_equal(node_inbox_post(inbox, &notes[i].item), BASE_OK);
    assert_int_equal(node_inbox_post(inbox, &notes[NODE_INBOX_ITEMS_MAX].item), BASE_EFULL);
    assert_int_equal(node_inbox_post_reserved(inbox, &notes[NODE_INBOX_ITEMS_MAX + 1].item),
                     BASE_OK);
    while (handled_count == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(handled_count, NODE_INBOX_ITEMS_MAX + 1);
    assert_int_equal(notes[NODE_INBOX_ITEMS_MAX].order, 0);
    assert_int_equal(node_inbox_post(inbox, &notes[NODE_INBOX_ITEMS_MAX].item), BASE_OK);
    run_until_empty();
}

/* A handler that posts again and again must not keep the loop from its timers. */
static void handle_again(struct node_inbox_item *item)
{
    ++*(int *)item->ptr;
    assert_int_equal(node_inbox_post(inbox, item), BASE_OK);
}

static void set_true(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void test_handlers_that_post_do_not_starve_timers(void **state)
{
    int handled_count = 0;
    bool is_fired = false;
    struct note last;
    uv_timer_t timer;
    struct node_inbox_item item = {.handle = handle_again, .ptr = &handled_count};
    (void)state;
    assert_int_equal(node_inbox_post(inbox, &item), BASE_OK);
    uv_timer_init(&loop, &timer);
    timer.data = &is_fired;
    uv_timer_start(&timer, set_true, 1, 0);
    while (!is_fired)
        uv_run(&loop, UV_RUN_ONCE);
    assert_true(handled_count > 0);
    note_init(&last, &handled_count);
    item.handle = note_handle; /* the one that waits is the last */
    item.ptr = &last;
    run_until_empty();
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
}

static void handle_free(struct node_inbox_item *item)
{
    free(item->ptr);
}

static void test_handler_may_free_its_item(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct note *note = malloc(sizeof *note);
        assert_non_null(note);
        note->item = (struct node_inbox_item){.handle = handle_free, .ptr = note};
        assert_int_equal(node_inbox_post(inbox, &note->item), BASE_OK);
    }
    run_until_empty();
}

/* Closing handles what was posted before; a thing that is posted by then is refused, so that its
 * owner knows that it has to free it. */
static void handle_post_other(struct node_inbox_item *item)
{
    struct note *other = item->ptr;
    assert_int_equal(node_inbox_post(inbox, &other->item), BASE_ECLOSED);
    assert_int_equal(node_inbox_post_reserved(inbox, &other->item), BASE_ECLOSED);
    ++*other->handled_count;
}

static void test_close_handles_what_waits_and_refuses_the_rest(void **state)
{
    struct note waiting, late;
    int handled_count = 0, closed_count = 0;
    (void)state;
    note_init(&late, &handled_count);
    note_init(&waiting, &handled_count);
    waiting.item = (struct node_inbox_item){.handle = handle_post_other, .ptr = &late};
    assert_int_equal(node_inbox_post(inbox, &waiting.item), BASE_OK);
    node_inbox_close(inbox, count_closed, &closed_count);
    assert_int_equal(handled_count, 1);
    assert_int_equal(closed_count, 0); /* on a later turn */
    while (closed_count == 0)
        uv_run(&loop, UV_RUN_ONCE);
    inbox = NULL;
}

/* Goal: nothing is lost, doubled or reordered, however many threads post, and however often the
 * inbox is full.
 * Method: four threads count up, each in its own items; the loop checks each one's order. */
struct poster {
    uv_thread_t thread;
    unsigned next_expected;
    unsigned full_count;
    struct counted {
        struct node_inbox_item item;
        struct poster *poster;
        unsigned number;
    } * items;
};

static unsigned handled_total;

static void handle_counted(struct node_inbox_item *item)
{
    struct counted *counted = item->ptr;
    assert_int_equal(counted->number, counted->poster->next_expected);
    counted->poster->next_expected++;
    handled_total++;
}

static void post_all(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < POSTS_EACH; i++) {
        struct counted *counted = &poster->items[i];
        bool is_reserved = i % 1000 == 999;
        counted->item = (struct node_inbox_item){.handle = handle_counted, .ptr = counted};
        counted->poster = poster;
        counted->number = i;
        while ((is_reserved ? node_inbox_post_reserved(inbox, &counted->item)
                            : node_inbox_post(inbox, &counted->item)) != BASE_OK)
            poster->full_count++;
    }
}

static void test_many_threads_lose_nothing(void **state)
{
    static struct poster posters[POSTERS];
    (void)state;
    handled_total = 0;
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.items = calloc(POSTS_EACH, sizeof(struct counted))};
        assert_non_null(posters[i].items);
        assert_int_equal(uv_thread_create(&posters[i].thread, post_all, &posters[i]), 0);
    }
    while (handled_total < POSTERS * POSTS_EACH)
        uv_run(&loop, UV_RUN_ONCE); /* a lost item hangs here, until the test's time-out */
    for (int i = 0; i < POSTERS; i++) {
        uv_thread_join(&posters[i].thread);
        assert_int_equal(posters[i].next_expected, POSTS_EACH);
        free(posters[i].items);
    }
    assert_int_equal(handled_total, POSTERS * POSTS_EACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_items_are_handled_in_order_on_the_next_turn, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_full_inbox_refuses_all_but_reserved_items, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_handlers_that_post_do_not_starve_timers, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_handler_may_free_its_item, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_handles_what_waits_and_refuses_the_rest, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_many_threads_lose_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
