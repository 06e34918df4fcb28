/* tls_development.h -- a certificate for localhost, to try TLS with.
 *
 * How     It is self-signed, so that a client trusts it by naming its file (`curl --cacert`,
 *         `hookward send --ca`). It is no authority: whoever finds its key can't make certificates
 *         for other names that such a client would accept.
 * Thread  pure; any. May leave errors in OpenSSL's queue. */
#ifndef HW_TLS_DEVELOPMENT_H
#define HW_TLS_DEVELOPMENT_H

#include <openssl/bio.h>
#include <stdbool.h>

/* Its subject and issuer; the commands recognise it by this. */
#define HW_TLS_DEVELOPMENT_NAME "hookward development"

enum { HW_TLS_DEVELOPMENT_DAYS = 365 };

/* Makes an EC key (P-256) and a certificate (X.509 v3, RFC 5280) of it for the names localhost,
 * 127.0.0.1 and ::1, valid from an hour ago. Writes them in PEM: PKCS#8 and CERTIFICATE. */
bool hw_tls_development_make(BIO *key, BIO *certificate);

#endif
