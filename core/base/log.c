/* log.c -- see log.h; how a line is written out is in log_out.c. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/error.h"
#include "base/log_out.h"

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};
static const char *const level_colours[] = {"\033[2m", "\033[32m", "\033[33m", "\033[31m"};

static struct {
    /* atomic */
    atomic_int level;
    atomic_bool json;

    /* guarded by m */
    pthread_mutex_t m;
    int joined;
} L = {.level = HW_LOG_INFO, .m = PTHREAD_MUTEX_INITIALIZER};

/* ---- the log of the process ---- */

static _Thread_local struct hw_log_tap tap;

static size_t write_dropped(char *text, size_t size, uint64_t dropped)
{
    return (size_t)snprintf(
        text, size,
        L.json ? "{\"level\":\"warn\",\"message\":\"log lines dropped\",\"count\":%llu}\n"
               : "warn  log lines dropped count=%llu\n",
        (unsigned long long)dropped);
}

int hw_log_open(int fd)
{
    return hw_log_out_open(fd, write_dropped);
}

void hw_log_close(void)
{
    hw_log_out_close();
}

struct hw_log_tap hw_log_set_tap(struct hw_log_tap next)
{
    struct hw_log_tap before = tap;
    tap = next;
    return before;
}

static bool is_json(void)
{
    return tap.take || L.json;
}

void hw_log_set(enum hw_log_level level, bool json)
{
    L.level = level;
    L.json = json;
}

int hw_log_join(enum hw_log_level level, bool json, char *why, size_t why_size)
{
    pthread_mutex_lock(&L.m);
    bool same = L.joined == 0 || ((int)level == L.level && json == L.json);
    L.joined += same;
    if (same)
        hw_log_set(level, json);
    else
        snprintf(why, why_size,
                 "log: a process has one log, and another host in this one has level = \"%s\", "
                 "format = \"%s\"",
                 level_names[L.level], L.json ? "json" : "text");
    pthread_mutex_unlock(&L.m);
    return same ? 0 : HW_EFAILED;
}

void hw_log_leave(void)
{
    pthread_mutex_lock(&L.m);
    L.joined--;
    pthread_mutex_unlock(&L.m);
}

bool hw_log_wants(enum hw_log_level level)
{
    return tap.take || (int)level >= atomic_load_explicit(&L.level, memory_order_relaxed);
}

const char *hw_log_level_name(enum hw_log_level level)
{
    return level_names[level];
}

int hw_log_level_of(struct hw_str name)
{
    for (int i = 0; i <= HW_LOG_OFF; i++)
        if (hw_str_eq(name, hw_str_of(level_names[i])))
            return i;
    return -1;
}

/* ---- the bytes of a line ---- */

/* Bytes at the end of a line. JSON must stay valid however long the values are. */
enum {
    LINE_END = 8,   /* kept free for the line's end */
    ROOM_LEFT = 32, /* where a text is cut: its closing quote still fits */
    FIELD_MIN = 128 /* with less room than this a field is left out */
};

static void put(struct hw_log_line *line, const char *bytes, size_t len)
{
    size_t room = sizeof line->bytes - LINE_END - line->len;
    if (len > room)
        len = room;
    memcpy(line->bytes + line->len, bytes, len);
    line->len += len;
}

