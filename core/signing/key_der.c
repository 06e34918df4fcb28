/* key_der.c -- see key_der.h */
#include "signing/key_der.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <time.h>

/* Does a SEQUENCE begin here? *total is its length, header included. */
static bool der_sequence(struct hw_str bytes, size_t *total)
{
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    if (bytes.len < 2 || in[0] != 0x30)
        return false;
    size_t octets = in[1] & 0x7f;
    if (in[1] < 0x80) {
        *total = 2 + (size_t)in[1];
        return true;
    }
    if (octets < 1 || octets > 3 || bytes.len < 2 + octets)
        return false;
    size_t len = 0;
    for (size_t i = 0; i < octets; i++)
        len = len << 8 | in[2 + i];
    *total = 2 + octets + len;
    return true;
}

/* A text that begins with '0' (0x30) looks like DER: a short one must have the length it states. */
bool hw_key_is_der(struct hw_str bytes)
{
    size_t total;
    return der_sequence(bytes, &total) &&
           ((unsigned char)bytes.ptr[1] >= 0x80 || total == bytes.len);
}

static int refuse_algorithm(int nid, const struct hw_reason *why)
{
    switch (nid) {
    case NID_X9_62_id_ecPublicKey:
        return hw_refuse(why, "this is an EC key; an RSA key is needed");
    case NID_rsassaPss:
        return hw_refuse(why, "this is an RSA-PSS key, for PSS signatures only; a plain RSA key is "
                              "needed");
    case NID_dsa:
        return hw_refuse(why, "this is a DSA key; an RSA key is needed");
    case NID_ED25519:
        return hw_refuse(why, "this is an Ed25519 key; an RSA key is needed");
    case NID_undef:
        return hw_refuse(why, "this is a public key of an unknown kind; an RSA key is needed");
    }
    return hw_refuse(why, "this is a public key for %s; an RSA key is needed", OBJ_nid2ln(nid));
}

static int take_numbers(struct hw_key_numbers *numbers, const EVP_PKEY *pkey, const char *form,
                        const struct hw_reason *why)
{
    if (!pkey || !EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &numbers->n) ||
        !EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &numbers->e))
        return hw_refuse(why, "an RSA key that is damaged: its numbers can't be read");
    numbers->form = form;
    return 0;
}

static int read_spki(struct hw_key_numbers *numbers, X509_PUBKEY *spki, const char *form,
                     const struct hw_reason *why)
{
    ASN1_OBJECT *algorithm = NULL;
    if (!spki || !X509_PUBKEY_get0_param(&algorithm, NULL, NULL, NULL, spki))
        return hw_refuse(why, "no public key in it");
    int nid = OBJ_obj2nid(algorithm);
    if (nid != NID_rsaEncryption)
        return refuse_algorithm(nid, why);
    return take_numbers(numbers, X509_PUBKEY_get0(spki), form, why);
}

/* It has none of the public forms. Says which secret it is, if it is one. */
static int refuse_der(const unsigned char *in, long len, const struct hw_reason *why)
{
    const unsigned char *at = in;
    PKCS8_PRIV_KEY_INFO *pkcs8 = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, len);
    PKCS8_PRIV_KEY_INFO_free(pkcs8);
    at = in;
    EVP_PKEY *private = pkcs8 ? NULL : d2i_AutoPrivateKey(NULL, &at, len);
    EVP_PKEY_free(private);
    if (pkcs8 || private)
        return hw_refuse(why, "this is a private key; " HW_KEY_PUBLIC_HALF);
    at = in;
    X509_SIG *encrypted = d2i_X509_SIG(NULL, &at, len);
    X509_SIG_free(encrypted);
    if (encrypted)
        return hw_refuse(why, "this is an encrypted private key; " HW_KEY_PUBLIC_HALF);
    at = in;
    PKCS12 *pfx = d2i_PKCS12(NULL, &at, len);
    PKCS12_free(pfx);
    if (pfx)
        return hw_refuse(why,
                         "this is a PKCS#12 file, which holds a private key; keep it elsewhere "
                         "and give its certificate: openssl pkcs12 -in FILE -nokeys -clcerts");
    return hw_refuse(why, "DER, but not of a public key or a certificate");
}

static int64_t end_of(const X509 *certificate)
{
    struct tm tm;
    return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

int hw_key_der_read(struct hw_key_numbers *numbers, struct hw_str bytes,
                    const struct hw_der_forms *forms, const struct hw_reason *why)
{
    size_t total;
    if (!der_sequence(bytes, &total))
        return hw_refuse(why, "not the DER of a key");
    if (total > bytes.len)
        return hw_refuse(why, "a key that is cut short: %zu bytes of %zu", bytes.len, total);
    if (total < bytes.len)
        return hw_refuse(why, "%zu bytes more after the key; one key a file", bytes.len - total);
    const unsigned char *in = (const unsigned char *)bytes.ptr, *at = in;
    long len = (long)bytes.len;

    X509_PUBKEY *spki = d2i_X509_PUBKEY(NULL, &at, len);
    if (spki) {
        int rc = read_spki(numbers, spki, forms->spki, why);
        X509_PUBKEY_free(spki);
        return rc;
    }
    at = in;
    EVP_PKEY *pkcs1 = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, len);
    if (pkcs1) {
        int rc = take_numbers(numbers, pkcs1, forms->pkcs1, why);
        EVP_PKEY_free(pkcs1);
        return rc;
    }
    at = in;
    X509 *certificate = d2i_X509(NULL, &at, len);
    if (certificate) {
        int rc = read_spki(numbers, X509_get_X509_PUBKEY(certificate), forms->certificate, why);
        numbers->not_after = end_of(certificate);
        X509_free(certificate);
        return rc;
    }
    return refuse_der(in, len, why);
}
