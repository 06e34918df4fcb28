/* metrics.c -- see metrics.h */
#include "host/metrics.h"

#include <lua.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/metric_text.h"
#include "base/usage.h"
#include "base/version.h"

#define NS 1e9

static void gauge(struct hw_metric_text *out, const char *name, const char *help, double value)
{
    hw_metric_text_gauge(out, name, help, value);
}

static void counter(struct hw_metric_text *out, const char *name, const char *help, uint64_t value)
{
    hw_metric_text_counter(out, name, help, value);
}

/* A sample with one label. */
static void sample(struct hw_metric_text *out, const char *name, const char *label,
                   const char *value, uint64_t number)
{
    hw_metric_text_begin(out, name);
    hw_metric_text_label(out, label, hw_str_of(value));
    hw_metric_text_int(out, number);
}

static uint64_t get(const struct hw_metrics *m, enum hw_count which)
{
    return hw_stats_get(&m->server->stats.counts[which]);
}

/* ---- notifications ---- */

/* A sample of a metric for each event. */
struct by_event {
    enum hw_event_count which;
    const char *outcome; /* its label; NULL: none */
};

static void put_by_event(struct hw_metric_text *out, const struct hw_events *events,
                         const char *name, const struct by_event *samples, size_t count)
{
    const struct hw_event *event;
    for (size_t i = 0; (event = hw_events_at(events, i)); i++)
        for (size_t k = 0; k < count; k++) {
            hw_metric_text_begin(out, name);
            hw_metric_text_label(out, "event", (struct hw_str){event->name, event->name_len});
            if (samples[k].outcome)
                hw_metric_text_label(out, "outcome", hw_str_of(samples[k].outcome));
            hw_metric_text_int(out, event->counts[samples[k].which]);
        }
}

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static void put_events(struct hw_metric_text *out, const struct hw_events *events)
{
    static const struct by_event notifications[] = {
        {HW_EVENT_SUCCEEDED, "succeeded"},  {HW_EVENT_FAILED, "failed"},
        {HW_EVENT_PAUSED, "paused"},        {HW_EVENT_UNHANDLED, "unhandled"},
        {HW_EVENT_DUPLICATES, "duplicate"}, {HW_EVENT_JOINED, "joined"},
    };
    static const struct by_event retries[] = {
        {HW_EVENT_RETRIED, "succeeded"},
        {HW_EVENT_RETRIES_FAILED, "failed"},
    };
    static const struct by_event replays[] = {
        {HW_EVENT_REPLAYED, "succeeded"},
        {HW_EVENT_REPLAYS_FAILED, "failed"},
    };
    static const struct by_event dead[] = {{HW_EVENT_DEAD, NULL}};
    hw_metric_text_head(out, "hookward_notifications_total", "counter", "Authentic notifications.");
    put_by_event(out, events, "hookward_notifications_total", notifications,
                 COUNT_OF(notifications));
    hw_metric_text_head(out, "hookward_retries_total", "counter", "The host's own retries.");
    put_by_event(out, events, "hookward_retries_total", retries, COUNT_OF(retries));
    hw_metric_text_head(out, "hookward_replays_total", "counter",
                        "Recorded notifications that were run again.");
    put_by_event(out, events, "hookward_replays_total", replays, COUNT_OF(replays));
    hw_metric_text_head(out, "hookward_dead_letters_total", "counter",
                        "Notifications that became dead letters.");
    put_by_event(out, events, "hookward_dead_letters_total", dead, COUNT_OF(dead));
}

/* The others stay inside the host. */
static bool is_answered(int code)
{
    return code != HW_ENOMEM && code != HW_EFAILED;
}

static void put_refusals(struct hw_metric_text *out, const struct hw_stats *stats)
{
    static const char name[] = "hookward_refusals_total";
    hw_metric_text_head(out, name, "counter", "Answers with an error, to strangers too.");
    for (int code = HW_ERROR_BASE + 1; code < HW_ERROR_END; code++)
        if (is_answered(code))
            sample(out, name, "reason", hw_error_name(code),
                   hw_stats_get(&stats->errors[hw_stats_row(code)]));
}

