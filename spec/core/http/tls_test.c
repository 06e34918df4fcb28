/* A TLS connection is one like any other: what TLS adds is bounded, and no byte gets lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/connection_rig.h"
#include "http/connection_state.h"
#include "http/tls_client.h"

#define GET "GET /now HTTP/1.1\r\nHost: h\r\n\r\n"
#define LAST "GET /now HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
#define WAITS "POST /waits HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"

enum { RECORD = 16384 };

static struct hw_tls_context *context;
static struct rig r;
static struct tls_client client;

/* ---- set-up ---- */

static int make_context(void **state)
{
    (void)state;
    context = localhost_context();
    return 0;
}

static int free_context(void **state)
{
    (void)state;
    hw_tls_context_unref(context);
    return 0;
}

static int open_rig(void **state)
{
    (void)state;
    rig_open_tls(&r, context);
    client_open(&client, TLS1_3_VERSION);
    return 0;
}

static int open_rig_1_2(void **state)
{
    (void)state;
    rig_open_tls(&r, context);
    client_open(&client, TLS1_2_VERSION);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    client_close(&client);
    rig_close(&r);
    assert_int_equal(ERR_peek_error(), 0); /* nothing is left in OpenSSL's queue */
    return 0;
}

static struct hw_connection *connection(void)
{
    return r.server.connections;
}

static uint64_t count(enum hw_count which)
{
    return hw_stats_get(&r.server.stats.counts[which]);
}

static void turns(int times)
{
    while (times-- > 0)
        rig_turn(&r);
}

static void send_text(const char *text)
{
    client_write(&client, &r, text, strlen(text), RECORD);
    client_push(&client, &r);
}

/* Sends a request and reads its answer. */
static void exchange(const char *request)
{
    unsigned before = r.answers;
    send_text(request);
    rig_turn(&r);
    rig_answer(&r, 0, HW_STR_NONE);
    client_read(&client, &r);
    assert_int_equal(r.answers, before + 1);
}

/* ---- requests ---- */

static void answers_requests(void **state)
{
    (void)state;
    assert_true(client_shake(&client, &r));
    assert_int_equal(count(HW_COUNT_HANDSHAKES), 1);
    assert_int_equal(count(HW_COUNT_HANDSHAKES_FAILED), 0);
    exchange(GET);
    exchange(WAITS);
    exchange(GET);
    assert_int_equal(r.server.connection_count, 1);
}

static void read_on(void)
{
    turns(2);
    client_read(&client, &r);
}

static void answers_in_pieces(void **state)
{
    (void)state;
    assert_true(client_shake(&client, &r));
    for (unsigned i = 1; i <= 2; i++) { /* the connection goes on */
        send_text(WAITS);
        rig_turn(&r);
        rig_begin(&r, true);
        assert_true(hw_pieces_send(r.waiters, HW_STR("one")));
        read_on();
        assert_non_null(strstr(r.got + r.got_at, "\r\n\r\n3\r\none\r\n"));
        assert_true(hw_pieces_send(r.waiters, HW_STR("two")));
        rig_finish(&r, HW_STR("three"));
        read_on();
        assert_int_equal(r.answers, i);
        assert_non_null(strstr(r.got, "\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"));
    }
    exchange(GET);
}

/* A piece that does not fit the socket is written while the client reads. */
static void tells_when_a_large_piece_is_sent(void **state)
{
    (void)state;
    enum { SIZE = 1000 * 1000 };
    char *piece = malloc(SIZE);
    memset(piece, 'x', SIZE);
    assert_true(client_shake(&client, &r));
    send_text(WAITS);
    rig_turn(&r);
    rig_begin(&r, true);
    assert_false(hw_pieces_send(r.waiters, (struct hw_str){piece, SIZE}));
    free(piece);
    turns(3);
    assert_int_equal(r.drained, 0);
    assert_int_equal(connection()->deadline.kind, HW_DEADLINE_WRITE);
    while (r.drained == 0)
        read_on();
    assert_null(connection()->deadline.next);
    assert_true(hw_pieces_send(r.waiters, HW_STR("y")));
    rig_finish(&r, HW_STR_NONE);
    read_on();
    assert_int_equal(r.answers, 1);
    assert_non_null(strstr(r.got, "xx\r\n1\r\ny\r\n0\r\n\r\n"));
    exchange(GET);
}

