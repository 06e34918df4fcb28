/* reading.h -- a connection's bytes, from the socket into its request.
 *
 * Why     a client sends as much and as fast as it likes. What is not read waits in the socket, and
 *         TCP then slows the client down.
 * How     a connection reads while its state has a use for the bytes, while it is its turn (turn.h)
 *         and while there is memory (max_memory_bodies). What becomes of the bytes is decided in
 *         connection.c.
 * TLS     the same, in two steps: bytes of the socket are handed to TLS, and plain bytes are read
 *         from it just as libuv reads them from a socket. Once the connection has no use for more,
 *         what is not decrypted yet is kept, and the socket is not read again until that is used
 *         up.
 * Thread  leader only. */
#ifndef HW_READING_H
#define HW_READING_H

#include "http/connection_state.h"

/* Start reading, if the state has a use for bytes, and stop it. Both are idempotent. A connection
 * that is held (turn.h) starts when its turn comes. One whose TLS has kept bytes is held first,
 * since the socket may stay silent. */
void hw_reading_start(struct hw_connection *c);
void hw_reading_stop(struct hw_connection *c);

/* Its turn has come: the connection goes on with what it has, reads what TLS has kept, and starts
 * reading. */
void hw_reading_resume(struct hw_connection *c);

/* Whether bytes wait in the socket or in TLS. */
bool hw_reading_has_unread(struct hw_connection *c);

#endif
