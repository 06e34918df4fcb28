/* curl_test.c -- libcurl is loaded when it is needed; see core/script/curl.h. */
#include "script/curl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

static void limit_files(rlim_t most)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = most;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void a_failure_for_want_of_files_does_not_last(void **state)
{
    (void)state;
    limit_files(0);
    const char *why = hw_curl_load();
    limit_files(256);
    assert_non_null(why);
    assert_non_null(strstr(why, "libcurl can't be used: libcurl.so.4"));
    assert_null(hw_curl.easy_init);
    assert_null(hw_curl_load());
    assert_null(hw_curl_load());
    CURL *easy = hw_curl.easy_init();
    assert_non_null(easy);
    hw_curl.easy_cleanup(easy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_for_want_of_files_does_not_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