static void sends_pieces_until_it_closes(void **state)
{
    (void)state;
    assert_true(client_shake(&client, &r));
    send_text(WAITS);
    rig_turn(&r);
    rig_begin(&r, false);
    assert_true(hw_pieces_send(r.waiters, HW_STR("one")));
    rig_finish(&r, HW_STR("two"));
    read_on();
    assert_non_null(strstr(r.got, "\r\n\r\nonetwo"));
    assert_true(client.notified);
    assert_int_equal(r.server.connection_count, 0);
}

static void begin_stream(void)
{
    assert_true(client_shake(&client, &r));
    send_text(WAITS GET);
    rig_turn(&r);
    rig_begin(&r, true);
    read_on();
    assert_false(r.left);
}

static void notices_a_close_notify_during_a_stream(void **state)
{
    (void)state;
    begin_stream();
    SSL_shutdown(client.ssl);
    client_push(&client, &r);
    turns(3);
    assert_true(r.left);
    assert_int_equal(r.server.connection_count, 0);
}

static void notices_a_client_that_leaves_a_stream(void **state)
{
    (void)state;
    begin_stream();
    rig_hang_up(&r);
    turns(3);
    assert_true(r.left);
    assert_int_equal(r.server.connection_count, 0);
}

static void takes_each_byte_by_itself(void **state)
{
    (void)state;
    client.cut = 1;
    assert_true(client_shake(&client, &r));
    exchange(WAITS);
    exchange(GET);
}

static void takes_a_record_for_each_byte(void **state)
{
    (void)state;
    assert_true(client_shake(&client, &r));
    for (int i = 0; i < 40; i++)
        client_write(&client, &r, i % 2 ? WAITS : GET, strlen(i % 2 ? WAITS : GET), 1);
    for (int i = 0; i < 300 && r.answers < 40; i++) {
        client_push(&client, &r);
        rig_turn(&r);
        rig_answer(&r, 0, HW_STR_NONE);
        client_read(&client, &r);
    }
    assert_int_equal(r.answers, 40);
}

static void post(size_t len, size_t record)
{
    char head[128], *body = malloc(len);
    snprintf(head, sizeof head, "POST /waits HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n",
             len);
    for (size_t i = 0; i < len; i++)
        body[i] = (char)(i * 7 + i / 251);
    client_write(&client, &r, head, strlen(head), record);
    client_write(&client, &r, body, len, record);
    free(body);
}

/* In records of the greatest length, which span several reads. */
static void takes_a_large_body(void **state)
{
    (void)state;
    assert_true(client_shake(&client, &r));
    post(RIG_BODY_MAX, RECORD);
    for (int i = 0; i < 1000 && !r.waiters; i++) {
        client_push(&client, &r);
        rig_turn(&r);
    }
    assert_non_null(r.waiters);
    rig_answer(&r, 0, HW_STR_NONE);
    client_read(&client, &r);
    exchange(GET);
}

static void reads_so_much_of_a_body_a_turn(void **state)
{
    (void)state;
    assert_true(client_shake(&client, &r));
    post(RIG_BODY_MAX, RECORD);
    while (!r.waiters) {
        client_push(&client, &r);
        size_t before = rig_unread(&r);
        rig_turn(&r);
        assert_true(before - rig_unread(&r) <= 2 * HW_TURN_BYTES); /* the kernel counts buffers */
    }
    rig_answer(&r, 0, HW_STR_NONE);
}

/* ---- what nobody has a use for yet ---- */

/* More than fits the next request: it waits in the socket, and in what was kept. */
static void keeps_what_is_pipelined(void **state)
{
    enum { COUNT = 300 };
    (void)state;
    assert_true(client_shake(&client, &r));
    for (int i = 0; i < COUNT; i++)
        client_write(&client, &r, WAITS, strlen(WAITS), RECORD);
    client_push(&client, &r);
    turns(5);
    assert_true(rig_unread(&r) > 0);
    assert_true(hw_tls_has_bytes(connection()->tls));
    for (int i = 0; i < 2 * COUNT && r.answers < COUNT; i++) {
        rig_answer(&r, 0, HW_STR_NONE);
        rig_turn(&r);
        client_read(&client, &r);
    }
    assert_int_equal(r.answers, COUNT);
    assert_false(hw_tls_has_bytes(connection()->tls));
}

