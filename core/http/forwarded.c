/* forwarded.c -- see forwarded.h */
#include "http/forwarded.h"

#include "http/line.h"

/* ---- one element ---- */

/* "ADDRESS" or "ADDRESS:PORT", where the port begins at `colon` if that is not NULL. */
static bool read_with_port(struct hw_address *address, struct hw_str host, struct hw_str port)
{
    int number = port.ptr ? hw_address_read_port(port) : 0;
    if (number < 0 || !hw_address_read(address, host))
        return false;
    hw_address_set_port(address, number);
    return true;
}

static struct hw_str from(struct hw_str text, size_t at)
{
    return (struct hw_str){text.ptr + at, text.len - at};
}

/* "[2001:db8::7]" or "[2001:db8::7]:4711" */
static bool read_in_brackets(struct hw_address *address, struct hw_str text)
{
    const char *end = memchr(text.ptr, ']', text.len);
    size_t len = end ? (size_t)(end - text.ptr) : 0;
    struct hw_str host = {text.ptr + 1, len ? len - 1 : 0}, port = HW_STR_NONE;
    if (!end)
        return false;
    if (len + 1 < text.len) {
        if (text.ptr[len + 1] != ':')
            return false;
        port = from(text, len + 2);
    }
    return read_with_port(address, host, port) && address->any.sa_family == AF_INET6;
}

static bool read_element(struct hw_address *address, struct hw_str text)
{
    const char *dot = text.len ? memchr(text.ptr, '.', text.len) : NULL;
    const char *colon = text.len ? memchr(text.ptr, ':', text.len) : NULL;
    if (text.len && text.ptr[0] == '[')
        return read_in_brackets(address, text);
    if (!colon || !dot || colon < dot) /* a bare address */
        return read_with_port(address, text, HW_STR_NONE);
    size_t at = (size_t)(colon - text.ptr);
    return read_with_port(address, (struct hw_str){text.ptr, at}, from(text, at + 1));
}

/* ---- the list ---- */

/* Cuts off the last element. Returns false when none is left. */
static bool last_element(struct hw_str *list, struct hw_str *element)
{
    if (!list->ptr)
        return false;
    const char *comma = list->len ? memrchr(list->ptr, ',', list->len) : NULL;
    size_t at = comma ? (size_t)(comma - list->ptr) : 0;
    *element = hw_http_trim(comma ? from(*list, at + 1) : *list);
    *list = comma ? (struct hw_str){list->ptr, at} : HW_STR_NONE;
    return true;
}

bool hw_forwarded_client(const struct hw_str *lines, size_t count,
                         const struct hw_networks *proxies, struct hw_address *client)
{
    struct hw_str list = HW_STR_NONE, element;
    struct hw_address address;
    bool found = false;
    for (int hops = 0; hops < HW_FORWARDED_HOPS_MAX; hops++) {
        while (!list.ptr && count > 0)
            list = lines[--count];
        if (!last_element(&list, &element) || !read_element(&address, element))
            return found;
        *client = address;
        found = true;
        if (!hw_networks_has(proxies, &address.any))
            return true;
    }
    return found;
}

/* The last HW_FORWARDED_LINES_MAX lines are enough: each has at least one element, and so counts
 * for a hop. */
bool hw_forwarded_find(const struct hw_http *http, const char *bytes,
                       const struct hw_networks *proxies, struct hw_address *client)
{
    struct hw_str ring[HW_FORWARDED_LINES_MAX], lines[HW_FORWARDED_LINES_MAX];
    struct hw_http_walk walk = {0};
    struct hw_http_header header;
    size_t seen = 0;
    while (hw_http_next_header(http, bytes, &walk, &header))
        if (hw_str_is(hw_http_view(bytes, header.name), HW_STR("x-forwarded-for")))
            ring[seen++ % HW_FORWARDED_LINES_MAX] = hw_http_view(bytes, header.value);
    size_t count = seen < HW_FORWARDED_LINES_MAX ? seen : HW_FORWARDED_LINES_MAX;
    for (size_t i = 0; i < count; i++)
        lines[i] = ring[(seen - count + i) % HW_FORWARDED_LINES_MAX];
    return hw_forwarded_client(lines, count, proxies, client);
}
