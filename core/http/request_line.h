/* request_line.h -- the first line of a request: method, target and version; and hosts.
 *
 * For head.c alone. The line is whole and free of control bytes when it comes here.
 * Thread  whoever owns the struct. */
#ifndef HW_HTTP_REQUEST_LINE_H
#define HW_HTTP_REQUEST_LINE_H

#include "http/http.h"

/* Reads the line bytes[at..at+len), without its line end. Returns 0 or a refusal. */
int hw_http_read_request_line(struct hw_http *p, const char *bytes, size_t at, size_t len);

/* uri-host [ ":" port ]. User information is not allowed: RFC 9110 4.2.4 calls it an error. */
bool hw_http_is_authority(struct hw_str s);

#endif
