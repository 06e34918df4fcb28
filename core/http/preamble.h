/* preamble.h -- a connection whose first bytes are the PROXY protocol's header.
 *
 * Why     the header stands before all else, TLS too, and what follows it belongs to the client.
 * How     until the header is whole the connection reads it and nothing else: it looks at what
 *         waits in the socket, and reads no byte beyond the header's end. Then the client that it
 *         names becomes the connection's peer, and the limits per address apply to it. A header
 *         that is malformed, incomplete or late closes the connection.
 * Time    the same as for the first byte of a request, which then starts anew.
 * Thread  leader only. */
#ifndef HW_PREAMBLE_H
#define HW_PREAMBLE_H

#include <stddef.h>
#include <uv.h>

struct hw_connection;
struct hw_troubles;

/* Has the connection begin with a header. `troubles` gets the reports. Returns 0 or HW_ENOMEM. */
int hw_preamble_expect(struct hw_connection *c, struct hw_troubles *troubles);

/* Frees what the header took. Idempotent. */
void hw_preamble_end(struct hw_connection *c);

/* While c->preamble is set: memory to read into; then the number of bytes that were read, 0, or a
 * libuv error. */
uv_buf_t hw_preamble_room(struct hw_connection *c);
void hw_preamble_on_read(struct hw_connection *c, ssize_t n);

/* Closes the connection, which has no proper header. `why` is a static text. */
void hw_preamble_fail(struct hw_connection *c, const char *why);

#endif
