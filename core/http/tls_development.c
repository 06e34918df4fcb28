/* tls_development.c -- see tls_development.h */
#include "http/tls_development.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum {
    SERIAL_SIZE = 16, /* bytes; RFC 5280, 4.1.2.2: at most 20 */
    EARLIER = 3600    /* seconds: for a client whose clock is behind */
};

/* A positive number that no other certificate has. */
static bool set_serial(X509 *x)
{
    unsigned char bytes[SERIAL_SIZE];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40);
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    return good;
}

static bool set_name(X509 *x)
{
    X509_NAME *name = X509_get_subject_name(x);
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const unsigned char *)HW_TLS_DEVELOPMENT_NAME, -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(x, name) == 1;
}

static bool add_extensions(X509 *x)
{
    static const struct {
        int nid;
        const char *value;
    } all[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth"},
        {NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1"},
        {NID_subject_key_identifier, "hash"},
    };
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    bool good = true;
    for (size_t i = 0; good && i < sizeof all / sizeof *all; i++) {
        X509_EXTENSION *one = X509V3_EXT_conf_nid(NULL, &ctx, all[i].nid, all[i].value);
        good = one && X509_add_ext(x, one, -1) == 1;
        X509_EXTENSION_free(one);
    }
    return good;
}

static bool fill_in(X509 *x, EVP_PKEY *pkey)
{
    return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) && set_name(x) &&
           X509_gmtime_adj(X509_getm_notBefore(x), -EARLIER) &&
           X509_time_adj_ex(X509_getm_notAfter(x), HW_TLS_DEVELOPMENT_DAYS, 0, NULL) &&
           X509_set_pubkey(x, pkey) == 1 && add_extensions(x) &&
           X509_sign(x, pkey, EVP_sha256()) > 0;
}

bool hw_tls_development_make(BIO *key, BIO *certificate)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    bool good = pkey && x && fill_in(x, pkey) &&
                PEM_write_bio_PKCS8PrivateKey(key, pkey, NULL, NULL, 0, NULL, NULL) &&
                PEM_write_bio_X509(certificate, x);
    X509_free(x);
    EVP_PKEY_free(pkey);
    return good;
}
