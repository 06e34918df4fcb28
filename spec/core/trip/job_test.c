/* A job is cut from a complete request only if its three headers are well-formed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "trip/job.h"

static struct hw_requests pool;
static struct hw_hasher *hasher;

/* SHA-256 of "{}" */
static const uint8_t digest[HW_DIGEST_SIZE] = {
    0x44, 0x13, 0x6f, 0xa3, 0x55, 0xb3, 0x67, 0x8a, 0x11, 0x46, 0xad, 0x16, 0xf7, 0xe8, 0x64, 0x9e,
    0x94, 0xfb, 0x4f, 0xc2, 0x1f, 0xe7, 0x7e, 0x83, 0x10, 0xc0, 0x60, 0xf6, 0x1c, 0xaa, 0xff, 0x8a};

static struct hw_request *new_request(const char *headers)
{
    char text[4096];
    int n = snprintf(text, sizeof text,
                     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n%s\r\n{}", headers);
    struct hw_request *r = hw_request_take(&pool);
    assert_int_equal(hw_request_append(r, (struct hw_str){text, (size_t)n}), 0);
    int64_t head = hw_http_head(&r->http, r->bytes, r->len);
    assert_int_equal(head, n - 2);
    r->head_len = (size_t)head;
    assert_int_equal(hw_http_body(&r->http, r->bytes, &r->len), n);
    return r;
}

static struct hw_job *cut(const char *headers, bool by_body)
{
    struct hw_request *r = new_request(headers);
    int code = -1;
    struct hw_job *job = hw_job_cut(&r, hasher, by_body, 42, &code);
    assert_int_equal(code, 0);
    assert_non_null(job);
    assert_null(r); /* taken over */
    return job;
}

static void bury(struct hw_job *job)
{
    hw_request_put(&pool, job->n.request);
    hw_job_free(job);
}

static void assert_refused(const char *headers, int expected)
{
    struct hw_request *r = new_request(headers);
    int code = 0;
    assert_null(hw_job_cut(&r, hasher, false, 42, &code));
    if (code != expected)
        fail_msg("%s: %s", headers, code ? hw_error_name(code) : "accepted");
    assert_non_null(r); /* left to the caller */
    hw_request_put(&pool, r);
}

static void takes_over_a_request_with_all_headers(void **state)
{
    (void)state;
    double before = hw_now();
    struct hw_job *job = cut("X-Signature: c2ln\r\nX-JobId:  job 7 \r\nx-jobattempt: 3\r\n", false);
    assert_true(hw_str_eq(job->n.body, HW_STR("{}")));
    assert_true(hw_str_eq(job->n.signature, HW_STR("c2ln")));
    assert_true(hw_str_eq(job->n.id, HW_STR("job 7")));
    assert_true(hw_str_eq(job->n.identity.id, HW_STR("job 7")));
    assert_true(job->n.has_id);
    assert_int_equal(job->n.attempt, 3);
    assert_memory_equal(job->n.identity.digest, digest, sizeof digest);
    assert_int_equal(job->n.cut_ns, 42);
    assert_true(job->n.received_at >= before && job->n.received_at <= hw_now());
    assert_int_equal(job->n.from_row, 0);
    bury(job);
}

static void knows_one_without_an_id_by_its_content(void **state)
{
    (void)state;
    struct hw_job *job = cut("X-Signature: s\r\n", false);
    assert_false(job->n.has_id);
    assert_true(hw_str_eq(job->n.id, HW_STR("44136fa355b3678a")));
    assert_true(hw_str_eq(job->n.identity.id, job->n.id));
    assert_int_equal(job->n.attempt, 0);
    bury(job);
}

static void leaves_the_id_out_of_the_identity_when_by_body(void **state)
{
    (void)state;
    struct hw_job *a = cut("X-Signature: s\r\nX-JobId: a\r\n", true);
    struct hw_job *b = cut("X-Signature: s\r\nX-JobId: b\r\n", true);
    assert_int_equal(a->n.identity.id.len, 0);
    assert_true(hw_str_eq(a->n.id, HW_STR("a")));
    assert_true(hw_job_same(a, b));
    bury(a);
    bury(b);
}

static void tells_ids_and_bodies_apart(void **state)
{
    (void)state;
    struct hw_job *a = cut("X-Signature: s\r\nX-JobId: a\r\n", false);
    struct hw_job *b = cut("X-Signature: other\r\nX-JobId: a\r\nX-JobAttempt: 1\r\n", false);
    struct hw_job *c = cut("X-Signature: s\r\nX-JobId: b\r\n", false);
    assert_true(hw_job_same(a, b));
    assert_false(hw_job_same(a, c));
    b->n.identity.digest[HW_DIGEST_SIZE - 1] ^= 1;
    assert_false(hw_job_same(a, b));
    bury(a);
    bury(b);
    bury(c);
}

static void refuses_a_signature_that_is_missing_repeated_or_empty(void **state)
{
    (void)state;
    assert_refused("", HW_EMISSING_SIGNATURE);
    assert_refused("X-JobId: bad\x80\r\n", HW_EMISSING_SIGNATURE); /* signature checked first */
    assert_refused("X-Signature:\r\n", HW_EMALFORMED_SIGNATURE);
    assert_refused("X-Signature: s\r\nX-Signature: s\r\n", HW_EMALFORMED_SIGNATURE);
}

static void refuses_an_id_out_of_its_form(void **state)
{
    char headers[400], id[HW_JOB_ID_MAX + 2];
    (void)state;
    assert_refused("X-Signature: s\r\nX-JobId:\r\n", HW_EMALFORMED_JOB_ID);
    assert_refused("X-Signature: s\r\nX-JobId: a\r\nX-JobId: a\r\n", HW_EMALFORMED_JOB_ID);
    assert_refused("X-Signature: s\r\nX-JobId: a\tb\r\n", HW_EMALFORMED_JOB_ID);
    assert_refused("X-Signature: s\r\nX-JobId: \xc3\xbc\r\n", HW_EMALFORMED_JOB_ID);
    for (size_t len = HW_JOB_ID_MAX; len <= HW_JOB_ID_MAX + 1; len++) {
        memset(id, '~', len);
        id[len] = '\0';
        snprintf(headers, sizeof headers, "X-Signature: s\r\nX-JobId: %s\r\n", id);
        if (len == HW_JOB_ID_MAX)
            bury(cut(headers, false));
        else
            assert_refused(headers, HW_EMALFORMED_JOB_ID);
    }
}

static void refuses_an_attempt_that_is_no_whole_number(void **state)
{
    static const char *const bad[] = {"", "-1", "+1", "1.0", "0x1", "1 2", "a", "1234567890"};
    char headers[100];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(headers, sizeof headers, "X-Signature: s\r\nX-JobAttempt: %s\r\n", bad[i]);
        assert_refused(headers, HW_EMALFORMED_JOB_ATTEMPT);
    }
    assert_refused("X-Signature: s\r\nX-JobAttempt: 1\r\nX-JobAttempt: 1\r\n",
                   HW_EMALFORMED_JOB_ATTEMPT);
    struct hw_job *job = cut("X-Signature: s\r\nX-JobAttempt: 999999999\r\n", false);
    assert_int_equal(job->n.attempt, 999999999);
    bury(job);
}