static void put_notifications(struct hw_metric_text *out, const struct hw_metrics *m)
{
    const struct hw_report *report = m->status->dispatch->report;
    counter(out, "hookward_notifications_received_total",
            "Complete notifications, with copies and forgeries.", get(m, HW_COUNT_RECEIVED));
    put_events(out, &report->events);
    counter(out, "hookward_acked_first_total", "Notifications answered 200 before they ran.",
            get(m, HW_COUNT_ACKED_FIRST));
    counter(out, "hookward_verified_last_total",
            "Requests verified last: their address sent forgeries.",
            get(m, HW_COUNT_VERIFIED_LAST));
    put_refusals(out, report->stats);
    hw_metric_text_histogram(out, "hookward_handler_seconds", "How long handlers ran.",
                             &report->handling, NS);
    hw_metric_text_histogram(out, "hookward_answer_seconds",
                             "From a delivery's last byte to its answer.", &report->answering, NS);
}

/* ---- now ---- */

static void put_queue(struct hw_metric_text *out, const struct hw_metrics *m)
{
    const struct hw_dispatch *d = m->status->dispatch;
    struct hw_crew_load load;
    hw_crew_load(d->crew, &load);
    gauge(out, "hookward_queued", "Notifications that wait for a worker.", (double)load.queued);
    gauge(out, "hookward_in_flight", "Complete requests that have no answer yet.", (double)d->open);
    gauge(out, "hookward_in_flight_max", "How many may be in flight at once (max_queue).",
          (double)d->open_max);
    gauge(out, "hookward_workers", "Workers, each with a Lua state.", m->status->workers);
    gauge(out, "hookward_workers_busy", "Workers that are processing a notification.",
          load.running);
    gauge(out, "hookward_workers_stuck", "Workers whose handler has not returned in time.",
          (double)d->stuck);
    counter(out, "hookward_handlers_stuck_total", "Handlers that did not return in time.",
            get(m, HW_COUNT_STUCK));
    counter(out, "hookward_workers_replaced_total",
            "Workers replaced: their handler can't be stopped.", get(m, HW_COUNT_REPLACED));
    counter(out, "hookward_workers_lost_total", "Workers lost to handlers that can't be stopped.",
            get(m, HW_COUNT_UNREPLACED));
}

static void put_vms(struct hw_metric_text *out, const struct hw_metrics *m)
{
    size_t all = 0, most = 0;
    for (unsigned i = 0; i < m->status->workers; i++) {
        size_t used = atomic_load_explicit(&m->workers[i].vm_memory, memory_order_relaxed);
        all += used;
        most = used > most ? used : most;
    }
    gauge(out, "hookward_vm_memory_bytes", "Memory of all Lua states, as of their last job.",
          (double)all);
    gauge(out, "hookward_vm_memory_largest_bytes", "Memory of the largest Lua state.",
          (double)most);
    gauge(out, "hookward_vm_memory_max_bytes", "How much one Lua state may use (vm_memory).",
          (double)hw_shelf_vm_memory_max(m->status->shelf));
}

static void put_ready(struct hw_metric_text *out, const struct hw_metrics *m)
{
    const char *why;
    gauge(out, "hookward_ready", "1: the host is ready, as /readyz says.",
          hw_status_is_ready(m->status, &why));
}

/* ---- the ledger ---- */

