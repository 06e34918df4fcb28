/* report.c -- see report.h */
#include "trip/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/layout.h"
#include "base/log.h"
#include "ledger/pauses.h"
#include "script/json.h"

void hw_report_init(struct hw_report *report, struct hw_stats *stats,
                    struct hw_refusal_log *refusal_log)
{
    *report = (struct hw_report){.stats = stats, .refusal_log = refusal_log};
    hw_histogram_init(&report->handling, &hw_histogram_durations);
    hw_histogram_init(&report->answering, &hw_histogram_durations);
}

void hw_report_fini(struct hw_report *report)
{
    hw_events_fini(&report->events);
    free(report->mask);
}

static void add_job(struct hw_log_line *line, const struct hw_job *job)
{
    hw_log_text(line, "event", job->n.event);
    hw_log_text(line, "job", job->n.id);
    hw_log_int(line, "attempt", job->n.attempt);
}

/* The status is the one that was sent: not the outcome's when the sender was answered before. With
 * several senders it is the one of those that are answered now. */
static void add_answer(struct hw_log_line *line, const struct hw_job *job)
{
    if (job->accepted || job->n.by_host)
        return; /* nobody waits for one */
    int code = job->told && !job->waiters ? job->told : job->n.outcome.code;
    hw_log_int(line, "status", code ? hw_error_status(code) : 200);
    if (job->told)
        hw_log_text(line, "answered", hw_str_of(hw_error_name(job->told)));
}

static void add_times(struct hw_log_line *line, const struct hw_outcome *outcome, uint64_t cut_ns)
{
    uint64_t taken_ns = outcome->taken_ns ? outcome->taken_ns : outcome->finished_ns;
    hw_log_real(line, "waited_ms", (double)(taken_ns - cut_ns) / 1e6, 2);
    hw_log_real(line, "ms", (double)(outcome->finished_ns - taken_ns) / 1e6, 2);
}

static void add_end(struct hw_log_line *line, const struct hw_job *job)
{
    add_answer(line, job);
    hw_log_text(line, "key", job->n.key);
    hw_log_text(line, "client", job->n.client);
    add_times(line, &job->n.outcome, job->n.cut_ns);
    hw_log_text(line, "place", job->n.outcome.place);
    if (job->n.outcome.ran)
        hw_log_text(line, "version", hw_str_of(job->n.version));
}

void hw_report_mask(struct hw_report *report, const char *const *mask, size_t count)
{
    size_t size = count * sizeof *mask;
    for (size_t i = 0; i < count; i++)
        size += strlen(mask[i]) + 1;
    free(report->mask);
    report->mask = count ? malloc(size) : NULL;
    report->masks_all = count && !report->mask;
    report->mask_count = report->mask ? count : 0;
    char *text = (char *)(report->mask + report->mask_count);
    for (size_t i = 0; i < report->mask_count; i++) {
        report->mask[i] = text;
        text = stpcpy(text, mask[i]) + 1;
    }
}

/* A body without a readable event may be of one that must not be seen. */
static bool is_masked(const struct hw_report *report, struct hw_str event)
{
    if (report->masks_all || event.len == 0)
        return report->masks_all || report->mask_count > 0;
    for (size_t i = 0; i < report->mask_count; i++)
        if (hw_pauses_matches(hw_str_of(report->mask[i]), event))
            return true;
    return false;
}

static void add_body(const struct hw_report *report, struct hw_log_line *line,
                     const struct hw_job *job)
{
    char text[HW_REPORT_BODY_MAX];
    if (is_masked(report, job->n.event)) {
        hw_log_text(line, "body", HW_STR("(masked)"));
        return;
    }
    struct hw_str body = hw_json_skip_bom(job->n.body);
    if (job->n.outcome.code != HW_EINVALID_JSON)
        body = (struct hw_str){text, hw_layout_json(text, sizeof text, body)};
    else if (body.len > sizeof text)
        body.len = sizeof text;
    hw_log_lines(line, "body", body);
}

static struct hw_str outcome_name(const struct hw_job *job)
{
    if (job->n.outcome.code == HW_EPAUSED)
        return HW_STR("paused");
    if (job->n.outcome.code)
        return HW_STR("failed");
    if (job->n.outcome.from_ledger)
        return HW_STR("duplicate");
    return job->n.outcome.unhandled ? HW_STR("unhandled") : HW_STR("succeeded");
}

static void report_notes(const struct hw_job *job)
{
    struct hw_log_line line;
    if (job->n.known.other_body) {
        hw_log_begin(&line, HW_LOG_WARN,
                     HW_STR("this job id was seen before with another body; both were processed"));
        add_job(&line, job);
        hw_log_end(&line);
    }
    if (job->n.attempt > HW_ATTEMPT_LAST) {
        hw_log_begin(&line, HW_LOG_WARN, HW_STR("X-JobAttempt is over 5, Accredit's last retry"));
        add_job(&line, job);
        hw_log_end(&line);
    }
}

