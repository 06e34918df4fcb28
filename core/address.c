/* address.c -- see address.h */
#include "address.h"

#include <netinet/in.h>
#include <stdio.h>
#include <uv.h>

struct hw_str hw_address_text(const struct sockaddr_storage *address, char *text, size_t size)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    char host[INET6_ADDRSTRLEN] = "";
    if (address->ss_family == AF_INET6) {
        uv_ip6_name(v6, host, sizeof host);
        snprintf(text, size, "[%s]:%d", host, ntohs(v6->sin6_port));
    } else {
        uv_ip4_name(v4, host, sizeof host);
        snprintf(text, size, "%s:%d", host, ntohs(v4->sin_port));
    }
    return hw_str_of(text);
}
