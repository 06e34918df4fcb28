/* connection_fuzz.c -- a connection survives what a client and time may do to it, in any order.
 *
 * The input is a program (connection_steps.h) for the real connection.c with a client at the other
 * end of a Unix socket. The low three bits of a byte say which step it is. The bytes to send follow
 * the step, or come from a table of pieces of requests.
 *
 * Properties
 *   The service gets what was sent, whole and in order, however it was cut into reads and
 *   whatever was pipelined (the rig's model).
 *   A turn begins no more requests than it may.
 *   The client reads answers only, and no more of them than there were requests.
 *   If nobody gave up, each request has its answer in the end.
 *   Everything is freed. */
#include "http/connection_rig.h"

#include "connection_steps.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

enum step { SEND, SEND_PIECE, TURN, ANSWER, RECEIVE, TIME, CLIENT, SERVER };

static const char *const pieces[] = {
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /now HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /refused HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    "POST /refused HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST /now HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST /refused HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    "5\r\nhello\r\n",
    "186a0\r\n",
    "0\r\n\r\n",
    "0\r\nA: b\r\n\r\n",
    "\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n",
    "POST /now HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n",
    "POST /refused HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    "POST /refused HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n",
    "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n",
    "GET /now HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    "hello",
    "GET / HTTP/1.1\r\nHost: h\r\nX: ",
};

enum {
    PIECES = sizeof pieces / sizeof *pieces,
    LARGE_FROM = PIECES
}; /* this and higher numbers: parts of `large` */

static void send_some(struct rig *r, struct program *p, unsigned amount)
{
    struct hw_str bytes = next_bytes(p, amount + 1);
    rig_send(r, bytes.ptr, bytes.len);
}

static void send_piece(struct rig *r, unsigned amount)
{
    static const size_t lengths[] = {100000, 1, 4096, 65536, 4095, 20, 95904, 50000};
    if (amount < PIECES)
        rig_send(r, pieces[amount], strlen(pieces[amount]));
    else
        rig_send(r, large, lengths[amount - LARGE_FROM]);
}

static void do_as_client(struct rig *r, struct program *p, unsigned amount)
{
    p->cut_short = true;
    if (amount & 1)
        rig_hang_up(r);
    else if (r->fd >= 0)
        shutdown(r->fd, amount & 2 ? SHUT_RD : SHUT_WR);
}

static void take(struct rig *r, struct program *p)
{
    uint8_t byte = p->bytes[p->at++];
    unsigned amount = byte >> 3;
    switch ((enum step)(byte & 7)) {
    case SEND:
        send_some(r, p, amount);
        break;
    case SEND_PIECE:
        send_piece(r, amount);
        break;
    case TURN:
        take_turns(r, amount);
        break;
    case ANSWER:
        answer(r, p, amount);
        break;
    case RECEIVE:
        rig_receive(r, amount & 1 ? 1u << amount / 2 : amount * 8);
        break;
    case TIME:
        pass_time(r, p, amount);
        break;
    case CLIENT:
        do_as_client(r, p, amount);
        break;
    case SERVER:
        do_as_server(r, p, amount);
    }
}

/* Runs until nothing changes any more. */
static void come_to_rest(struct rig *r)
{
    for (int still = 0; still < 4; still++) {
        unsigned before = r->accepted + r->refused + r->completed;
        size_t unread = rig_unread(r);
        rig_turn(r);
        if (r->waiters || rig_receive(r, sizeof large) || unread != rig_unread(r) ||
            before != r->accepted + r->refused + r->completed)
            still = -1;
        rig_answer(r, 0, HW_STR_NONE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    struct rig r;
    struct program p = {.bytes = input, .len = len};
    memset(large, 'x', sizeof large);
    rig_open(&r);
    while (p.at < p.len)
        take(&r, &p);
    come_to_rest(&r);
    check_answers(&r, &p);
    rig_close(&r);
    return 0;
}
