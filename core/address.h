/* address.h -- a socket's address as people write it.
 *
 * Thread  any. */
#ifndef HW_ADDRESS_H
#define HW_ADDRESS_H

#include <stddef.h>
#include <sys/socket.h>

#include "str.h"

/* "127.0.0.1:4711" or "[::1]:4711", of an IPv4 or IPv6 address. Returns a view of `text`. */
struct hw_str hw_address_text(const struct sockaddr_storage *address, char *text, size_t size);

#endif
