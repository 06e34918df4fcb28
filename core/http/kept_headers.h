/* kept_headers.h -- the header lines of a request as JSON, to be kept with its body.
 *
 * Why     a notification may run again from the ledger, when its request is long gone.
 * What    an object { lower-case name: value }; the values of a repeated name are joined with ", "
 *         (RFC 9110, 5.3). Left out are
 *           authorization, proxy-authorization, cookie   nobody's secrets stay on the disk
 *           a value that is not UTF-8                    JSON can't hold it
 *           lines after the first HW_HTTP_HEADERS_KEPT   so that the work is bounded
 *           what has no room                             in the order of their lines, a header that
 *                                                        no longer fits is left out as a whole; a
 *                                                        shorter one after it may still fit
 * Thread  pure; the owner of the request. */
#ifndef HW_KEPT_HEADERS_H
#define HW_KEPT_HEADERS_H

#include "http/request.h"

enum { HW_KEPT_HEADERS_MAX = 8192 /* bytes of the JSON */ };

/* Writes at most HW_KEPT_HEADERS_MAX bytes, without a zero byte. Returns their number. */
size_t hw_kept_headers_write(const struct hw_request *request, char text[HW_KEPT_HEADERS_MAX]);

#endif
