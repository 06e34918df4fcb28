/* queues.h -- the two queues between the leader and an app's thread, and what passes through them.
 *
 * Why     the app's thread may keep a call for long, and the leader may learn meanwhile that its
 *         client has left. Each side must be able to tell the other, and a call is freed once.
 * How     A call is in each queue at most once, however much there is to tell. What there is to
 *         tell stands in the call, under the same lock. The app's thread owns a call until it
 *         returns it. A call that was returned is in no queue to the app and enters none any more,
 *         so the leader may free it.
 * Pieces  of an answer are collected in the call. The leader takes all of them at once when the
 *         connection has sent the ones before, so even many small pieces need little memory.
 * Thread  each function names its own. */
#ifndef HW_APP_QUEUES_H
#define HW_APP_QUEUES_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "app/call.h"

enum { HW_APP_STREAM_MAX = 256 * 1024 /* bytes of pieces that are not sent yet */ };

struct hw_app_queues {
    uv_mutex_t m;

    /* guarded by m; rings */
    struct hw_app_link to_app, to_leader;
    struct hw_app_link in_hand; /* what the app's thread does in this round */
    bool given_up;              /* nothing may be sent to `answered` any more */

    /* any thread, by uv_async_send */
    uv_async_t wake;     /* of the app's loop */
    uv_async_t answered; /* of the leader's */
};

/* What a call has for the leader. */
struct hw_app_news {
    bool begun;    /* the head of an answer in pieces is there */
    bool returned; /* the call is the leader's again */
};

enum hw_app_added { HW_APP_ADDED, HW_APP_GONE, HW_APP_FULL };

/* The handles are the caller's to open and to close. */
void hw_app_queues_init(struct hw_app_queues *q);
void hw_app_queues_fini(struct hw_app_queues *q);

/* ---- leader ---- */

/* Gives a new call to the app. */
void hw_app_queues_give(struct hw_app_queues *q, struct hw_app_call *call);

/* Tells the app that nobody waits for the answer any more. Does nothing for a call that was
 * returned. Idempotent. */
void hw_app_queues_leave(struct hw_app_call *call);

/* Moves all calls that have news to the ring `all`. Each must be given to hw_app_queues_read. */
void hw_app_queues_collect(struct hw_app_queues *q, struct hw_app_link *all);

/* Takes the first call out of `all`, and its news. NULL at the end. */
struct hw_app_call *hw_app_queues_read(struct hw_app_queues *q, struct hw_app_link *all,
                                       struct hw_app_news *news);

/* Takes the pieces that were collected. The caller frees the bytes. */
struct hw_str hw_app_queues_take(struct hw_app_call *call);

/* So many bytes of pieces were sent, and make room for others. */
void hw_app_queues_sent(struct hw_app_call *call, size_t count);

/* Takes any call out of the queues, once no thread uses them. NULL at the end. */
struct hw_app_call *hw_app_queues_drain(struct hw_app_queues *q);

/* ---- the app's thread ---- */

/* Begins a round: what comes from now on is left to the next one. */
void hw_app_queues_begin(struct hw_app_queues *q);

/* The next call of the round: a new one, or one that hw_app_queues_leave was called for. NULL at
 * the end. */
struct hw_app_call *hw_app_queues_next(struct hw_app_queues *q);

/* Whether nobody waits for the answer any more. */
bool hw_app_queues_is_gone(struct hw_app_call *call);

/* Tells the leader that the call stays with the app for now; its answer has begun if `begun`. */
void hw_app_queues_keep(struct hw_app_call *call, bool begun);

/* Adds a piece. Takes nothing when nobody waits any more (HW_APP_GONE), nor when more than
 * HW_APP_STREAM_MAX bytes would be unsent or there is no memory (HW_APP_FULL). */
enum hw_app_added hw_app_queues_add(struct hw_app_call *call, struct hw_str piece);

/* Returns the call for good. It must not be touched any more. */
void hw_app_queues_return(struct hw_app_call *call);

#endif
