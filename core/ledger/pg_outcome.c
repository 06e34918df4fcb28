/* pg_outcome.c -- see pg_outcome.h */
#include "ledger/pg_outcome.h"

#include "base/clock.h"
#include "http/kept_headers.h"

enum { TEXT_MAX = 64 * 1024 /* bytes of a reason or a detail; more is cut */ };

typedef struct hw_notification *const list;

#define EACH(args, type, item)                                                                     \
    do {                                                                                           \
        hw_pg_array_begin(args, type);                                                             \
        for (size_t i = 0; i < count; i++) {                                                       \
            const struct hw_notification *n = batch[i];                                            \
            item;                                                                                  \
        }                                                                                          \
        hw_pg_array_end(args);                                                                     \
    } while (0)

static struct hw_str cut(struct hw_str text)
{
    if (text.len > TEXT_MAX)
        text.len = TEXT_MAX;
    return text;
}

/* Each take counts as a run; one without a run is given back. */
static bool gives_run_back(const struct hw_notification *n)
{
    return n->state != HW_STARTED && !n->outcome.ran;
}

/* It has an outcome that nothing follows by itself, so that its lane goes on. */
static bool is_done(const struct hw_notification *n)
{
    return n->state != HW_QUEUED && n->state != HW_STARTED && n->next_run_at == 0;
}

bool hw_pg_keeps_body(const struct hw_postgres *p, const struct hw_notification *n)
{
    return p->keep_bodies || (n->state != HW_SUCCEEDED && n->state != HW_UNHANDLED);
}

/* In how many ms it is due: the database has a clock of its own. */
static void add_next(struct hw_pg_args *args, const struct hw_notification *n)
{
    if (n->next_run_at)
        hw_pg_item_int(args, n->next_run_at > n->settled_at ? n->next_run_at - n->settled_at : 0);
    else
        hw_pg_item_null(args);
}

static void add_headers(struct hw_pg_args *args, const struct hw_notification *n, bool keep)
{
    char text[HW_KEPT_HEADERS_MAX];
    if (keep && n->request)
        hw_pg_item_text(args, (struct hw_str){text, hw_kept_headers_write(n->request, text)});
    else
        hw_pg_item_text(args, keep ? n->headers : HW_STR_NONE);
}

static void add_numbers(struct hw_pg_args *args, list *batch, size_t count)
{
    EACH(args, HW_PG_INT2, hw_pg_item_int(args, n->state));
    EACH(args, HW_PG_BOOL, hw_pg_item_int(args, n->accepted));
    EACH(args, HW_PG_INT4, hw_pg_item_int(args, hw_pg_attempt(n)));
    EACH(args, HW_PG_INT4, hw_pg_item_int(args, n->copies));
    EACH(args, HW_PG_INT4, hw_pg_item_int(args, gives_run_back(n)));
    EACH(args, HW_PG_INT4, hw_pg_item_int(args, n->retries));
    EACH(args, HW_PG_INT8, add_next(args, n));
}

static void add_texts(struct hw_pg_args *args, list *batch, size_t count)
{
    EACH(args, HW_PG_TEXT, hw_pg_item_text(args, n->event.ptr ? n->event : HW_STR("")));
    EACH(args, HW_PG_TEXT,
         hw_pg_item_text(args, n->outcome.code ? hw_str_of(hw_error_name(n->outcome.code))
                                               : HW_STR_NONE));
    EACH(args, HW_PG_TEXT, hw_pg_item_text(args, cut(n->outcome.reason)));
    EACH(args, HW_PG_TEXT, hw_pg_item_text(args, cut(n->outcome.detail)));
    EACH(args, HW_PG_TEXT, hw_pg_item_text(args, n->key));
    EACH(args, HW_PG_TEXT, hw_pg_item_text(args, n->outcome.place));
    EACH(args, HW_PG_TEXT,
         hw_pg_item_text(args, n->outcome.ran ? hw_str_of(n->version) : HW_STR_NONE));
    EACH(args, HW_PG_TEXT, hw_pg_item_text(args, is_done(n) ? HW_STR_NONE : n->lane));
    EACH(args, HW_PG_TEXT, hw_pg_item_text(args, n->pool));
}

static void add_bodies(struct hw_pg_args *args, const struct hw_postgres *p, list *batch,
                       size_t count)
{
    EACH(args, HW_PG_TEXT, add_headers(args, n, hw_pg_keeps_body(p, n)));
    EACH(args, HW_PG_BYTEA, hw_pg_item_bytes(args, hw_pg_keeps_body(p, n) ? n->body : HW_STR_NONE));
}

static void fill_outcomes(struct hw_pg_args *args, const struct hw_postgres *p, list *batch,
                          size_t count)
{
    add_numbers(args, batch, count);
    add_texts(args, batch, count);
    add_bodies(args, p, batch, count);
}

void hw_pg_outcome_rows(struct hw_pg_args *args, const struct hw_postgres *p, list *batch,
                        size_t count)
{
    hw_pg_args_clear(args);
    EACH(args, HW_PG_INT8, hw_pg_item_int(args, n->row));
    EACH(args, HW_PG_INT8, hw_pg_item_int(args, n->fence.owner));
    EACH(args, HW_PG_INT8, hw_pg_item_int(args, n->fence.claim));
    fill_outcomes(args, p, batch, count);
}

void hw_pg_outcome_repeats(struct hw_pg_args *args, list *batch, size_t count)
{
    hw_pg_args_clear(args);
    EACH(args, HW_PG_INT8, hw_pg_item_int(args, hw_pg_row_of(n)));
    EACH(args, HW_PG_INT4, hw_pg_item_int(args, n->copies));
    EACH(args, HW_PG_INT4, hw_pg_item_int(args, hw_pg_attempt(n)));
}

static struct hw_str digest(const struct hw_notification *n)
{
    return (struct hw_str){(const char *)n->identity.digest, HW_DIGEST_SIZE};
}

static int64_t age_ms(const struct hw_notification *n, uint64_t now_ns)
{
    return n->cut_ns && now_ns > n->cut_ns ? (int64_t)((now_ns - n->cut_ns) / 1000000) : 0;
}

void hw_pg_outcome_inserts(struct hw_pg_args *args, struct hw_postgres *p, list *batch,
                           size_t count)
{
    uint64_t now_ns = hw_now_ns();
    int64_t owner = atomic_load_explicit(&p->owner, memory_order_relaxed);
    hw_pg_args_clear(args);
    EACH(args, HW_PG_INT8, hw_pg_item_int(args, n->row));
    EACH(args, HW_PG_INT8, hw_pg_item_int(args, hw_pg_was_claimed(n) ? n->fence.owner : owner));
    EACH(args, HW_PG_INT8, hw_pg_item_int(args, hw_pg_was_claimed(n) ? n->fence.claim : 0));
    fill_outcomes(args, p, batch, count);
    EACH(args, HW_PG_TEXT, hw_pg_item_text(args, n->identity.id.ptr ? n->identity.id : HW_STR("")));
    EACH(args, HW_PG_BYTEA, hw_pg_item_bytes(args, digest(n)));
    EACH(args, HW_PG_TEXT, hw_pg_item_text(args, n->id));
    EACH(args, HW_PG_INT8, hw_pg_item_int(args, age_ms(n, now_ns)));
}

void hw_pg_outcome_seqs(struct hw_pg_args *args, list *batch, size_t count)
{
    hw_pg_args_clear(args);
    EACH(args, HW_PG_INT8, hw_pg_item_int(args, n->row));
}
