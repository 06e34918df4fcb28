/* Deadlines pass in their order, each once, and only those that are still set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/deadline.h"

enum { MANY = 100, LOTS = 50000 };

struct rig {
    uv_loop_t loop;
    struct hw_deadlines all;
    struct hw_deadline some[MANY];
    int passed[MANY];    /* in this order */
    uint64_t when[MANY]; /* each of them, by the loop's clock */
    int count;
    void (*also)(struct rig *r, int index); /* in each callback */
};

static void on_expired(struct hw_deadlines *all, struct hw_deadline *deadline);

static struct rig r;

static int open_rig(void **state)
{
    (void)state;
    r = (struct rig){0};
    assert_int_equal(uv_loop_init(&r.loop), 0);
    hw_deadlines_init(&r.all, &r.loop, on_expired);
    for (int i = 0; i < HW_DEADLINE_KINDS; i++)
        r.all.durations_ms[i] = 1;
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    uv_close((uv_handle_t *)&r.all.timer, NULL);
    uv_close((uv_handle_t *)&r.all.check, NULL);
    uv_close((uv_handle_t *)&r.all.idle, NULL);
    uv_run(&r.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r.loop), 0);
    return 0;
}

static void on_expired(struct hw_deadlines *all, struct hw_deadline *deadline)
{
    int index = (int)(deadline - r.some);
    assert_ptr_equal(all, &r.all);
    assert_null(deadline->next); /* it is cleared already */
    assert_true(uv_now(&r.loop) >= deadline->at_ms);
    r.when[r.count] = uv_now(&r.loop);
    r.passed[r.count++] = index;
    if (r.also)
        r.also(&r, index);
}

static void set(int index, enum hw_deadline_kind kind)
{
    hw_deadline_set(&r.all, &r.some[index], kind);
}

/* Runs until no deadline is left. */
static void run(void)
{
    assert_int_equal(uv_run(&r.loop, UV_RUN_DEFAULT), 0);
    for (int i = 0; i < HW_DEADLINE_KINDS; i++)
        assert_ptr_equal(r.all.lists[i].next, &r.all.lists[i]);
}

