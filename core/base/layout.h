/* layout.h -- JSON with line breaks and indentation, for people to read.
 *
 * The text is not decoded: the order of members and every digit stay. Text that is not JSON comes
 * out in some shape too.
 * Thread  pure; any. */
#ifndef HW_LAYOUT_H
#define HW_LAYOUT_H

#include "base/str.h"

/* Writes `json` to out[0..size) with two spaces a level; size is at least HW_LAYOUT_MIN. Text that
 * does not fit is cut, and a line with "…" shows it. Returns the length. */
enum { HW_LAYOUT_MIN = 16, HW_LAYOUT_DEPTH_MAX = 32 /* levels that are still indented */ };
size_t hw_layout_json(char *out, size_t size, struct hw_str json);

#endif
