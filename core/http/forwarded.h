/* forwarded.h -- the client's address behind proxies, from X-Forwarded-For.
 *
 * Why     each proxy appends the address that it saw, so only what trusted proxies appended is
 *         true: a client can send any beginning of the list.
 * How     from the right, addresses of trusted proxies are skipped, and the next address is the
 *         client's. What is not an address ends the search, and so does the list's beginning or
 *         HW_FORWARDED_HOPS_MAX: then the last trusted hop counts as the client. Several header
 *         lines are one list, in their order (RFC 9110, section 5.3).
 * Forms   "203.0.113.7", "203.0.113.7:4711", "2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:4711".
 * Thread  pure; any. */
#ifndef HW_FORWARDED_H
#define HW_FORWARDED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "http/address.h"
#include "http/http.h"
#include "http/networks.h"

enum {
    HW_FORWARDED_HOPS_MAX = 32,  /* addresses that are looked at, from the right */
    HW_FORWARDED_LINES_MAX = 32, /* header lines, from the last one: each has an address */
};

/* Finds the client of a connection whose peer is a trusted proxy. `lines` are the values of the
 * header lines, in order. Returns true with the client in *client; false, when the peer itself
 * counts as the client. */
bool hw_forwarded_client(const struct hw_str *lines, size_t count,
                         const struct hw_networks *proxies, struct hw_address *client);

/* The same for a message whose head is complete, and begins at `bytes`. */
bool hw_forwarded_find(const struct hw_http *http, const char *bytes,
                       const struct hw_networks *proxies, struct hw_address *client);

#endif