static void put_ledger(struct hw_metric_text *out, const struct hw_metrics *m)
{
    static const char rows[] = "hookward_ledger_rows";
    struct hw_ledger *ledger = m->status->dispatch->ledger;
    int64_t oldest = hw_ledger_oldest_waiting(ledger);
    double age = hw_now() - (double)oldest / 1000;
    gauge(out, "hookward_ledger_healthy", "0: the last write to the ledger failed.",
          hw_ledger_health(ledger) != HW_LEDGER_FAILED);
    gauge(out, "hookward_ledger_disk_low", "1: the disk has less than min_disk_free left.",
          hw_ledger_disk_is_low(ledger));
    hw_metric_text_head(out, rows, "gauge", "Rows of the ledger by their state.");
    for (int state = HW_SUCCEEDED; state < HW_LEDGER_STATE_END; state++) {
        int64_t count = hw_ledger_rows(ledger, state); /* below 0 only while they are read again */
        sample(out, rows, "state", hw_ledger_state_name(state), count > 0 ? (uint64_t)count : 0);
    }
    hw_metric_text_histogram(out, "hookward_commit_seconds", "How long successful commits took.",
                             &ledger->commit_times, NS);
    hw_metric_text_histogram(out, "hookward_commit_notifications",
                             "How many notifications a commit wrote.", &ledger->batch_sizes, 1);
    counter(out, "hookward_commits_failed_total", "Commits that failed.",
            hw_stats_get(&ledger->commits_failed));
    gauge(out, "hookward_oldest_waiting_seconds", "Age of the oldest notification to run; 0: none.",
          oldest > 0 && age > 0 ? age : 0);
    gauge(out, "hookward_backlog", "Notifications answered 200 that are still to run.",
          (double)hw_ledger_backlog(ledger));
    gauge(out, "hookward_paused_patterns", "Patterns of events that are paused.",
          (double)hw_pauses_count(&ledger->pauses));
}

/* Only of a ledger that several hosts share. */
static void put_fleet(struct hw_metric_text *out, struct hw_ledger *ledger, size_t elsewhere)
{
    struct hw_ledger_fleet fleet;
    ledger->type->fleet(ledger, &fleet);
    gauge(out, "hookward_ledger_away", "1: PostgreSQL can't be used.", fleet.away_since != 0);
    gauge(out, "hookward_ledger_hosts_alive",
          "Hosts of this ledger that were alive at the last beat.", (double)fleet.hosts_alive);
    gauge(out, "hookward_ledger_lease_seconds_left",
          "Until this host's lease runs out; below 0: it has.", fleet.lease_left);
    gauge(out, "hookward_ledger_elsewhere", "Notifications that wait for another host's outcome.",
          (double)elsewhere);
    gauge(out, "hookward_ledger_unsettled", "Outcomes that wait to be recorded.",
          (double)fleet.unsettled);
    counter(out, "hookward_ledger_fenced_total",
            "Outcomes refused, since another host had taken over.", fleet.fenced);
    counter(out, "hookward_ledger_taken_over_total",
            "Notifications taken from hosts that are gone.", fleet.taken_over);
    counter(out, "hookward_ledger_claims_failed_total", "Claims that failed.", fleet.claims_failed);
    hw_metric_text_histogram(out, "hookward_ledger_claim_batch",
                             "How many notifications a claim asked for.", fleet.claim_sizes, 1);
    hw_metric_text_histogram(out, "hookward_ledger_claim_seconds",
                             "How long successful claims took.", fleet.claim_times, NS);
    hw_metric_text_histogram(out, "hookward_ledger_settle_seconds",
                             "How long successful commits took.", &ledger->commit_times, NS);
}

/* ---- connections ---- */

static void put_connections(struct hw_metric_text *out, const struct hw_metrics *m)
{
    static const struct {
        enum hw_count which;
        const char *name, *help;
    } counters[] = {
        {HW_COUNT_ACCEPTED, "hookward_connections_accepted_total", "Connections accepted."},
        {HW_COUNT_TURNED_AWAY, "hookward_connections_turned_away_total",
         "Connections closed at once; the log says why."},
        {HW_COUNT_MADE_ROOM, "hookward_connections_idle_closed_total",
         "Idle connections closed to make room."},
        {HW_COUNT_BAD_PROXY_HEADERS, "hookward_bad_proxy_headers_total",
         "Connections closed: no valid PROXY protocol header."},
        {HW_COUNT_OUT_OF_FILES, "hookward_out_of_files_total",
         "Times that a connection got no descriptor or memory."},
    };
    gauge(out, "hookward_connections", "Connections that are open.", get(m, HW_COUNT_CONNECTIONS));
    gauge(out, "hookward_connections_max", "How many connections may be open at once.",
          (double)m->server->crowd.limits.connections);
    gauge(out, "hookward_requests_unfinished", "Requests and handshakes that have begun to arrive.",
          (double)m->server->crowd.unfinished);
    for (size_t i = 0; i < COUNT_OF(counters); i++)
        counter(out, counters[i].name, counters[i].help, get(m, counters[i].which));
}