static bool is_first_run(const struct hw_job *job)
{
    return job->n.from_row == 0 || (job->due_at && job->n.accepted && job->n.retry == 0);
}

static enum hw_count count_of(const struct hw_job *job)
{
    if (job->due_at && !is_first_run(job))
        return job->n.outcome.code ? HW_COUNT_RETRIES_FAILED : HW_COUNT_RETRIED;
    if (!is_first_run(job))
        return job->n.outcome.code ? HW_COUNT_REPLAYS_FAILED : HW_COUNT_REPLAYED;
    if (job->n.outcome.from_ledger)
        return HW_COUNT_DUPLICATES;
    return job->n.outcome.unhandled ? HW_COUNT_UNHANDLED : HW_COUNT_SUCCEEDED;
}

static bool is_dead(const struct hw_job *job)
{
    return job->n.outcome.authentic && job->n.state == HW_DEAD;
}

static enum hw_event_count event_count_of(const struct hw_job *job)
{
    if (job->n.outcome.code && is_first_run(job))
        return job->n.outcome.code == HW_EPAUSED ? HW_EVENT_PAUSED : HW_EVENT_FAILED;
    switch (count_of(job)) {
    case HW_COUNT_RETRIED:
        return HW_EVENT_RETRIED;
    case HW_COUNT_RETRIES_FAILED:
        return HW_EVENT_RETRIES_FAILED;
    case HW_COUNT_REPLAYED:
        return HW_EVENT_REPLAYED;
    case HW_COUNT_REPLAYS_FAILED:
        return HW_EVENT_REPLAYS_FAILED;
    case HW_COUNT_DUPLICATES:
        return HW_EVENT_DUPLICATES;
    case HW_COUNT_UNHANDLED:
        return HW_EVENT_UNHANDLED;
    default:
        return HW_EVENT_SUCCEEDED;
    }
}

static void count_event(struct hw_events *events, const struct hw_job *job)
{
    struct hw_event *event = hw_events_find(events, job->n.event);
    event->counts[event_count_of(job)]++;
    event->counts[HW_EVENT_JOINED] += job->joined;
    event->counts[HW_EVENT_DEAD] += is_dead(job);
    if (job->n.outcome.code && job->n.outcome.code != HW_EPAUSED) {
        event->last_error = job->n.outcome.code;
        event->last_error_at = hw_now();
    }
}

static void count(struct hw_report *report, const struct hw_job *job)
{
    const struct hw_outcome *o = &job->n.outcome;
    hw_stats_add(report->stats, HW_COUNT_JOINED, job->joined);
    if (o->code && is_first_run(job))
        hw_stats_add_error(report->stats, o->code);
    else
        hw_stats_add(report->stats, count_of(job), 1);
    if (o->authentic)
        count_event(&report->events, job);
    if (o->ran)
        hw_histogram_add(&report->handling, o->finished_ns - o->began_ns);
}

static bool is_forgery(int code)
{
    return code == HW_EINVALID_SIGNATURE || code == HW_EMALFORMED_SIGNATURE;
}

void hw_report_answer(struct hw_report *report, struct hw_job *job, int code)
{
    if (job->timed || !job->waiters || job->n.from_row || job->purge || job->pause)
        return;
    job->timed = true;
    if (!is_forgery(code))
        hw_histogram_add(&report->answering, hw_now_ns() - job->n.cut_ns);
}

/* An error is what somebody must act on: a notification that is lost otherwise, or a broken script.
 * A handler's refusal, and whatever a stranger does, can wait. */
static enum hw_log_level level_of(const struct hw_job *job)
{
    if (!job->n.outcome.code || job->n.outcome.code == HW_EPAUSED)
        return is_dead(job) ? HW_LOG_ERROR : HW_LOG_INFO;
    return is_dead(job) || job->n.outcome.code == HW_EHANDLER_ERROR ? HW_LOG_ERROR : HW_LOG_WARN;
}

static void add_peer(struct hw_log_line *line, const struct hw_job *job)
{
    char peer[HW_ADDRESS_TEXT_MAX];
    hw_log_text(line, "peer", hw_address_text(&job->n.peer.any, peer, sizeof peer));
}

/* "again in 5 min by this host" */
static void add_next_run(struct hw_log_line *line, int64_t wait_ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    char text[64];
    size_t i = 0;
    wait_ms = wait_ms > 0 ? wait_ms : 0;
    while (units[i].ms > 1 && wait_ms < 2 * units[i].ms)
        i++;
    snprintf(text, sizeof text, "again in %lld %s by this host",
             (long long)((wait_ms + units[i].ms / 2) / units[i].ms), units[i].name);
    hw_log_text(line, "next", hw_str_of(text));
}

