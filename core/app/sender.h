/* sender.h -- many outgoing HTTP exchanges at once, on a libuv loop.
 *
 * Why     an app is one thread, and must go on answering while what it sent is on its way.
 * How     libcurl's multi interface: curl names the sockets to watch and the time to wait, the loop
 *         does both. Connections are kept and used again.
 * Thread  the loop's. */
#ifndef HW_SENDER_H
#define HW_SENDER_H

#include <uv.h>

#include "script/http_exchange.h"

enum { HW_SENDS_MAX = 256 }; /* on their way at once */

struct hw_sender;
struct hw_send;

/* It is over: `status` is the answer's, or -1 with exchange.error. May begin another one. */
typedef void hw_sent_fn(struct hw_send *send, long status);

/* The caller's; it stays where it is until it is over. */
struct hw_send {
    struct hw_http_request request;
    struct hw_http_exchange exchange;
    hw_sent_fn *sent;

    /* the sender's */
    CURL *easy;
    struct hw_send *prev, *next;
};

/* NULL without memory. */
struct hw_sender *hw_sender_new(uv_loop_t *loop);

/* Returns 0; or HW_EOVERLOADED, HW_ENOMEM, and nothing will be called. */
int hw_sender_begin(struct hw_sender *sender, struct hw_send *send);

/* Ends what is on its way (each is told), and closes the handles; run the loop until they are. */
void hw_sender_stop(struct hw_sender *sender);
void hw_sender_free(struct hw_sender *sender);

#endif
