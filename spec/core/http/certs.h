/* certs.h -- keys and certificates for tests, made in a moment and written as PEM files.
 *
 * Each test program has its own copy. Needs folder.h. */
#ifndef HW_SPEC_CERTS_H
#define HW_SPEC_CERTS_H

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* One that was made: its certificate and its key. */
struct made {
    X509 *cert;
    EVP_PKEY *key;
};

/* What is asked for; all of it may be left out. */
struct wish {
    const char *name;        /* common name */
    const char *alt;         /* subjectAltName as of x509v3_config(5): "DNS:a.example" */
    const struct made *by;   /* the issuer; NULL: itself */
    bool is_ca;              /* may issue certificates */
    long from_days, to_days; /* from now; 0, 0: from yesterday for 90 days */
    EVP_PKEY *key;           /* its own key; NULL: a new one, ECDSA P-256 */
};

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

static struct made make(const struct wish *wish)
{
    static long serial;
    struct made made = {X509_new(), wish->key ? wish->key : EVP_EC_gen("P-256")};
    bool usual = wish->from_days == 0 && wish->to_days == 0;
    X509_set_version(made.cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.cert), ++serial);
    X509_time_adj_ex(X509_getm_notBefore(made.cert), usual ? -1 : (int)wish->from_days, 0, NULL);
    X509_time_adj_ex(X509_getm_notAfter(made.cert), usual ? 90 : (int)wish->to_days, 60, NULL);
    X509_set_pubkey(made.cert, made.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.cert), "CN", MBSTRING_UTF8,
                               (const unsigned char *)wish->name, -1, -1, 0);
    X509 *issuer = wish->by ? wish->by->cert : made.cert;
    X509_set_issuer_name(made.cert, X509_get_subject_name(issuer));
    add_extension(made.cert, issuer, NID_basic_constraints,
                  wish->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (wish->alt)
        add_extension(made.cert, issuer, NID_subject_alt_name, wish->alt);
    X509_sign(made.cert, wish->by ? wish->by->key : made.key, EVP_sha256());
    return made;
}

/* Makes one and keeps it until unmake_all. */
static struct made made_ones[256];
static int made_count;

static const struct made *a_made(struct wish wish)
{
    assert_true(made_count < 256);
    if (wish.key)
        EVP_PKEY_up_ref(wish.key);
    made_ones[made_count] = make(&wish);
    return &made_ones[made_count++];
}
#define A_CERT(...) a_made((struct wish){__VA_ARGS__})

static inline void unmake_all(void)
{
    while (made_count) {
        made_count--;
        X509_free(made_ones[made_count].cert);
        EVP_PKEY_free(made_ones[made_count].key);
    }
}

/* Writes what follows the path, up to a NULL, to a PEM file of its own. */
static inline void write_certs(const char *path, const struct made *const *all)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (; *all; all++)
        PEM_write_X509(file, (*all)->cert);
    fclose(file);
}
#define WRITE_CERTS(path, ...) write_certs(path, (const struct made *const[]){__VA_ARGS__, NULL})

static inline void write_key(const char *path, const struct made *one)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    PEM_write_PrivateKey(file, one->key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
}

#endif
