/* sender.h -- many outgoing HTTP exchanges at once, on a libuv loop.
 *
 * Why     an app is one thread, and must go on answering while its own requests are under way.
 * How     libcurl's multi interface: curl says which sockets to watch and how long to wait, and the
 *         loop does both. Connections are kept and reused.
 * Thread  whoever has the loop. */
#ifndef HW_SENDER_H
#define HW_SENDER_H

#include <uv.h>

#include "script/http_exchange.h"

enum { HW_SENDS_MAX = 256 }; /* exchanges at once */

struct hw_sender;
struct hw_send;

/* The exchange is over: `status` is the answer's, or -1 with exchange.error. May begin another
 * one. */
typedef void hw_sent_fn(struct hw_send *send, long status);

/* One exchange. The caller owns it, and must not move or free it before `sent` is called. */
struct hw_send {
    struct hw_http_request request;
    struct hw_http_exchange exchange;
    hw_sent_fn *sent;

    /* sender only */
    CURL *easy;
    struct hw_send *prev, *next;
};

/* Returns NULL when out of memory or without libcurl. */
struct hw_sender *hw_sender_new(uv_loop_t *loop);

/* Returns 0. Or HW_EOVERLOADED or HW_ENOMEM: `sent` is not called then. */
int hw_sender_begin(struct hw_sender *sender, struct hw_send *send);

/* Aborts all exchanges, calling `sent` for each, and closes the handles. Then run the loop until
 * they are closed, before the sender is freed. */
void hw_sender_stop(struct hw_sender *sender);
void hw_sender_free(struct hw_sender *sender);

#endif
