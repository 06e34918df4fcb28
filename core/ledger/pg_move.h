/* pg_move.h -- a ledger on PostgreSQL that notifications are copied from, or to.
 *
 * Thread  the one that copies. */
#ifndef HW_PG_MOVE_H
#define HW_PG_MOVE_H

#include "ledger/move_place.h"

/* One that is written to is made if it is not there, with `duplicates` as by_body says. Returns
 * NULL with one line in `why`. */
struct hw_move_place *hw_pg_move_open(const char *url, bool writes, const char *schema,
                                      bool by_body, char *why, size_t why_size);

#endif