static void passes_each_of_a_kind_in_the_order_of_setting(void **state)
{
    (void)state;
    for (int i = 0; i < MANY; i++)
        set(i, HW_DEADLINE_HEAD);
    run();
    assert_int_equal(r.count, MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(r.passed[i], i);
}

/* On a machine that is slow, several may pass in one turn of the loop: those in any order. */
static void passes_the_shorter_kind_first(void **state)
{
    (void)state;
    for (int i = 0; i < HW_DEADLINE_KINDS; i++) {
        r.all.durations_ms[i] = (uint64_t)(HW_DEADLINE_KINDS - i) * 50;
        set(i, (enum hw_deadline_kind)i);
    }
    run();
    assert_int_equal(r.count, HW_DEADLINE_KINDS);
    for (int i = 1; i < HW_DEADLINE_KINDS; i++)
        assert_true(r.passed[i] < r.passed[i - 1] || r.when[i] == r.when[i - 1]);
}

static void passes_what_was_set_while_a_longer_one_waits(void **state)
{
    (void)state;
    r.all.durations_ms[HW_DEADLINE_IDLE] = 60000;
    set(0, HW_DEADLINE_IDLE);
    set(1, HW_DEADLINE_HEAD);
    uv_run(&r.loop, UV_RUN_ONCE);
    while (r.count == 0)
        uv_run(&r.loop, UV_RUN_ONCE);
    assert_int_equal(r.passed[0], 1);
    hw_deadline_clear(&r.some[0]);
}

/* With a shorter duration, deadlines that are set already pass no later than a new one would. */
static void passes_what_was_set_when_the_kind_lasted_longer(void **state)
{
    (void)state;
    hw_deadlines_last(&r.all, HW_DEADLINE_IDLE, 1);
    set(0, HW_DEADLINE_IDLE);
    hw_deadlines_last(&r.all, HW_DEADLINE_IDLE, 60000);
    set(1, HW_DEADLINE_IDLE);
    set(2, HW_DEADLINE_IDLE);
    uint64_t first = r.some[0].at_ms, latest = uv_now(&r.loop) + 2;
    hw_deadlines_last(&r.all, HW_DEADLINE_IDLE, 2);
    assert_int_equal(r.some[0].at_ms, first);
    assert_int_equal(r.some[1].at_ms, latest);
    assert_int_equal(r.some[2].at_ms, latest);
    set(3, HW_DEADLINE_IDLE);
    run();
    assert_int_equal(r.count, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(r.passed[i], i);
}

static void leaves_a_job_the_time_that_it_began_with(void **state)
{
    (void)state;
    hw_deadlines_last(&r.all, HW_DEADLINE_ANSWER, 60000);
    set(0, HW_DEADLINE_ANSWER);
    set(1, HW_DEADLINE_ANSWER);
    hw_deadlines_last(&r.all, HW_DEADLINE_ANSWER, 2);
    set(2, HW_DEADLINE_ANSWER);
    set(3, HW_DEADLINE_ANSWER);
    while (r.count < 2)
        uv_run(&r.loop, UV_RUN_ONCE);
    assert_int_equal(r.passed[0], 2);
    assert_int_equal(r.passed[1], 3);
    assert_ptr_equal(r.some[0].next, &r.some[1]);
    hw_deadline_clear(&r.some[0]);
    hw_deadline_clear(&r.some[1]);
}

static void forgets_what_is_cleared(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        set(i, HW_DEADLINE_BODY);
    hw_deadline_clear(&r.some[0]);
    hw_deadline_clear(&r.some[2]);
    hw_deadline_clear(&r.some[4]);
    hw_deadline_clear(&r.some[4]); /* the second call does nothing */
    run();
    assert_int_equal(r.count, 2);
    assert_int_equal(r.passed[0], 1);
    assert_int_equal(r.passed[1], 3);
}

static void moves_what_is_set_anew_to_the_end(void **state)
{
    (void)state;
    set(0, HW_DEADLINE_BODY);
    set(1, HW_DEADLINE_BODY);
    set(0, HW_DEADLINE_BODY);
    run();
    assert_int_equal(r.count, 2);
    assert_int_equal(r.passed[0], 1);
    assert_int_equal(r.passed[1], 0);
}

static void changes_kind_when_set_anew(void **state)
{
    (void)state;
    r.all.durations_ms[HW_DEADLINE_IDLE] = 60000;
    set(0, HW_DEADLINE_IDLE);
    set(0, HW_DEADLINE_HEAD);
    run();
    assert_int_equal(r.count, 1);
    assert_int_equal(r.some[0].kind, HW_DEADLINE_HEAD);
}

static void clear_the_next(struct rig *rig, int index)
{
    if (index + 1 < 4)
        hw_deadline_clear(&rig->some[index + 1]);
}

static void forgets_what_a_callback_clears(void **state)
{
    (void)state;
    r.also = clear_the_next;
    for (int i = 0; i < 4; i++)
        set(i, HW_DEADLINE_WRITE);
    run();
    assert_int_equal(r.count, 2);
    assert_int_equal(r.passed[0], 0);
    assert_int_equal(r.passed[1], 2);
}

static void set_again(struct rig *rig, int index)
{
    if (rig->count < 5)
        hw_deadline_set(&rig->all, &rig->some[index], HW_DEADLINE_LINGER);
}

static void passes_again_what_a_callback_sets(void **state)
{
    (void)state;
    r.also = set_again;
    set(0, HW_DEADLINE_LINGER);
    run();
    assert_int_equal(r.count, 5);
}

static void sleeps_when_none_is_set(void **state)
{
    (void)state;
    set(0, HW_DEADLINE_HEAD);
    run();
    assert_false(uv_is_active((uv_handle_t *)&r.all.timer));
}

/* ---- after a pause ---- */

static uv_poll_t socket_poll;
static int ends[2];

/* What the first deadline waits for has arrived. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    hw_deadline_clear(&r.some[0]);
    uv_poll_stop(poll);
}

static void open_socket(void)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(uv_poll_init(&r.loop, &socket_poll, ends[0]), 0);
    assert_int_equal(uv_poll_start(&socket_poll, UV_READABLE, on_readable), 0);
}

static void close_socket(void)
{
    uv_close((uv_handle_t *)&socket_poll, NULL);
    uv_run(&r.loop, UV_RUN_DEFAULT);
    close(ends[0]);
    close(ends[1]);
}

static void looks_at_the_sockets_before_anything_passes(void **state)
{
    (void)state;
    open_socket();
    set(0, HW_DEADLINE_HEAD);
    set(1, HW_DEADLINE_HEAD);
    assert_int_equal(write(ends[1], "x", 1), 1);
    usleep(5000); /* both are due, and the loop has not polled yet */
    run();
    assert_int_equal(r.count, 1);
    assert_int_equal(r.passed[0], 1);
    close_socket();
}

/* The loop's owner can first deal with what other threads have done. */
static void comes_back_to_its_owner_before_anything_passes(void **state)
{
    (void)state;
    set(0, HW_DEADLINE_ANSWER);
    usleep(5000);
    uv_run(&r.loop, UV_RUN_NOWAIT);
    assert_int_equal(r.count, 0);
    hw_deadline_clear(&r.some[0]);
    set(1, HW_DEADLINE_ANSWER);
    run();
    assert_int_equal(r.count, 1);
    assert_int_equal(r.passed[0], 1);
}

/* As if the timer had been due that long ago. */
static void be_late(uint64_t ms)
{
    usleep(2000);
    uv_update_time(&r.loop);
    r.all.due_ms = uv_now(&r.loop) - ms;
}

static void gives_a_grace_after_a_pause_but_not_twice(void **state)
{
    (void)state;
    set(0, HW_DEADLINE_IDLE);
    be_late(HW_DEADLINE_LATE_MS + 100);
    for (int i = 0; i < 10; i++) {
        uv_run(&r.loop, UV_RUN_NOWAIT);
        set(1, HW_DEADLINE_HEAD); /* a new one does not end the grace either */
    }
    assert_int_equal(r.count, 0);
    assert_true(uv_timer_get_due_in(&r.all.timer) > HW_DEADLINE_GRACE_MS / 2);

    uv_timer_start(&r.all.timer, r.all.timer.timer_cb, 0, 0); /* the grace is over; late again */
    be_late(HW_DEADLINE_LATE_MS + 100);
    run();
    assert_int_equal(r.count, 2);
}

static void gives_none_for_a_little_lateness(void **state)
{
    (void)state;
    set(0, HW_DEADLINE_IDLE);
    be_late(HW_DEADLINE_LATE_MS - 50);
    for (int i = 0; i < 3; i++)
        uv_run(&r.loop, UV_RUN_NOWAIT);
    assert_int_equal(r.count, 1);
}

static void postpone_the_first(struct rig *rig, int index)
{
    if (index == 0 && rig->count == 1)
        hw_deadline_postpone(&rig->all, &rig->some[0], 2);
}

static void passes_later_what_is_postponed(void **state)
{
    (void)state;
    r.also = postpone_the_first;
    for (int i = 0; i < 3; i++)
        set(i, HW_DEADLINE_BODY);
    run();
    assert_int_equal(r.count, 4);
    assert_int_equal(r.passed[0], 0);
    assert_int_equal(r.passed[3], 0);
}

static unsigned postponed;

static void postpone_each_once(struct hw_deadlines *all, struct hw_deadline *deadline)
{
    if (postponed++ < LOTS)
        hw_deadline_postpone(all, deadline, 1);
}

/* Bodies that began together are late together. In quadratic time this takes seconds, in linear
 * time a few milliseconds. */
static void postpones_lots_at_once(void **state)
{
    static struct hw_deadlines all;
    static struct hw_deadline some[LOTS];
    (void)state;
    hw_deadlines_init(&all, &r.loop, postpone_each_once);
    all.durations_ms[HW_DEADLINE_BODY] = 1;
    for (int i = 0; i < LOTS; i++)
        hw_deadline_set(&all, &some[i], HW_DEADLINE_BODY);
    uint64_t began = uv_hrtime();
    run();
    assert_true(uv_hrtime() - began < 2 * UINT64_C(1000000000));
    assert_int_equal(postponed, 2 * LOTS);
    uv_close((uv_handle_t *)&all.timer, NULL);
    uv_close((uv_handle_t *)&all.check, NULL);
    uv_close((uv_handle_t *)&all.idle, NULL);
    uv_run(&r.loop, UV_RUN_DEFAULT);
}

#define ON_A_LOOP(test) cmocka_unit_test_setup_teardown(test, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_LOOP(passes_each_of_a_kind_in_the_order_of_setting),
        ON_A_LOOP(passes_the_shorter_kind_first),
        ON_A_LOOP(passes_what_was_set_while_a_longer_one_waits),
        ON_A_LOOP(passes_what_was_set_when_the_kind_lasted_longer),
        ON_A_LOOP(leaves_a_job_the_time_that_it_began_with),
        ON_A_LOOP(forgets_what_is_cleared),
        ON_A_LOOP(moves_what_is_set_anew_to_the_end),
        ON_A_LOOP(changes_kind_when_set_anew),
        ON_A_LOOP(forgets_what_a_callback_clears),
        ON_A_LOOP(passes_again_what_a_callback_sets),
        ON_A_LOOP(sleeps_when_none_is_set),
        ON_A_LOOP(looks_at_the_sockets_before_anything_passes),
        ON_A_LOOP(comes_back_to_its_owner_before_anything_passes),
        ON_A_LOOP(gives_a_grace_after_a_pause_but_not_twice),
        ON_A_LOOP(gives_none_for_a_little_lateness),
        ON_A_LOOP(passes_later_what_is_postponed),
        ON_A_LOOP(postpones_lots_at_once),
    };
    return cmocka_run_group_tests_name("deadline", tests, NULL, NULL);
}
