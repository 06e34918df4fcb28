/* last_reload.h -- the result of the last reload, for threads that wait for one or ask about it.
 *
 * Thread  init, fini: before and after all others; put: leader only; the rest: any. */
#ifndef HW_LAST_RELOAD_H
#define HW_LAST_RELOAD_H

#include <stdbool.h>
#include <uv.h>

#include "reload/reload.h"

struct hw_last_reload {
    /* guarded by m */
    uv_mutex_t m;
    uv_cond_t changed;
    struct hw_reload_result result;
    double at; /* seconds since 1970; 0: there was none */
    bool over;
};

void hw_last_reload_init(struct hw_last_reload *last);
void hw_last_reload_fini(struct hw_last_reload *last);

void hw_last_reload_put(struct hw_last_reload *last, const struct hw_reload_result *result);

/* No result will come any more; await returns. */
void hw_last_reload_end(struct hw_last_reload *last);

/* Waits for the result of the request `ticket` (hw_reload_ask). Returns 0 or HW_ERELOAD_FAILED,
 * with one line in `text`; HW_EDRAINING after the end. */
int hw_last_reload_await(struct hw_last_reload *last, uint64_t ticket, char *text, size_t size);

/* When the last attempt ended, in seconds since 1970, whether it succeeded, and its line of text.
 * Returns 0 when there was none. */
double hw_last_reload_describe(struct hw_last_reload *last, bool *ok, char *text, size_t size);

/* Why the last attempt failed; "" when it succeeded, or when there was none. */
void hw_last_reload_error(struct hw_last_reload *last, char *text, size_t size);

#endif
