/* refusals.c -- see refusals.h */
#include "http/refusals.h"

#include <time.h>

#include "base/log.h"

bool hw_refusals_may_say(struct hw_refusals *refusals, int code, uint32_t *suppressed)
{
    int64_t now = (int64_t)time(NULL);
    int row = code - HW_ERROR_BASE;
    if (refusals->rows[row].second != now) {
        refusals->rows[row].second = now;
        refusals->rows[row].lines = 0;
    }
    if (refusals->rows[row].lines == HW_REFUSALS_LINES) {
        refusals->rows[row].suppressed++;
        return false;
    }
    refusals->rows[row].lines++;
    *suppressed = refusals->rows[row].suppressed;
    refusals->rows[row].suppressed = 0;
    return true;
}

static struct hw_str cut(struct hw_str text, size_t max)
{
    return (struct hw_str){text.ptr, text.len < max ? text.len : max};
}

void hw_refusals_report(struct hw_refusals *refusals, const struct hw_refusal *refusal)
{
    struct hw_log_line line;
    uint32_t suppressed;
    int code = refusal->code;
    hw_stats_add_error(refusals->stats, code);
    if (!hw_log_wants(HW_LOG_WARN) || !hw_refusals_may_say(refusals, code, &suppressed))
        return;
    hw_log_begin(&line, HW_LOG_WARN, HW_STR("refused"));
    hw_log_text(&line, "error", hw_str_of(hw_error_name(code)));
    hw_log_int(&line, "status", hw_error_status(code));
    hw_log_text(&line, "method", cut(refusal->method, HW_REFUSALS_METHOD_MAX));
    hw_log_text(&line, "path", cut(refusal->path, HW_REFUSALS_PATH_MAX));
    hw_log_text(&line, "why", refusal->why);
    hw_log_text(&line, "peer", refusal->peer);
    if (suppressed)
        hw_log_int(&line, "suppressed", suppressed);
    hw_log_end(&line);
}
