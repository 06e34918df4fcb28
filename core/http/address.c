/* address.c -- see address.h */
#include "http/address.h"

#include <stdio.h>
#include <string.h>
#include <uv.h>

enum { MAPPED_PREFIX = 12 /* bytes of ::ffff:0:0/96 before the IPv4 address */ };

static struct hw_str write_v4(const struct in_addr *ip, in_port_t port, char *text, size_t size)
{
    char host[INET_ADDRSTRLEN] = "";
    uv_inet_ntop(AF_INET, ip, host, sizeof host);
    snprintf(text, size, "%s:%d", host, ntohs(port));
    return hw_str_of(text);
}

static struct hw_str write_v6(const struct sockaddr_in6 *v6, char *text, size_t size)
{
    struct in_addr mapped;
    char host[INET6_ADDRSTRLEN] = "";
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        memcpy(&mapped, v6->sin6_addr.s6_addr + MAPPED_PREFIX, sizeof mapped);
        return write_v4(&mapped, v6->sin6_port, text, size);
    }
    uv_ip6_name(v6, host, sizeof host);
    snprintf(text, size, "[%s]:%d", host, ntohs(v6->sin6_port));
    return hw_str_of(text);
}

struct hw_str hw_address_text(const struct sockaddr *address, char *text, size_t size)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    switch (address->sa_family) {
    case AF_INET:
        return write_v4(&v4->sin_addr, v4->sin_port, text, size);
    case AF_INET6:
        return write_v6((const struct sockaddr_in6 *)address, text, size);
    case AF_UNIX:
        return HW_STR("unix");
    default:
        return HW_STR_NONE;
    }
}
