/* check.h -- an assertion for our own bugs, active in release builds too.
 *
 * A host that goes on with broken state could acknowledge what it did not do. One that ends is
 * restarted, and the ledger makes that safe. Bad input is never a reason for HW_CHECK. */
#ifndef HW_CHECK_H
#define HW_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define HW_CHECK(condition)                                                                        \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) {                                                   \
            fprintf(stderr, "hookward: bug at %s:%d: %s\n", __FILE__, __LINE__, #condition);       \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
