/* address.h -- a socket's address, in a few bytes and as text.
 *
 * Thread  any. */
#ifndef HW_ADDRESS_H
#define HW_ADDRESS_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/str.h"

enum { HW_ADDRESS_TEXT_MAX = 96 /* bytes; the text of any address fits */ };

/* A client's address. The family is 0 when there is none; AF_UNIX stands for any Unix socket. */
struct hw_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

/* "127.0.0.1:4711", "[::1]:4711" or "unix"; {NULL, 0} when there is none. An IPv4 client of an IPv6
 * socket is written as IPv4. Returns a view of `text`, or a static one. */
struct hw_str hw_address_text(const struct sockaddr *address, char *text, size_t size);

#endif