/* A file may serve several listeners, and a sample must come once. */
static bool was_named(const struct hw_tls_set *tls, size_t context, size_t index, const char *file)
{
    const struct hw_certificate *one;
    for (size_t i = 0; i <= context; i++)
        for (size_t k = 0; (i < context || k < index) &&
                           (one = hw_tls_context_certificate(hw_tls_set_context(tls, i), k));
             k++)
            if (strcmp(one->file, file) == 0)
                return true;
    return false;
}

static void put_certificates(struct hw_metric_text *out, const struct hw_tls_set *tls)
{
    static const char name[] = "hookward_certificate_expiry_timestamp_seconds";
    struct hw_tls_context *context;
    const struct hw_certificate *one;
    hw_metric_text_head(out, name, "gauge", "When it expires (Unix time).");
    for (size_t i = 0; tls && (context = hw_tls_set_context(tls, i)); i++)
        for (size_t k = 0; (one = hw_tls_context_certificate(context, k)); k++) {
            if (was_named(tls, i, k, one->file))
                continue;
            hw_metric_text_begin(out, name);
            hw_metric_text_label(out, "file", hw_str_of(one->file));
            hw_metric_text_label(out, "names", hw_str_of(one->names));
            hw_metric_text_real(out, (double)one->not_after);
        }
}

static void put_tls(struct hw_metric_text *out, const struct hw_metrics *m)
{
    static const char name[] = "hookward_tls_handshakes_total";
    uint64_t all = get(m, HW_COUNT_HANDSHAKES), resumed = get(m, HW_COUNT_HANDSHAKES_RESUMED);
    hw_metric_text_head(out, name, "counter", "TLS handshakes by their result.");
    sample(out, name, "result", "full", all - resumed);
    sample(out, name, "result", "resumed", resumed);
    sample(out, name, "result", "failed", get(m, HW_COUNT_HANDSHAKES_FAILED));
    put_certificates(out, m->expiry->tls);
}

/* ---- the scripts ---- */

static void put_last_reload(struct hw_metric_text *out, struct hw_last_reload *last)
{
    char text[HW_ATTEMPT_WHY_MAX];
    bool ok = true;
    double at = hw_last_reload_describe(last, &ok, text, sizeof text);
    gauge(out, "hookward_last_reload_successful", "0: it failed, and an older version runs.", ok);
    gauge(out, "hookward_last_reload_timestamp_seconds",
          "When it ended (Unix time); 0: there was none.", at);
}

static void put_scripts(struct hw_metric_text *out, const struct hw_metrics *m)
{
    static const char reloads[] = "hookward_reloads_total", info[] = "hookward_scripts_info";
    uint64_t number;
    char version[17];
    size_t handlers, keys;
    hw_shelf_describe(m->status->shelf, &number, version);
    hw_shelf_count(m->status->shelf, &handlers, &keys);
    hw_metric_text_head(out, info, "gauge", "The version of the scripts that is live.");
    sample(out, info, "version", version, 1);
    gauge(out, "hookward_handlers", "Handlers that are registered.", (double)handlers);
    gauge(out, "hookward_keys", "Keys that notifications may be signed with.", (double)keys);
    hw_metric_text_head(out, reloads, "counter", "Attempts to reload by their result.");
    sample(out, reloads, "result", "changed", get(m, HW_COUNT_RELOADS));
    sample(out, reloads, "result", "unchanged", m->reloads_unchanged);
    sample(out, reloads, "result", "failed", get(m, HW_COUNT_RELOADS_FAILED));
    hw_metric_text_histogram(out, "hookward_reload_seconds", "How long attempts to reload took.",
                             &m->reloading, NS);
    put_last_reload(out, m->status->last_reload);
}

