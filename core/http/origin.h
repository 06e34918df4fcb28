/* origin.h -- what counts as one address for the limits per address.
 *
 * An origin is an IPv4 address, or the /64 of an IPv6 address, which is what one subscriber has. A
 * Unix socket has none: its file's mode says who may open it.
 * Thread  pure; any. */
#ifndef HW_ORIGIN_H
#define HW_ORIGIN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "http/address.h"

/* The number of an address's origin. An IPv4 address becomes a number that no /64 in use has: the
 * low half of ::ffff:a.b.c.d. Returns false for what is no IP address. */
static inline bool hw_origin_of(const struct sockaddr *address, uint64_t *origin)
{
    const unsigned char *bytes = hw_address_v4(address);
    int count = bytes ? 4 : 8;
    if (!bytes && address->sa_family != AF_INET6)
        return false;
    *origin = bytes ? 0xffff : 0;
    if (!bytes)
        bytes = ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr;
    for (int i = 0; i < count; i++)
        *origin = *origin << 8 | bytes[i];
    return true;
}

/* With a random seed a client can't choose its place in a table. */
static inline uint32_t hw_origin_hash(uint64_t origin, uint64_t seed)
{
    uint64_t h = (origin ^ seed) * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
    return (uint32_t)(h >> 32);
}

#endif
