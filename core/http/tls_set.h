/* tls_set.h -- the TLS contexts of all listeners of a configuration, replaced as a whole.
 *
 * How     Listeners with the same files share a context. A set is made beside the live one. A
 *         listener whose files are the same as before keeps its context even if its certificate has
 *         expired meanwhile, since an edit of something else must not fail for that.
 * Thread  make, ref, unref: any. Constant after make. */
#ifndef HW_TLS_SET_H
#define HW_TLS_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/config.h"
#include "http/tls_context.h"

struct hw_tls_set;

/* Reads the files of every listener that has `tls`. `old`: the set that is live; NULL: none.
 * Returns a set with one reference, or NULL with one line in `why` that names the file. */
struct hw_tls_set *hw_tls_set_make(const struct hw_listen *listen, size_t count,
                                   const struct hw_tls_set *old, char *why, size_t why_size);
struct hw_tls_set *hw_tls_set_ref(struct hw_tls_set *set);
void hw_tls_set_unref(struct hw_tls_set *set); /* NULL does nothing */

/* The context of the listener with this address; NULL: the set has none. Borrowed. */
struct hw_tls_context *hw_tls_set_find(const struct hw_tls_set *set, const char *address);

/* Each context once; NULL past the last one. Borrowed. */
struct hw_tls_context *hw_tls_set_context(const struct hw_tls_set *set, size_t index);

/* True when both give the same listeners the same contexts. */
bool hw_tls_set_same(const struct hw_tls_set *a, const struct hw_tls_set *b);

/* How many certificates there are in all. */
size_t hw_tls_set_count(const struct hw_tls_set *set);

/* Logs a warning for each context in which two certificates have the same name. */
void hw_tls_set_warn(const struct hw_tls_set *set);

/* True when both read the same paths, or both are NULL. */
bool hw_tls_set_same_files(const struct hw_tls_files *a, const struct hw_tls_files *b);

/* Calls `each` with the path of every file. */
void hw_tls_set_each_file(const struct hw_tls_files *files,
                          void (*each)(void *ud, const char *path), void *ud);

#endif