/* What follows a failure that is recorded. */
static void add_next(struct hw_log_line *line, const struct hw_job *job)
{
    if (job->n.outcome.code == HW_EPAUSED && job->n.state != HW_DEAD) {
        hw_log_text(line, "next",
                    job->n.next_run_at ? HW_STR("this host runs it once it is resumed")
                                       : HW_STR("Accredit delivers again"));
        return;
    }
    bool waits = job->n.state == HW_FAILED || job->n.state == HW_QUEUED;
    if (!job->n.outcome.authentic || !waits || job->n.outcome.code == HW_ELEDGER_UNAVAILABLE)
        return;
    if (job->n.next_run_at)
        add_next_run(line, job->n.next_run_at - job->n.settled_at);
    else
        hw_log_text(line, "next", HW_STR("Accredit delivers again"));
}

static void show(const struct hw_report *report, const struct hw_job *job)
{
    if (report->watcher)
        report->watcher->see(report->watcher, job);
}

void hw_report_accepted(struct hw_report *report, const struct hw_job *job)
{
    struct hw_log_line line;
    hw_stats_add(report->stats, HW_COUNT_ACKED_FIRST, 1);
    show(report, job);
    if (!hw_log_wants(HW_LOG_INFO))
        return;
    hw_log_begin(&line, HW_LOG_INFO, HW_STR("accepted"));
    add_job(&line, job);
    hw_log_int(&line, "status", 200);
    hw_log_text(&line, "key", job->n.key);
    hw_log_text(&line, "client", job->n.client);
    add_times(&line, &job->n.outcome, job->n.cut_ns);
    hw_log_text(&line, "place", job->n.outcome.place);
    hw_log_end(&line);
}

void hw_report_job(struct hw_report *report, const struct hw_job *job)
{
    struct hw_log_line line;
    int code = job->n.outcome.code;
    if (!job->n.has_stand_in) /* otherwise its stand-in was counted */
        count(report, job);
    show(report, job);
    enum hw_log_level level = level_of(job);
    uint32_t suppressed = 0;
    if (!hw_log_wants(level))
        return;
    bool may_be_many = (!job->n.outcome.authentic && !job->n.from_row) ||
                       (job->n.accepted && code == HW_ENO_HANDLER); /* it comes back each minute */
    if (may_be_many && !hw_refusal_log_may_say(report->refusal_log, code, &suppressed))
        return;
    hw_log_begin(&line, level, job->n.outcome.authentic ? outcome_name(job) : HW_STR("refused"));
    add_job(&line, job);
    /* Without a record it has no state. */
    if (is_dead(job) && code != HW_ELEDGER_UNAVAILABLE)
        hw_log_text(&line, "state", HW_STR("dead"));
    if (code)
        hw_log_text(&line, "error", hw_str_of(hw_error_name(code)));
    hw_log_text(&line, "reason", job->n.outcome.reason);
    if (job->due_at && !is_first_run(job))
        hw_log_int(&line, "retry", job->n.retry);
    else if (job->due_at)
        hw_log_bool(&line, "from_ledger", true);
    else if (job->n.from_row)
        hw_log_bool(&line, "replay", true);
    add_next(&line, job);
    add_end(&line, job);
    if (!job->n.outcome.authentic)
        add_peer(&line, job);
    hw_log_lines(&line, "detail", job->n.outcome.detail);
    if (code && report->with_bodies && job->n.outcome.authentic && job->n.body.ptr)
        add_body(report, &line, job);
    if (suppressed)
        hw_log_int(&line, "suppressed", suppressed);
    hw_log_end(&line);
    if (job->n.outcome.authentic)
        report_notes(job);
}

static void say_of(const struct hw_job *job, struct hw_str text)
{
    struct hw_log_line line;
    if (!hw_log_wants(HW_LOG_ERROR))
        return;
    hw_log_begin(&line, HW_LOG_ERROR, text);
    /* Before its handler runs, its event may be being written right now. */
    if (atomic_load_explicit(&job->progress, memory_order_acquire) >= HW_RUNNING)
        hw_log_text(&line, "event", job->n.event);
    hw_log_text(&line, "job", job->n.id);
    hw_log_int(&line, "attempt", job->n.attempt);
    hw_log_end(&line);
}

void hw_report_stuck(struct hw_report *report, const struct hw_job *job)
{
    hw_stats_add(report->stats, HW_COUNT_STUCK, 1);
    say_of(job, HW_STR("a handler is stuck past handler_timeout; its sender was answered 400, its "
                       "outcome will be recorded"));
}

void hw_report_lost(struct hw_report *report, const struct hw_job *job, bool replaced)
{
    hw_stats_add(report->stats, replaced ? HW_COUNT_REPLACED : HW_COUNT_UNREPLACED, 1);
    say_of(job, replaced
                    ? HW_STR("a handler that can't be stopped was given up: it goes on "
                             "computing, and another worker has taken its place")
                    : HW_STR("a handler that can't be stopped keeps its worker for good: as many "
                             "were replaced as there are workers; fix it, then restart"));
}
