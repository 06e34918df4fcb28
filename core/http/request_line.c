/* request_line.c -- see request_line.h
 *
 * Section numbers are RFC 9112's where no other is named. */
#include "http/request_line.h"

#include <string.h>

#include "http/line.h"

/* ---- hosts ---- */

/* The length of an IPv6 address in brackets; 0 when s does not begin with one. */
static size_t literal_length(struct hw_str s)
{
    size_t i = 1;
    while (i < s.len && (hw_http_is(s.ptr[i], HW_HTTP_HOST) || s.ptr[i] == ':'))
        i++;
    return i > 2 && i < s.len && s.ptr[i] == ']' ? i + 1 : 0;
}

/* The length of the uri-host (RFC 3986 3.2.2) that s begins with; 0 when there is none. */
static size_t host_length(struct hw_str s)
{
    size_t i = 0;
    if (s.len && s.ptr[0] == '[')
        return literal_length(s);
    while (i < s.len) {
        if (hw_http_is(s.ptr[i], HW_HTTP_HOST))
            i++;
        else if (s.ptr[i] == '%' && s.len - i > 2 && hw_http_hex_value(s.ptr[i + 1]) >= 0 &&
                 hw_http_hex_value(s.ptr[i + 2]) >= 0)
            i += 3;
        else
            break;
    }
    return i;
}

bool hw_http_is_authority(struct hw_str s)
{
    size_t i = host_length(s);
    if (i == 0)
        return false;
    if (i < s.len && s.ptr[i++] != ':')
        return false;
    while (i < s.len && hw_http_is_digit(s.ptr[i]))
        i++;
    return i == s.len;
}

/* ---- the request line ---- */

/* Exactly HTTP/1.0 or HTTP/1.1. RFC 9110 2.5 would have a server treat a higher minor version as
 * 1.1. But HTTP/1.2 does not exist: no real client names it, and a proxy in between might read the
 * message by other rules. */
static int read_version(struct hw_http *p, struct hw_str s)
{
    if (s.len != 8 || memcmp(s.ptr, "HTTP/", 5) != 0 || !hw_http_is_digit(s.ptr[5]) ||
        s.ptr[6] != '.' || !hw_http_is_digit(s.ptr[7]))
        return hw_http_malformed(
            p, "the request line is not: method, target, HTTP/1.1, with one space between");
    if (s.ptr[5] != '1' || s.ptr[7] > '1')
        return hw_http_refuse(p, HW_EUNSUPPORTED_VERSION, "the request line names another version");
    p->minor = (uint8_t)(s.ptr[7] - '0');
    return 0;
}

static int split_query(struct hw_http *p, const char *bytes, size_t at, size_t len)
{
    const char *mark = memchr(bytes + at, '?', len);
    size_t path_len = mark ? (size_t)(mark - (bytes + at)) : len;
    p->path = hw_http_span_of(at, path_len);
    p->query = mark ? hw_http_span_of(at + path_len + 1, len - path_len - 1)
                    : hw_http_span_of(at + len, 0);
    return 0;
}

/* http://host:port/path?query; `scheme` is the length of "http://". */
static int read_absolute(struct hw_http *p, const char *bytes, size_t at, size_t len, size_t scheme)
{
    const char *target = bytes + at;
    size_t i = scheme;
    while (i < len && target[i] != '/' && target[i] != '?')
        i++;
    if (!hw_http_is_authority((struct hw_str){target + scheme, i - scheme}))
        return hw_http_malformed(p, "the target's host is not host or host:port");
    split_query(p, bytes, at + i, len - i);
    if (p->path.len == 0)
        p->path =
            hw_http_span_of(at + scheme - 1, 1); /* no path means "/": the scheme's last byte */
    return 0;
}

static size_t scheme_length(struct hw_str target)
{
    if (target.len >= 7 && hw_str_is((struct hw_str){target.ptr, 7}, HW_STR("http://")))
        return 7;
    if (target.len >= 8 && hw_str_is((struct hw_str){target.ptr, 8}, HW_STR("https://")))
        return 8;
    return 0;
}

/* RFC 9110's methods for a resource: "*" is no target for them. It is one for OPTIONS, and may be
 * one for a method that is not known here (it is for M-SEARCH). */
static bool needs_path(struct hw_str method)
{
    static const struct hw_str methods[] = {HW_STR("GET"),  HW_STR("HEAD"),  HW_STR("POST"),
                                            HW_STR("PUT"),  HW_STR("PATCH"), HW_STR("DELETE"),
                                            HW_STR("TRACE")};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (hw_str_eq(method, methods[i]))
            return true;
    return false;
}

/* The four forms of a target (3.2). */
static int read_target(struct hw_http *p, const char *bytes, size_t at, size_t len)
{
    struct hw_str target = {bytes + at, len}, method = hw_http_view(bytes, p->method);
    size_t scheme;
    if (hw_str_eq(method, HW_STR("CONNECT"))) {
        if (!hw_http_is_authority(target) || !hw_http_is_digit(target.ptr[len - 1]) ||
            host_length(target) == len)
            return hw_http_malformed(p, "the target of CONNECT is not host:port");
        p->path = hw_http_span_of(at, len);
        return 0;
    }
    if (target.ptr[0] == '/')
        return split_query(p, bytes, at, len);
    if (hw_str_eq(target, HW_STR("*")) && !needs_path(method)) {
        p->path = hw_http_span_of(at, len);
        return 0;
    }
    if ((scheme = scheme_length(target)))
        return read_absolute(p, bytes, at, len, scheme);
    return hw_http_malformed(p, "the target is neither a path nor an http URI");
}

/* Such as "PROXY TCP4 203.0.113.9 10.0.0.1 5555 443", which a load balancer sends before all else.
 * None of the three is a target. */
static bool is_proxy_header(const char *line, size_t len)
{
    static const struct hw_str begins[] = {HW_STR("PROXY TCP4"), HW_STR("PROXY TCP6"),
                                           HW_STR("PROXY UNKNOWN")};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (len >= begins[i].len && memcmp(line, begins[i].ptr, begins[i].len) == 0)
            return true;
    return false;
}

/* The version is read before the target, so that an HTTP/2 preface is refused for its version. */
int hw_http_read_request_line(struct hw_http *p, const char *bytes, size_t at, size_t len)
{
    const char *line = bytes + at;
    size_t i = 0, target, end;
    if (is_proxy_header(line, len))
        return hw_http_malformed(p, "this looks like the PROXY protocol; the listener has no "
                                    "proxy_protocol = true");
    while (i < len && hw_http_is(line[i], HW_HTTP_TOKEN))
        i++;
    p->method = hw_http_span_of(at, i);
    if (i == len || line[i] != ' ')
        return hw_http_malformed(p, "the method is not a token followed by one space");
    target = end = i + 1;
    while (end < len && hw_http_is(line[end], HW_HTTP_TARGET))
        end++;
    if (end == target || end == len || line[end] != ' ')
        return hw_http_malformed(p, "the target is not visible ASCII followed by one space");
    int rc = read_version(p, (struct hw_str){line + end + 1, len - end - 1});
    return rc ? rc : read_target(p, bytes, at + target, end - target);
}
