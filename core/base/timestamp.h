/* timestamp.h -- reads RFC 3339 date-times, and the other forms of ISO 8601 in common use.
 *
 * Thread  pure; any. */
#ifndef HW_TIMESTAMP_H
#define HW_TIMESTAMP_H

#include "base/str.h"

/* Reads "2024-05-10T11:09:21.248Z", with any number of decimals or none, and Z or ±hh:mm, as
 * seconds since 1970. A time without a zone counts as UTC: .NET writes one when no zone was set.
 * Returns 0, or -1 for any other text. */
int hw_timestamp_parse(struct hw_str text, double *seconds);

/* Also reads these forms: a day alone, a time without seconds, an offset as ±hhmm or ±hh. */
int hw_timestamp_read(struct hw_str text, double *seconds);

#endif
