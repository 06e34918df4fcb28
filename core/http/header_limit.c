/* header_limit.c -- see header_limit.h */
#include "http/header_limit.h"

#include "http/line.h"

int hw_http_header_limit_find(struct hw_http *p, const char *line, size_t len, uint32_t least)
{
    int found =
        hw_http_find_line_end(p, line, len, p->header_left < least ? least : p->header_left);
    if (found == HW_HTTP_TOO_LONG)
        return hw_http_refuse(p, HW_EHEADER_TOO_LARGE, "all lines before and after the body count");
    return found;
}

void hw_http_header_limit_count(struct hw_http *p)
{
    p->header_left -= p->scanned + 2;
}
