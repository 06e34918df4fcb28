/* pg_keywords.h -- what libpq is told to connect with.
 *
 * How     The URL goes to it as it is; so do the PG… variables. Added is what they leave open: a server
 *         that can be written to, a name, time-outs of TCP.
 * Not     for other files than pg.c. Absent in a build without libpq.
 * Thread  any. */
#ifndef HW_PG_KEYWORDS_H
#define HW_PG_KEYWORDS_H

#include <stddef.h>

enum { HW_PG_KEYWORDS_MAX = 16 };

struct hw_pg_keywords {
    const char *names[HW_PG_KEYWORDS_MAX], *values[HW_PG_KEYWORDS_MAX]; /* each ends with NULL */
    size_t count;
    char application[64];
    char *texts[3];
};

/* `name` is for application_name, `tries` how many connects in a row were not answered in time. The URL
 * must outlive it. */
void hw_pg_keywords_fill(struct hw_pg_keywords *words, const char *url, const char *name,
                         unsigned tries);
void hw_pg_keywords_free(struct hw_pg_keywords *words);

#endif