/* No event of the socket will tell of what is in TLS: in one record that does not fit at once, or
 * in several that were read at once. */
static void reads_what_was_kept_though_the_socket_is_silent(void **state)
{
    enum { COUNT = 120 };
    char all[COUNT * sizeof WAITS] = "";
    (void)state;
    assert_true(client_shake(&client, &r));
    for (int record = 0; record < 2; record++) {
        unsigned before = r.answers;
        for (int i = 0; i < COUNT; i++)
            memcpy(all + i * strlen(WAITS), WAITS, strlen(WAITS));
        client_write(&client, &r, all, COUNT * strlen(WAITS), record ? RECORD : 100);
        client_push(&client, &r);
        turns(3);
        for (int i = 0; i < 3 * COUNT && r.answers < before + COUNT; i++) {
            rig_answer(&r, 0, HW_STR_NONE);
            rig_turn(&r);
            client_read(&client, &r);
        }
        assert_int_equal(r.answers, before + COUNT);
    }
}

/* Held for its turn, with the rest of the requests kept. */
static void begins_a_few_requests_a_turn(void **state)
{
    enum { COUNT = 10 * HW_TURN_REQUESTS };
    (void)state;
    assert_true(client_shake(&client, &r));
    for (int i = 0; i < COUNT; i++)
        client_write(&client, &r, GET, strlen(GET), RECORD);
    client_push(&client, &r);
    for (unsigned turn = 1; turn <= COUNT / HW_TURN_REQUESTS; turn++) {
        uv_run(&r.loop, UV_RUN_NOWAIT);
        client_read(&client, &r);
        assert_int_equal(r.answers, turn * HW_TURN_REQUESTS);
    }
}

static void is_not_idle_while_something_is_kept(void **state)
{
    (void)state;
    assert_true(client_shake(&client, &r));
    for (int i = 0; i < HW_TURN_REQUESTS + 1; i++)
        client_write(&client, &r, GET, strlen(GET), RECORD);
    client_push(&client, &r);
    rig_turn(&r);
    assert_int_equal(rig_unread(&r), 0);
    hw_connections_drain(&r.server);
    assert_false(hw_connections_make_room(&r.server));
    turns(3);
    client_read(&client, &r);
    assert_int_equal(r.answers, HW_TURN_REQUESTS + 1);
    assert_non_null(strstr(r.got, "Connection: close"));
    assert_true(client.notified);
}

/* ---- the handshake ---- */

static struct log_of_test {
    char text[4096];
} caught;

static void take_line(void *ud, enum hw_log_level level, struct hw_str json)
{
    (void)ud, (void)level;
    size_t at = strlen(caught.text);
    snprintf(caught.text + at, sizeof caught.text - at, "%.*s\n", HW_STR_ARG(json));
}

static void catch_lines(void)
{
    caught.text[0] = '\0';
    hw_log_set_tap((struct hw_log_tap){take_line, NULL});
}

static void assert_line(const char *text)
{
    hw_log_set_tap((struct hw_log_tap){NULL, NULL});
    if (!strstr(caught.text, text))
        fail_msg("no \"%s\" in: %s", text, caught.text);
}

static void send_raw(const char *bytes, size_t len)
{
    assert_int_equal(send(r.fd, bytes, len, MSG_NOSIGNAL), len);
}

static void ends_a_handshake_that_takes_too_long(void **state)
{
    (void)state;
    catch_lines();
    client_step(&client, &r);
    rig_turn(&r);
    assert_int_equal(connection()->deadline.kind, HW_DEADLINE_HANDSHAKE);
    rig_pass(&r, HW_DEADLINE_HANDSHAKE);
    assert_int_equal(r.server.connection_count, 0);
    assert_int_equal(count(HW_COUNT_HANDSHAKES_FAILED), 1);
    assert_line("longer than header_timeout");
}

/* The time of the first byte does not count anew. */
static void counts_the_time_of_a_handshake_from_the_accept(void **state)
{
    (void)state;
    connection()->deadline.at_ms -= 5000; /* as if it had been silent for 5 s */
    client_step(&client, &r);
    rig_turn(&r);
    uint64_t left = connection()->deadline.at_ms - uv_now(&r.loop);
    assert_in_range(left, RIG_LONG_MS - 6000, RIG_LONG_MS - 5000);
}

