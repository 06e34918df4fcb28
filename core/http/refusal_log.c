/* refusal_log.c -- see refusal_log.h */
#include "http/refusal_log.h"

#include <time.h>

#include "base/log.h"

static bool may_say(struct hw_refusal_quota *quota, uint32_t *suppressed)
{
    int64_t now = (int64_t)time(NULL);
    if (quota->second != now) {
        quota->second = now;
        quota->lines = 0;
    }
    if (quota->lines == HW_REFUSAL_LOG_LINES) {
        quota->suppressed++;
        return false;
    }
    quota->lines++;
    *suppressed = quota->suppressed;
    quota->suppressed = 0;
    return true;
}

bool hw_refusal_log_may_say(struct hw_refusal_log *log, int code, uint32_t *suppressed)
{
    return may_say(&log->rows[code - HW_ERROR_BASE], suppressed);
}

static struct hw_str cut(struct hw_str text, size_t max)
{
    return (struct hw_str){text.ptr, text.len < max ? text.len : max};
}

void hw_refusal_log_add(struct hw_refusal_log *log, const struct hw_refusal *refusal)
{
    struct hw_log_line line;
    uint32_t suppressed;
    int code = refusal->code;
    hw_stats_add_error(log->stats, code);
    if (!hw_log_wants(HW_LOG_WARN) || !hw_refusal_log_may_say(log, code, &suppressed))
        return;
    hw_log_begin(&line, HW_LOG_WARN, HW_STR("refused"));
    hw_log_text(&line, "error", hw_str_of(hw_error_name(code)));
    hw_log_int(&line, "status", hw_error_status(code));
    hw_log_text(&line, "method", cut(refusal->method, HW_REFUSAL_LOG_METHOD_MAX));
    hw_log_text(&line, "path", cut(refusal->path, HW_REFUSAL_LOG_PATH_MAX));
    hw_log_text(&line, "why", refusal->why);
    hw_log_text(&line, "peer", refusal->peer);
    hw_log_text(&line, "client", refusal->client);
    if (suppressed)
        hw_log_int(&line, "suppressed", suppressed);
    hw_log_end(&line);
}

void hw_refusal_log_handshake(struct hw_refusal_log *log, struct hw_str why, struct hw_str peer)
{
    struct hw_log_line line;
    uint32_t suppressed;
    hw_stats_add(log->stats, HW_COUNT_HANDSHAKES_FAILED, 1);
    if (!hw_log_wants(HW_LOG_WARN) || !may_say(&log->handshakes, &suppressed))
        return;
    hw_log_begin(&line, HW_LOG_WARN, HW_STR("TLS handshake failed"));
    hw_log_text(&line, "why", why);
    hw_log_text(&line, "peer", peer);
    if (suppressed)
        hw_log_int(&line, "suppressed", suppressed);
    hw_log_end(&line);
}
