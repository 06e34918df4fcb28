/* secret.h -- takes passwords of databases out of texts that people see.
 *
 * Why     an address such as postgres://user:password@host/database is quoted in messages, by libpq too.
 * How     a password stands between the first colon after postgres:// and the @ that ends it, or follows
 *         "password=". *** is put in its place. In doubt too much is hidden.
 * Not     the meaning of an address: that is libpq's.
 * Thread  pure; any. */
#ifndef HW_SECRET_H
#define HW_SECRET_H

#include <stddef.h>

/* Room for what becomes of a text of `len` bytes, whatever it is. */
#define HW_SECRET_ROOM(len) (2 * (size_t)(len) + 4)

/* Copies the text without its passwords; cuts it off at `size` bytes, with its zero. Returns the length
 * of what it wrote. */
size_t hw_secret_hide(char *out, size_t size, const char *text);

#endif
