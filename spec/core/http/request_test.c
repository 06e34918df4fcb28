/* A request grows with what arrives and keeps every byte; ordinary ones are reused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/request.h"

static struct hw_requests pool;

static int open_pool(void **state)
{
    (void)state;
    hw_requests_init(&pool, (struct hw_http_limits){16384, 1 << 20});
    return 0;
}

static int close_pool(void **state)
{
    (void)state;
    hw_requests_fini(&pool);
    assert_int_equal(pool.count, 0);
    return 0;
}

static void starts_empty_with_room_for_an_ordinary_one(void **state)
{
    (void)state;
    struct hw_request *r = hw_request_take(&pool);
    assert_int_equal(r->len, 0);
    assert_int_equal(r->head_len, 0);
    assert_int_equal(r->cap, HW_REQUEST_FIRST);
    hw_request_put(&pool, r);
}

static void uses_an_ordinary_one_again_as_if_new(void **state)
{
    (void)state;
    struct hw_request *r = hw_request_take(&pool);
    assert_int_equal(hw_request_append(r, HW_STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n")), 0);
    r->head_len = (size_t)hw_http_head(&r->http, r->bytes, r->len);
    assert_int_equal(r->head_len, r->len);
    hw_request_put(&pool, r);
    assert_int_equal(pool.count, 1);
    struct hw_request *again = hw_request_take(&pool);
    assert_ptr_equal(again, r);
    assert_int_equal(pool.count, 0);
    assert_int_equal(again->len, 0);
    assert_int_equal(again->head_len, 0);
    assert_int_equal(hw_http_head(&again->http, "", 0), 0); /* its parser waits for a head */
    hw_request_put(&pool, again);
}

static void keeps_no_more_than_its_spare_ones(void **state)
{
    struct hw_request *all[HW_REQUEST_SPARE + 1];
    (void)state;
    for (int i = 0; i <= HW_REQUEST_SPARE; i++)
        all[i] = hw_request_take(&pool);
    for (int i = 0; i <= HW_REQUEST_SPARE; i++)
        hw_request_put(&pool, all[i]);
    assert_int_equal(pool.count, HW_REQUEST_SPARE);
}

static void keeps_none_that_has_grown(void **state)
{
    static const char bytes[HW_REQUEST_FIRST + 1];
    (void)state;
    struct hw_request *r = hw_request_take(&pool);
    size_t spare = pool.count;
    assert_int_equal(hw_request_append(r, (struct hw_str){bytes, sizeof bytes}), 0);
    assert_true(r->cap > HW_REQUEST_FIRST);
    hw_request_put(&pool, r);
    assert_int_equal(pool.count, spare);
}

static void grows_only_when_it_is_full(void **state)
{
    (void)state;
    struct hw_request *r = hw_request_take(&pool);
    r->len = HW_REQUEST_FIRST - 1;
    assert_int_equal(hw_request_reserve(r), 0);
    assert_int_equal(r->cap, HW_REQUEST_FIRST);
    r->len = HW_REQUEST_FIRST;
    memset(r->bytes, 'x', r->len);
    for (size_t before = r->cap; r->cap < 1 << 20; before = r->cap) {
        assert_int_equal(hw_request_reserve(r), 0);
        assert_true(r->cap > before && r->cap <= 4 * before);
        memset(r->bytes + before, 'x', r->cap - before); /* all of it may be written */
        r->len = r->cap;
    }
    assert_true(r->bytes[0] == 'x' && r->bytes[HW_REQUEST_FIRST - 1] == 'x');
    hw_request_put(&pool, r);
}

static void keeps_what_was_appended_in_pieces(void **state)
{
    enum { PIECES = 3000 };
    (void)state;
    struct hw_request *r = hw_request_take(&pool);
    char piece[64];
    size_t expected = 0;
    for (int i = 0; i < PIECES; i++) {
        size_t len = (size_t)i % sizeof piece + 1;
        memset(piece, i & 255, len);
        assert_int_equal(hw_request_append(r, (struct hw_str){piece, len}), 0);
        expected += len;
    }
    assert_int_equal(r->len, expected);
    const char *at = r->bytes;
    for (int i = 0; i < PIECES; i++)
        for (size_t k = 0; k < (size_t)i % sizeof piece + 1; k++)
            assert_int_equal((unsigned char)*at++, i & 255);
    hw_request_put(&pool, r);
}

static struct hw_request *request_of(struct hw_str bytes)
{
    struct hw_request *r = hw_request_take(&pool);
    assert_int_equal(hw_request_append(r, bytes), 0);
    return r;
}

static void assert_bytes(const struct hw_request *r, const char *expected)
{
    assert_int_equal(r->len, strlen(expected));
    assert_memory_equal(r->bytes, expected, r->len);
}

static void skips_a_message_without_moving_what_is_behind(void **state)
{
    (void)state;
    struct hw_request *r = request_of(HW_STR("onetwothree"));
    const char *bytes = r->bytes;
    r->head_len = 3;
    assert_ptr_equal(hw_request_skip(&pool, r, 3), r);
    assert_ptr_equal(r->bytes, bytes + 3);
    assert_int_equal(r->head_len, 0);
    assert_ptr_equal(hw_request_skip(&pool, r, 3), r);
    assert_bytes(r, "three");
    assert_ptr_equal(r->bytes, bytes + 6);
    assert_null(hw_request_skip(&pool, r, 5));
}

