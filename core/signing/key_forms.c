/* key_forms.c -- see key_forms.h
 *
 * How     binary forms are known by their first bytes, text forms by theirs; what is none of them
 *         may be Base64 of a binary form. A PEM block's label only tells what to refuse: what is
 *         inside is recognised again, because labels are often wrong (PKCS#1 as PUBLIC KEY). */
#include "signing/key_forms.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/error.h"
#include "signing/key_numbers.h"

#define PUBLIC_HALF "keep it elsewhere and give its public half: openssl pkey -in FILE -pubout"

/* How each content is called in each wrapping. */
struct der_forms {
    const char *spki, *pkcs1, *certificate;
};

static const struct der_forms in_pem = {"PEM", "PEM PKCS#1", "PEM certificate"};
static const struct der_forms in_der = {"DER", "DER PKCS#1", "DER certificate"};
static const struct der_forms in_base64 = {"Base64 of DER", "Base64 of PKCS#1",
                                           "Base64 of certificate"};

int hw_refuse(const struct hw_reason *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, why->size, format, arguments);
    va_end(arguments);
    return HW_EFAILED;
}

void hw_key_numbers_fini(struct hw_key_numbers *numbers)
{
    BN_free(numbers->n);
    BN_free(numbers->e);
    *numbers = (struct hw_key_numbers){0};
}

/* ---- plain bytes ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool starts_with(struct hw_str text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.ptr, prefix, len) == 0;
}

static struct hw_str from(struct hw_str text, size_t offset)
{
    return (struct hw_str){text.ptr + offset, text.len - offset};
}

/* The text from the first `needle` on; {NULL, 0} without one. */
static struct hw_str find(struct hw_str text, const char *needle)
{
    const char *at = text.len ? memmem(text.ptr, text.len, needle, strlen(needle)) : NULL;
    return at ? from(text, (size_t)(at - text.ptr)) : HW_STR_NONE;
}

static struct hw_str trim(struct hw_str text)
{
    while (text.len && is_space(text.ptr[0]))
        text = from(text, 1);
    while (text.len && is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* A text copied out of a JSON answer keeps its quotes. */
static struct hw_str unquote(struct hw_str text)
{
    if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
        return (struct hw_str){text.ptr + 1, text.len - 2};
    return text;
}

struct hw_str hw_key_forms_plain(struct hw_str text)
{
    char *copy = OPENSSL_malloc(text.len + 1);
    if (!copy)
        return HW_STR_NONE;
    bool little = starts_with(text, "\xff\xfe"), big = starts_with(text, "\xfe\xff");
    size_t len = 0;
    if (little || big) {
        for (size_t i = 2; i + 1 < text.len; i += 2) {
            char low = text.ptr[i + big], high = text.ptr[i + little];
            copy[len++] = high == 0 && low > 0 ? low : '?';
        }
    } else {
        if (starts_with(text, "\xef\xbb\xbf"))
            text = from(text, 3);
        if (text.len)
            memcpy(copy, text.ptr, text.len);
        len = text.len;
    }
    copy[len] = '\0';
    return (struct hw_str){copy, len};
}

unsigned char *hw_key_forms_base64(struct hw_str text, size_t *len)
{
    char *letters = OPENSSL_malloc(text.len + 1);
    unsigned char *bytes = OPENSSL_malloc(text.len + 1);
    size_t count = 0;
    for (size_t i = 0; letters && i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\\' && i + 1 < text.len && (text.ptr[i + 1] == 'n' || text.ptr[i + 1] == 'r'))
            i++;
        else if (!is_space(c))
            letters[count++] = c;
    }
    long size = -1;
    if (letters && bytes)
        size = hw_base64_decode(bytes, text.len + 1, (struct hw_str){letters, count});
    OPENSSL_clear_free(letters, text.len + 1);
    if (size <= 0) {
        OPENSSL_free(bytes);
        return NULL;
    }
    *len = (size_t)size;
    return bytes;
}

/* ---- DER ---- */

/* The first element of a DER text is a SEQUENCE; *total is its whole length. */
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

/* '0' is 0x30 as well: a short text that begins so is DER only if its length agrees. */
static bool is_der(struct hw_str bytes)
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

/* None of the public forms: say which secret it is, if it is one. */
static int refuse_der(const unsigned char *in, long len, const struct hw_reason *why)
{
    const unsigned char *at = in;
    PKCS8_PRIV_KEY_INFO *pkcs8 = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, len);
    PKCS8_PRIV_KEY_INFO_free(pkcs8);
    at = in;
    EVP_PKEY *private = pkcs8 ? NULL : d2i_AutoPrivateKey(NULL, &at, len);
    EVP_PKEY_free(private);
    if (pkcs8 || private)
        return hw_refuse(why, "this is a private key; " PUBLIC_HALF);
    at = in;
    X509_SIG *encrypted = d2i_X509_SIG(NULL, &at, len);
    X509_SIG_free(encrypted);
    if (encrypted)
        return hw_refuse(why, "this is an encrypted private key; " PUBLIC_HALF);
    at = in;
    PKCS12 *pfx = d2i_PKCS12(NULL, &at, len);
    PKCS12_free(pfx);
    if (pfx)
        return hw_refuse(why,
                         "this is a PKCS#12 file, which holds a private key; keep it elsewhere "
                         "and give its certificate: openssl pkcs12 -in FILE -nokeys -clcerts");
    return hw_refuse(why, "DER, but not of a public key or a certificate");
}

static int read_der(struct hw_key_numbers *numbers, struct hw_str bytes,
                    const struct der_forms *forms, const struct hw_reason *why)
{
    size_t total;
    if (!der_sequence(bytes, &total))
        return hw_refuse(why, "not the DER of a key");
    if (total > bytes.len)
        return hw_refuse(why, "a key that is cut short: %zu bytes of %zu", bytes.len, total);
    if (total < bytes.len)
        return hw_refuse(why, "%zu bytes more behind the key; one key a file", bytes.len - total);
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
        X509_free(certificate);
        return rc;
    }
    return refuse_der(in, len, why);
}

