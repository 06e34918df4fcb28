/* pg_trouble_test.c -- tests core/ledger/pg.h with servers that are silent, close, or answer half. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pg_server.h"

static const struct hw_pg_statement statements[] = {
    {"rows", "SELECT n, repeat('x', 100) FROM generate_series(1, 1000) AS x(n)"},
};
static const char *real_url;

/* ---- a fake server: a proxy that goes bad ---- */

struct fake {
    int listener, port;
    bool close_at_once;
    /* how many bytes of the real server go through on each connection; then nothing more, or it ends */
    atomic_size_t passes;
    bool ends;
    atomic_bool stop;
    pthread_t thread;
    struct hw_pg_facts real;
};

static int connect_real(const struct hw_pg_facts *real)
{
    if (real->host[0] == '/') {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        snprintf(to.sun_path, sizeof to.sun_path, "%.80s/.s.PGSQL.%s", real->host, real->port);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        return connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? fd : -1;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(real->host, real->port, &hints, &found) != 0)
        return -1;
    int fd = socket(found->ai_family, SOCK_STREAM, 0);
    int rc = connect(fd, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return rc == 0 ? fd : -1;
}

/* Passes bytes on until the limit; a client that leaves ends it. */
static void serve(struct fake *f, int client)
{
    int server = connect_real(&f->real);
    size_t passed = 0;
    char bytes[4096];
    while (!f->stop && server >= 0) {
        struct pollfd fds[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
        if (passed >= f->passes)
            fds[1].fd = -1;
        if (poll(fds, 2, 20) <= 0)
            continue;
        ssize_t n = fds[0].revents ? read(client, bytes, sizeof bytes) : 0;
        if (fds[0].revents && (n <= 0 || write(server, bytes, (size_t)n) != n))
            break;
        size_t left = f->passes - passed, most = left < sizeof bytes ? left : sizeof bytes;
        n = fds[1].revents ? read(server, bytes, most) : 0;
        if (fds[1].revents && (n <= 0 || write(client, bytes, (size_t)n) != n))
            break;
        passed += (size_t)n;
        if (f->ends && passed >= f->passes)
            break;
    }
    close(server);
}

static void *run_fake(void *data)
{
    struct fake *f = data;
    while (!f->stop) {
        struct pollfd fd = {.fd = f->listener, .events = POLLIN};
        if (poll(&fd, 1, 20) <= 0)
            continue;
        int client = accept(f->listener, NULL, NULL);
        if (!f->close_at_once)
            serve(f, client);
        close(client);
    }
    return NULL;
}

/* It listens; without a thread it never answers. */
static void listen_fake(struct fake *f)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    f->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(f->listener, 8), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&at, &len), 0);
    f->port = ntohs(at.sin_port);
}

static void start_fake(struct fake *f)
{
    listen_fake(f);
    assert_int_equal(pthread_create(&f->thread, NULL, run_fake, f), 0);
}

static void stop_fake(struct fake *f)
{
    f->stop = true;
    if (f->thread)
        pthread_join(f->thread, NULL);
    close(f->listener);
}

/* ---- connections to it ---- */

struct client {
    char url[1200];
    struct hw_pg_options options;
    struct hw_pg *pg;
};

static void open_client(struct client *c)
{
    c->options =
        (struct hw_pg_options){.url = c->url, .name = "test", .statements = statements, .count = 1};
    c->pg = hw_pg_new(&c->options);
    assert_non_null(c->pg);
}

static enum hw_pg_rc connect_within(struct client *c, uint64_t ms, uint64_t *took_ms)
{
    uint64_t began = hw_now_ns();
    enum hw_pg_rc rc = hw_pg_connect(c->pg, in_ms(ms));
    *took_ms = (hw_now_ns() - began) / 1000000;
    assert_int_equal(hw_pg_is_open(c->pg), rc == HW_PG_OK);
    return rc;
}

static void a_server_that_never_answers_is_late(void **state)
{
    (void)state;
    struct fake f = {0};
    struct client c;
    uint64_t ms;
    listen_fake(&f);
    snprintf(c.url, sizeof c.url, "postgres://u@127.0.0.1:%d/d", f.port);
    open_client(&c);
    assert_int_equal(connect_within(&c, 300, &ms), HW_PG_LATE);
    assert_in_range(ms, 290, 10000);
    hw_pg_free(c.pg);
    stop_fake(&f);
}

