/* reading.h -- a connection's bytes, from the socket into its request.
 *
 * Why     a client sends as much and as fast as it likes. What is not read waits in the socket, and
 *         TCP then slows the client down.
 * How     a connection reads while its state has a use for the bytes, while it is its turn (turn.h)
 *         and while there is memory (max_memory_bodies). What becomes of the bytes is decided in
 *         connection.c.
 * Thread  leader only. */
#ifndef HW_READING_H
#define HW_READING_H

#include "http/connection_state.h"

/* Start reading, if the state has a use for bytes, and stop it. Both are idempotent. A connection
 * that is held (turn.h) is not started: it starts when its turn comes. */
void hw_reading_start(struct hw_connection *c);
void hw_reading_stop(struct hw_connection *c);

/* Whether bytes wait in the socket. */
bool hw_reading_has_unread(struct hw_connection *c);

#endif
