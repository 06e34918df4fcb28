/* answer.c -- see answer.h */
#include "http/answer.h"

#include <stdio.h>

#include "base/error.h"

const struct hw_str hw_answer_continue = {"HTTP/1.1 100 Continue\r\n\r\n", 25};

static const struct {
    int status;
    const char *phrase;
} phrases[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

/* A status line may have an empty phrase (RFC 9112, 4). */
static const char *phrase(int status)
{
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "";
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

/* Writes the inside of a JSON string. A reason comes from a handler, so it may hold any bytes. At
 * most HW_ANSWER_REASON_MAX of them are used, and each takes up to six bytes. */
static size_t escape(char *out, struct hw_str text)
{
    char *at = out, bytes[6];
    for (size_t i = 0; i < text.len;) {
        struct hw_str c = hw_str_json_next(text, &i, bytes);
        if (i > HW_ANSWER_REASON_MAX)
            break;
        memcpy(at, c.ptr, c.len);
        at += c.len;
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

bool hw_answer_is_bare(int status)
{
    return status == 204 || status == 304;
}

size_t hw_answer_write_head(char *out, const struct hw_reply *reply, const struct hw_answer *a,
                            struct hw_answer_clock *clock)
{
    char length[48] = "";
    if (!hw_answer_is_bare(reply->status) && a->framing == HW_FRAMING_CHUNKED)
        snprintf(length, sizeof length, "Transfer-Encoding: chunked\r\n");
    else if (!hw_answer_is_bare(reply->status) && a->framing == HW_FRAMING_LENGTH)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", reply->body.len);
    return (size_t)snprintf(out, HW_ANSWER_MAX, "HTTP/1.1 %d %s\r\nDate: %s\r\n%s%s%s",
                            reply->status, phrase(reply->status), date(clock), length,
                            a->close ? "Connection: close\r\n" : "",
                            a->keep_alive_1_0 && !a->close ? "Connection: keep-alive\r\n" : "");
}