static void closes_a_silent_one(void **state)
{
    (void)state;
    rig_pass(&r, HW_DEADLINE_FIRST);
    assert_int_equal(r.server.connection_count, 0);
    assert_int_equal(count(HW_COUNT_HANDSHAKES_FAILED), 0);
}

static void waits_for_the_first_request_as_long_as_a_plain_one(void **state)
{
    (void)state;
    assert_true(client_shake(&client, &r));
    assert_int_equal(connection()->deadline.kind, HW_DEADLINE_FIRST);
    exchange(GET);
    assert_int_equal(connection()->deadline.kind, HW_DEADLINE_IDLE);
    rig_pass(&r, HW_DEADLINE_IDLE);
    client_read(&client, &r);
    assert_true(client.notified && r.ended);
}

static void answers_plain_http_in_plain(void **state)
{
    static const char *const requests[] = {GET, "POST / HTTP/1.1\r\n", "DELETE / HTTP/1.1\r\n",
                                           "OPTIONS * HTTP/1.1\r\n", "PUT /"};
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        catch_lines();
        send_raw(requests[i], strlen(requests[i]));
        turns(2);
        rig_receive(&r, 65536);
        assert_int_equal(r.answers, i + 1);
        assert_int_equal(r.last_status, 400);
        assert_non_null(strstr(r.got, "\"error\":\"tls_required\""));
        assert_line("tls_required");
        rig_hang_up(&r);
        turns(2);
        assert_int_equal(r.server.connection_count, 0);
        rig_connect(&r);
    }
    assert_int_equal(hw_stats_get(&r.server.stats.errors[hw_stats_row(HW_ETLS_REQUIRED)]), 5);
    assert_int_equal(count(HW_COUNT_HANDSHAKES_FAILED), 0);
}

static void recognises_plain_http_byte_by_byte(void **state)
{
    (void)state;
    for (const char *at = GET; *at; at++) {
        send(r.fd, at, 1, MSG_NOSIGNAL);
        rig_turn(&r);
    }
    rig_receive(&r, 65536);
    assert_int_equal(r.last_status, 400);
}

static void closes_at_garbage(void **state)
{
    static const char *const garbage[] = {"\x16\x03\x01\xff\xff........",
                                          "\x80\x10\x01\x03\x01 sixteen bytes",
                                          "SSH-2.0-client\r\n", "\r\n\r\n\r\n", "GE T /"};
    (void)state;
    for (unsigned i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        catch_lines();
        send_raw(garbage[i], strlen(garbage[i]));
        turns(2);
        while (rig_receive(&r, 65536))
            ;
        assert_true(r.ended);
        assert_int_equal(r.answers, 0);
        r.got_len = r.got_at = 0; /* an alert */
        assert_int_equal(count(HW_COUNT_HANDSHAKES_FAILED), i + 1);
        assert_line("TLS handshake failed");
        assert_int_equal(ERR_peek_error(), 0);
        rig_hang_up(&r);
        turns(2);
        r.ended = false;
        rig_connect(&r);
    }
}

static void sends_an_alert_when_a_handshake_fails(void **state)
{
    (void)state;
    catch_lines();
    SSL_set_min_proto_version(client.ssl, TLS1_2_VERSION);
    SSL_set_max_proto_version(client.ssl, TLS1_2_VERSION);
    SSL_set_cipher_list(client.ssl, "AES128-SHA256");
    assert_false(client_shake(&client, &r));
    assert_int_equal(client.error, SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE);
    assert_line("no shared cipher");
    assert_int_equal(r.server.connection_count, 0);
}

static void says_when_the_client_gives_up(void **state)
{
    (void)state;
    catch_lines();
    client_step(&client, &r);
    rig_turn(&r);
    shutdown(r.fd, SHUT_WR);
    turns(2);
    assert_line("the client closed the connection");
    assert_int_equal(count(HW_COUNT_HANDSHAKES_FAILED), 1);
}

/* ---- many handshakes ---- */

enum { MANY = 12 };
static int fds[MANY];
static struct tls_client clients[MANY];

/* In place of the rig's own one. At most `unfinished` of them may be so at a time. */
static void connect_many(unsigned unfinished)
{
    r.server.crowd.limits.unfinished = unfinished;
    rig_hang_up(&r);
    rig_turn(&r);
    for (int i = 0; i < MANY; i++) {
        rig_connect(&r);
        fds[i] = r.fd;
        client_open(&clients[i], TLS1_3_VERSION);
    }
}

