/* pg_args.h -- the parameters of one statement, in PostgreSQL's binary form.
 *
 * Why     a batch goes out as a few arrays: one statement, whatever its size.
 * How     One buffer that is used again. An array is a header, then each item with its length
 *         (src/backend/utils/adt/arrayfuncs.c, array_recv).
 * Thread  one at a time. */
#ifndef HW_PG_ARGS_H
#define HW_PG_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { HW_PG_PARAMS_MAX = 48 };

enum hw_pg_type { HW_PG_BOOL, HW_PG_INT2, HW_PG_INT4, HW_PG_INT8, HW_PG_TEXT, HW_PG_BYTEA };

/* In the order of $1, $2 … Without memory it is marked as spoiled, and the run fails with HW_PG_DATA. */
struct hw_pg_args;
struct hw_pg_args *hw_pg_args_new(void); /* NULL without memory */
void hw_pg_args_free(struct hw_pg_args *args);
void hw_pg_args_clear(struct hw_pg_args *args); /* keeps its memory */

void hw_pg_arg_int(struct hw_pg_args *args, enum hw_pg_type type, int64_t value); /* also BOOL */
void hw_pg_arg_null(struct hw_pg_args *args);
/* A text is cleaned: what PostgreSQL's text refuses (NUL, invalid UTF-8) becomes U+FFFD. {NULL, 0} is
 * NULL. */
void hw_pg_arg_text(struct hw_pg_args *args, struct hw_str text);
void hw_pg_arg_bytes(struct hw_pg_args *args, struct hw_str bytes);

/* An array of one dimension: begin, items, end. The items are of its type. */
void hw_pg_array_begin(struct hw_pg_args *args, enum hw_pg_type type);
void hw_pg_item_int(struct hw_pg_args *args, int64_t value);
void hw_pg_item_text(struct hw_pg_args *args, struct hw_str text);   /* as hw_pg_arg_text */
void hw_pg_item_bytes(struct hw_pg_args *args, struct hw_str bytes); /* {NULL, 0}: NULL */
void hw_pg_item_null(struct hw_pg_args *args);
void hw_pg_array_end(struct hw_pg_args *args);

/* ---- for the one that sends them ---- */

struct hw_pg_params {
    int count;
    const char *values[HW_PG_PARAMS_MAX]; /* NULL: NULL */
    int lengths[HW_PG_PARAMS_MAX];
    int formats[HW_PG_PARAMS_MAX];    /* 1: binary, all of them */
    unsigned types[HW_PG_PARAMS_MAX]; /* oids; 0: the statement's cast decides */
};

/* Valid until the arguments change. NULL for none. Returns false when they are spoiled. */
bool hw_pg_args_params(const struct hw_pg_args *args, struct hw_pg_params *params);

#endif
