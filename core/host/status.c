/* status.c -- see status.h */
#include "host/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "base/secret.h"
#include "base/version.h"

static void put_counts(FILE *out, const struct hw_stats *stats)
{
    const char *comma = "";
    fputs(",\"counts\":{", out);
    for (int i = 0; i < HW_COUNT_END; i++)
        fprintf(out, "%s\"%s\":%llu", i ? "," : "", hw_stats_name((enum hw_count)i),
                (unsigned long long)hw_stats_get(&stats->counts[i]));
    fputs("},\"errors\":{", out);
    for (int code = HW_ERROR_BASE + 1; code < HW_ERROR_END; code++) {
        unsigned long long count = hw_stats_get(&stats->errors[hw_stats_row(code)]);
        if (count == 0)
            continue;
        fprintf(out, "%s\"%s\":%llu", comma, hw_error_name(code), count);
        comma = ",";
    }
    putc('}', out);
}

/* Only the counts that are not 0: most are, and there may be a hundred events. */
static void put_event(FILE *out, const struct hw_event *event)
{
    fputs("{\"event\":", out);
    hw_json_out_text(out, (struct hw_str){event->name, event->name_len});
    for (int i = 0; i < HW_EVENT_COUNTS_END; i++)
        if (event->counts[i])
            fprintf(out, ",\"%s\":%llu", hw_events_name((enum hw_event_count)i),
                    (unsigned long long)event->counts[i]);
    if (event->last_error)
        fprintf(out, ",\"last_error\":\"%s\",\"last_error_at\":%.3f",
                hw_error_name(event->last_error), event->last_error_at);
    putc('}', out);
}

static void put_events(FILE *out, const struct hw_events *events)
{
    const struct hw_event *event;
    fputs(",\"events\":[", out);
    for (size_t i = 0; (event = hw_events_at(events, i)); i++) {
        fputs(i ? "," : "", out);
        put_event(out, event);
    }
    putc(']', out);
}

struct list {
    FILE *out;
    const char *comma;
};

static void put_pause(void *ud, struct hw_str pattern, int64_t since)
{
    struct list *list = ud;
    fprintf(list->out, "%s{\"pattern\":", list->comma);
    hw_json_out_text(list->out, pattern);
    fprintf(list->out, ",\"since\":%.3f}", (double)since / 1000);
    list->comma = ",";
}

static void put_pauses(FILE *out, struct hw_pauses *pauses)
{
    struct list list = {out, ""};
    fputs(",\"pauses\":[", out);
    hw_pauses_each(pauses, put_pause, &list);
    putc(']', out);
}

static void put_reload(FILE *out, struct hw_last_reload *last)
{
    char text[HW_ATTEMPT_WHY_MAX];
    bool ok;
    double at = hw_last_reload_describe(last, &ok, text, sizeof text);
    if (at == 0)
        return;
    fprintf(out, ",\"reload\":{\"at\":%.3f,\"ok\":%s,\"text\":", at, ok ? "true" : "false");
    hw_json_out_text(out, hw_str_of(text));
    putc('}', out);
}

static void put_addresses(FILE *out, const struct hw_status *s)
{
    char text[sizeof "https://" + HW_LISTENER_NAME_MAX];
    fputs(",\"addresses\":[", out);
    for (size_t i = 0; s->addresses[i]; i++) {
        const char *scheme = hw_listeners_speaks_tls(s->listeners, i) ? "https://" : "http://";
        bool is_unix = strncmp(s->addresses[i], "unix:", 5) == 0;
        snprintf(text, sizeof text, "%s%s", is_unix ? "" : scheme, s->addresses[i]);
        fputs(i ? "," : "", out);
        hw_json_out_text(out, hw_str_of(text));
    }
    putc(']', out);
}

static void put_path(FILE *out, const char *path)
{
    char shown[1024];
    bool is_file = !hw_ledger_is_postgres(path);
    hw_secret_hide(shown, sizeof shown, path);
    fputs(",\"path\":", out);
    hw_json_out_text(out, hw_str_of(is_file ? path : shown));
}

static void put_fleet(FILE *out, struct hw_ledger *ledger, size_t elsewhere)
{
    struct hw_ledger_fleet fleet;
    ledger->type->fleet(ledger, &fleet);
    fputs(",\"fleet\":{\"host_name\":", out);
    hw_json_out_text(out, hw_str_of(fleet.host_name));
    fprintf(out, ",\"hosts_alive\":%lld,\"elsewhere\":%zu", (long long)fleet.hosts_alive,
            elsewhere);
    if (fleet.owner)
        fprintf(out, ",\"id\":%lld,\"lease_left\":%.3f", (long long)fleet.owner, fleet.lease_left);
    if (fleet.away_since)
        fprintf(out, ",\"away_since\":%.3f", (double)fleet.away_since / 1000);
    fprintf(out, ",\"unsettled\":%llu,\"fenced\":%llu,\"taken_over\":%llu,\"claims_failed\":%llu}",
            (unsigned long long)fleet.unsettled, (unsigned long long)fleet.fenced,
            (unsigned long long)fleet.taken_over, (unsigned long long)fleet.claims_failed);
}

