/* diagnose_body.h -- what a sender or a proxy may have signed instead of this body.
 *
 * Thread  pure; any. */
#ifndef HW_DIAGNOSE_BODY_H
#define HW_DIAGNOSE_BODY_H

#include <stddef.h>

#include "base/str.h"

enum { HW_BODIES_MAX = 20 };

/* First the body as it is, with an empty condition; then each variation that differs from it. */
struct hw_bodies {
    size_t count;
    struct {
        const char *condition; /* "the body …", static */
        struct hw_str text;
    } list[HW_BODIES_MAX];
};

/* Returns 0, or HW_ENOMEM with nothing to free. Keeps a view of `body`, which must outlive it. */
int hw_bodies_init(struct hw_bodies *bodies, struct hw_str body);
void hw_bodies_fini(struct hw_bodies *bodies);

/* "gzip", "deflate" or "zstd" when the body begins like one that is compressed so, else NULL. */
const char *hw_body_compression(struct hw_str body);

#endif
