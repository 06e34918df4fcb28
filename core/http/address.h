/* address.h -- a socket's address: kept in few bytes, and as people write it.
 *
 * Thread  any. */
#ifndef HW_ADDRESS_H
#define HW_ADDRESS_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/str.h"

enum { HW_ADDRESS_TEXT_MAX = 96 /* bytes: room for the text of any */ };

/* Of a client. The family is 0 when there is none, and AF_UNIX stands for any Unix socket. */
struct hw_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

/* "127.0.0.1:4711" or "[::1]:4711"; an IPv4 client of an IPv6 socket is an IPv4 address; "unix";
 * {NULL, 0} when there is none. Returns a view of `text`, or static. */
struct hw_str hw_address_text(const struct sockaddr *address, char *text, size_t size);

#endif