/* ---- PEM ---- */

/* The label of the block that `text` begins with, "-----BEGIN " and all; empty when it has none. */
static struct hw_str pem_label(struct hw_str text)
{
    struct hw_str label = from(text, sizeof("-----BEGIN ") - 1);
    for (size_t i = 0; i < label.len && i <= 48; i++) {
        char c = label.ptr[i];
        if (c == '-')
            return (struct hw_str){label.ptr, i};
        if (c != ' ' && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9'))
            break;
    }
    return HW_STR_NONE;
}

static int refuse_pem_private(struct hw_str label, const struct hw_reason *why)
{
    if (starts_with(label, "OPENSSH"))
        return hw_refuse(why,
                         "this is an OpenSSH private key; keep it elsewhere and give its public "
                         "half: ssh-keygen -e -m PKCS8 -f FILE");
    return hw_refuse(why, "this is %s private key (%.*s); " PUBLIC_HALF,
                     starts_with(label, "ENCRYPTED") ? "an encrypted" : "a", HW_STR_ARG(label));
}

/* Looks at every block: a private one is refused as such wherever it stands. Returns their number,
 * or HW_EFAILED. */
static int pem_blocks(struct hw_str text, const struct hw_reason *why)
{
    int count = 0;
    for (struct hw_str at = find(text, "-----BEGIN "); at.len; count++) {
        struct hw_str label = pem_label(at);
        if (find(label, "PRIVATE KEY").len)
            return refuse_pem_private(label, why);
        at = find(from(at, 1), "-----BEGIN ");
    }
    return count;
}

static int read_pem(struct hw_key_numbers *numbers, struct hw_str text, const struct hw_reason *why)
{
    int blocks = pem_blocks(text, why);
    if (blocks < 0)
        return blocks;
    if (blocks > 1)
        return hw_refuse(why, "%d PEM blocks in one file; one key a file", blocks);
    struct hw_str begin = find(text, "-----BEGIN ");
    struct hw_str label = pem_label(begin);
    if (label.len == 0)
        return hw_refuse(why, "a PEM block whose BEGIN line is damaged");
    if (!hw_str_eq(label, HW_STR("PUBLIC KEY")) && !hw_str_eq(label, HW_STR("RSA PUBLIC KEY")) &&
        !hw_str_eq(label, HW_STR("CERTIFICATE")) && !hw_str_eq(label, HW_STR("X509 CERTIFICATE")))
        return hw_refuse(why, "a PEM block \"%.*s\", not a public key or a certificate",
                         HW_STR_ARG(label));
    char mark[80];
    int marked = snprintf(mark, sizeof mark, "-----BEGIN %.*s-----", HW_STR_ARG(label));
    struct hw_str inside = starts_with(begin, mark) ? from(begin, (size_t)marked) : HW_STR_NONE;
    snprintf(mark, sizeof mark, "-----END %.*s-----", HW_STR_ARG(label));
    struct hw_str end = find(inside, mark);
    if (!end.len)
        return hw_refuse(why, "a PEM block without its END line");
    inside.len -= end.len;
    size_t len = 0;
    unsigned char *der = hw_key_forms_base64(inside, &len);
    if (!der)
        return hw_refuse(why, "a PEM block that is damaged: what is inside is not Base64");
    int rc = read_der(numbers, (struct hw_str){(char *)der, len}, &in_pem, why);
    OPENSSL_clear_free(der, len);
    return rc;
}

/* ---- the rest ---- */

static int read_base64(struct hw_key_numbers *numbers, struct hw_str text,
                       const struct hw_reason *why)
{
    size_t len = 0;
    unsigned char *decoded = hw_key_forms_base64(text, &len);
    struct hw_str bytes = {(char *)decoded, len};
    int rc;
    if (decoded && is_der(bytes))
        rc = read_der(numbers, bytes, &in_base64, why);
    else if (decoded && hw_key_is_blob(bytes))
        rc = hw_key_blob_read(numbers, bytes, true, why);
    else
        rc =
            hw_refuse(why, "no known form of a public key (PEM, DER, Base64 of DER, .NET XML, JWK, "
                           "CSP or CNG blob)");
    OPENSSL_clear_free(decoded, len);
    return rc;
}

static bool is_ssh(struct hw_str text)
{
    return starts_with(text, "ssh-") || starts_with(text, "ecdsa-sha2-") ||
           starts_with(text, "sk-ssh-") || starts_with(text, "---- BEGIN SSH2 ");
}

static int read_text(struct hw_key_numbers *numbers, struct hw_str text,
                     const struct hw_reason *why)
{
    text = trim(text);
    if (find(text, "-----BEGIN ").len)
        return read_pem(numbers, text, why);
    text = trim(unquote(text));
    if (text.len == 0)
        return hw_refuse(why, "there is nothing in it");
    if (is_ssh(text))
        return hw_refuse(why, "this is an OpenSSH key; turn it into PEM: ssh-keygen -e -m PKCS8 -f "
                              "FILE");
    if (starts_with(text, "PuTTY-User-Key-File"))
        return hw_refuse(why, "this is a PuTTY private key; keep it elsewhere and give its public "
                              "half: puttygen FILE -O public-openssh, then ssh-keygen -e -m PKCS8");
    if (text.ptr[0] == '<')
        return hw_key_xml_read(numbers, text, why);
    if (text.ptr[0] == '{')
        return hw_key_jwk_read(numbers, text, why);
    return read_base64(numbers, text, why);
}

int hw_key_forms_read(struct hw_key_numbers *numbers, struct hw_str text,
                      const struct hw_reason *why)
{
    *numbers = (struct hw_key_numbers){0};
    if (is_der(text))
        return read_der(numbers, text, &in_der, why);
    if (hw_key_is_blob(text))
        return hw_key_blob_read(numbers, text, false, why);
    struct hw_str plain = hw_key_forms_plain(text);
    if (!plain.ptr)
        return hw_refuse(why, "out of memory");
    int rc = read_text(numbers, plain, why);
    OPENSSL_clear_free((char *)plain.ptr, text.len + 1);
    return rc;
}
