/* pg_why.h -- what went wrong with a statement or a connection: a code, and one line of text.
 *
 * How     The server says a SQLSTATE (PostgreSQL's manual, appendix A). For a failed connection libpq has
 *         it in its text only.
 * Not     what is done about it.
 * Thread  any. */
#ifndef HW_PG_WHY_H
#define HW_PG_WHY_H

#include <stdbool.h>
#include <stddef.h>

/* What a run came to. But for DATA, AGAIN and REFUSED the connection is closed then. */
enum hw_pg_rc {
    HW_PG_OK,
    HW_PG_AGAIN,   /* 40001, 40P01, 55P03: rolled back, and worth one more try */
    HW_PG_BROKEN,  /* the connection ended, 08, 57P0; nobody knows whether it was committed */
    HW_PG_LATE,    /* the deadline passed, or 57014; nobody knows */
    HW_PG_AWAY,    /* 53, 57P03, 58, 25006, or it can't be connected to: rolled back */
    HW_PG_DATA,    /* 22, 23, 54: something in the parameters */
    HW_PG_REFUSED, /* anything else: the statement is wrong, or a right is missing */
    HW_PG_UNSURE   /* committed here with a warning: perhaps not on the standby */
};

/* Of an error of a statement. */
enum hw_pg_rc hw_pg_why_code(const char *sqlstate);

/* Of a connection that could not be made: AWAY, or REFUSED where only a user can mend it. `text` is
 * libpq's, in its verbose form; `sqlstate` becomes "" where it says none. */
enum hw_pg_rc hw_pg_why_connect(const char *text, char sqlstate[6]);

/* Writes libpq's text as one line, without the marks of its verbose form, and without anything in quotes
 * that may be a part of the URL's password: one that was not escaped turns up in odd places. */
void hw_pg_why_line(const char *text, const char *url, char *line, size_t size);

#endif
