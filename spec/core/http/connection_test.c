/* A connection reads what it needs, in turns with the others, and loses no byte that follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/connection_rig.h"
#include "http/connection_state.h"

static struct rig r;

static int open_rig(void **state)
{
    (void)state;
    rig_open(&r);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&r);
    return 0;
}

static void send_text(const char *text)
{
    assert_int_equal(rig_send(&r, text, strlen(text)), strlen(text));
}

static void send_times(const char *text, int count)
{
    while (count-- > 0)
        send_text(text);
}

#define GET "GET /now HTTP/1.1\r\nHost: h\r\n\r\n"
#define REFUSED "GET /refused HTTP/1.1\r\nHost: h\r\n\r\n"
#define WAITS "POST /waits HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"

static void begins_a_few_requests_a_turn(void **state)
{
    const char *const requests[] = {GET, REFUSED};
    enum { COUNT = 10 * HW_TURN_REQUESTS };
    (void)state;
    for (int i = 0; i < 2; i++) {
        unsigned before = r.answers;
        send_times(requests[i], COUNT);
        for (unsigned turn = 1; turn <= COUNT / HW_TURN_REQUESTS; turn++) {
            uv_run(&r.loop, UV_RUN_NOWAIT);
            rig_receive(&r, 65536);
            assert_int_equal(r.answers - before, turn * HW_TURN_REQUESTS);
        }
    }
}

/* A drain does not close a connection that waits for its turn: its request has begun to arrive. */
static void answers_what_waits_for_its_turn_in_a_drain(void **state)
{
    (void)state;
    send_times(REFUSED, HW_TURN_REQUESTS + 1);
    rig_turn(&r);
    hw_connections_drain(&r.server);
    for (int i = 0; i < 3; i++)
        rig_turn(&r);
    rig_receive(&r, 65536);
    assert_int_equal(r.answers, HW_TURN_REQUESTS + 1);
    assert_non_null(strstr(r.got, "Connection: close"));
}

static void reads_so_much_of_a_body_a_turn(void **state)
{
    static char body[RIG_BODY_MAX];
    char head[128];
    size_t at = 0;
    (void)state;
    snprintf(head, sizeof head, "POST /waits HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n",
             RIG_BODY_MAX);
    send_text(head);
    memset(body, 'x', sizeof body);
    while (!r.waiters) {
        at += rig_send(&r, body + at, sizeof body - at);
        size_t before = rig_unread(&r), read_on;
        rig_turn(&r);
        read_on = before - rig_unread(&r);
        assert_true(read_on <= 2 * HW_TURN_BYTES); /* the kernel counts whole buffers */
    }
    assert_int_equal(at, RIG_BODY_MAX);
    rig_answer(&r, 0, HW_STR_NONE);
}

/* It reads what the message needs, and a little more. */
static void leaves_in_the_socket_what_is_behind_a_large_body(void **state)
{
    enum { BEHIND = 40000 };
    static char bytes[100000 + BEHIND];
    int n = snprintf(bytes, sizeof bytes,
                     "POST /waits HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
    (void)state;
    memset(bytes + n, 'x', 100000);
    size_t len = (size_t)n + 100000;
    while (len < sizeof bytes - sizeof GET)
        len += (size_t)snprintf(bytes + len, sizeof bytes - len, "%s", GET);
    assert_int_equal(rig_send(&r, bytes, len), len);
    for (int i = 0; i < 20; i++)
        rig_turn(&r);
    assert_non_null(r.waiters);
    assert_true(rig_unread(&r) > BEHIND - 3 * HW_REQUEST_FIRST);
    rig_answer(&r, 0, HW_STR_NONE);
    while (r.answers < 1 + (len - 100000 - (size_t)n) / strlen(GET)) {
        rig_turn(&r);
        rig_receive(&r, 65536);
    }
}

/* Whatever was decided about a request, and however long it and what follows it are. */
static void parts_pipelined_requests(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++)
        send_text(i % 3 == 0 ? WAITS : i % 3 == 1 ? REFUSED : GET);
    for (unsigned before = 0; before < 40;) {
        rig_turn(&r);
        rig_answer(&r, 0, HW_STR_NONE);
        rig_receive(&r, 65536);
        before = r.answers;
    }
    assert_int_equal(r.completed, 27);
}

