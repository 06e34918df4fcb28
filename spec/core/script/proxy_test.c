/* proxy_test.c -- which proxy from the environment a request uses; none for this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "script/proxy.h"

static const char *const names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                    "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

static int clear(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    return 0;
}

static void assert_proxy(const char *url, const char *expected, const char *by)
{
    const char *variable = NULL, *proxy = hw_proxy_of(url, &variable);
    if (!expected && proxy)
        fail_msg("%s goes through %s", url, proxy);
    if (!expected)
        return;
    if (!proxy || strcmp(proxy, expected) != 0)
        fail_msg("%s goes through %s, not %s", url, proxy ? proxy : "none", expected);
    assert_string_equal(by, variable);
}

static void reads_the_variables_in_their_order(void **state)
{
    (void)state;
    assert_proxy("http://a.example/", NULL, NULL);
    setenv("HTTP_PROXY", "never", 1); /* in a CGI program, it comes from a header of the request */
    assert_proxy("http://a.example/", NULL, NULL);
    setenv("ALL_PROXY", "all:1", 1);
    assert_proxy("http://a.example/", "all:1", "ALL_PROXY");
    assert_proxy("https://a.example/", "all:1", "ALL_PROXY");
    setenv("http_proxy", "", 1);
    assert_proxy("http://a.example/", "all:1", "ALL_PROXY");
    setenv("http_proxy", "plain:1", 1);
    setenv("HTTPS_PROXY", "tls:1", 1);
    assert_proxy("http://a.example/", "plain:1", "http_proxy");
    assert_proxy("HTTPS://a.example/", "tls:1", "HTTPS_PROXY");
    setenv("https_proxy", "tls:2", 1);
    assert_proxy("https://a.example/", "tls:2", "https_proxy");
}

static void is_none_for_this_machine(void **state)
{
    (void)state;
    static const char *const own[] = {
        "http://localhost/",         "http://LOCALHOST.:80/",  "http://a.localhost/",
        "http://127.0.0.1:8090/x",   "http://user@127.9.9.9/", "http://127.1/",
        "http://0x7f000001/",        "http://0.0.0.0/",        "https://[::1]:1/",
        "http://[0:0:0:0:0:0:0:1]/", "http://[::]/",           "http://[::ffff:127.0.0.1]/",
    };
    static const char *const others[] = {
        "http://localhost.example/", "http://alocalhost/",         "http://128.0.0.1/",
        "http://127.0.0.1.example/", "http://[::ffff:10.0.0.1]/",  "http://[::2]/",
        "http://a@b.example/?@::1",  "http://127.0.0.1@b.example/"};
    setenv("all_proxy", "p", 1);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        assert_proxy(own[i], NULL, NULL);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_proxy(others[i], "p", "all_proxy");
}

static void is_none_for_what_no_proxy_names(void **state)
{
    (void)state;
    static const struct {
        const char *list, *direct, *through;
    } cases[] = {
        {"a.example", "http://a.example/", "http://b.example/"},
        {"x, a.example", "http://www.A.example:81/", "http://ba.example/"},
        {".a.example", "http://a.example/", "http://example/"},
        {"a.example.", "http://a.example./", "http://a.example.com/"},
        {"10.0.0.1", "http://10.0.0.1/", "http://10.0.0.11/"},
        {"10.0.0.0/8", "http://10.1.2.3/", "http://11.0.0.1/"},
        {"10.0.0.0/31", "http://10.0.0.1/", "http://10.0.0.2/"},
        {"0.0.0.0/0", "http://11.0.0.1/", "http://a.example/"},
        {"fe80::/10", "http://[fe81::1]/", "http://[fec0::1]/"},
        {"[2001:db8::1]", "http://[2001:db8::1]/", "http://[2001:db8::2]/"},
        {"b.example  *", "http://a.example/", NULL},
        {"10.0.0.0/33,10.0.0.0/x,10.0.0.0/,/,.,,", NULL, "http://10.0.0.1/"},
        {"0.0.1", NULL, "http://10.0.0.1/"},
        {"", NULL, "http://a.example/"},
    };
    setenv("http_proxy", "p", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        setenv("no_proxy", cases[i].list, 1);
        if (cases[i].direct)
            assert_proxy(cases[i].direct, NULL, NULL);
        if (cases[i].through)
            assert_proxy(cases[i].through, "p", "http_proxy");
    }
    setenv("NO_PROXY", "a.example", 1);
    unsetenv("no_proxy");
    assert_proxy("http://a.example/", NULL, NULL);
}

static void is_shown_without_its_password(void **state)
{
    (void)state;
    static const char *const shown[][2] = {
        {"http://user:p@ss@proxy.example:3128/", "proxy.example:3128"},
        {"proxy:1", "proxy:1"},
        {"socks5h://[::1]:9?x@y", "[::1]:9"},
        {"http://", ""},
        {"a\x1b[31m\n", "a?[31m?"},
    };
    char text[HW_PROXY_SHOWN_MAX], lengthy[400];
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        hw_proxy_show(shown[i][0], text);
        assert_string_equal(shown[i][1], text);
    }
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    hw_proxy_show(lengthy, text);
    assert_int_equal(strlen(text), HW_PROXY_SHOWN_MAX - 1);
}

#define TEST(test) cmocka_unit_test_setup(test, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_the_variables_in_their_order),
        TEST(is_none_for_this_machine),
        TEST(is_none_for_what_no_proxy_names),
        TEST(is_shown_without_its_password),
    };
    return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