static void reads_on_where_it_skipped_when_it_is_full(void **state)
{
    (void)state;
    struct hw_request *r = hw_request_take(&pool);
    memset(r->bytes, 'x', HW_REQUEST_FIRST);
    memcpy(r->bytes + HW_REQUEST_FIRST - 4, "rest", 4);
    r->len = HW_REQUEST_FIRST;
    assert_ptr_equal(hw_request_skip(&pool, r, HW_REQUEST_FIRST - 4), r);
    assert_int_equal(hw_request_room(r), 0);
    assert_int_equal(hw_request_reserve(r), 0);
    assert_bytes(r, "rest");
    assert_int_equal(r->cap, HW_REQUEST_FIRST);
    assert_int_equal(hw_request_room(r), HW_REQUEST_FIRST - 4);
    hw_request_put(&pool, r);
}

static void parts_a_message_from_nothing(void **state)
{
    (void)state;
    struct hw_request *r = request_of(HW_STR("message")), *behind;
    const char *bytes = r->bytes;
    assert_int_equal(hw_request_part(&pool, r, 7, &behind), 0);
    assert_null(behind);
    assert_ptr_equal(r->bytes, bytes);
    hw_request_put(&pool, r);
}

/* The shorter one moves. So a short message does not cost a copy of the many that follow it, nor a
 * few bytes a copy of the long message before them. */
static void parts_by_moving_the_shorter_one(void **state)
{
    static const char *const all[] = {"longer|rest", "one|the longer"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct hw_request *r = request_of(hw_str_of(all[i])), *behind;
        const char *bytes = r->bytes;
        size_t end = (size_t)(strchr(all[i], '|') + 1 - all[i]);
        r->head_len = 3;
        assert_int_equal(hw_request_part(&pool, r, end, &behind), 0);
        assert_int_equal(r->len, end);
        assert_memory_equal(r->bytes, all[i], end);
        assert_int_equal(r->head_len, 3); /* what was parsed stays with the message */
        assert_bytes(behind, all[i] + end);
        assert_int_equal(behind->head_len, 0);
        if (i == 0)
            assert_ptr_equal(r->bytes, bytes);
        else
            assert_ptr_equal(behind->bytes, bytes + end);
        hw_request_put(&pool, r);
        hw_request_put(&pool, behind);
    }
}

static void parts_a_message_longer_than_an_ordinary_one(void **state)
{
    enum { MESSAGE = HW_REQUEST_FIRST + 1, ALL = 3 * MESSAGE };
    static char bytes[ALL];
    (void)state;
    for (int i = 0; i < ALL; i++)
        bytes[i] = (char)(i * 7);
    struct hw_request *r = request_of((struct hw_str){bytes, ALL}), *behind;
    assert_int_equal(hw_request_part(&pool, r, MESSAGE, &behind), 0);
    assert_int_equal(r->len, MESSAGE);
    assert_memory_equal(r->bytes, bytes, MESSAGE);
    assert_int_equal(behind->len, ALL - MESSAGE);
    assert_memory_equal(behind->bytes, bytes + MESSAGE, ALL - MESSAGE);
    hw_request_put(&pool, r);
    hw_request_put(&pool, behind);
}

static void grows_no_further_than_the_end_of_a_body(void **state)
{
    enum { BODY = 1000 * 1000 };
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
    (void)state;
    struct hw_request *r = request_of(HW_STR(head));
    r->head_len = (size_t)hw_http_head(&r->http, r->bytes, r->len);
    while (hw_http_body(&r->http, r->bytes, &r->len) == 0) {
        assert_int_equal(hw_request_reserve(r), 0);
        assert_true(r->cap <= r->head_len + BODY);
        memset(r->bytes + r->len, 'x', hw_request_room(r));
        r->len += hw_request_room(r);
    }
    assert_int_equal(r->len, r->head_len + BODY);
    hw_request_put(&pool, r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_empty_with_room_for_an_ordinary_one),
        cmocka_unit_test(uses_an_ordinary_one_again_as_if_new),
        cmocka_unit_test(keeps_no_more_than_its_spare_ones),
        cmocka_unit_test(keeps_none_that_has_grown),
        cmocka_unit_test(grows_only_when_it_is_full),
        cmocka_unit_test(keeps_what_was_appended_in_pieces),
        cmocka_unit_test(skips_a_message_without_moving_what_is_behind),
        cmocka_unit_test(reads_on_where_it_skipped_when_it_is_full),
        cmocka_unit_test(parts_a_message_from_nothing),
        cmocka_unit_test(parts_by_moving_the_shorter_one),
        cmocka_unit_test(parts_a_message_longer_than_an_ordinary_one),
        cmocka_unit_test(grows_no_further_than_the_end_of_a_body),
    };
    return cmocka_run_group_tests_name("request", tests, open_pool, close_pool);
}
