/* rig.h -- a ledger and a reader of it, and deliveries to them.
 *
 * A test program defines open_ledger() and includes this file. A delivery takes the same steps here
 * as in the host: look up, then commit. */
#ifndef HW_SPEC_LEDGER_RIG_H
#define HW_SPEC_LEDGER_RIG_H

#include <stdint.h>

#include "ledger/ledger.h"
#include "sample.h"
#include "trip/retry.h"

/* The sender's last attempt is the last there is. */
static const struct hw_retries no_retries;

struct rig {
    struct hw_ledger *ledger;
    struct hw_ledger_reader *reader;
    bool by_body;
};

/* An empty ledger. */
static struct hw_ledger *open_ledger(bool by_body);

static inline void open_rig(struct rig *r, bool by_body)
{
    char why[512];
    r->by_body = by_body;
    r->ledger = open_ledger(by_body);
    assert_non_null(r->ledger);
    r->reader = hw_ledger_reader_open(r->ledger, why, sizeof why);
    assert_non_null(r->reader);
}

static inline void close_rig(struct rig *r)
{
    r->ledger->type->reader_close(r->reader);
    r->ledger->type->close(r->ledger);
}

static inline struct hw_notification *new_delivery(const struct rig *r, const char *id,
                                                   const char *body)
{
    struct hw_notification *n = notification(id, body);
    if (r->by_body)
        n->identity.id = HW_STR_NONE;
    return n;
}

static inline struct hw_known look(const struct rig *r, const char *id, const char *body)
{
    struct hw_known known;
    struct hw_notification *n = new_delivery(r, id, body);
    assert_int_equal(hw_ledger_look_up(r->ledger, r->reader, &n->identity, &known), 0);
    free_notification(n);
    return known;
}

/* A delivery and its copies, `copies` in all. The outcome is `code`, unless the ledger already has
 * a success or an unhandled one. */
static inline void deliver_as(const struct rig *r, struct hw_notification *n, int code,
                              uint32_t copies)
{
    assert_int_equal(hw_ledger_look_up(r->ledger, r->reader, &n->identity, &n->known), 0);
    n->copies = copies;
    n->outcome.from_ledger = n->known.state == HW_SUCCEEDED || n->known.state == HW_UNHANDLED;
    n->outcome.code = n->outcome.from_ledger ? 0 : code;
    if (!n->outcome.from_ledger)
        hw_retry_settle(&no_retries, n, 0, 0);
    assert_int_equal(hw_ledger_commit(r->ledger, &n, 1), 0);
    free_notification(n);
}

static inline void deliver(const struct rig *r, const char *id, const char *body, int code)
{
    deliver_as(r, new_delivery(r, id, body), code, 1);
}

static inline void assert_known(const struct rig *r, const char *id, const char *body,
                                enum hw_ledger_state state, unsigned deliveries, bool other_body)
{
    struct hw_known known = look(r, id, body);
    assert_int_equal(known.state, state);
    assert_int_equal(known.deliveries, deliveries);
    assert_int_equal(known.other_body, other_body);
}

#endif
