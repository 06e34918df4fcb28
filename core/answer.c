/* answer.c -- see answer.h */
#include "answer.h"

#include <stdio.h>

#include "error.h"

const struct hw_str hw_answer_continue = {"HTTP/1.1 100 Continue\r\n\r\n", 25};

static const char *phrase(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 417:
        return "Expectation Failed";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

static const char *date(struct hw_answer_clock *clock)
{
    time_t now = time(NULL);
    if (now != clock->second) {
        struct tm tm;
        clock->second = now;
        gmtime_r(&now, &tm);
        strftime(clock->date, sizeof clock->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    }
    return clock->date;
}

/* A JSON string's inside. A reason is a handler's, so it may hold any bytes. At most six bytes are
 * written for each of the text's, and the text is short. */
static size_t escape(char *out, struct hw_str text)
{
    char *at = out;
    for (size_t i = 0, n; i < text.len; i += n) {
        unsigned char c = (unsigned char)text.ptr[i];
        n = hw_str_utf8(text, i);
        if (i + (n ? n : 1) > HW_ANSWER_REASON_MAX)
            break;
        if (c == '"' || c == '\\') {
            *at++ = '\\';
            *at++ = (char)c;
        } else if (c < 0x20) {
            at += sprintf(at, "\\u%04x", c);
        } else if (n == 0) {
            n = 1;
            at += sprintf(at, "\\ufffd");
        } else {
            memcpy(at, text.ptr + i, n);
            at += n;
        }
    }
    return (size_t)(at - out);
}

static size_t write_body(char *out, const struct hw_answer *a)
{
    static const char ok[] = "{\"status\":\"processed\"}";
    if (a->code == 0 && !a->reason.ptr) {
        memcpy(out, ok, sizeof ok - 1);
        return sizeof ok - 1;
    }
    if (a->code == 0) {
        size_t n = (size_t)sprintf(out, "{\"status\":\"processed\",\"message\":\"");
        n += escape(out + n, a->reason);
        memcpy(out + n, "\"}", 2);
        return n + 2;
    }
    struct hw_str message = a->reason.ptr ? a->reason : hw_str_of(hw_error_message(a->code));
    size_t len = (size_t)sprintf(out, "{\"error\":\"%s\",\"message\":\"", hw_error_name(a->code));
    len += escape(out + len, message);
    memcpy(out + len, "\"}", 2);
    return len + 2;
}

size_t hw_answer_write(char *out, const struct hw_answer *a, struct hw_answer_clock *clock)
{
    char body[6 * HW_ANSWER_REASON_MAX + 128];
    size_t body_len = write_body(body, a);
    int status = a->code ? hw_error_status(a->code) : 200;
    int len =
        snprintf(out, HW_ANSWER_MAX,
                 "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\n%s%s%s\r\n",
                 status, phrase(status), date(clock), body_len,
                 status == 405 ? "Allow: POST\r\n" : "", a->close ? "Connection: close\r\n" : "",
                 a->keep_alive_1_0 && !a->close ? "Connection: keep-alive\r\n" : "");
    if (a->head)
        return (size_t)len;
    memcpy(out + len, body, body_len);
    return (size_t)len + body_len;
}
