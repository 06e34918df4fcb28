/* header_limit.h -- holds a head's lines and the trailers together to header_max (otherwise: 431).
 *
 * How     each line uses up a part of header_max. So a message with one long line and one with very
 *         many short lines are refused at the same byte, wherever a read ended.
 * For     the parser alone: head.c and body.c.
 * Thread  whoever owns the struct. */
#ifndef HW_HTTP_HEADER_LIMIT_H
#define HW_HTTP_HEADER_LIMIT_H

#include "http/http.h"

/* Looks for the end of the line that begins at `line`, as hw_http_find_line_end does, within what
 * is left of the limit, or within `least` bytes if that is more. Returns HW_HTTP_GO_ON,
 * HW_HTTP_NEED_MORE, or a refusal: HW_EHEADER_TOO_LARGE for a line that does not fit. */
int hw_http_header_limit_find(struct hw_http *p, const char *line, size_t len, uint32_t least);

/* Counts the line that was found, with its CRLF. */
void hw_http_header_limit_count(struct hw_http *p);

#endif