static void reads_64_kb_after_a_refusal_and_then_waits(void **state)
{
    static char bytes[3 * HW_LINGER_MAX];
    size_t sent = 0;
    (void)state;
    send_text("POST /waits HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n");
    rig_turn(&r);
    for (int i = 0; i < 100; i++) {
        sent += rig_send(&r, bytes, sizeof bytes);
        rig_turn(&r);
    }
    assert_true(sent > HW_LINGER_MAX);
    assert_true(rig_unread(&r) >= sent - HW_LINGER_MAX);
    rig_receive(&r, 65536);
    assert_int_equal(r.last_status, 413);
    assert_int_equal(r.server.connection_count, 1);
    rig_pass(&r, HW_DEADLINE_LINGER);
    assert_int_equal(r.server.connection_count, 0);
}

static void calls_nobody_late_whose_request_is_there(void **state)
{
    (void)state;
    send_text("POST /waits HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
    rig_turn(&r);
    hw_deadlines_last(&r.server.deadlines, HW_DEADLINE_BODY, 0);
    send_text("hello");
    for (int i = 0; i < 5; i++)
        rig_turn(&r);
    assert_non_null(r.waiters);
    rig_answer(&r, 0, HW_STR_NONE);
}

static void calls_one_late_whose_request_is_not(void **state)
{
    (void)state;
    send_text("POST /waits HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell");
    rig_turn(&r);
    rig_pass(&r, HW_DEADLINE_BODY);
    rig_receive(&r, 65536);
    assert_int_equal(r.last_status, 408);
}

static void closes_when_the_client_has_vanished_while_it_was_held(void **state)
{
    (void)state;
    send_times(REFUSED, 3 * HW_TURN_REQUESTS);
    rig_turn(&r);
    rig_hang_up(&r);
    for (int i = 0; i < 5; i++)
        rig_turn(&r);
    assert_int_equal(r.server.connection_count, 0);
}

/* How many answers the socket takes from the host while the client reads none. */
static unsigned answers_that_fit(void)
{
    for (unsigned count = 0;; count++) {
        send_text(GET);
        rig_turn(&r);
        if (r.server.connections->state == FLUSH)
            return count;
    }
}

/* A refused request's memory is freed at once, even if the client does not read the answer. */
static void gives_memory_back_before_a_refusal_is_read(void **state)
{
    static char body[RIG_BODY_MAX / 2];
    unsigned count = answers_that_fit();
    (void)state;
    rig_close(&r);
    rig_open(&r);
    while (count-- > 0) {
        send_text(GET);
        rig_turn(&r);
    }
    send_text("POST /waits HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n");
    for (size_t at = 0; at < sizeof body; rig_turn(&r))
        at += rig_send(&r, body + at, sizeof body - at);
    for (int i = 0; i < 10; i++)
        rig_turn(&r);
    assert_true(r.server.requests.bytes >= sizeof body);
    rig_pass(&r, HW_DEADLINE_BODY);
    assert_int_equal(r.server.connections->state, FLUSH);
    assert_true(r.server.requests.bytes <= HW_REQUEST_FIRST);
}

/* Otherwise it could be refused for memory that it no longer has. */
static void counts_no_memory_of_an_earlier_request(void **state)
{
    enum { CHUNK = 100000 };
    static char bytes[CHUNK + 200];
    int n = snprintf(bytes, sizeof bytes,
                     "POST /now HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n",
                     CHUNK);
    size_t len = (size_t)n + CHUNK;
    (void)state;
    memset(bytes + n, 'x', CHUNK);
    len += (size_t)snprintf(bytes + len, sizeof bytes - len, "\r\n0\r\n\r\nGET /now HTT");
    assert_int_equal(rig_send(&r, bytes, len), len);
    for (int i = 0; i < 10; i++)
        rig_turn(&r);
    assert_int_equal(r.completed, 1);
    assert_int_equal(r.server.connections->state, HEAD);
    assert_int_equal(hw_crowd_weight(&r.server.connections->place),
                     r.server.connections->request->cap);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        CASE(begins_a_few_requests_a_turn),
        CASE(answers_what_waits_for_its_turn_in_a_drain),
        CASE(reads_so_much_of_a_body_a_turn),
        CASE(leaves_in_the_socket_what_is_behind_a_large_body),
        CASE(parts_pipelined_requests),
        CASE(reads_64_kb_after_a_refusal_and_then_waits),
        CASE(calls_nobody_late_whose_request_is_there),
        CASE(calls_one_late_whose_request_is_not),
        CASE(closes_when_the_client_has_vanished_while_it_was_held),
        CASE(gives_memory_back_before_a_refusal_is_read),
        CASE(counts_no_memory_of_an_earlier_request),
    };
    return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
