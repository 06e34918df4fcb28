/* tls_fuzz.c -- a TLS connection survives what a client, the network and time may do to it.
 *
 * As connection_fuzz.c, with a real TLS client between: the input says how requests are cut into
 * records, how records are cut into what the socket brings in a turn, and what disturbs them. The
 * low four bits of a byte say which step it is.
 *
 * Properties
 *   The service gets what was sent, whole and in order, however it was cut (the rig's model).
 *   A turn begins no more requests than it may.
 *   The client reads answers only, and no more of them than there were requests.
 *   If nobody gave up, each request has its answer in the end, though the socket is silent.
 *   Everything is freed, and OpenSSL's queue of errors is empty. */
#include "http/connection_rig.h"

#define assert_true HW_CHECK
#define assert_non_null(x) HW_CHECK((x) != NULL)
#include "http/tls_client.h"

#include "connection_steps.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

enum step { WRITE, WRITE_BYTES, PUSH, TURN, ANSWER, READ, TIME, CLIENT, SERVER, RAW, STEPS };

enum { SENT_MAX = 500 * 1000 }; /* the rig's model reads all of it again and again */

static struct tls_client client;
static bool ended; /* the client sends no more */

static const char *const pieces[] = {
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /now HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /refused HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n",
    "POST /refused HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    "GET /now HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    "hello",
};
enum { PIECES = sizeof pieces / sizeof *pieces };

static size_t next_byte(struct program *p)
{
    return p->at < p->len ? p->bytes[p->at++] : 0;
}

static void write_plain(struct rig *r, struct program *p, const char *bytes, size_t len)
{
    static const size_t records[] = {16384, 1, 100, 4096};
    if (!ended && SSL_is_init_finished(client.ssl) && len > 0 && r->sent_len < SENT_MAX)
        client_write(&client, r, bytes, len, len > 1000 ? 16384 : records[next_byte(p) & 3]);
}

static void write_piece(struct rig *r, struct program *p, unsigned amount)
{
    if (amount < PIECES)
        write_plain(r, p, pieces[amount], strlen(pieces[amount]));
    else
        write_plain(r, p, large, sizeof large);
}

static void write_bytes(struct rig *r, struct program *p, unsigned amount)
{
    struct hw_str bytes = next_bytes(p, amount + 1);
    write_plain(r, p, bytes.ptr, bytes.len);
}

/* Sends a part of what the client has, or all; byte by byte with a turn for each. */
static void push(struct rig *r, unsigned amount)
{
    char *bytes;
    client.cut = amount == 1 && BIO_get_mem_data(client.out, &bytes) < 200 ? 1 : 0;
    if (amount < 2) {
        client_push(&client, r);
        return;
    }
    size_t left = (size_t)BIO_get_mem_data(client.out, &bytes);
    size_t len = left < 1u << amount ? left : 1u << amount;
    ssize_t n = r->fd < 0 || len == 0 ? -1 : send(r->fd, bytes, len, MSG_NOSIGNAL);
    char taken[1 << 15];
    if (n > 0)
        HW_CHECK(BIO_read(client.out, taken, (int)n) == n);
}

static void do_as_client(struct rig *r, struct program *p, unsigned amount)
{
    SSL *ssl = client.ssl;
    if (amount % 4 == 0 && SSL_is_init_finished(ssl) && !ended) {
        p->cut_short = true; /* many of these end the connection */
        if (SSL_version(ssl) == TLS1_3_VERSION && SSL_key_update(ssl, (int)(amount / 4 % 2)))
            SSL_do_handshake(ssl);
        else
            SSL_renegotiate(ssl), SSL_do_handshake(ssl);
        ERR_clear_error();
        return;
    }
    p->cut_short = ended = true;
    if (amount % 4 == 1)
        rig_hang_up(r);
    else if (amount % 4 == 2)
        SSL_shutdown(ssl);
    else if (r->fd >= 0)
        shutdown(r->fd, amount & 4 ? SHUT_RD : SHUT_WR);
    ERR_clear_error();
}

/* Bytes that are not the client's TLS. */
static void send_raw(struct rig *r, struct program *p, unsigned amount)
{
    struct hw_str bytes = next_bytes(p, amount + 1);
    p->cut_short = true;
    if (r->fd >= 0 && bytes.len)
        send(r->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
}

static void read_answers(struct rig *r)
{
    if (SSL_is_init_finished(client.ssl))
        client_read(&client, r);
    else
        client_step(&client, r);
}

static void take(struct rig *r, struct program *p)
{
    uint8_t byte = p->bytes[p->at++];
    unsigned amount = byte >> 4;
    switch ((enum step)((byte & 15) % STEPS)) {
    case WRITE:
        write_piece(r, p, amount);
        break;
    case WRITE_BYTES:
        write_bytes(r, p, amount);
        break;
    case PUSH:
        push(r, amount);
        break;
    case TURN:
        take_turns(r, amount);
        break;
    case ANSWER:
        answer(r, p, amount);
        break;
    case READ:
        read_answers(r);
        break;
    case TIME:
        pass_time(r, p, amount);
        break;
    case CLIENT:
        do_as_client(r, p, amount);
        break;
    case SERVER:
        do_as_server(r, p, amount);
        break;
    case RAW:
        send_raw(r, p, amount);
        break;
    case STEPS:
        break;
    }
}

/* Runs until nothing changes any more. */
static void come_to_rest(struct rig *r)
{
    client.cut = 0;
    for (int still = 0; still < 4; still++) {
        unsigned before = r->accepted + r->refused + r->completed + r->answers;
        size_t unread = rig_unread(r);
        size_t pushed = client_push(&client, r);
        rig_turn(r);
        read_answers(r);
        if (r->waiters || pushed || unread != rig_unread(r) ||
            before != r->accepted + r->refused + r->completed + r->answers)
            still = -1;
        rig_answer(r, 0, HW_STR_NONE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    static struct hw_tls_context *context;
    struct rig r;
    struct program p = {.bytes = input, .len = len};
    if (!context)
        context = localhost_context();
    ended = false;
    memset(large, 'x', sizeof large);
    rig_open_tls(&r, context);
    size_t first = next_byte(&p);
    client_open(&client, first & 1 ? TLS1_2_VERSION : TLS1_3_VERSION);
    if (first & 2)
        HW_CHECK(client_shake(&client, &r));
    while (p.at < p.len)
        take(&r, &p);
    come_to_rest(&r);
    check_answers(&r, &p);
    client_close(&client);
    rig_close(&r);
    HW_CHECK(ERR_peek_error() == 0);
    return 0;
}
