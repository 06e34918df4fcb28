/* headers.c -- the header lines of a message whose head was read: one by one, or by name.
 *
 * How     the parser keeps the positions of the first HW_HTTP_HEADERS_KEPT lines. Later ones are
 *         split again each time. */
#include "http/http.h"
#include "http/line.h"

/* The line was checked when the head was read: it has a colon and ends at the next CR. Returns
 * where the next line begins. */
static size_t split_again(const char *bytes, size_t at, struct hw_http_header *header)
{
    const char *line = bytes + at, *end = line, *colon;
    while (*end != '\r')
        end++;
    colon = memchr(line, ':', (size_t)(end - line));
    struct hw_str value = hw_http_trim((struct hw_str){colon + 1, (size_t)(end - colon - 1)});
    header->name = hw_http_span_of(at, (size_t)(colon - line));
    header->value = hw_http_span_of((size_t)(value.ptr - bytes), value.len);
    return (size_t)(end + 2 - bytes);
}

static inline bool next_header(const struct hw_http *p, const char *bytes,
                               struct hw_http_walk *walk, struct hw_http_header *header)
{
    if (walk->index == p->header_count)
        return false;
    if (walk->index < HW_HTTP_HEADERS_KEPT)
        *header = p->headers[walk->index];
    else
        walk->at = (uint32_t)split_again(bytes, walk->at ? walk->at : p->more_at, header);
    walk->index++;
    return true;
}

bool hw_http_next_header(const struct hw_http *p, const char *bytes, struct hw_http_walk *walk,
                         struct hw_http_header *header)
{
    return next_header(p, bytes, walk, header);
}

unsigned hw_http_find(const struct hw_http *p, const char *bytes, struct hw_str lower,
                      struct hw_str *value)
{
    unsigned count = 0;
    struct hw_http_walk walk = {0};
    struct hw_http_header header;
    while (next_header(p, bytes, &walk, &header)) {
        if (!hw_str_is(hw_http_view(bytes, header.name), lower))
            continue;
        if (count++ == 0)
            *value = hw_http_view(bytes, header.value);
    }
    return count;
}