/* For one that must do without its request. */
static void copies_headers_as_they_are_kept(void **state)
{
    static const char kept[] = "{\"host\":\"a\",\"content-length\":\"2\",\"x-signature\":\"s\"}";
    (void)state;
    struct hw_job *job = cut("X-Signature: s\r\nCookie: c\r\n", false);
    struct hw_job *first = hw_job_revive(7, false, 42), *second = hw_job_revive(7, false, 42);
    assert_true(hw_job_copy_headers(second, first)); /* none */
    assert_null(second->n.headers.ptr);
    assert_true(hw_job_copy_headers(first, job));
    bury(job);
    assert_true(hw_job_copy_headers(second, first));
    hw_job_free(first);
    assert_true(hw_str_eq(second->n.headers, hw_str_of(kept)));
    hw_job_free(second);
}

static void revives_one_with_nothing_but_its_row(void **state)
{
    (void)state;
    struct hw_job *job = hw_job_revive(7, true, 42);
    assert_int_equal(job->n.from_row, 7);
    assert_true(job->n.force);
    assert_int_equal(job->n.cut_ns, 42);
    assert_null(job->n.body.ptr);
    assert_null(job->n.request);
    assert_null(job->waiters);
    assert_false(job->in_flight || job->committed || job->n.outcome.authentic);
    hw_job_free(job);
}

static int open_all(void **state)
{
    (void)state;
    hw_requests_init(&pool, (struct hw_http_limits){16384, 1 << 20});
    hasher = hw_hasher_new();
    return hasher ? 0 : -1;
}

static int close_all(void **state)
{
    (void)state;
    hw_hasher_free(hasher);
    hw_requests_fini(&pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_over_a_request_with_all_headers),
        cmocka_unit_test(knows_one_without_an_id_by_its_content),
        cmocka_unit_test(leaves_the_id_out_of_the_identity_when_by_body),
        cmocka_unit_test(tells_ids_and_bodies_apart),
        cmocka_unit_test(copies_headers_as_they_are_kept),
        cmocka_unit_test(refuses_a_signature_that_is_missing_repeated_or_empty),
        cmocka_unit_test(refuses_an_id_out_of_its_form),
        cmocka_unit_test(refuses_an_attempt_that_is_no_whole_number),
        cmocka_unit_test(revives_one_with_nothing_but_its_row),
    };
    return cmocka_run_group_tests_name("job", tests, open_all, close_all);
}