static void step_many(void)
{
    for (int i = 0; i < MANY; i++) {
        r.fd = fds[i];
        client_step(&clients[i], &r);
    }
}

static void close_many(void)
{
    for (int i = 0; i < MANY; i++) {
        close(fds[i]);
        client_close(&clients[i]);
    }
    r.fd = -1;
}

static unsigned begun(void)
{
    unsigned n = 0;
    for (struct hw_connection *c = connection(); c; c = c->next)
        n += hw_tls_has_begun(c->tls);
    return n;
}

static void takes_a_few_steps_a_turn(void **state)
{
    (void)state;
    connect_many(2 * MANY);
    step_many();
    for (unsigned turn = 1; turn <= MANY / HW_TURN_HANDSHAKES; turn++) {
        uv_run(&r.loop, UV_RUN_NOWAIT);
        assert_int_equal(begun(), turn * HW_TURN_HANDSHAKES);
    }
    assert_int_equal(r.server.crowd.unfinished, MANY);
    step_many();
    for (unsigned turn = 1; turn <= MANY / HW_TURN_HANDSHAKES; turn++) {
        uv_run(&r.loop, UV_RUN_NOWAIT);
        assert_int_equal(count(HW_COUNT_HANDSHAKES), turn * HW_TURN_HANDSHAKES);
    }
    assert_int_equal(r.server.crowd.unfinished, 0);
    close_many();
}

/* One that waits for its turn neither counts as unfinished nor runs out of time. */
static void keeps_time_for_a_handshake_that_waits_for_its_turn(void **state)
{
    (void)state;
    connect_many(2 * MANY);
    step_many();
    uv_run(&r.loop, UV_RUN_NOWAIT);
    assert_int_equal(r.server.crowd.unfinished, HW_TURN_HANDSHAKES);
    hw_deadlines_last(&r.server.deadlines, HW_DEADLINE_FIRST, 0);
    turns(MANY);
    hw_deadlines_last(&r.server.deadlines, HW_DEADLINE_FIRST, RIG_LONG_MS);
    step_many();
    turns(MANY);
    assert_int_equal(count(HW_COUNT_HANDSHAKES), MANY);
    close_many();
}

/* What they sent was read from the socket, and waits for its turn in TLS. */
static void keeps_those_that_wait_for_their_turn_in_a_drain(void **state)
{
    (void)state;
    connect_many(2 * MANY);
    step_many();
    uv_run(&r.loop, UV_RUN_NOWAIT);
    hw_connections_drain(&r.server);
    uv_run(&r.loop, UV_RUN_NOWAIT);
    assert_int_equal(r.server.connection_count, MANY - HW_TURN_HANDSHAKES);
    close_many();
}

static void limits_how_many_are_unfinished(void **state)
{
    (void)state;
    connect_many(MANY - 1);
    catch_lines();
    step_many();
    turns(MANY);
    assert_int_equal(r.server.crowd.unfinished, MANY - 1);
    assert_int_equal(count(HW_COUNT_HANDSHAKES_FAILED), 1);
    assert_line("over max_unfinished");
    close_many();
}

/* ---- the end ---- */

static void says_goodbye_after_the_last_answer(void **state)
{
    (void)state;
    assert_true(client_shake(&client, &r));
    exchange(LAST);
    assert_true(client.notified);
    turns(2);
    client_pull(&client, &r);
    assert_true(r.ended);
    assert_int_equal(r.server.connection_count, 0);
}

/* The client goes on sending, so the host reads on for a moment: without decrypting. */
static void lingers_after_a_refusal(void **state)
{
    static char large[3 * HW_LINGER_MAX];
    size_t sent = 0;
    (void)state;
    assert_true(client_shake(&client, &r));
    send_text("POST /waits HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n");
    rig_turn(&r);
    client_write(&client, &r, large, sizeof large, RECORD);
    for (int i = 0; i < 20; i++) {
        sent += client_push(&client, &r);
        rig_turn(&r);
    }
    assert_true(sent > HW_LINGER_MAX);
    assert_true(rig_unread(&r) >= sent - HW_LINGER_MAX);
    client_read(&client, &r);
    assert_int_equal(r.last_status, 413);
    assert_true(client.notified);
    assert_int_equal(r.server.connection_count, 1);
    rig_pass(&r, HW_DEADLINE_LINGER);
    assert_int_equal(r.server.connection_count, 0);
}

