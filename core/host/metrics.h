/* metrics.h -- what a host has done and how it is, for Prometheus: GET /metrics.
 *
 * How     each number was counted or set where something happened, by the thread that did it; the
 *         leader only writes them down, in well under a millisecond. Nothing is looked up in the
 *         ledger. The names and meanings stand in the guide (lua/hookward/guide/admin.md), and a
 *         spec compares them.
 * Bounds  the labels `event` have at most HW_EVENTS_MAX + 1 values (trip/events.h), all others a
 *         fixed set of values, but for the certificates of the configuration.
 * Thread  leader only; init: whoever has the loop. */
#ifndef HW_METRICS_H
#define HW_METRICS_H

#include "host/expiry.h"
#include "host/status.h"
#include "http/server.h"
#include "reload/reload.h"
#include "trip/stages.h"

struct hw_metrics {
    /* constant after init */
    const struct hw_status *status;
    const struct hw_server *server;
    const struct hw_expiry *expiry;
    const struct hw_worker *workers; /* as many as status->workers */
    double process_started_at;       /* seconds since 1970; 0: not known */

    /* leader only */
    uint64_t reloads_unchanged;
    struct hw_histogram reloading;
};

void hw_metrics_init(struct hw_metrics *metrics, const struct hw_status *status,
                     const struct hw_server *server, const struct hw_expiry *expiry,
                     const struct hw_worker *workers);

/* An attempt to reload is over. */
void hw_metrics_reloaded(struct hw_metrics *metrics, const struct hw_reload_result *result);

/* The text is the caller's (free); NULL without memory. */
char *hw_metrics_write(const struct hw_metrics *metrics, size_t *len);

#endif
