/* rig.h -- a ledger and a reader of it, and deliveries to them.
 *
 * A test program defines open_ledger() and includes this file. A delivery takes the same steps here
 * as in the host: look up, then commit; or claim, then commit. For a ledger that claims the program
 * defines LEDGER_CLAIMS, and find_row(), which reads what is known of an identity. */
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

#ifdef LEDGER_CLAIMS
static void find_row(const struct hw_identity *identity, struct hw_known *known);

static inline void open_reader(struct rig *r)
{
    r->reader = NULL;
}

static inline void close_reader(struct rig *r)
{
    assert_null(r->reader);
}

static inline void rig_look_up(const struct rig *r, const struct hw_identity *identity,
                               struct hw_known *known)
{
    (void)r;
    find_row(identity, known);
}

/* Returns whether its record answers it. */
static inline bool rig_ask(const struct rig *r, struct hw_notification *n)
{
    assert_int_equal(r->ledger->type->claim(r->ledger, &n, 1), 0);
    assert_true(n->claim == HW_CLAIM_MINE || n->claim == HW_CLAIM_KNOWN);
    return n->claim == HW_CLAIM_KNOWN;
}
#else
static inline void open_reader(struct rig *r)
{
    char why[512];
    r->reader = hw_ledger_reader_open(r->ledger, why, sizeof why);
    assert_non_null(r->reader);
}

static inline void close_reader(struct rig *r)
{
    r->ledger->type->reader_close(r->reader);
}

static inline void rig_look_up(const struct rig *r, const struct hw_identity *identity,
                               struct hw_known *known)
{
    assert_int_equal(hw_ledger_look_up(r->ledger, r->reader, identity, known), 0);
}

/* Returns whether its record answers it. */
static inline bool rig_ask(const struct rig *r, struct hw_notification *n)
{
    rig_look_up(r, &n->identity, &n->known);
    return n->known.state == HW_SUCCEEDED || n->known.state == HW_UNHANDLED;
}
#endif

static inline void open_rig(struct rig *r, bool by_body)
{
    r->by_body = by_body;
    r->ledger = open_ledger(by_body);
    assert_non_null(r->ledger);
    open_reader(r);
}

static inline void close_rig(struct rig *r)
{
    close_reader(r);
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
    rig_look_up(r, &n->identity, &known);
    free_notification(n);
    return known;
}

/* A delivery and its copies, `copies` in all. The outcome is `code`, unless the ledger already has
 * a success or an unhandled one. */
static inline void deliver_as(const struct rig *r, struct hw_notification *n, int code,
                              uint32_t copies)
{
    n->outcome.from_ledger = rig_ask(r, n);
    n->copies = copies;
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
