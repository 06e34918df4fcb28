/* handshake.h -- a connection's TLS handshake: its steps, its time-out, and how it ends.
 *
 * Why     a handshake costs the host a hundred times as much as the client, and anybody may begin
 *         one.
 * How     a turn of the loop (turn.h) takes only a few steps, and a handshake whose first step has
 *         to wait for its turn has cost nothing yet. It must be complete within header_timeout of
 *         the accept. While the host waits for the client's part of it, it counts as an unfinished
 *         request, so max_unfinished and an address's share of it hold for handshakes too. One that
 *         fails is counted and logged like a refusal (refusal_log.h).
 *         A client that sends a request without TLS is answered in plain text: 400 tls_required.
 * Thread  leader only. */
#ifndef HW_HANDSHAKE_H
#define HW_HANDSHAKE_H

#include <stdbool.h>

#include "base/str.h"

struct hw_connection;

/* Goes on with it as far as the bytes that have arrived, and the connection's turn, allow. Returns
 * true once it is complete. Otherwise the connection has ended, is held, or waits for bytes. */
bool hw_handshake_advance(struct hw_connection *c);

/* If the handshake has begun and is not complete, ends the connection, logs `why`, and returns
 * true. Otherwise returns false. */
bool hw_handshake_fail(struct hw_connection *c, struct hw_str why);

#endif
