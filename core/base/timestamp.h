/* timestamp.h -- RFC 3339 date-times, and the other forms of ISO 8601 that people and senders
 * write.
 *
 * Thread  pure; any. */
#ifndef HW_TIMESTAMP_H
#define HW_TIMESTAMP_H

#include "base/str.h"

/* "2024-05-10T11:09:21.248Z", with any number of decimals or none, Z or ±hh:mm -> seconds since
 * 1970. .NET writes a local time without a zone when nothing was said about it: taken as UTC.
 * Returns 0, or -1 for any other text. */
int hw_timestamp_parse(struct hw_str text, double *seconds);

/* The same for these forms too: a day alone, a time without seconds, an offset as ±hhmm or ±hh. */
int hw_timestamp_read(struct hw_str text, double *seconds);

#endif
