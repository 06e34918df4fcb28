/* Requests whose signature failed are kept in memory: the newest, up to a number and to a size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/check.h"
#include "http/unproven.h"

static struct hw_unproven kept;
static struct hw_hasher *hasher;

static int init(void **state)
{
    (void)state;
    kept = (struct hw_unproven){0};
    hasher = hw_hasher_new();
    return hasher ? 0 : -1;
}

static int fini(void **state)
{
    (void)state;
    hw_unproven_fini(&kept);
    assert_int_equal(kept.bytes, 0);
    hw_hasher_free(hasher);
    return 0;
}

/* Keeps "head" and a body of `len` bytes, all `c`. */
static void keep(int code, char c, size_t len)
{
    struct hw_address peer = {.v4 = {.sin_family = AF_INET, .sin_port = 7}};
    struct hw_request r = {.head_len = 4, .len = 4 + len, .bytes = malloc(4 + len)};
    HW_CHECK(r.bytes);
    memcpy(r.bytes, "head", 4);
    memset(r.bytes + 4, c, len);
    r.http.body_length = len;
    hw_unproven_keep(&kept, &r, &peer, code, NULL, hasher);
    free(r.bytes);
}

static void keeps_head_and_body_newest_first(void **state)
{
    (void)state;
    assert_null(hw_unproven_before(&kept, 0));
    keep(HW_EINVALID_SIGNATURE, 'a', 3);
    keep(HW_EMISSING_SIGNATURE, 'b', 0);
    const struct hw_unproven_request *r = hw_unproven_before(&kept, 0);
    assert_int_equal(r->number, 2);
    assert_int_equal(r->code, HW_EMISSING_SIGNATURE);
    assert_int_equal(r->len, 4);
    r = hw_unproven_before(&kept, r->number);
    assert_int_equal(r->number, 1);
    assert_memory_equal(r->bytes, "headaaa", 7);
    assert_int_equal(r->peer.v4.sin_port, 7);
    assert_null(hw_unproven_before(&kept, r->number));
    assert_int_equal(hw_unproven_before(&kept, 99)->number, 2);
}

static void keeps_only_what_was_refused_for_its_signature(void **state)
{
    (void)state;
    keep(HW_EOVERLOADED, 'a', 1);
    keep(HW_EMALFORMED_JOB_ID, 'a', 1);
    assert_null(hw_unproven_before(&kept, 0));
    keep(HW_EMALFORMED_SIGNATURE, 'a', 1);
    assert_non_null(hw_unproven_before(&kept, 0));
}

static void keeps_a_body_up_to_its_limit_and_then_its_digest(void **state)
{
    (void)state;
    uint8_t digest[HW_DIGEST_SIZE];
    char *body = malloc(HW_UNPROVEN_BODY_MAX + 1);
    HW_CHECK(body);
    memset(body, 'x', HW_UNPROVEN_BODY_MAX + 1);
    hw_hasher_digest(hasher, (struct hw_str){body, HW_UNPROVEN_BODY_MAX + 1}, digest);
    keep(HW_EINVALID_SIGNATURE, 'x', HW_UNPROVEN_BODY_MAX);
    assert_int_equal(hw_unproven_before(&kept, 0)->len, 4 + HW_UNPROVEN_BODY_MAX);
    keep(HW_EINVALID_SIGNATURE, 'x', HW_UNPROVEN_BODY_MAX + 1);
    const struct hw_unproven_request *r = hw_unproven_before(&kept, 0);
    assert_int_equal(r->len, 4);
    assert_int_equal(r->body_length, HW_UNPROVEN_BODY_MAX + 1);
    assert_memory_equal(r->digest, digest, sizeof digest);
    free(body);
}

static size_t count(void)
{
    size_t n = 0;
    for (const struct hw_unproven_request *r = NULL;
         (r = hw_unproven_before(&kept, r ? r->number : 0));)
        n++;
    return n;
}

static void forgets_the_oldest_over_its_number(void **state)
{
    (void)state;
    for (int i = 0; i < HW_UNPROVEN_MAX; i++)
        keep(HW_EINVALID_SIGNATURE, 'x', 1);
    assert_int_equal(count(), HW_UNPROVEN_MAX);
    keep(HW_EINVALID_SIGNATURE, 'y', 1);
    assert_int_equal(count(), HW_UNPROVEN_MAX);
    assert_int_equal(hw_unproven_before(&kept, 3)->number, 2);
    assert_null(hw_unproven_before(&kept, 2));
}

static void forgets_the_oldest_over_its_bytes(void **state)
{
    (void)state;
    size_t fit = HW_UNPROVEN_BYTES / (4 + HW_UNPROVEN_BODY_MAX);
    for (size_t i = 0; i < 2 * fit; i++) {
        keep(HW_EINVALID_SIGNATURE, 'x', HW_UNPROVEN_BODY_MAX);
        assert_true(kept.bytes <= HW_UNPROVEN_BYTES);
    }
    assert_int_equal(count(), fit);
    keep(HW_EINVALID_SIGNATURE, 'x', 1); /* there is a little room left */
    assert_int_equal(count(), fit + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_head_and_body_newest_first, init, fini),
        cmocka_unit_test_setup_teardown(keeps_only_what_was_refused_for_its_signature, init, fini),
        cmocka_unit_test_setup_teardown(keeps_a_body_up_to_its_limit_and_then_its_digest, init,
                                        fini),
        cmocka_unit_test_setup_teardown(forgets_the_oldest_over_its_number, init, fini),
        cmocka_unit_test_setup_teardown(forgets_the_oldest_over_its_bytes, init, fini),
    };
    return cmocka_run_group_tests_name("unproven", tests, NULL, NULL);
}
