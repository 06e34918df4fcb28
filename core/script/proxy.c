/* proxy.c -- see proxy.h */
#include "script/proxy.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/str.h"
#include "script/curl.h"

/* A host as curl's parser gives it: a name, an IPv4 address in its plain form, or "[::1]". */
struct host {
    struct hw_str name; /* without a dot at either end */
    int family;         /* AF_UNSPEC: a name */
    uint8_t address[16];
};

static int read_address(struct hw_str text, uint8_t address[16])
{
    char plain[INET6_ADDRSTRLEN + 1];
    if (text.len > 1 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = (struct hw_str){text.ptr + 1, text.len - 2};
    if (text.len >= sizeof plain)
        return AF_UNSPEC;
    memcpy(plain, text.ptr, text.len);
    plain[text.len] = '\0';
    if (inet_pton(AF_INET, plain, address) == 1)
        return AF_INET;
    return inet_pton(AF_INET6, plain, address) == 1 ? AF_INET6 : AF_UNSPEC;
}

static struct hw_str without_dots(struct hw_str name)
{
    if (name.len && name.ptr[0] == '.')
        name = (struct hw_str){name.ptr + 1, name.len - 1};
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    return name;
}

static struct host host_of(const char *text)
{
    struct host h = {.name = without_dots(hw_str_of(text))};
    h.family = read_address(h.name, h.address);
    return h;
}

/* Is the name the domain itself, or below it? */
static bool is_within(struct hw_str name, struct hw_str domain)
{
    size_t more = name.len - domain.len;
    return name.len >= domain.len && domain.len > 0 &&
           strncasecmp(name.ptr + more, domain.ptr, domain.len) == 0 &&
           (more == 0 || name.ptr[more - 1] == '.');
}

static bool is_loopback(const struct host *h)
{
    static const uint8_t none[16], one[16] = {[15] = 1}, mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (h->family == AF_UNSPEC)
        return is_within(h->name, HW_STR("localhost"));
    const uint8_t *v4 = h->family == AF_INET ? h->address : h->address + 12;
    if (h->family == AF_INET || memcmp(h->address, mapped, sizeof mapped) == 0)
        return v4[0] == 127 || memcmp(v4, none, 4) == 0;
    return memcmp(h->address, one, 16) == 0 || memcmp(h->address, none, 16) == 0;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, int bits)
{
    int whole = bits / 8, rest = bits % 8;
    return memcmp(a, b, (size_t)whole) == 0 &&
           (rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

/* `network` is an address or a network, such as "10.0.0.0/8". */
static bool is_in_network(const struct host *h, struct hw_str network)
{
    uint8_t address[16];
    int most = h->family == AF_INET ? 32 : 128, bits = most;
    const char *slash = memchr(network.ptr, '/', network.len);
    if (slash) {
        bits = slash + 1 < network.ptr + network.len ? 0 : most + 1;
        for (const char *at = slash + 1; at < network.ptr + network.len; at++)
            bits = *at >= '0' && *at <= '9' && bits <= most ? bits * 10 + (*at - '0') : most + 1;
        network.len = (size_t)(slash - network.ptr);
    }
    return bits <= most && read_address(network, address) == h->family &&
           same_bits(address, h->address, bits);
}

static bool is_named(const struct host *h, struct hw_str entry)
{
    if (hw_str_eq(entry, HW_STR("*")))
        return true;
    if (h->family != AF_UNSPEC)
        return is_in_network(h, entry);
    return is_within(h->name, without_dots(entry));
}

static bool is_excepted(const struct host *h, const char *list)
{
    for (const char *at = list; *at;) {
        size_t length = strcspn(at, ", ");
        if (length && is_named(h, (struct hw_str){at, length}))
            return true;
        at += length;
        at += strspn(at, ", ");
    }
    return false;
}

/* The value of the first variable that is set and not empty. */
static const char *first_of(const char *const names[], const char **variable)
{
    for (; *names; names++) {
        const char *value = getenv(*names);
        if (value && *value) {
            *variable = *names;
            return value;
        }
    }
    return NULL;
}

/* HTTP_PROXY is not read: in a CGI program, it comes from a header of the request. */
static const char *const for_http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
static const char *const for_https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                        NULL};
static const char *const exceptions[] = {"no_proxy", "NO_PROXY", NULL};

const char *hw_proxy_of(const char *url, const char **variable)
{
    const char *unused;
    const char *const *names = strncasecmp(url, "https:", 6) == 0 ? for_https : for_http;
    const char *proxy = first_of(names, variable), *list = first_of(exceptions, &unused);
    if (!proxy || hw_curl_load())
        return proxy;
    char *host = NULL;
    CURLU *parts = hw_curl.url();
    if (parts && hw_curl.url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK)
        hw_curl.url_get(parts, CURLUPART_HOST, &host, 0);
    hw_curl.url_cleanup(parts);
    if (host) {
        struct host h = host_of(host);
        if (is_loopback(&h) || (list && is_excepted(&h, list)))
            proxy = NULL;
    }
    hw_curl.free(host);
    return proxy;
}

void hw_proxy_show(const char *proxy, char text[HW_PROXY_SHOWN_MAX])
{
    const char *at = strstr(proxy, "://"), *end;
    at = at ? at + 3 : proxy;
    end = at + strcspn(at, "/?#");
    for (const char *c = at; c < end; c++)
        if (*c == '@')
            at = c + 1;
    snprintf(text, HW_PROXY_SHOWN_MAX, "%.*s", (int)(end - at), at);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            *c = '?';
}
