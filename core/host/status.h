/* status.h -- how a host is, as one JSON object: for the control socket's GET /state.
 *
 *     {"state":"serving"|"draining","hookward":"0.1.0","version":"0123456789abcdef","number":1,
 *      "pid":1,"started_at":1790000000.0,"uptime":1.5,"workers":8,"workers_stuck":0,
 *      "ready":false,"why_not_ready":"starting"|"draining"|"the ledger can't record"|
 *                                       "PostgreSQL can't be used",
 *      "counts":{"received":0,…},"errors":{"handler_error":1,…},
 *      "events":[{"event":"Badge.Created","succeeded":1,"failed":2,…,
 *                 "last_error":"handler_error","last_error_at":1790000000.0},…],
 *      "routes":[{"pattern":"Badge.*","place":"handlers/badges.lua:4","schema":"the event's",
 *                 "ack_first":true,"concurrency":2,"in_order":true},…],
 *      "pauses":[{"pattern":"Badge.*","since":1790000000.0},…],
 *      "reload":{"at":1790000000.0,"ok":true,"text":"…"},
 *      "ledger":{"type":"sqlite","path":"/…","health":"well"|"slow"|"failed",
 *                "fleet":{"host_name":"web-3","id":7,"hosts_alive":2,"lease_left":9.1,
 *                         "away_since":1790000000.0,"elsewhere":0,"unsettled":0,"fenced":0,
 *                         "taken_over":0,"claims_failed":0}},
 *      "rows":{"succeeded":3,"failed":0,…},
 *      "addresses":["http://127.0.0.1:8080",…],"admin":"http://127.0.0.1:9464",
 *      "replaced":0,"unreplaced":0}
 *
 * Times are seconds since 1970. "errors" has those that occurred, and an event only those of its
 * counts (trip/events.h) that are not 0. "routes" are those of the live scripts, the most specific
 * first, without what a route has not. "why_not_ready" is absent while the host is ready. "reload"
 * is the last attempt, absent before the first; "path" is absent when the ledger is in memory, and
 * has no password; "fleet" (struct hw_ledger_fleet) is absent unless hosts share the ledger,
 * "away_since" while the database can be reached, "id" and "lease_left" before the host has joined;
 * "workers_stuck" counts those whose handler did not return in time and has not yet; an address
 * begins with http://, https:// or unix:. "rows" are counts of the ledger's rows by state that are
 * kept in memory. "admin" is absent without an admin listener.
 * Not     what else is in the ledger's rows: reading them must not keep the host from its work, so
 *         the command reads the file itself.
 * Thread  leader only. */
#ifndef HW_STATUS_H
#define HW_STATUS_H

#include <stdatomic.h>

#include "base/config.h"
#include "host/last_reload.h"
#include "http/listener.h"
#include "trip/dispatch.h"
#include "trip/release.h"

struct hw_status {
    /* constant after start */
    const struct hw_config *config; /* what the host was started with */
    const struct hw_dispatch *dispatch;
    struct hw_shelf *shelf;
    struct hw_last_reload *last_reload;
    const char *const *addresses;         /* as of hw_host_addresses; ends with NULL */
    const struct hw_listeners *listeners; /* of these addresses */
    const char *admin;                    /* as of hw_admin_url; NULL: there is none */
    unsigned workers;
    double started_at;   /* seconds since 1970 */
    uint64_t started_ns; /* monotonic */

    /* atomic */
    atomic_bool started; /* connections are accepted */
};

/* Whether new notifications should be sent here; if not, *why is a static text, else NULL. */
bool hw_status_is_ready(const struct hw_status *status, const char **why);

/* The text is the caller's (free); NULL without memory. */
char *hw_status_write(const struct hw_status *status, size_t *len);

#endif
