/* report.h -- each notification is counted, timed and logged, when it has its outcome.
 *
 * One that was verified always gets its line. One that was refused before that is a stranger's: it
 * gets a line as far as http/refusal_log.h allows, which names the client.
 *
 * The level:
 *   error  it will not be delivered again, or a handler has a bug
 *   warn   it was refused, and a retry may follow
 *   info   all is well
 *
 * Bodies are personal data: they stay out of the log, except on a developer's terminal.
 * Thread  leader only. */
#ifndef HW_REPORT_H
#define HW_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/stats.h"
#include "http/refusal_log.h"
#include "trip/events.h"
#include "trip/job.h"

/* Is shown each job that is reported: for what follows a host live (host/feed.h). */
struct hw_watcher {
    void (*see)(struct hw_watcher *watcher, const struct hw_job *job);
};

enum { HW_REPORT_BODY_MAX = 4000 /* bytes that are shown of a body */ };

struct hw_report {
    /* constant after start */
    bool with_bodies; /* `serve --dev`: what failed is shown with its body */
    struct hw_stats *stats;
    struct hw_refusal_log *refusal_log;

    /* leader only */
    struct hw_events events;
    struct hw_watcher *watcher; /* NULL: nobody watches */
    char **mask;                /* see hw_report_mask; in one block */
    size_t mask_count;
    bool masks_all; /* there was no memory for the list */

    /* the leader adds, any thread reads; in nanoseconds */
    struct hw_histogram handling;  /* from a handler's begin to its end */
    struct hw_histogram answering; /* from a notification's last byte to its answer */
};

void hw_report_init(struct hw_report *report, struct hw_stats *stats,
                    struct hw_refusal_log *refusal_log);
void hw_report_fini(struct hw_report *report);

/* Bodies of these events, names and patterns as hook.on takes them, are not shown from now on. The
 * list is copied. */
void hw_report_mask(struct hw_report *report, const char *const *mask, size_t count);

/* A job that has its final outcome. */
void hw_report_job(struct hw_report *report, const struct hw_job *job);

/* Those who wait for this job are about to be answered with `code`. Only the first answer to what a
 * sender delivered is timed, and none to a forgery: strangers must not make the host look quick. */
void hw_report_answer(struct hw_report *report, struct hw_job *job, int code);

/* One that is accepted: its sender gets 200, and it runs later. */
void hw_report_accepted(struct hw_report *report, const struct hw_job *job);

/* A handler that did not return in time; the sender was answered without it. */
void hw_report_stuck(struct hw_report *report, const struct hw_job *job);

/* A handler that can't be stopped; its thread was replaced, unless too many were. */
void hw_report_lost(struct hw_report *report, const struct hw_job *job, bool replaced);

#endif
