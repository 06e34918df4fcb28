/* Only those whom the configuration names are believed, and only those whom it allows may send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "address_of.h"
#include "base/config.h"
#include "http/access.h"

static struct hw_access policy;

static void apply(const char *allow, const char *proxy)
{
    struct hw_config config = {.allow = &allow,
                               .allow_count = allow != NULL,
                               .trusted_proxies = &proxy,
                               .trusted_proxy_count = proxy != NULL};
    assert_int_equal(hw_access_apply(&policy, &config), 0);
}

static int set_up(void **state)
{
    (void)state;
    hw_access_init(&policy);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hw_access_fini(&policy);
    return 0;
}

static bool may_send(const char *text, bool named)
{
    struct hw_address address = address_of(text);
    return hw_access_may_send(&policy, &address, named);
}

static void without_a_configuration_only_local_clients_may_send(void **state)
{
    (void)state;
    assert_true(may_send("127.0.0.1", false));
    assert_true(may_send("unix", false));
    assert_false(may_send("192.0.2.1", false));
}

static void without_allow_everybody_may_send(void **state)
{
    (void)state;
    apply(NULL, NULL);
    assert_true(may_send("192.0.2.1", false));
    assert_true(may_send("2001:db8::1", true));
}

static void with_allow_its_networks_and_local_clients_may_send(void **state)
{
    (void)state;
    apply("192.0.2.0/24", NULL);
    assert_true(may_send("192.0.2.1", false));
    assert_true(may_send("192.0.2.1", true));
    assert_false(may_send("192.0.3.1", false));
    static const char *const local[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1",
                                        "unix"};
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        assert_true(may_send(local[i], false));
        assert_false(may_send(local[i], true)); /* a proxy says so */
    }
}

static bool is_exempt(const char *text)
{
    struct hw_address address = address_of(text);
    return hw_access_is_exempt(&policy, &address);
}

static void local_peers_and_proxies_are_exempt_from_limits_per_address(void **state)
{
    (void)state;
    apply(NULL, "10.0.0.0/8");
    assert_true(is_exempt("127.0.0.1"));
    assert_true(is_exempt("::1"));
    assert_true(is_exempt("unix"));
    assert_true(is_exempt("10.1.2.3"));
    assert_true(is_exempt("::ffff:10.1.2.3"));
    assert_false(is_exempt("192.0.2.1"));
}

static bool believes(const char *text)
{
    struct hw_address address = address_of(text);
    return hw_access_believes_header(&policy, &address);
}

static void a_header_counts_from_proxies_and_local_peers_where_proxies_are_named(void **state)
{
    (void)state;
    apply(NULL, NULL);
    assert_true(believes("192.0.2.1"));
    apply(NULL, "10.0.0.0/8");
    assert_false(believes("192.0.2.1"));
    assert_true(believes("10.0.0.1"));
    assert_true(believes("127.0.0.1"));
    assert_true(believes("unix"));
}

static bool is_limited(const char *text, bool with_header)
{
    struct hw_address address = address_of(text);
    return hw_access_is_limited(&policy, &address, with_header);
}

static void the_limits_hold_from_the_accept_where_no_header_will_be_believed(void **state)
{
    (void)state;
    apply(NULL, NULL);
    assert_true(is_limited("192.0.2.1", false));
    assert_false(is_limited("192.0.2.1", true)); /* of the client that the header names */
    assert_false(is_limited("127.0.0.1", false));
    apply(NULL, "10.0.0.0/8");
    assert_true(is_limited("192.0.2.1", false));
    assert_true(is_limited("192.0.2.1", true));
    assert_false(is_limited("10.0.0.1", false));
    assert_false(is_limited("10.0.0.1", true));
    assert_false(is_limited("127.0.0.1", true));
}

/* Whether a request of this peer with X-Forwarded-For: 192.0.2.1 is taken for that client's. */
static bool finds_client(const char *text)
{
    static const char message[] =
        "POST / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n";
    struct hw_address peer = address_of(text), client;
    struct hw_http_limits limits = {4096, 4096};
    struct hw_http http;
    hw_http_init(&http, &limits);
    assert_true(hw_http_head(&http, message, sizeof message - 1) > 0);
    return hw_access_find_client(&policy, &http, message, &peer, &client);
}

static void x_forwarded_for_counts_from_trusted_proxies_alone(void **state)
{
    (void)state;
    apply(NULL, NULL);
    assert_false(finds_client("127.0.0.1"));
    assert_false(finds_client("unix"));
    apply(NULL, "10.0.0.0/8");
    assert_false(finds_client("127.0.0.1"));
    assert_false(finds_client("192.0.2.9"));
    assert_false(finds_client("unix"));
    assert_true(finds_client("10.0.0.1"));
    apply(NULL, "unix");
    assert_true(finds_client("unix"));
    assert_false(finds_client("10.0.0.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_configuration_only_local_clients_may_send),
        cmocka_unit_test(without_allow_everybody_may_send),
        cmocka_unit_test(with_allow_its_networks_and_local_clients_may_send),
        cmocka_unit_test(local_peers_and_proxies_are_exempt_from_limits_per_address),
        cmocka_unit_test(a_header_counts_from_proxies_and_local_peers_where_proxies_are_named),
        cmocka_unit_test(the_limits_hold_from_the_accept_where_no_header_will_be_believed),
        cmocka_unit_test(x_forwarded_for_counts_from_trusted_proxies_alone),
    };
    return cmocka_run_group_tests_name("access", tests, set_up, tear_down);
}
