/* handshake.h -- a connection's TLS handshake: how much of it, how long, and what is said of it.
 *
 * Why     a handshake costs the host a hundred times as much as the client, who is a stranger.
 * How     a few steps are taken in a turn of the loop (turn.h); a handshake that has to wait for
 *         its turn has cost nothing yet. It must be complete within header_timeout of the accept.
 *         While the host waits for the client's part of it, it counts as an unfinished request, so
 *         max_unfinished and an address's share of it hold for handshakes too. One that fails is
 *         counted and logged like a refusal (refusal_log.h).
 *         A client that sends a request without TLS is answered in plain text: 400 tls_required.
 * Thread  leader only. */
#ifndef HW_HANDSHAKE_H
#define HW_HANDSHAKE_H

#include <stdbool.h>

#include "base/str.h"

struct hw_connection;

/* Takes it as far as the bytes that have arrived, and the turn, allow. Returns true once it is
 * complete. Otherwise the connection was ended, or is held, or waits for bytes. */
bool hw_handshake_advance(struct hw_connection *c);

/* Ends the connection if its handshake has begun and is not complete, for this reason, and returns
 * true. Otherwise returns false. */
bool hw_handshake_fail(struct hw_connection *c, struct hw_str why);

#endif