static void one_that_closes_or_refuses_is_away_at_once(void **state)
{
    (void)state;
    struct fake f = {.close_at_once = true};
    struct client c;
    uint64_t ms;
    start_fake(&f);
    snprintf(c.url, sizeof c.url, "postgres://u@127.0.0.1:%d/d?sslmode=disable", f.port);
    open_client(&c);
    assert_int_equal(connect_within(&c, 5000, &ms), HW_PG_AWAY);
    assert_in_range(ms, 0, 4000);
    stop_fake(&f);
    assert_int_equal(connect_within(&c, 5000, &ms), HW_PG_AWAY);
    assert_in_range(ms, 0, 4000);
    assert_non_null(strstr(hw_pg_why(c.pg), "Connection refused"));
    hw_pg_free(c.pg);
}

static bool was_connected_to(const struct fake *f)
{
    struct pollfd fd = {.fd = f->listener, .events = POLLIN};
    return poll(&fd, 1, 0) > 0;
}

/* libpq itself goes on to the next host only when one refuses. */
static void after_a_silent_host_the_next_is_tried(void **state)
{
    (void)state;
    struct fake first = {0}, second = {0};
    struct client c;
    uint64_t ms;
    listen_fake(&first);
    listen_fake(&second);
    snprintf(c.url, sizeof c.url, "postgres://u@127.0.0.1:%d,127.0.0.1:%d/d", first.port,
             second.port);
    open_client(&c);
    assert_int_equal(connect_within(&c, 200, &ms), HW_PG_LATE);
    assert_true(was_connected_to(&first));
    assert_false(was_connected_to(&second));
    assert_int_equal(connect_within(&c, 200, &ms), HW_PG_LATE);
    assert_true(was_connected_to(&second));
    hw_pg_free(c.pg);
    stop_fake(&first);
    stop_fake(&second);
}

/* ---- with the real server behind it ---- */

static bool find_real(struct fake *f)
{
    struct hw_pg_options options = {.url = real_url};
    struct hw_pg *pg = real_url ? hw_pg_new(&options) : NULL;
    if (!pg)
        return false;
    assert_int_equal(hw_pg_connect(pg, in_ms(5000)), HW_PG_OK);
    f->real = *hw_pg_facts(pg);
    hw_pg_free(pg);
    return true;
}

static void through_fake(struct client *c, const struct fake *f)
{
    snprintf(c->url, sizeof c->url, "postgres://%s@127.0.0.1:%d/%s?sslmode=disable", f->real.user,
             f->port, f->real.database);
    open_client(c);
}

/* Wherever the answers stop, the run ends in time, with a closed connection. */
static void answers_that_stop_halfway_are_late_or_broken(void **state)
{
    (void)state;
    for (int ends = 0; ends < 2; ends++) {
        for (size_t passes = 1; passes < 60000; passes = passes * 3 + 7) {
            struct fake f = {.passes = passes, .ends = ends};
            struct client c;
            if (!find_real(&f))
                skip();
            start_fake(&f);
            through_fake(&c, &f);
            struct hw_pg_call call = {.statement = 0};
            uint64_t began = hw_now_ns();
            enum hw_pg_rc rc = hw_pg_run(c.pg, &call, 1, in_ms(ends ? 20000 : 300));
            assert_true(hw_now_ns() - began < 15000000000);
            if (ends)
                assert_true(rc == HW_PG_BROKEN || rc == HW_PG_AWAY);
            else
                assert_int_equal(rc, HW_PG_LATE);
            assert_null(call.result);
            assert_false(hw_pg_is_open(c.pg));
            assert_true(hw_pg_why(c.pg)[0] != '\0');
            hw_pg_free(c.pg);
            stop_fake(&f);
        }
    }
}

static void one_that_comes_back_is_used_again(void **state)
{
    (void)state;
    struct fake f = {.passes = 3000, .ends = true};
    struct client c;
    if (!find_real(&f))
        skip();
    start_fake(&f);
    through_fake(&c, &f);
    struct hw_pg_call call = {.statement = 0};
    assert_int_equal(hw_pg_run(c.pg, &call, 1, in_ms(5000)), HW_PG_BROKEN);
    f.passes = SIZE_MAX;
    assert_int_equal(hw_pg_run(c.pg, &call, 1, in_ms(5000)), HW_PG_OK);
    assert_int_equal(hw_pg_rows(call.result), 1000);
    hw_pg_result_free(call.result);
    hw_pg_free(c.pg);
    stop_fake(&f);
}

int main(void)
{
    if (hw_pg_absent()) {
        printf("pg_trouble_test: skipped: %s\n", hw_pg_absent());
        return 0;
    }
    real_url = test_server("pg_trouble_test");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_never_answers_is_late),
        cmocka_unit_test(one_that_closes_or_refuses_is_away_at_once),
        cmocka_unit_test(after_a_silent_host_the_next_is_tried),
        cmocka_unit_test(answers_that_stop_halfway_are_late_or_broken),
        cmocka_unit_test(one_that_comes_back_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