static void put_text(struct hw_log_line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* U+0080 to U+009F: some terminals take U+009B for ESC [. */
static bool is_c1(struct hw_str s, size_t i)
{
    return (unsigned char)s.ptr[i] == 0xc2 && s.len - i > 1 &&
           ((unsigned char)s.ptr[i + 1] & 0xe0) == 0x80;
}

/* Escapes as JSON does, in text lines too: a stranger's bytes must neither end a line nor reach a
 * terminal as commands. What is not UTF-8 becomes U+FFFD. */
static void put_escaped(struct hw_log_line *line, struct hw_str s)
{
    char code[8];
    for (size_t i = 0, n; i < s.len && line->len < sizeof line->bytes - ROOM_LEFT; i += n) {
        unsigned char c = (unsigned char)s.ptr[i];
        n = 1;
        if (c == '"' || c == '\\') {
            code[0] = '\\';
            code[1] = (char)c;
            put(line, code, 2);
        } else if (c == '\n' || c == '\t') {
            put(line, c == '\n' ? "\\n" : "\\t", 2);
        } else if (c < 0x20 || c == 0x7f) {
            put(line, code, (size_t)snprintf(code, sizeof code, "\\u%04x", c));
        } else if (c < 0x80) {
            put(line, s.ptr + i, 1);
        } else if (is_c1(s, i)) {
            n = 2;
            put(line, code,
                (size_t)snprintf(code, sizeof code, "\\u%04x", (unsigned char)s.ptr[i + 1]));
        } else if ((n = hw_str_utf8(s, i)) > 0) {
            put(line, s.ptr + i, n);
        } else {
            n = 1;
            put(line, "\xef\xbf\xbd", 3);
        }
    }
}

/* The message of a text line. Tabs stay, since Lua's `print` puts them between its values. */
static void put_with_tabs(struct hw_log_line *line, struct hw_str s)
{
    for (const char *tab; (tab = memchr(s.ptr, '\t', s.len)) != NULL;) {
        size_t before = (size_t)(tab - s.ptr);
        put_escaped(line, (struct hw_str){s.ptr, before});
        put(line, "\t", 1);
        s = (struct hw_str){tab + 1, s.len - before - 1};
    }
    put_escaped(line, s);
}

static bool is_plain(struct hw_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c >= 0x7f)
            return false;
    }
    return s.len > 0;
}

static void put_quoted(struct hw_log_line *line, struct hw_str s)
{
    put(line, "\"", 1);
    put_escaped(line, s);
    put(line, "\"", 1);
}

static void put_time(struct hw_log_line *line)
{
    struct timespec now;
    struct tm tm;
    char text[40];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(text + n, sizeof text - n, ".%03ldZ", now.tv_nsec / 1000000);
    put(line, text, n);
}

/* ---- a line: begin, fields, end ---- */

uint64_t hw_log_dropped(void)
{
    return hw_log_out_dropped();
}

void hw_log_begin(struct hw_log_line *line, enum hw_log_level level, struct hw_str message)
{
    line->level = level;
    line->len = line->more_len = 0;
    line->in_group = line->first = false;
    if (is_json()) {
        put_text(line, "{\"time\":\"");
        put_time(line);
        put_text(line, "\",\"level\":\"");
        put_text(line, level_names[level]);
        put_text(line, "\",\"message\":");
        put_quoted(line, message);
        return;
    }
    char name[16];
    put_time(line);
    put(line, " ", 1);
    if (hw_log_out_has_colour())
        put_text(line, level_colours[level]);
    put(line, name, (size_t)snprintf(name, sizeof name, "%-5s", level_names[level]));
    put_text(line, hw_log_out_has_colour() ? "\033[0m " : " ");
    put_with_tabs(line, message);
}

/* The fields that a handler's line has anyway. */
static bool is_own(const char *name)
{
    return strcmp(name, "event") == 0 || strcmp(name, "job") == 0;
}

static bool put_name(struct hw_log_line *line, const char *name)
{
    if (sizeof line->bytes - line->len < FIELD_MIN)
        return false;
    if (is_json()) {
        put_text(line, line->first ? "\"" : ",\"");
        put_text(line, name);
        put_text(line, "\":");
    } else {
        put_text(line, line->in_group && is_own(name) ? " fields." : " ");
        put_text(line, name);
        put(line, "=", 1);
    }
    line->first = false;
    return true;
}

bool hw_log_group(struct hw_log_line *line, const char *name)
{
    if (is_json() && !put_name(line, name))
        return false;
    if (is_json())
        put(line, "{", 1);
    line->in_group = line->first = true;
    return true;
}

void hw_log_group_end(struct hw_log_line *line)
{
    if (is_json())
        line->bytes[line->len++] = '}'; /* LINE_END has room for it */
    line->in_group = line->first = false;
}

