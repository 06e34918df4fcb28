/* metric_text.c -- see metric_text.h */
#include "base/metric_text.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROOM_LEAST = 16 * 1024 };

static bool reserve(struct hw_metric_text *t, size_t more)
{
    if (t->len + more <= t->room)
        return !t->failed;
    size_t room = t->room ? t->room * 2 : ROOM_LEAST;
    while (room < t->len + more)
        room *= 2;
    char *bytes = t->failed ? NULL : realloc(t->bytes, room);
    if (!bytes) {
        t->failed = true;
        return false;
    }
    t->bytes = bytes;
    t->room = room;
    return true;
}

static void put(struct hw_metric_text *t, struct hw_str s)
{
    if (s.len == 0 || !reserve(t, s.len))
        return;
    memcpy(t->bytes + t->len, s.ptr, s.len);
    t->len += s.len;
}

static void put_text(struct hw_metric_text *t, const char *text)
{
    put(t, hw_str_of(text));
}

void hw_metric_text_head(struct hw_metric_text *t, const char *name, const char *type,
                         const char *help)
{
    const char *const parts[] = {"# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        put_text(t, parts[i]);
}

void hw_metric_text_begin(struct hw_metric_text *t, const char *name)
{
    put_text(t, name);
    t->labelled = false;
}

/* What the character at value[i] becomes, with its length in *n: U+FFFD if it is not UTF-8. */
static struct hw_str escape(struct hw_str value, size_t i, size_t *n)
{
    *n = hw_str_utf8(value, i);
    if (*n == 0) {
        *n = 1;
        return HW_STR("\xef\xbf\xbd");
    }
    switch (value.ptr[i]) {
    case '\n':
        return HW_STR("\\n");
    case '"':
        return HW_STR("\\\"");
    case '\\':
        return HW_STR("\\\\");
    default:
        return (struct hw_str){value.ptr + i, *n};
    }
}

/* How many bytes from `i` on are the same in the text. */
static size_t plain_length(struct hw_str value, size_t i)
{
    size_t end = i;
    while (end < value.len && (unsigned char)value.ptr[end] < 0x80 && value.ptr[end] != '"' &&
           value.ptr[end] != '\\' && value.ptr[end] != '\n')
        end++;
    return end - i;
}

void hw_metric_text_label(struct hw_metric_text *t, const char *name, struct hw_str value)
{
    put_text(t, t->labelled ? "," : "{");
    put_text(t, name);
    put_text(t, "=\"");
    for (size_t i = 0, n; i < value.len; i += n) {
        n = plain_length(value, i);
        put(t, n ? (struct hw_str){value.ptr + i, n} : escape(value, i, &n));
    }
    put_text(t, "\"");
    t->labelled = true;
}

void hw_metric_text_int(struct hw_metric_text *t, uint64_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\n';
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    put_text(t, t->labelled ? "} " : " ");
    put(t, (struct hw_str){digits + at, sizeof digits - at});
}

void hw_metric_text_real(struct hw_metric_text *t, double value)
{
    char text[32];
    snprintf(text, sizeof text, "%s%.15g\n", t->labelled ? "} " : " ", value);
    put_text(t, text);
}

void hw_metric_text_gauge(struct hw_metric_text *t, const char *name, const char *help,
                          double value)
{
    hw_metric_text_head(t, name, "gauge", help);
    hw_metric_text_begin(t, name);
    hw_metric_text_real(t, value);
}

void hw_metric_text_counter(struct hw_metric_text *t, const char *name, const char *help,
                            uint64_t value)
{
    hw_metric_text_head(t, name, "counter", help);
    hw_metric_text_begin(t, name);
    hw_metric_text_int(t, value);
}

/* The name of a histogram's part: the histogram's, and "_bucket", "_sum" or "_count". */
static void begin_part(struct hw_metric_text *t, const char *name, const char *part)
{
    put_text(t, name);
    hw_metric_text_begin(t, part);
}

static void put_bucket(struct hw_metric_text *t, const char *name, const char *bound,
                       uint64_t count)
{
    begin_part(t, name, "_bucket");
    hw_metric_text_label(t, "le", hw_str_of(bound));
    hw_metric_text_int(t, count);
}

void hw_metric_text_histogram(struct hw_metric_text *t, const char *name, const char *help,
                              const struct hw_histogram *h, double unit)
{
    uint64_t all = 0;
    char bound[32];
    hw_metric_text_head(t, name, "histogram", help);
    for (size_t i = 0; i < h->bounds->count; i++) {
        all += hw_histogram_get(&h->counts[i]);
        snprintf(bound, sizeof bound, "%.15g", (double)h->bounds->at[i] / unit);
        put_bucket(t, name, bound, all);
    }
    all += hw_histogram_get(&h->counts[h->bounds->count]);
    put_bucket(t, name, "+Inf", all);
    begin_part(t, name, "_sum");
    hw_metric_text_real(t, (double)hw_histogram_get(&h->sum) / unit);
    begin_part(t, name, "_count");
    hw_metric_text_int(t, all);
}

char *hw_metric_text_take(struct hw_metric_text *t, size_t *len)
{
    char *bytes = t->bytes;
    *len = t->len;
    if (t->failed || !bytes) {
        free(bytes);
        bytes = NULL;
    }
    *t = (struct hw_metric_text){0};
    return bytes;
}
