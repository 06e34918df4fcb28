/* A certificate that ends soon is named at once and then once a day, whatever the clock does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "folder.h"
#include "host/expiry.h"
#include "http/certs.h"

static struct folder folder;
static char paths[6][FOLDER_PATH_MAX];
static struct hw_tls_pair pairs[3];
static const struct hw_tls_files files = {.pairs = pairs, .pair_count = 3};
static const struct hw_listen one = {.address = "a", .tls = &files};
static struct hw_tls_set *set;
static struct hw_expiry expiry;

static time_t now;
static const uint64_t hour_ns = UINT64_C(3600000000000), start_ns = UINT64_C(5000000000);

/* Writes a pair that ends so many seconds after `now`. Written anew it may be another one. */
static void write_pair(int i, long seconds)
{
    static const char *const names[] = {"a.pem", "a.key", "b.pem", "b.key", "c.pem", "c.key"};
    pairs[i] = (struct hw_tls_pair){folder_path(&folder, names[2 * i], paths[2 * i]),
                                    folder_path(&folder, names[2 * i + 1], paths[2 * i + 1])};
    const struct made *made = A_CERT(.name = "x.example");
    ASN1_TIME_adj(X509_getm_notAfter(made->cert), now, 0, seconds);
    X509_sign(made->cert, made->key, EVP_sha256());
    WRITE_CERTS(pairs[i].cert, made);
    write_key(pairs[i].key, made);
}

static void load(void)
{
    char why[512];
    struct hw_tls_set *next = hw_tls_set_make(&one, 1, set, why, sizeof why);
    if (!next)
        fail_msg("%s", why);
    hw_tls_set_unref(set);
    set = next;
    hw_tls_set_unref(expiry.tls);
    expiry.tls = hw_tls_set_ref(set);
}

static int set_up(void **state)
{
    (void)state;
    folder_open(&folder);
    now = time(NULL);
    write_pair(0, 14 * 86400L);
    write_pair(1, 14 * 86400L + 1);
    write_pair(2, 400 * 86400L);
    expiry = (struct hw_expiry){0};
    load();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hw_expiry_fini(&expiry);
    hw_tls_set_unref(set);
    set = NULL;
    unmake_all();
    folder_close(&folder);
    return 0;
}

/* ---- looking ---- */

static char lines[4096];
static int line_count;

static void take_line(void *unused, enum hw_log_level level, struct hw_str json)
{
    (void)unused;
    size_t len = strlen(lines);
    assert_int_equal(level, HW_LOG_WARN);
    snprintf(lines + len, sizeof lines - len, "%.*s\n", HW_STR_ARG(json));
    line_count++;
}

/* How many lines a look writes. */
static int lines_at(time_t at, uint64_t ns)
{
    lines[0] = '\0';
    line_count = 0;
    struct hw_log_tap no_tap = hw_log_set_tap((struct hw_log_tap){take_line, NULL});
    hw_expiry_look(&expiry, at, ns);
    hw_log_set_tap(no_tap);
    return line_count;
}

static void assert_said(const char *text)
{
    if (!strstr(lines, text))
        fail_msg("no \"%s\" in %s", text, lines);
}

static void test_names_what_ends_within_14_days(void **state)
{
    (void)state;
    assert_int_equal(lines_at(now, start_ns), 1);
    assert_said("/a.pem\",\"names\":\"x.example\",\"expires\":\"2");
    assert_said("\"days\":14");
    assert_int_equal(lines_at(now + 1, start_ns + hour_ns), 1); /* the second one now */
    assert_said("/b.pem");
}

static void test_says_so_once_a_day(void **state)
{
    (void)state;
    int count = 0;
    for (unsigned hour = 0; hour < 72; hour++)
        count += lines_at(now, start_ns + hour * hour_ns);
    assert_int_equal(count, 3);
}

static void test_a_clock_that_leaps_neither_floods_nor_silences_it(void **state)
{
    (void)state;
    const long century = 100 * 365 * 86400L;
    assert_int_equal(lines_at(now, start_ns), 1);
    for (unsigned hour = 1; hour < 24; hour++)
        assert_int_equal(lines_at(now - (hour % 2) * century, start_ns + hour * hour_ns), 0);
    assert_int_equal(lines_at(now - century, start_ns + 24 * hour_ns), 0);
    assert_int_equal(lines_at(now, start_ns + 25 * hour_ns), 1);
}

static void test_says_that_one_has_expired(void **state)
{
    (void)state;
    assert_int_equal(lines_at(now + 14 * 86400L + 5, start_ns), 2);
    assert_said("a TLS certificate has expired, so clients refuse it: renew it");
    assert_said("\"days\":-1");
}

static void test_a_new_certificate_is_judged_anew(void **state)
{
    (void)state;
    assert_int_equal(lines_at(now, start_ns), 1);
    write_pair(0, 3 * 86400L);
    load();
    assert_int_equal(lines_at(now, start_ns + 1), 1);
    assert_said("\"days\":3");
    load(); /* a reload of something else */
    assert_int_equal(lines_at(now, start_ns + 2), 0);
    write_pair(0, 300 * 86400L);
    load();
    assert_int_equal(lines_at(now, start_ns + 48 * hour_ns), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(test_names_what_ends_within_14_days),
        T(test_says_so_once_a_day),
        T(test_a_clock_that_leaps_neither_floods_nor_silences_it),
        T(test_says_that_one_has_expired),
        T(test_a_new_certificate_is_judged_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
