/* layout.c -- see layout.h */
#include "base/layout.h"

static const char cut_mark[] = "\n\xe2\x80\xa6"; /* … */

struct writer {
    char *out;
    size_t len, room; /* room for the cut mark is not counted */
    unsigned depth;
    bool full;
};

static void put(struct writer *w, char c)
{
    if (w->len == w->room)
        w->full = true;
    if (w->full)
        return;
    w->out[w->len++] = c;
}

static void break_line(struct writer *w)
{
    put(w, '\n');
    for (unsigned i = 0; i < w->depth && i < HW_LAYOUT_DEPTH_MAX; i++) {
        put(w, ' ');
        put(w, ' ');
    }
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Copies the string that begins at `at`; returns where it ends. */
static size_t put_string(struct writer *w, struct hw_str json, size_t at)
{
    put(w, json.ptr[at++]);
    while (at < json.len && json.ptr[at] != '"') {
        if (json.ptr[at] == '\\' && at + 1 < json.len)
            put(w, json.ptr[at++]);
        put(w, json.ptr[at++]);
    }
    if (at < json.len)
        put(w, json.ptr[at++]);
    return at;
}

static size_t skip_space(struct hw_str json, size_t at)
{
    while (at < json.len && is_space(json.ptr[at]))
        at++;
    return at;
}

/* An empty object or array stays on one line. */
static size_t open_level(struct writer *w, struct hw_str json, size_t at)
{
    char closing = json.ptr[at] == '{' ? '}' : ']';
    put(w, json.ptr[at]);
    size_t next = skip_space(json, at + 1);
    if (next < json.len && json.ptr[next] == closing) {
        put(w, closing);
        return next + 1;
    }
    w->depth++;
    break_line(w);
    return at + 1;
}

static size_t put_token(struct writer *w, struct hw_str json, size_t at)
{
    char c = json.ptr[at];
    if (c == '"')
        return put_string(w, json, at);
    if (c == '{' || c == '[')
        return open_level(w, json, at);
    if (c == '}' || c == ']') {
        w->depth -= w->depth > 0;
        break_line(w);
    }
    put(w, c);
    if (c == ',')
        break_line(w);
    if (c == ':')
        put(w, ' ');
    return at + 1;
}

/* The length without a character that was cut at the end. */
static size_t end_of_whole(const char *out, size_t len)
{
    size_t start = len;
    while (start > 0 && len - start < 3 && ((unsigned char)out[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0 || (unsigned char)out[start - 1] < 0xc0)
        return len;
    return hw_str_utf8((struct hw_str){out, len}, start - 1) ? len : start - 1;
}

size_t hw_layout_json(char *out, size_t size, struct hw_str json)
{
    struct writer w = {.out = out, .room = size - (sizeof cut_mark - 1)};
    for (size_t at = skip_space(json, 0); at < json.len && !w.full; at = skip_space(json, at))
        at = put_token(&w, json, at);
    if (!w.full)
        return w.len;
    w.len = end_of_whole(out, w.len);
    memcpy(out + w.len, cut_mark, sizeof cut_mark - 1);
    return w.len + sizeof cut_mark - 1;
}
