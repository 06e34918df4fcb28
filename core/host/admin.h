/* admin.h -- the admin listener: health, metrics, and the page, apart from the notifications.
 *
 * Why     whoever looks at a host must get an answer while every worker is blocked, and must never
 *         hold up a notification.
 * How     a server of its own on the leader's loop, with limits of its own. The leader answers
 *         /healthz, /readyz and /metrics from numbers that it has at hand. Everything else is the
 *         app's, `hookward.admin`, on a thread of its own.
 *
 *     GET /healthz   200 while the leader turns
 *     GET /readyz    200, or 503 with the reason: the host is draining, or can't record
 *     GET /metrics   the Prometheus text format 0.0.4
 *
 * Safety  /healthz and /readyz are open, since balancers send no token. All else must name this
 *         host in the Host header, and /metrics asks others than users of this machine for a token
 *         (admin_gate.h). What the app shows, it guards itself.
 * Thread  leader only; open, start, stop, free: whoever has the loop. */
#ifndef HW_HOST_ADMIN_H
#define HW_HOST_ADMIN_H

#include <uv.h>

#include "app/app.h"
#include "base/config.h"
#include "http/listener.h"
#include "http/server.h"

enum {
    HW_ADMIN_CONNECTIONS_MAX = 100,
    HW_ADMIN_BODY_MIN = 256 * 1024, /* bytes; more for tests, if max_body is large */
    HW_ADMIN_SECRET = 64            /* hex digits */
};

struct hw_admin;

struct hw_admin_setup {
    const struct hw_config *config; /* its admin.is_on; must outlive the listener */
    const struct hw_modules *modules;
    uv_loop_t *loop;

    /* Whether notifications are taken; if not, *why is a static text. */
    bool (*is_ready)(void *owner, const char **why);
    /* The text of /metrics, the caller's (free); NULL without memory. */
    char *(*metrics)(void *owner, size_t *len);
    void *owner;
};

/* Loads the app and opens the listener. Returns 0, or HW_EFAILED or HW_ENOMEM with one line in
 * `why`. Then *out may be NULL; if not, stop and free it all the same. */
int hw_admin_open(struct hw_admin **out, const struct hw_admin_setup *setup, char *why,
                  size_t why_size);

/* As hw_listeners_set_tls. */
void hw_admin_set_tls(struct hw_admin *admin, const struct hw_tls_set *set);

/* Starts the app's thread, and logs the address. Returns 0, or HW_EFAILED. */
int hw_admin_start(struct hw_admin *admin);

/* "http://127.0.0.1:9464" or "unix:/path". */
const char *hw_admin_url(const struct hw_admin *admin);

/* What one-time links to the page are made with: hex digits, drawn at the start. */
const char *hw_admin_secret(const struct hw_admin *admin);

/* Ends the app and closes all connections. Then run the loop until its handles are closed. */
void hw_admin_stop(struct hw_admin *admin);
void hw_admin_free(struct hw_admin *admin);

#endif
