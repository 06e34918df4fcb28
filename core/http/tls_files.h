/* tls_files.h -- the files of a listener's TLS. */
#ifndef HW_TLS_FILES_H
#define HW_TLS_FILES_H

#include <stddef.h>

struct hw_tls_pair {
    const char *cert, *key;
};

struct hw_tls_files {
    const struct hw_tls_pair *pairs;
    size_t pair_count;
    const char *client_ca, *crl; /* NULL: not set */
    const char **client_names;
    size_t name_count;
};

#endif
