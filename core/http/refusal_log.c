/* refusal_log.c -- see refusal_log.h */
#include "http/refusal_log.h"

#include <time.h>

#include "base/log.h"

bool hw_refusal_log_may_say(struct hw_refusal_log *log, int code, uint32_t *suppressed)
{
    int64_t now = (int64_t)time(NULL);
    int row = code - HW_ERROR_BASE;
    if (log->rows[row].second != now) {
        log->rows[row].second = now;
        log->rows[row].lines = 0;
    }
    if (log->rows[row].lines == HW_REFUSAL_LOG_LINES) {
        log->rows[row].suppressed++;
        return false;
    }
    log->rows[row].lines++;
    *suppressed = log->rows[row].suppressed;
    log->rows[row].suppressed = 0;
    return true;
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
    if (suppressed)
        hw_log_int(&line, "suppressed", suppressed);
    hw_log_end(&line);
}
