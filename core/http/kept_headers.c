/* kept_headers.c -- see kept_headers.h */
#include "http/kept_headers.h"

struct writer {
    char *text;
    size_t len;
    bool failed; /* what was written last does not fit, or is not UTF-8 */
};

static void put(struct writer *w, const char *bytes, size_t len)
{
    enum { ROOM = HW_KEPT_HEADERS_MAX - 1 /* for the brace that ends it */ };
    if (w->failed || len > ROOM - w->len) {
        w->failed = true;
        return;
    }
    memcpy(w->text + w->len, bytes, len);
    w->len += len;
}

static void put_character(struct writer *w, struct hw_str s, size_t i, size_t len)
{
    char escape[6];
    size_t escaped = hw_str_json_escape(escape, (unsigned char)s.ptr[i]);
    put(w, escaped ? escape : s.ptr + i, escaped ? escaped : len);
}

/* How many characters from i on are written as they are. */
static size_t count_plain(struct hw_str s, size_t i)
{
    size_t from = i;
    while (i < s.len && s.ptr[i] >= 0x20 && s.ptr[i] < 0x7f && s.ptr[i] != '"' && s.ptr[i] != '\\')
        i++;
    return i - from;
}

static void put_value(struct writer *w, struct hw_str s)
{
    for (size_t i = 0, len; i < s.len && !w->failed; i += len) {
        len = count_plain(s, i);
        if (len > 0) {
            put(w, s.ptr + i, len);
            continue;
        }
        len = hw_str_utf8(s, i);
        w->failed = len == 0;
        put_character(w, s, i, len);
    }
}

/* Returns the name in lower case, as it was written. The parser lets only the characters of a token
 * through: none has to be escaped. */
static struct hw_str put_name(struct writer *w, struct hw_str name)
{
    size_t from = w->len;
    put(w, name.ptr, name.len);
    for (size_t i = from; i < w->len; i++)
        if (w->text[i] >= 'A' && w->text[i] <= 'Z')
            w->text[i] |= 0x20;
    return (struct hw_str){w->text + from, w->len - from};
}

static bool is_secret(struct hw_str lower)
{
    return hw_str_eq(lower, HW_STR("authorization")) ||
           hw_str_eq(lower, HW_STR("proxy-authorization")) || hw_str_eq(lower, HW_STR("cookie"));
}

static struct hw_str name_of(const struct hw_request *r, uint32_t i)
{
    return hw_http_view(r->bytes, r->http.headers[i].name);
}

static bool is_before(const struct hw_request *r, uint32_t end, struct hw_str lower)
{
    for (uint32_t i = 0; i < end; i++)
        if (hw_str_is(name_of(r, i), lower))
            return true;
    return false;
}

/* The values of all lines with the name that stands at `first` for the first time. */
static void put_values(struct writer *w, const struct hw_request *r, uint32_t first, uint32_t count,
                       struct hw_str lower)
{
    for (uint32_t i = first; i < count; i++) {
        if (i > first && !hw_str_is(name_of(r, i), lower))
            continue;
        if (i > first)
            put(w, ", ", 2);
        put_value(w, hw_http_view(r->bytes, r->http.headers[i].value));
    }
}

/* Returns false when it is left out. */
static bool put_header(struct writer *w, const struct hw_request *r, uint32_t i, uint32_t count)
{
    put(w, ",", w->len > 1);
    put(w, "\"", 1);
    struct hw_str lower = put_name(w, name_of(r, i));
    if (w->failed || is_secret(lower) || is_before(r, i, lower))
        return false;
    put(w, "\":\"", 3);
    put_values(w, r, i, count, lower);
    put(w, "\"", 1);
    return !w->failed;
}

size_t hw_kept_headers_write(const struct hw_request *r, char text[HW_KEPT_HEADERS_MAX])
{
    struct writer w = {.text = text};
    uint32_t count = r->http.header_count;
    if (count > HW_HTTP_HEADERS_KEPT)
        count = HW_HTTP_HEADERS_KEPT;
    put(&w, "{", 1);
    for (uint32_t i = 0; i < count; i++) {
        size_t len = w.len;
        if (put_header(&w, r, i, count))
            continue;
        w.len = len;
        w.failed = false;
    }
    text[w.len++] = '}';
    return w.len;
}