static void answers_one_that_ended_without_close_notify(void **state)
{
    (void)state;
    assert_true(client_shake(&client, &r));
    send_text(WAITS);
    shutdown(r.fd, SHUT_WR);
    turns(2);
    assert_non_null(r.waiters);
    rig_answer(&r, 0, HW_STR_NONE);
    client_read(&client, &r);
    assert_int_equal(r.answers, 1);
    assert_true(client.notified);
    turns(2);
    assert_int_equal(r.server.connection_count, 0);
}

static void answers_one_that_ended_with_close_notify(void **state)
{
    (void)state;
    assert_true(client_shake(&client, &r));
    client_write(&client, &r, WAITS, strlen(WAITS), RECORD);
    client_write(&client, &r, WAITS, strlen(WAITS), RECORD);
    SSL_shutdown(client.ssl);
    client_push(&client, &r);
    turns(2);
    rig_answer(&r, 0, HW_STR_NONE);
    turns(2);
    rig_answer(&r, 0, HW_STR_NONE);
    turns(2);
    client_pull(&client, &r);
    assert_int_equal(r.completed, 2);
    assert_true(r.ended);
    assert_int_equal(r.server.connection_count, 0);
}

static void closes_when_a_request_is_cut_off(void **state)
{
    (void)state;
    assert_true(client_shake(&client, &r));
    send_text("POST /waits HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel");
    rig_turn(&r);
    shutdown(r.fd, SHUT_WR);
    turns(2);
    assert_int_equal(r.completed, 0);
    assert_int_equal(r.server.connection_count, 0);
}