static bool is_printable(struct hw_str s, size_t i)
{
    unsigned char c = (unsigned char)s.ptr[i];
    return (c >= ' ' || c == '\t') && c != 0x7f && !is_c1(s, i);
}

/* The value's lines follow the log line, indented. */
static void put_below(struct hw_log_line *line, struct hw_str value)
{
    size_t at = line->more_len, end = sizeof line->more - LINE_END;
    bool fresh = true;
    for (size_t i = 0, n; i < value.len && at + 5 + 4 < end; i += n ? n : 1) {
        n = hw_str_utf8(value, i);
        if (fresh) {
            memcpy(line->more + at, "\n    ", 5);
            at += 5;
        }
        fresh = value.ptr[i] == '\n';
        if (n > 0 && is_printable(value, i)) {
            memcpy(line->more + at, value.ptr + i, n);
            at += n;
        } else if (!fresh) {
            line->more[at++] = '?';
        }
    }
    line->more_len = at;
}

void hw_log_text(struct hw_log_line *line, const char *name, struct hw_str value)
{
    if (!value.ptr || !put_name(line, name))
        return;
    if (!is_json() && is_plain(value) && value.len < sizeof line->bytes - ROOM_LEFT - line->len)
        put(line, value.ptr, value.len);
    else
        put_quoted(line, value);
}

void hw_log_lines(struct hw_log_line *line, const char *name, struct hw_str value)
{
    if (value.ptr && !is_json() && memchr(value.ptr, '\n', value.len))
        put_below(line, value);
    else
        hw_log_text(line, name, value);
}

void hw_log_int(struct hw_log_line *line, const char *name, int64_t value)
{
    char text[24];
    if (put_name(line, name))
        put(line, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)value));
}

void hw_log_real(struct hw_log_line *line, const char *name, double value, int decimals)
{
    char text[64];
    int n = snprintf(text, sizeof text, "%.*f", decimals, value);
    if (n >= (int)sizeof text || value != value || value - value != 0)
        n = snprintf(text, sizeof text, "null"); /* JSON has no such number */
    if (put_name(line, name))
        put(line, text, (size_t)n);
}

void hw_log_number(struct hw_log_line *line, const char *name, double value)
{
    char text[32];
    bool finite = value - value == 0; /* JSON has no other */
    int n = snprintf(text, sizeof text, finite ? "%.14g" : "null", value);
    if (put_name(line, name))
        put(line, text, (size_t)n);
}

void hw_log_bool(struct hw_log_line *line, const char *name, bool value)
{
    if (put_name(line, name))
        put_text(line, value ? "true" : "false");
}

void hw_log_json(struct hw_log_line *line, const char *name, struct hw_str json)
{
    if (!is_json() || json.len > sizeof line->bytes - line->len - FIELD_MIN)
        hw_log_text(line, name, json);
    else if (put_name(line, name))
        put(line, json.ptr, json.len);
}

void hw_log_end(struct hw_log_line *line)
{
    char *end = line->bytes + line->len;
    if (!hw_log_wants(line->level))
        return;
    if (is_json())
        *end++ = '}';
    if (tap.take) {
        tap.take(tap.ud, line->level, (struct hw_str){line->bytes, (size_t)(end - line->bytes)});
        return;
    }
    if (line->more_len == 0) {
        *end++ = '\n';
        hw_log_out_write(line->bytes, (size_t)(end - line->bytes));
        return;
    }
    char both[sizeof line->bytes + sizeof line->more];
    size_t len = (size_t)(end - line->bytes);
    memcpy(both, line->bytes, len);
    memcpy(both + len, line->more, line->more_len);
    len += line->more_len;
    both[len++] = '\n';
    hw_log_out_write(both, len);
}

void hw_log_say(enum hw_log_level level, const char *format, ...)
{
    if (!hw_log_wants(level))
        return;
    struct hw_log_line line;
    char text[2048];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n >= sizeof text)
        n = sizeof text - 1;
    hw_log_begin(&line, level, (struct hw_str){text, (size_t)n});
    hw_log_end(&line);
}
