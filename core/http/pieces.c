/* pieces.c -- see pieces.h */
#include "http/pieces.h"

#include <stdio.h>

#include "http/connection_state.h"

static struct hw_connection *connection_of(struct hw_waiter *waiter)
{
    return HW_CONNECTION_WITH(waiter, waiter);
}

/* Writes a piece, and `last` behind it. Returns as hw_write. */
static int write_piece(struct hw_connection *c, struct hw_str piece, struct hw_str last)
{
    char size[24];
    int n = snprintf(size, sizeof size, "%zx\r\n", piece.len);
    uv_buf_t bufs[] = {uv_buf_init(size, (unsigned)n), hw_connection_buf(piece),
                       hw_connection_buf(HW_STR("\r\n")), hw_connection_buf(last)};
    if (!c->chunked)
        return piece.len ? hw_connection_write(c, bufs + 1, 1) : 0;
    return piece.len ? hw_connection_write(c, bufs, 4) : hw_connection_write(c, bufs + 3, 1);
}

/* Returns true when nothing is left to be written. */
static bool go_on(struct hw_connection *c, int rc)
{
    if (rc < 0)
        hw_connection_close(c);
    else if (rc > 0)
        hw_deadline_set(&c->server->deadlines, &c->deadline, HW_DEADLINE_WRITE);
    return rc == 0;
}

bool hw_pieces_begin(struct hw_waiter *waiter, const struct hw_reply *reply, bool chunked)
{
    char head[HW_ANSWER_MAX];
    struct hw_connection *c = connection_of(waiter);
    if (c->eof || c->server->draining) {
        hw_connection_close(c);
        return false;
    }
    bool has_body = !c->head && !hw_answer_is_bare(reply->status);
    c->chunked = chunked;
    c->close = c->close || (has_body && !chunked);
    struct hw_answer a = hw_connection_begin_answer(c);
    a.framing = chunked ? HW_FRAMING_CHUNKED : HW_FRAMING_CLOSE;
    size_t len = hw_answer_write_head(head, reply, &a, &c->server->clock);
    uv_buf_t bufs[] = {uv_buf_init(head, (unsigned)len), hw_connection_buf(reply->fields),
                       hw_connection_buf(HW_STR("\r\n"))};
    if (has_body) {
        hw_connection_enter_stream(c);
        go_on(c, hw_connection_write(c, bufs, sizeof bufs / sizeof *bufs));
    } else {
        hw_waiter_leave(waiter);
        hw_connection_send_answer(c, bufs, sizeof bufs / sizeof *bufs);
        hw_connection_advance(c);
    }
    return c->state == STREAM;
}

bool hw_pieces_send(struct hw_waiter *waiter, struct hw_str piece)
{
    struct hw_connection *c = connection_of(waiter);
    return go_on(c, write_piece(c, piece, HW_STR_NONE));
}

void hw_pieces_finish(struct hw_waiter *waiter, struct hw_str piece)
{
    struct hw_connection *c = connection_of(waiter);
    int rc = write_piece(c, piece, HW_STR("0\r\n\r\n"));
    if (rc == 0 && uv_stream_get_write_queue_size(&c->u.stream) > 0)
        rc = 1; /* of earlier pieces */
    hw_connection_end_answer(c, rc);
    hw_connection_advance(c);
}

void hw_pieces_abort(struct hw_waiter *waiter)
{
    hw_connection_close(connection_of(waiter));
}
