/* reading.h -- a connection's bytes, from the socket into its request.
 *
 * Why     a client sends as much and as fast as it likes. What is not read waits in the socket, and
 *         TCP then slows the client down.
 * How     a connection reads while its state has a use for the bytes, while it is its turn (turn.h)
 *         and while there is memory (max_memory_bodies). What becomes of the bytes is decided in
 *         connection.c.
 * TLS     the same, in two steps: bytes of the socket are handed to TLS, and plain bytes are read
 *         from it exactly as libuv would read them from the socket. Where the connection has no use
 *         for more of them, what was not decrypted yet is kept, and the socket is not read again
 *         before that is used up.
 * Thread  leader only. */
#ifndef HW_READING_H
#define HW_READING_H

#include "http/connection_state.h"

/* Start reading, if the state has a use for bytes, and stop it. Both are idempotent. A connection
 * that is held (turn.h) is not started: it starts when its turn comes. One whose TLS has kept bytes
 * is held first, since no event of the socket would tell of them. */
void hw_reading_start(struct hw_connection *c);
void hw_reading_stop(struct hw_connection *c);

/* Its turn has come: the connection goes on with what it has, reads what TLS has kept, and starts
 * reading. */
void hw_reading_resume(struct hw_connection *c);

/* Whether bytes wait in the socket, or were kept. */
bool hw_reading_has_unread(struct hw_connection *c);

#endif
