/* address.c -- see address.h */
#include "http/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

enum { MAPPED_PREFIX = 12 /* bytes of ::ffff:0:0/96 before the IPv4 address */ };

/* ---- writing ---- */

/* Returns where the text goes on. */
static char *write_number(char *to, unsigned number)
{
    if (number >= 10)
        to = write_number(to, number / 10);
    *to = (char)('0' + number % 10);
    return to + 1;
}

/* Every notification has its sender written twice, for its handler and for its log line, and
 * snprintf takes ten times as long. */
static struct hw_str write_v4(const unsigned char *ip, int port, char *text, size_t size)
{
    char whole[sizeof "255.255.255.255:65535"], *to = write_number(whole, ip[0]);
    for (int i = 1; i < 4; i++) {
        *to++ = '.';
        to = write_number(to, ip[i]);
    }
    if (port) {
        *to++ = ':';
        to = write_number(to, (unsigned)port);
    }
    size_t len = (size_t)(to - whole) < size ? (size_t)(to - whole) : size - 1;
    memcpy(text, whole, len);
    text[len] = '\0';
    return (struct hw_str){text, len};
}

static struct hw_str write_v6(const struct sockaddr_in6 *v6, int port, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";
    uv_ip6_name(v6, host, sizeof host);
    if (port)
        snprintf(text, size, "[%s]:%d", host, port);
    else
        snprintf(text, size, "%s", host);
    return hw_str_of(text);
}

static int port_of(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)address)->sin_port);
    if (address->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
    return 0;
}

static struct hw_str write_text(const struct sockaddr *address, int port, char *text, size_t size)
{
    const unsigned char *v4 = hw_address_v4(address);
    if (v4)
        return write_v4(v4, port, text, size);
    if (address->sa_family == AF_INET6)
        return write_v6((const struct sockaddr_in6 *)address, port, text, size);
    return address->sa_family == AF_UNIX ? HW_STR("unix") : HW_STR_NONE;
}

struct hw_str hw_address_text(const struct sockaddr *address, char *text, size_t size)
{
    return write_text(address, port_of(address), text, size);
}

struct hw_str hw_address_host(const struct sockaddr *address, char *text, size_t size)
{
    return write_text(address, 0, text, size);
}

/* ---- reading ---- */

bool hw_address_read(struct hw_address *address, struct hw_str text)
{
    char copy[INET6_ADDRSTRLEN];
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *address = (struct hw_address){.v4 = {.sin_family = AF_INET}};
    if (inet_pton(AF_INET, copy, &address->v4.sin_addr) == 1)
        return true;
    *address = (struct hw_address){.v6 = {.sin6_family = AF_INET6}};
    return inet_pton(AF_INET6, copy, &address->v6.sin6_addr) == 1;
}

int hw_address_read_port(struct hw_str text)
{
    int port = 0;
    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.ptr[0] == '0'))
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        port = port * 10 + (text.ptr[i] - '0');
    }
    return port <= 65535 ? port : -1;
}

void hw_address_set_port(struct hw_address *address, int port)
{
    if (address->any.sa_family == AF_INET)
        address->v4.sin_port = htons((uint16_t)port);
    else if (address->any.sa_family == AF_INET6)
        address->v6.sin6_port = htons((uint16_t)port);
}

/* ---- what it is ---- */

const unsigned char *hw_address_v4(const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    if (address->sa_family == AF_INET)
        return (const unsigned char *)&v4->sin_addr;
    if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return v6->sin6_addr.s6_addr + MAPPED_PREFIX;
    return NULL;
}

bool hw_address_is_loopback(const struct sockaddr *address)
{
    const unsigned char *v4 = hw_address_v4(address);
    if (v4)
        return v4[0] == 127;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}