static void closes_at_a_record_that_was_changed(void **state)
{
    char *bytes;
    (void)state;
    assert_true(client_shake(&client, &r));
    client_write(&client, &r, WAITS, strlen(WAITS), RECORD);
    BIO_get_mem_data(client.out, &bytes);
    bytes[20] ^= 1;
    client_push(&client, &r);
    turns(2);
    client_read(&client, &r);
    assert_int_equal(client.error, SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    assert_int_equal(r.completed, 0);
    assert_int_equal(r.server.connection_count, 0);
}

/* ---- writing ---- */

static void writes_a_large_answer_as_the_client_takes_it(void **state)
{
    enum { LARGE = 3 * 1000 * 1000 };
    char *large = malloc(LARGE);
    (void)state;
    memset(large, 'x', LARGE);
    assert_true(client_shake(&client, &r));
    send_text(WAITS);
    rig_turn(&r);
    rig_reply(&r, (struct hw_str){large, LARGE});
    free(large);
    turns(2);
    assert_int_equal(connection()->state, FLUSH);
    for (int i = 0; i < 1000 && r.answers == 0; i++) {
        client_read(&client, &r);
        rig_turn(&r);
    }
    assert_int_equal(r.answers, 1);
    assert_true(r.got_len > LARGE);
    exchange(GET);
}

/* It would tell the client that the answer was whole. */
static void says_no_goodbye_before_the_end_of_an_answer(void **state)
{
    enum { LARGE = 3 * 1000 * 1000 };
    char *large = calloc(1, LARGE);
    (void)state;
    assert_true(client_shake(&client, &r));
    send_text(WAITS);
    rig_turn(&r);
    rig_reply(&r, (struct hw_str){large, LARGE});
    free(large);
    rig_pass(&r, HW_DEADLINE_WRITE);
    assert_int_equal(r.server.connection_count, 0);
    client_read(&client, &r);
    assert_true(r.ended);
    assert_false(client.notified);
}

/* ---- messages that are not data ---- */

static void refuses_to_negotiate_again(void **state)
{
    (void)state;
    assert_true(client_shake(&client, &r));
    assert_int_equal(SSL_renegotiate(client.ssl), 1);
    SSL_do_handshake(client.ssl);
    client_push(&client, &r);
    turns(2);
    client_pull(&client, &r);
    assert_int_equal(SSL_do_handshake(client.ssl), -1);
    client_judge(&client, -1);
    assert_int_equal(client.error, SSL_R_NO_RENEGOTIATION);
    assert_int_equal(count(HW_COUNT_HANDSHAKES), 1);
}

static void update_keys(int times, int type)
{
    for (int i = 0; i < times; i++) {
        assert_int_equal(SSL_key_update(client.ssl, type), 1);
        assert_int_equal(SSL_do_handshake(client.ssl), 1);
        client_push(&client, &r);
    }
}

static void takes_new_keys_a_few_times(void **state)
{
    static const int types[] = {SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED};
    (void)state;
    assert_true(client_shake(&client, &r));
    for (int i = 0; i < 2; i++) {
        update_keys(HW_TLS_ASIDE / (i + 1), types[i]); /* the host's own one counts, too */
        exchange(GET);
    }
    exchange(GET);
}

static void closes_at_a_flood_of_new_keys(void **state)
{
    (void)state;
    assert_true(client_shake(&client, &r));
    update_keys(HW_TLS_ASIDE + 1, SSL_KEY_UPDATE_NOT_REQUESTED);
    turns(2);
    assert_int_equal(r.server.connection_count, 0);
    client_read(&client, &r);
    assert_true(r.ended);
    assert_false(client.notified); /* nothing more is said to it */
}

#define IN(name, rig) cmocka_unit_test_setup_teardown(name, rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(answers_requests, open_rig),
        IN(answers_requests, open_rig_1_2),
        IN(answers_in_pieces, open_rig),
        IN(answers_in_pieces, open_rig_1_2),
        IN(tells_when_a_large_piece_is_sent, open_rig),
        IN(tells_when_a_large_piece_is_sent, open_rig_1_2),
        IN(sends_pieces_until_it_closes, open_rig),
        IN(sends_pieces_until_it_closes, open_rig_1_2),
        IN(notices_a_close_notify_during_a_stream, open_rig),
        IN(notices_a_close_notify_during_a_stream, open_rig_1_2),
        IN(notices_a_client_that_leaves_a_stream, open_rig),
        IN(notices_a_client_that_leaves_a_stream, open_rig_1_2),
        IN(takes_each_byte_by_itself, open_rig),
        IN(takes_each_byte_by_itself, open_rig_1_2),
        IN(takes_a_record_for_each_byte, open_rig),
        IN(takes_a_record_for_each_byte, open_rig_1_2),
        IN(takes_a_large_body, open_rig),
        IN(takes_a_large_body, open_rig_1_2),
        IN(reads_so_much_of_a_body_a_turn, open_rig),
        IN(keeps_what_is_pipelined, open_rig),
        IN(reads_what_was_kept_though_the_socket_is_silent, open_rig),
        IN(begins_a_few_requests_a_turn, open_rig),
        IN(is_not_idle_while_something_is_kept, open_rig),
        IN(ends_a_handshake_that_takes_too_long, open_rig),
        IN(counts_the_time_of_a_handshake_from_the_accept, open_rig),
        IN(closes_a_silent_one, open_rig),
        IN(waits_for_the_first_request_as_long_as_a_plain_one, open_rig),
        IN(answers_plain_http_in_plain, open_rig),
        IN(recognises_plain_http_byte_by_byte, open_rig),
        IN(closes_at_garbage, open_rig),
        IN(sends_an_alert_when_a_handshake_fails, open_rig),
        IN(says_when_the_client_gives_up, open_rig),
        IN(takes_a_few_steps_a_turn, open_rig),
        IN(keeps_time_for_a_handshake_that_waits_for_its_turn, open_rig),
        IN(keeps_those_that_wait_for_their_turn_in_a_drain, open_rig),
        IN(limits_how_many_are_unfinished, open_rig),
        IN(says_goodbye_after_the_last_answer, open_rig),
        IN(says_goodbye_after_the_last_answer, open_rig_1_2),
        IN(lingers_after_a_refusal, open_rig),
        IN(answers_one_that_ended_without_close_notify, open_rig),
        IN(answers_one_that_ended_with_close_notify, open_rig),
        IN(closes_when_a_request_is_cut_off, open_rig),
        IN(closes_at_a_record_that_was_changed, open_rig),
        IN(writes_a_large_answer_as_the_client_takes_it, open_rig),
        IN(says_no_goodbye_before_the_end_of_an_answer, open_rig),
        IN(refuses_to_negotiate_again, open_rig_1_2),
        IN(takes_new_keys_a_few_times, open_rig),
        IN(closes_at_a_flood_of_new_keys, open_rig),
    };
    return cmocka_run_group_tests(tests, make_context, free_context);
}
