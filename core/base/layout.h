/* layout.h -- JSON over several lines, for a person.
 *
 * The text is laid out, not decoded: the order of members and every digit stay. What is not JSON
 * comes out in some shape as well.
 * Thread  pure; any. */
#ifndef HW_LAYOUT_H
#define HW_LAYOUT_H

#include "base/str.h"

/* Writes `json` to out[0..size), two spaces a level; size is at least HW_LAYOUT_MIN. What has no
 * room is left out, and a line with "…" says so. Returns the length. */
enum { HW_LAYOUT_MIN = 16, HW_LAYOUT_DEPTH_MAX = 32 /* levels that are still indented */ };
size_t hw_layout_json(char *out, size_t size, struct hw_str json);

#endif