static void put_ledger(FILE *out, const struct hw_status *s)
{
    static const char *const healths[] = {[HW_LEDGER_WELL] = "well",
                                          [HW_LEDGER_SLOW] = "slow",
                                          [HW_LEDGER_FAILED] = "failed",
                                          [HW_LEDGER_HEALED] = "well"};
    struct hw_ledger *ledger = s->dispatch->ledger;
    fprintf(out, ",\"ledger\":{\"type\":\"%s\"", ledger->type->name);
    if (ledger->type->waits)
        put_path(out, s->config->ledger);
    fprintf(out, ",\"health\":\"%s\"", healths[hw_ledger_health(ledger)]);
    if (hw_ledger_claims(ledger))
        put_fleet(out, ledger, hw_dispatch_elsewhere(s->dispatch));
    putc('}', out);
}

static void put_rows(FILE *out, struct hw_ledger *ledger)
{
    fputs(",\"rows\":{", out);
    for (int state = HW_SUCCEEDED; state < HW_LEDGER_STATE_END; state++)
        fprintf(out, "%s\"%s\":%lld", state > HW_SUCCEEDED ? "," : "", hw_ledger_state_name(state),
                (long long)hw_ledger_rows(ledger, state));
    putc('}', out);
}

static void put(FILE *out, const struct hw_status *s)
{
    const struct hw_stats *stats = s->dispatch->report->stats;
    uint64_t number;
    char version[17];
    const char *why;
    hw_shelf_describe(s->shelf, &number, version);
    fprintf(out,
            "{\"state\":\"%s\",\"hookward\":\"%s\",\"version\":\"%s\",\"number\":%llu,\"pid\":%ld,"
            "\"started_at\":%.3f,\"uptime\":%.3f,\"workers\":%u,\"workers_stuck\":%zu",
            s->dispatch->draining ? "draining" : "serving", HW_VERSION, version,
            (unsigned long long)number, (long)getpid(), s->started_at,
            (double)(hw_now_ns() - s->started_ns) / 1e9, s->workers, s->dispatch->stuck);
    bool ready = hw_status_is_ready(s, &why);
    fprintf(out, ",\"ready\":%s", ready ? "true" : "false");
    if (!ready)
        fprintf(out, ",\"why_not_ready\":\"%s\"", why);
    put_counts(out, stats);
    put_events(out, &s->dispatch->report->events);
    fputs(",\"routes\":", out);
    hw_shelf_write_routes(s->shelf, out);
    put_pauses(out, &s->dispatch->ledger->pauses);
    put_reload(out, s->last_reload);
    put_ledger(out, s);
    put_rows(out, s->dispatch->ledger);
    put_addresses(out, s);
    if (s->admin) {
        fputs(",\"admin\":", out);
        hw_json_out_text(out, hw_str_of(s->admin));
    }
    fprintf(out, ",\"replaced\":%llu,\"unreplaced\":%llu}\n",
            (unsigned long long)hw_stats_get(&stats->counts[HW_COUNT_REPLACED]),
            (unsigned long long)hw_stats_get(&stats->counts[HW_COUNT_UNREPLACED]));
}

static bool is_away(struct hw_ledger *ledger)
{
    struct hw_ledger_fleet fleet = {.away_since = 0};
    if (hw_ledger_claims(ledger))
        ledger->type->fleet(ledger, &fleet);
    return fleet.away_since != 0;
}

bool hw_status_is_ready(const struct hw_status *s, const char **why)
{
    *why = NULL;
    if (!atomic_load_explicit(&s->started, memory_order_relaxed))
        *why = "starting";
    else if (s->dispatch->draining)
        *why = "draining";
    else if (is_away(s->dispatch->ledger))
        *why = "PostgreSQL can't be used";
    else if (hw_ledger_health(s->dispatch->ledger) == HW_LEDGER_FAILED)
        *why = "the ledger can't record";
    return !*why;
}

char *hw_status_write(const struct hw_status *status, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    if (!out)
        return NULL;
    put(out, status);
    bool failed = ferror(out);
    if (fclose(out) == 0 && !failed)
        return text;
    free(text);
    return NULL;
}
