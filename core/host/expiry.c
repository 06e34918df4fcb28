/* expiry.c -- see expiry.h */
#include "host/expiry.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

static void on_timer(uv_timer_t *timer);

static void say(const struct hw_certificate *certificate, int64_t days)
{
    struct hw_log_line line;
    char when[32];
    hw_log_begin(&line, HW_LOG_WARN,
                 days < 0 ? HW_STR("a TLS certificate has expired, so clients refuse it: renew it")
                          : HW_STR("a TLS certificate expires soon: renew it"));
    hw_log_text(&line, "file", hw_str_of(certificate->file));
    hw_log_text(&line, "names", hw_str_of(certificate->names));
    hw_log_text(&line, "expires", hw_str_of(hw_certificate_when(certificate->not_after, when)));
    hw_log_int(&line, "days", days);
    hw_log_end(&line);
}

/* When this certificate was last named; 0: not yet. */
static uint64_t said_at(const struct hw_expiry *e, const struct hw_certificate *certificate)
{
    for (size_t i = 0; i < e->said_count; i++)
        if (e->said[i].not_after == certificate->not_after &&
            strcmp(e->said[i].file, certificate->file) == 0)
            return e->said[i].at_ns;
    return 0;
}

/* Half an hour less than a day will do, since the timer may be a moment early. */
static bool is_due(uint64_t at_ns, uint64_t now_ns)
{
    const uint64_t again_ns = (HW_EXPIRY_AGAIN_MS - HW_EXPIRY_LOOK_MS / 2) * UINT64_C(1000000);
    return at_ns == 0 || now_ns - at_ns >= again_ns;
}

static void forget(struct hw_expiry_said *said, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(said[i].file);
    free(said);
}

/* Names one if it is due. When it was named goes to the next free place of `next`; that is
 * remembered even while the clock says that it does not expire soon. */
static void look_at(const struct hw_expiry *e, const struct hw_certificate *certificate, time_t now,
                    uint64_t now_ns, struct hw_expiry_said *next, size_t *count)
{
    uint64_t at_ns = said_at(e, certificate);
    bool due = is_due(at_ns, now_ns) && hw_certificate_ends_soon(certificate, now);
    char *file = due || at_ns ? strdup(certificate->file) : NULL;
    if (!file)
        return;
    if (due)
        say(certificate, hw_certificate_days(certificate->not_after, now));
    next[(*count)++] = (struct hw_expiry_said){file, certificate->not_after, due ? now_ns : at_ns};
}

void hw_expiry_look(struct hw_expiry *e, time_t now, uint64_t now_ns)
{
    size_t all = e->tls ? hw_tls_set_count(e->tls) : 0, count = 0;
    struct hw_expiry_said *next = calloc(all + 1, sizeof *next);
    if (!next)
        return;
    struct hw_tls_context *context;
    const struct hw_certificate *one;
    for (size_t i = 0; all && (context = hw_tls_set_context(e->tls, i)); i++)
        for (size_t k = 0; (one = hw_tls_context_certificate(context, k)); k++)
            look_at(e, one, now, now_ns, next, &count);
    forget(e->said, e->said_count);
    e->said = next;
    e->said_count = count;
}

void hw_expiry_start(struct hw_expiry *e, uv_loop_t *loop)
{
    uv_timer_init(loop, &e->timer);
    e->timer.data = e;
    uv_timer_start(&e->timer, on_timer, HW_EXPIRY_LOOK_MS, HW_EXPIRY_LOOK_MS);
    uv_unref((uv_handle_t *)&e->timer);
}

void hw_expiry_set(struct hw_expiry *e, struct hw_tls_set *tls)
{
    struct hw_tls_set *old = e->tls;
    e->tls = hw_tls_set_ref(tls);
    hw_tls_set_unref(old);
    hw_expiry_look(e, time(NULL), hw_now_ns());
}

void hw_expiry_fini(struct hw_expiry *e)
{
    forget(e->said, e->said_count);
    hw_tls_set_unref(e->tls);
    *e = (struct hw_expiry){0};
}

/* ---- callbacks ---- */

static void on_timer(uv_timer_t *timer)
{
    hw_expiry_look(timer->data, time(NULL), hw_now_ns());
}
