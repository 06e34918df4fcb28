/* feed.h -- what becomes of deliveries, as it happens: for the control socket's GET /feed.
 *
 * Why     the admin page and `hookward tail` follow a host. Reading the log would tie them to its
 *         format, and reading the ledger again and again would cost more the larger it is.
 * How     A ring of records that have a fixed size, filled by the leader where jobs are reported
 *         (trip/report.h), and only while somebody has asked within the last HW_FEED_FOLLOWED_MS.
 *         Otherwise there is no ring, and a report costs one look at a pointer. A client asks for
 *         what is newer than a number, and waits until there is something, or HW_FEED_WAIT_MS. All
 *         who wait are answered at once, but at most every HW_FEED_PAUSE_MS, and a few in each turn
 *         of the loop. A client that is too slow loses the oldest records and is told how many.
 * Numbers They rise by one. The first one after a time without a ring comes from the time of day, so
 *         they also rise from one host to the next. A number that this ring never gave shows that
 *         the client missed something that nobody counted: the answer says "gap".
 * Not     what strangers sent: http/unproven.h.
 * Thread  leader only. */
#ifndef HW_FEED_H
#define HW_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "http/waiter.h"
#include "trip/report.h"

enum {
    HW_FEED_RECORDS = 4096,      /* of the ring */
    HW_FEED_ANSWER_MAX = 200,    /* records of an answer */
    HW_FEED_WAITERS_MAX = 100,   /* clients that wait at once */
    HW_FEED_TURN_MAX = 8,        /* clients that are answered in one turn of the loop */
    HW_FEED_WAIT_MS = 20000,     /* then a client is answered without a record */
    HW_FEED_PAUSE_MS = 100,      /* between two times that clients are answered */
    HW_FEED_FOLLOWED_MS = 30000, /* since somebody asked; then the ring is given up */
    HW_FEED_EVENT_MAX = 96,      /* bytes; longer texts are cut between characters */
    HW_FEED_REASON_MAX = 160
};

struct hw_feed_record {
    double at;   /* seconds since 1970 */
    int64_t row; /* of the ledger; 0: none */
    double ms;   /* from when a worker had it to its outcome: `ms` of the log */
    int code;    /* 0, or why not */
    uint32_t attempt, retry;
    uint8_t state; /* enum hw_ledger_state; HW_NEVER_SEEN: it is not recorded */
    bool duplicate, replay;
    uint8_t id_len, event_len, reason_len;
    char id[HW_JOB_ID_MAX], event[HW_FEED_EVENT_MAX], reason[HW_FEED_REASON_MAX];
};

struct hw_feed {
    struct hw_watcher watcher; /* the report's, while there is a ring */

    /* constant after init */
    struct hw_report *report;

    /* leader only */
    uv_timer_t timer;
    struct hw_feed_record *ring;    /* NULL: nobody follows */
    uint64_t first, last;           /* numbers since there is a ring; first - 1: none yet */
    uint64_t asked_ms, answered_ms; /* by the loop's clock */
    struct hw_waiter *waiting;
    struct hw_waiter *answering; /* their turn has come */
    bool due;                    /* the timer is set to look at those who wait */
    bool ended;                  /* the host stops: nobody waits any more */
};

/* The loop's owner closes the timer; then comes fini. */
void hw_feed_init(struct hw_feed *feed, uv_loop_t *loop, struct hw_report *report);
void hw_feed_fini(struct hw_feed *feed);

/* What a client may give as the number after which it wants records, beside such a number. */
enum { HW_FEED_FROM_NOW = 0 };
#define HW_FEED_JUST_TELL UINT64_MAX /* answer at once, without records: what is the last one? */

/* Gives the waiter its answer later, in JSON:
 *     {"last":N,"skipped":K,"records":[{"n":N,"at":1790000000.0,"row":1,"id":"…","event":"…",
 *      "state":"failed","attempt":0,"error":"handler_error","reason":"…","ms":1.5,
 *      "duplicate":false,"retry":1,"replay":true},…]}
 * What is not known is left out. With "gap":true as above. Sets until_ms of the waiter.
 * Returns 0; or HW_EOVERLOADED, with a `reason`. */
int hw_feed_ask(struct hw_feed *feed, uint64_t after, struct hw_waiter *waiter,
                struct hw_str *reason);

/* The host stops: all who wait are answered, now and from now on, so that nobody waits for them. */
void hw_feed_end(struct hw_feed *feed);

#endif
