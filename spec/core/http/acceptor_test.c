/* Whose address counts, the socket's or that of the PROXY protocol's header, and from when on.
 *
 * Clients on loopback are exempt from these limits. So accept4 is this file's: it accepts as the
 * kernel does, and then says that the peer is another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/syscall.h>

#include "address_of.h"
#include "connection_rig.h"
#include "http/acceptor.h"
#include "http/connection_state.h"

static struct hw_address peer;

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    int accepted = (int)syscall(SYS_accept4, fd, address, len, flags);
    if (accepted >= 0)
        memcpy(address, &peer.any, *len = sizeof peer.v4);
    return accepted;
}

/* ---- a listener ---- */

struct fixture {
    struct rig rig;
    struct hw_acceptor acceptor;
    struct hw_door door;
    int fd;
    struct sockaddr_in address;
};

/* At most one connection for each address; `proxy` (or NULL) is a trusted proxy. */
static void open_listener(struct fixture *f, bool proxy_protocol, const char *proxy)
{
    struct hw_config config = {.trusted_proxies = &proxy, .trusted_proxy_count = proxy != NULL};
    socklen_t len = sizeof f->address;
    *f = (struct fixture){.address = {.sin_family = AF_INET}};
    f->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    rig_open(&f->rig);
    f->rig.server.crowd.limits.per_address = 1;
    assert_int_equal(hw_access_apply(&f->rig.server.access, &config), 0);
    f->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->fd, (struct sockaddr *)&f->address, len), 0);
    assert_int_equal(listen(f->fd, 8), 0);
    assert_int_equal(getsockname(f->fd, (struct sockaddr *)&f->address, &len), 0);
    hw_acceptor_init(&f->acceptor, &f->rig.server);
    assert_int_equal(hw_acceptor_open(&f->acceptor, &f->door, f->fd, false, false, &f->rig.service),
                     0);
    f->door.proxy_protocol = proxy_protocol;
}

static void close_listener(struct fixture *f)
{
    hw_acceptor_close(&f->acceptor);
    rig_close(&f->rig);
    close(f->fd);
}

/* A client whose socket's address is `text`. */
static int connect_from(struct fixture *f, const char *text)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    peer = address_of(text);
    assert_int_equal(connect(fd, (struct sockaddr *)&f->address, sizeof f->address), 0);
    rig_turn(&f->rig);
    return fd;
}

static void say(struct fixture *f, int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    rig_turn(&f->rig);
}

static bool is_open(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* Connects twice from this address, sends these headers (or NULL), and returns whether both are
 * open. The first always is. */
static bool are_both_open(struct fixture *f, const char *address, const char *first_header,
                          const char *second_header)
{
    int first = connect_from(f, address), second = connect_from(f, address);
    if (first_header)
        say(f, first, first_header);
    if (second_header)
        say(f, second, second_header);
    bool both = is_open(second);
    assert_true(is_open(first));
    close(first);
    close(second);
    rig_turn(&f->rig);
    return both;
}

/* ---- promises ---- */

static void a_peer_counts_for_its_address_from_the_accept_on(void **state)
{
    (void)state;
    struct fixture f;
    open_listener(&f, false, "10.0.0.1");
    assert_false(are_both_open(&f, "192.0.2.1", NULL, NULL));
    assert_true(are_both_open(&f, "10.0.0.1", NULL, NULL));
    assert_true(are_both_open(&f, "127.0.0.1", NULL, NULL));
    close_listener(&f);
}

static void so_does_one_whose_header_will_not_be_believed(void **state)
{
    (void)state;
    struct fixture f;
    open_listener(&f, true, "10.0.0.1");
    assert_false(are_both_open(&f, "192.0.2.1", NULL, NULL));
    close_listener(&f);
}

/* The address by which the host knows the client of the newest connection. */
static bool is_known_as(const struct fixture *f, const char *text)
{
    const struct hw_connection *c = f->rig.server.connections;
    struct hw_address address = address_of(text);
    char shown[HW_ADDRESS_TEXT_MAX], expected[HW_ADDRESS_TEXT_MAX];
    return hw_str_eq(hw_address_host(&c->peer.any, shown, sizeof shown),
                     hw_address_host(&address.any, expected, sizeof expected));
}

static void only_a_header_that_is_believed_names_the_client(void **state)
{
    (void)state;
    struct fixture f;
    open_listener(&f, true, "10.0.0.1");
    int stranger = connect_from(&f, "192.0.2.1");
    say(&f, stranger, "PROXY TCP4 203.0.113.7 192.0.2.9 4711 443\r\n");
    assert_true(is_known_as(&f, "192.0.2.1"));
    int proxy = connect_from(&f, "10.0.0.1");
    say(&f, proxy, "PROXY TCP4 203.0.113.7 192.0.2.9 4711 443\r\n");
    assert_true(is_known_as(&f, "203.0.113.7"));
    close(stranger);
    close(proxy);
    close_listener(&f);
}

static void where_the_header_is_believed_its_client_counts(void **state)
{
    (void)state;
    static const char *const proxies[] = {"10.0.0.1", NULL};
    static const char one[] = "PROXY TCP4 192.0.2.1 192.0.2.9 4711 443\r\n",
                      another[] = "PROXY TCP4 192.0.2.2 192.0.2.9 4711 443\r\n";
    for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++) {
        struct fixture f;
        open_listener(&f, true, proxies[i]);
        assert_true(are_both_open(&f, "10.0.0.1", NULL, NULL));
        assert_true(are_both_open(&f, "10.0.0.1", one, another));
        assert_false(are_both_open(&f, "10.0.0.1", one, one));
        close_listener(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_counts_for_its_address_from_the_accept_on),
        cmocka_unit_test(so_does_one_whose_header_will_not_be_believed),
        cmocka_unit_test(only_a_header_that_is_believed_names_the_client),
        cmocka_unit_test(where_the_header_is_believed_its_client_counts),
    };
    return cmocka_run_group_tests_name("acceptor", tests, NULL, NULL);
}
