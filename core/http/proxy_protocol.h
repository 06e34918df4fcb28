/* proxy_protocol.h -- the header by which a load balancer names the client of a connection.
 *
 * Source  HAProxy's "The PROXY protocol, Versions 1 & 2", sections 2.1 (a line of text) and 2.2
 *         (bytes).
 * How     incremental: it takes the header's bytes as they come, and never one beyond its end,
 *         where the client's own bytes begin. A version 1 line is kept until it is whole; of
 *         version 2 the addresses are kept, and the TLVs after them are skipped. However the
 *         header is split into reads, the outcome is the same.
 * Strict  what is not exactly such a header is refused at the first byte that shows it.
 * Thread  pure; whoever owns the struct. */
#ifndef HW_PROXY_PROTOCOL_H
#define HW_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/address.h"

enum {
    HW_PROXY_PROTOCOL_LINE_MAX = 107,  /* bytes of a version 1 line, with its line end */
    HW_PROXY_PROTOCOL_BYTES_MAX = 2048 /* bytes of a version 2 header; senders stay below 536 */
};

struct hw_proxy_protocol {
    char kept[HW_PROXY_PROTOCOL_LINE_MAX]; /* the first bytes */
    uint16_t taken;                        /* bytes so far, those that were skipped included */
    uint16_t total;                        /* of a version 2 header; 0: not known yet */
    bool done;
    const char *why; /* set: it was refused; a static text */
};

/* Zeroed, the struct is ready. Takes the next bytes of the header, in the order in which they came.
 * Returns how many of them belong to the header: all, unless it ends before. Afterwards `done` says
 * that it is complete, or `why` that it was refused, which is final. */
size_t hw_proxy_protocol_take(struct hw_proxy_protocol *p, const char *bytes, size_t len);

/* The client that a complete header names. Returns false when it names none, and the socket's
 * address counts: LOCAL, UNKNOWN, or a family other than TCP over IPv4 or IPv6. */
bool hw_proxy_protocol_client(const struct hw_proxy_protocol *p, struct hw_address *client);

#endif
