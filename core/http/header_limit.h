/* header_limit.h -- what the lines of a head and the trailers may have together: over it, a 431.
 *
 * How     what is left of header_max goes down with each line. So a message with one long line and one
 *         with very many short ones are refused at the same byte, wherever a read ended.
 * For     the parser alone: head.c and body.c.
 * Thread  whoever owns the struct. */
#ifndef HW_HTTP_HEADER_LIMIT_H
#define HW_HTTP_HEADER_LIMIT_H

#include "http/http.h"

/* Looks for the end of the line that begins at `line`, as hw_http_find_line_end does, within what is
 * left; in any case within `least` bytes. Returns HW_HTTP_GO_ON, HW_HTTP_NEED_MORE, or a refusal:
 * HW_EHEADER_TOO_LARGE for a line that does not fit. */
int hw_http_header_limit_find(struct hw_http *p, const char *line, size_t len, uint32_t least);

/* Counts the line that was found, with its CRLF. */
void hw_http_header_limit_count(struct hw_http *p);

#endif
