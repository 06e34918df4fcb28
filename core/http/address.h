/* address.h -- an address of a client or a listener, in a few bytes and as text.
 *
 * Thread  any. */
#ifndef HW_ADDRESS_H
#define HW_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
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

/* "127.0.0.1:4711", "[::1]:4711" or "unix"; {NULL, 0} when there is none. Port 0 stands for no port:
 * "127.0.0.1", "::1". An IPv4 client of an IPv6 socket is written as IPv4. Returns a view of `text`,
 * or a static one. */
struct hw_str hw_address_text(const struct sockaddr *address, char *text, size_t size);

/* The same without the port. */
struct hw_str hw_address_host(const struct sockaddr *address, char *text, size_t size);

/* Reads "127.0.0.1" or "::1" as inet_pton(3) takes them: no port, no brackets, no zone, no zeroes in
 * front of an IPv4 number. The port becomes 0. Returns false for any other text. */
bool hw_address_read(struct hw_address *address, struct hw_str text);

/* Reads a port: 0 to 65535, in digits, without zeroes in front. Returns -1 for any other text. */
int hw_address_read_port(struct hw_str text);

void hw_address_set_port(struct hw_address *address, int port);

/* The four bytes of an IPv4 address, also of one that an IPv6 socket shows as ::ffff:a.b.c.d. NULL:
 * it is none. */
const unsigned char *hw_address_v4(const struct sockaddr *address);

/* Whether it is an address of this machine alone: 127.0.0.0/8 or ::1. */
bool hw_address_is_loopback(const struct sockaddr *address);

#endif
