/* pem_file.h -- a PEM file of the TLS settings, read whole before anything of it is parsed.
 *
 * Why     what is parsed and what is hashed must be the same bytes, even while the file is being
 *         replaced; and when a file can't be read, a person should learn why.
 * Thread  pure; any. */
#ifndef HW_PEM_FILE_H
#define HW_PEM_FILE_H

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

#include "signing/key_numbers.h"

enum { HW_PEM_FILE_MAX = 4 * 1024 * 1024 /* bytes; a revocation list may be long */ };

struct hw_pem_file {
    const char *path;
    char *bytes;
    size_t len;
};

/* Which key of `tls` names the file, for the advice when it can't be opened. */
enum hw_pem_use { HW_PEM_CERTIFICATE, HW_PEM_KEY, HW_PEM_CLIENT_CA, HW_PEM_CRL };

/* Reads the file at `path`, which must outlive *file. `digest`: gets its name and its bytes too;
 * NULL: none. Returns 0, or HW_EFAILED with one line in `why` that names the file. Call fini
 * in both cases. */
int hw_pem_file_read(struct hw_pem_file *file, const char *path, enum hw_pem_use use,
                     EVP_MD_CTX *digest, const struct hw_reason *why);
void hw_pem_file_fini(struct hw_pem_file *file); /* wipes the bytes */

/* A read-only BIO on the bytes, for BIO_free; NULL without memory. */
BIO *hw_pem_file_open(const struct hw_pem_file *file);

/* True when the file has a block whose name ends in `name`: "PRIVATE KEY". */
bool hw_pem_file_has(const struct hw_pem_file *file, const char *name);

#endif
