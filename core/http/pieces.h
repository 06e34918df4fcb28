/* pieces.h -- an answer that is sent in pieces, while its service still makes them.
 *
 * How     Begin, then any number of pieces, then finish or abort. A waiter stays in its list until
 *         then, and its service has `sent` and `left` (service.h). There is one time limit: the
 *         client must take what was written within HW_WRITE_TIMEOUT_MS. A client that closes its
 *         half is noticed even while nothing is sent, unless it has also sent more of a next
 *         request than is read ahead.
 * Thread  leader only. */
#ifndef HW_PIECES_H
#define HW_PIECES_H

#include <stdbool.h>

#include "http/answer.h"
#include "http/waiter.h"

/* Sends the head. In HTTP/1.1 chunks follow (`chunked`), in HTTP/1.0 bytes until the connection is
 * closed. Returns false when nothing is to follow: the client is gone, the server drains, or the
 * answer has no body; the waiter has left its list then. */
bool hw_pieces_begin(struct hw_waiter *waiter, const struct hw_reply *reply, bool chunked);

/* Sends a piece, of one byte at least. Returns true when all of it was written. Returns false when
 * the connection was closed, or when a rest follows: then the service's `sent` is called once
 * everything is written. */
bool hw_pieces_send(struct hw_waiter *waiter, struct hw_str piece);

/* Sends the last piece, which may be empty, and the end. The waiter has left its list. */
void hw_pieces_finish(struct hw_waiter *waiter, struct hw_str piece);

/* Closes the connection, so that the client sees that the end is missing. The waiter has left its
 * list. */
void hw_pieces_abort(struct hw_waiter *waiter);

#endif
