/* address_of.h -- the address that a text means: an IP address, or "unix". */
#ifndef ADDRESS_OF_H
#define ADDRESS_OF_H

#include "base/check.h"
#include "http/address.h"

static struct hw_address address_of(const char *text)
{
    struct hw_address address = {.any = {.sa_family = AF_UNIX}};
    HW_CHECK(strcmp(text, "unix") == 0 || hw_address_read(&address, hw_str_of(text)));
    return address;
}

#endif