/* ---- the process ---- */

static void put_build(struct hw_metric_text *out)
{
    static const char name[] = "hookward_build_info";
    hw_metric_text_head(out, name, "gauge", "The versions in use; always 1.");
    hw_metric_text_begin(out, name);
    hw_metric_text_label(out, "version", HW_STR(HW_VERSION));
    hw_metric_text_label(out, "lua",
                         HW_STR(LUA_VERSION_MAJOR "." LUA_VERSION_MINOR "." LUA_VERSION_RELEASE));
    hw_metric_text_label(out, "libuv", hw_str_of(uv_version_string()));
    hw_metric_text_label(out, "openssl", hw_str_of(OpenSSL_version(OPENSSL_VERSION_STRING)));
    hw_metric_text_int(out, 1);
}

static void put_process(struct hw_metric_text *out, const struct hw_metrics *m)
{
    static const char cpu[] = "process_cpu_seconds_total";
    struct hw_usage usage;
    hw_usage_read(&usage);
    hw_metric_text_head(out, cpu, "counter", "Processor time of all threads.");
    hw_metric_text_begin(out, cpu);
    hw_metric_text_real(out, usage.cpu_seconds);
    if (usage.has_memory) {
        gauge(out, "process_resident_memory_bytes", "Resident memory.", usage.resident_bytes);
        gauge(out, "process_virtual_memory_bytes", "Virtual memory.", usage.virtual_bytes);
        gauge(out, "process_threads", "Threads.", usage.threads);
    }
    if (usage.has_files)
        gauge(out, "process_open_fds", "Open file descriptors.", usage.open_files);
    if (hw_files_limit() != SIZE_MAX)
        gauge(out, "process_max_fds", "Limit of open file descriptors.", (double)hw_files_limit());
    if (m->process_started_at > 0)
        gauge(out, "process_start_time_seconds", "When the process started (Unix time).",
              m->process_started_at);
    counter(out, "hookward_log_lines_dropped_total",
            "Log lines dropped: their reader was too slow.", hw_log_dropped());
}

/* ---- all ---- */

static void put(struct hw_metric_text *out, const struct hw_metrics *m)
{
    put_build(out);
    put_ready(out, m);
    put_notifications(out, m);
    put_queue(out, m);
    put_ledger(out, m);
    if (hw_ledger_claims(m->status->dispatch->ledger))
        put_fleet(out, m->status->dispatch->ledger, hw_dispatch_elsewhere(m->status->dispatch));
    put_connections(out, m);
    put_tls(out, m);
    put_scripts(out, m);
    put_vms(out, m);
    put_process(out, m);
}

char *hw_metrics_write(const struct hw_metrics *metrics, size_t *len)
{
    struct hw_metric_text text = {0};
    put(&text, metrics);
    return hw_metric_text_take(&text, len);
}

void hw_metrics_reloaded(struct hw_metrics *m, const struct hw_reload_result *result)
{
    hw_histogram_add(&m->reloading, result->took_ns);
    m->reloads_unchanged += result->attempt.ok && !result->attempt.changed;
}

void hw_metrics_init(struct hw_metrics *m, const struct hw_status *status,
                     const struct hw_server *server, const struct hw_expiry *expiry,
                     const struct hw_worker *workers)
{
    struct hw_usage usage;
    hw_usage_read(&usage);
    *m = (struct hw_metrics){.status = status,
                             .server = server,
                             .expiry = expiry,
                             .workers = workers,
                             .process_started_at = usage.has_memory ? usage.started_at : 0};
    hw_histogram_init(&m->reloading, &hw_histogram_durations);
}
