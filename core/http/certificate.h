/* certificate.h -- a server certificate with its chain and its private key, read and checked.
 *
 * Why     OpenSSL finds most mistakes only during a handshake, or reports them in words that nobody
 *         understands at 3 a.m. Here each mistake is one line that names the file and the fix.
 * Thread  pure; any. */
#ifndef HW_CERTIFICATE_H
#define HW_CERTIFICATE_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "signing/key_numbers.h"

enum {
    HW_CERTIFICATE_CHAIN_MAX = 16, /* certificates in a file */
    HW_CERTIFICATE_RSA_BITS_MIN = 2048,
    HW_CERTIFICATE_NOTICE_DAYS = 14, /* before it expires, people are told */
    HW_CERTIFICATE_DAY_S = 24 * 60 * 60
};

struct hw_certificate {
    X509 *chain[HW_CERTIFICATE_CHAIN_MAX]; /* the leaf first */
    size_t count;
    EVP_PKEY *key;

    /* What a person wants to know of the leaf. */
    char *file;    /* its path */
    char *names;   /* the DNS names and addresses that it is for, ", " between them */
    char *issuer;  /* its common name, or the whole name when it has none */
    char kind[32]; /* of its key: "ECDSA P-256", "RSA 2048", "Ed25519" */
    time_t not_before, not_after; /* of the leaf, or of a certificate above it if that is less */
};

/* Reads the two files, which may be one, and checks all but the time. `digest`: gets the names and
 * the bytes of both; NULL: none. Returns 0, or HW_EFAILED with one line in `why`. Call fini in both
 * cases. */
int hw_certificate_read(struct hw_certificate *certificate, const char *cert, const char *key,
                        EVP_MD_CTX *digest, const struct hw_reason *why);

/* Returns 0 if every certificate of the chain is valid now, else HW_EFAILED with one line in `why`.
 */
int hw_certificate_check_time(const struct hw_certificate *certificate,
                              const struct hw_reason *why);
void hw_certificate_fini(struct hw_certificate *certificate);

/* Whole days until `not_after`, rounded down; negative once it is past. */
int64_t hw_certificate_days(time_t not_after, time_t now);

/* Whether it expires within HW_CERTIFICATE_NOTICE_DAYS, or has expired. */
bool hw_certificate_ends_soon(const struct hw_certificate *certificate, time_t now);

/* Whether the chain is probably missing: the certificate is alone in its file, and says where its
 * issuer's can be had. Those of public authorities do; they are signed by an intermediate one,
 * which the host must send to its clients. */
bool hw_certificate_lacks_chain(const struct hw_certificate *certificate);

/* Writes "2026-11-29 12:00 UTC". Returns `text`. */
const char *hw_certificate_when(time_t time, char text[32]);

/* A text of a certificate as a C string; NULL when it is empty or contains a zero byte. */
const char *hw_certificate_text(const ASN1_STRING *string);

/* The common name in a subject or an issuer; NULL when it has none. */
const char *hw_certificate_common_name(const X509_NAME *name);

/* Calls `each` for every DNS name that the certificate is for: those of its subjectAltName, or its
 * common name when there is none (RFC 6125, 6.4.4). */
void hw_certificate_each_name(X509 *certificate, void (*each)(void *ud, const char *name),
                              void *ud);

/* Reads every certificate of a PEM text into `out`. Returns their number; more than `max` are
 * counted and not kept. May leave errors in OpenSSL's queue. */
size_t hw_certificate_read_all(BIO *in, X509 **out, size_t max);

/* After reading a PEM text block by block: true when it ended because no block was left, false when
 * a block was damaged. OpenSSL's queue must have been empty before. */
bool hw_certificate_ended_well(void);

/* An ASN.1 time in seconds since 1970; 0 when it can't be read. */
time_t hw_certificate_time(const ASN1_TIME *time);

#endif
