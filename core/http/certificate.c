/* certificate.c -- see certificate.h */
#include "http/certificate.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/pem_file.h"

/* ---- times ---- */

time_t hw_certificate_time(const ASN1_TIME *time)
{
    struct tm parts;
    return time && ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

int64_t hw_certificate_days(time_t not_after, time_t now)
{
    int64_t left = (int64_t)not_after - (int64_t)now;
    int64_t days = left / HW_CERTIFICATE_DAY_S;
    return left % HW_CERTIFICATE_DAY_S < 0 ? days - 1 : days;
}

bool hw_certificate_ends_soon(const struct hw_certificate *c, time_t now)
{
    int64_t left = (int64_t)c->not_after - (int64_t)now;
    return left <= (int64_t)HW_CERTIFICATE_NOTICE_DAYS * HW_CERTIFICATE_DAY_S;
}

const char *hw_certificate_when(time_t time, char text[32])
{
    struct tm parts;
    if (!gmtime_r(&time, &parts) || strftime(text, 32, "%Y-%m-%d %H:%M UTC", &parts) == 0)
        snprintf(text, 32, "an unknown time");
    return text;
}

/* ---- names ---- */

const char *hw_certificate_text(const ASN1_STRING *string)
{
    const char *text = (const char *)ASN1_STRING_get0_data(string);
    size_t len = (size_t)ASN1_STRING_length(string);
    return len > 0 && strlen(text) == len ? text : NULL;
}

const char *hw_certificate_common_name(const X509_NAME *name)
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    const X509_NAME_ENTRY *entry = at < 0 ? NULL : X509_NAME_get_entry(name, at);
    return entry ? hw_certificate_text(X509_NAME_ENTRY_get_data(entry)) : NULL;
}

static GENERAL_NAMES *alternatives(const X509 *certificate)
{
    return X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
}

void hw_certificate_each_name(X509 *certificate, void (*each)(void *ud, const char *name), void *ud)
{
    GENERAL_NAMES *names = alternatives(certificate);
    const char *name;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *entry = sk_GENERAL_NAME_value(names, i);
        if (entry->type == GEN_DNS && (name = hw_certificate_text(entry->d.dNSName)))
            each(ud, name);
    }
    if (!names && (name = hw_certificate_common_name(X509_get_subject_name(certificate))))
        each(ud, name);
    GENERAL_NAMES_free(names);
}

static void add_name(void *out, const char *name)
{
    BIO_printf(out, "%s%s", BIO_pending((BIO *)out) ? ", " : "", name);
}

static void add_address(BIO *out, const ASN1_OCTET_STRING *address)
{
    char text[INET6_ADDRSTRLEN];
    int len = ASN1_STRING_length(address);
    if ((len == 4 || len == 16) &&
        inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), text, sizeof text))
        add_name(out, text);
}

/* Returns what was written to `out`, from malloc, and frees `out`. */
static char *take_text(BIO *out)
{
    char *text = NULL;
    long len = out ? BIO_get_mem_data(out, &text) : 0;
    text = out ? strndup(text ? text : "", (size_t)len) : NULL;
    BIO_free(out);
    return text;
}

static char *list_names(X509 *certificate)
{
    BIO *out = BIO_new(BIO_s_mem());
    GENERAL_NAMES *names = alternatives(certificate);
    if (out)
        hw_certificate_each_name(certificate, add_name, out);
    for (int i = 0; out && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *entry = sk_GENERAL_NAME_value(names, i);
        if (entry->type == GEN_IPADD)
            add_address(out, entry->d.iPAddress);
    }
    GENERAL_NAMES_free(names);
    return take_text(out);
}

static char *name_issuer(X509 *certificate)
{
    const X509_NAME *issuer = X509_get_issuer_name(certificate);
    const char *name = hw_certificate_common_name(issuer);
    if (name)
        return strdup(name);
    BIO *out = BIO_new(BIO_s_mem());
    if (out)
        X509_NAME_print_ex(out, issuer, 0, XN_FLAG_ONELINE);
    return take_text(out);
}

/* ---- the key's kind ---- */

static void name_kind(const EVP_PKEY *key, char *kind, size_t size)
{
    static const char *const curves[][2] = {
        {"prime256v1", "P-256"}, {"secp384r1", "P-384"}, {"secp521r1", "P-521"}};
    char group[40] = "";
    if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) {
        snprintf(kind, size, "RSA %d", EVP_PKEY_get_bits(key));
    } else if (EVP_PKEY_is_a(key, "EC")) {
        EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL);
        const char *name = group;
        for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
            name = strcmp(group, curves[i][0]) == 0 ? curves[i][1] : name;
        snprintf(kind, size, "ECDSA %.20s", name);
    } else {
        const char *name = EVP_PKEY_get0_type_name(key);
        const bool edwards = name && strncasecmp(name, "ED", 2) == 0;
        snprintf(kind, size, "%s%.20s", edwards ? "Ed" : "", name ? name + 2 * edwards : "?");
    }
}

/* A key that OpenSSL can sign TLS handshakes with. */
static int check_kind(const EVP_PKEY *key, const char *path, const struct hw_reason *why)
{
    const bool rsa = EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS");
    if (rsa && EVP_PKEY_get_bits(key) < HW_CERTIFICATE_RSA_BITS_MIN)
        return hw_refuse(why,
                         "%s: an RSA key of %d bits, fewer than %d; make a new key, best an ECDSA "
                         "one: openssl ecparam -name prime256v1 -genkey -noout",
                         path, EVP_PKEY_get_bits(key), HW_CERTIFICATE_RSA_BITS_MIN);
    if (rsa || EVP_PKEY_is_a(key, "EC") || EVP_PKEY_is_a(key, "ED25519") ||
        EVP_PKEY_is_a(key, "ED448"))
        return 0;
    return hw_refuse(why, "%s: a key of a kind that TLS can't use; make an ECDSA or an RSA key",
                     path);
}

/* ---- the private key ---- */

/* Keeps OpenSSL from asking for a password at the terminal. */
static int no_password(char *buffer, int size, int writing, void *asked)
{
    (void)buffer, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

static int explain_key(const struct hw_pem_file *file, bool encrypted, const struct hw_reason *why)
{
    const char *path = file->path;
    if (encrypted)
        return hw_refuse(why,
                         "%s: the key is encrypted, and nobody can type its password when the host "
                         "starts; decrypt it: openssl pkey -in %s -out NEW.pem",
                         path, path);
    if (hw_pem_file_has(file, "PRIVATE KEY"))
        return hw_refuse(why, "%s: the private key in it is damaged, or of an unknown kind", path);
    if (hw_pem_file_has(file, "CERTIFICATE"))
        return hw_refuse(
            why, "%s: a certificate, not a private key; `key` and `cert` may be mixed up", path);
    if (hw_pem_file_has(file, "PUBLIC KEY"))
        return hw_refuse(why, "%s: a public key; TLS needs the private one", path);
    return hw_refuse(
        why,
        "%s: not a private key in PEM (\"-----BEGIN PRIVATE KEY-----\"); if it is DER, "
        "convert it: openssl pkey -inform DER -in %s -out NEW.pem",
        path, path);
}

static int read_key(struct hw_certificate *c, const char *path, EVP_MD_CTX *digest,
                    const struct hw_reason *why)
{
    struct hw_pem_file file;
    bool asked = false;
    int rc = hw_pem_file_read(&file, path, HW_PEM_KEY, digest, why);
    BIO *in = rc == 0 ? hw_pem_file_open(&file) : NULL;
    if (in)
        c->key = PEM_read_bio_PrivateKey(in, NULL, no_password, &asked);
    if (rc == 0 && !c->key)
        rc = explain_key(&file, asked, why);
    BIO_free(in);
    hw_pem_file_fini(&file);
    return rc ? rc : check_kind(c->key, path, why);
}

/* ---- the certificates ---- */

size_t hw_certificate_read_all(BIO *in, X509 **out, size_t max)
{
    size_t count = 0;
    X509 *one;
    while ((one = PEM_read_bio_X509_AUX(in, NULL, NULL, NULL))) {
        if (count < max)
            out[count] = one;
        else
            X509_free(one);
        count++;
    }
    return count;
}

static bool is_pkcs12(const struct hw_pem_file *file)
{
    const unsigned char *bytes = (const unsigned char *)file->bytes;
    PKCS12 *read = d2i_PKCS12(NULL, &bytes, (long)file->len);
    PKCS12_free(read);
    return read != NULL;
}

static int explain_certificate(const struct hw_pem_file *file, const struct hw_reason *why)
{
    const char *path = file->path;
    if (hw_pem_file_has(file, "CERTIFICATE"))
        return hw_refuse(why, "%s: a certificate in it is damaged; get the file anew", path);
    if (hw_pem_file_has(file, "PRIVATE KEY"))
        return hw_refuse(
            why, "%s: a private key, not a certificate; `cert` and `key` may be mixed up", path);
    if (hw_pem_file_has(file, "CERTIFICATE REQUEST"))
        return hw_refuse(why, "%s: a certificate request; save the certificate that your CA issued",
                         path);
    if (is_pkcs12(file))
        return hw_refuse(why,
                         "%s: a PKCS #12 file; convert it, and name the new file as `cert` and "
                         "`key`: openssl pkcs12 -in %s -nodes -out NEW.pem",
                         path, path);
    return hw_refuse(
        why,
        "%s: not a certificate in PEM (\"-----BEGIN CERTIFICATE-----\"); if it is DER, "
        "convert it: openssl x509 -inform DER -in %s -out NEW.pem",
        path, path);
}

bool hw_certificate_ended_well(void)
{
    unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

static int read_chain(struct hw_certificate *c, const char *path, EVP_MD_CTX *digest,
                      const struct hw_reason *why)
{
    struct hw_pem_file file;
    int rc = hw_pem_file_read(&file, path, HW_PEM_CERTIFICATE, digest, why);
    BIO *in = rc == 0 ? hw_pem_file_open(&file) : NULL;
    ERR_clear_error();
    size_t count = in ? hw_certificate_read_all(in, c->chain, HW_CERTIFICATE_CHAIN_MAX) : 0;
    c->count = count < HW_CERTIFICATE_CHAIN_MAX ? count : HW_CERTIFICATE_CHAIN_MAX;
    if (rc == 0 && (count == 0 || !hw_certificate_ended_well()))
        rc = explain_certificate(&file, why);
    else if (rc == 0 && count > HW_CERTIFICATE_CHAIN_MAX)
        rc = hw_refuse(why, "%s: %zu certificates, more than %d; it must hold one chain only", path,
                       count, HW_CERTIFICATE_CHAIN_MAX);
    BIO_free(in);
    hw_pem_file_fini(&file);
    return rc;
}

bool hw_certificate_lacks_chain(const struct hw_certificate *certificate)
{
    if (certificate->count != 1)
        return false;
    AUTHORITY_INFO_ACCESS *access =
        X509_get_ext_d2i(certificate->chain[0], NID_info_access, NULL, NULL);
    bool found = false;
    for (int i = 0; !found && i < sk_ACCESS_DESCRIPTION_num(access); i++)
        found = OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(access, i)->method) == NID_ad_ca_issuers;
    AUTHORITY_INFO_ACCESS_free(access);
    return found;
}

/* ---- do they belong together? ---- */

static bool fits(X509 *certificate, const EVP_PKEY *key)
{
    const EVP_PKEY *public = X509_get0_pubkey(certificate);
    return public && EVP_PKEY_eq(public, key) == 1;
}

static int check_fit(const struct hw_certificate *c, const char *cert, const char *key,
                     const struct hw_reason *why)
{
    if (fits(c->chain[0], c->key))
        return 0;
    for (size_t i = 1; i < c->count; i++)
        if (fits(c->chain[i], c->key))
            return hw_refuse(why,
                             "%s: the chain is in the wrong order: the certificate of the key is "
                             "number %zu and must be the first, then the one that signed it",
                             cert, i + 1);
    return hw_refuse(why,
                     "%s: this key does not fit the certificate %s; a renewal replaces both files",
                     key, cert);
}

static bool signed_by(X509 *lower, X509 *upper)
{
    EVP_PKEY *key = X509_get0_pubkey(upper);
    return X509_check_issued(upper, lower) == X509_V_OK && key && X509_verify(lower, key) == 1;
}

static int check_order(const struct hw_certificate *c, const char *cert,
                       const struct hw_reason *why)
{
    for (size_t i = 1; i < c->count; i++)
        if (!signed_by(c->chain[i - 1], c->chain[i]))
            return hw_refuse(why,
                             "%s: certificate number %zu did not sign number %zu; put them in "
                             "order, the server's first, each followed by the one that signed it",
                             cert, i + 1, i);
    return 0;
}

/* Of the chain's certificate number `i`, from 0. */
static int check_time(const struct hw_certificate *c, size_t i, const struct hw_reason *why)
{
    char when[32], number[48] = "";
    time_t now = time(NULL), not_before = hw_certificate_time(X509_get0_notBefore(c->chain[i]));
    time_t not_after = hw_certificate_time(X509_get0_notAfter(c->chain[i]));
    if (i > 0)
        snprintf(number, sizeof number, " (number %zu of the chain)", i + 1);
    if (now > not_after)
        return hw_refuse(why, "%s: the certificate%s expired on %s; renew it", c->file, number,
                         hw_certificate_when(not_after, when));
    if (now < not_before)
        return hw_refuse(why,
                         "%s: the certificate%s is not valid before %s; is this machine's clock "
                         "right?",
                         c->file, number, hw_certificate_when(not_before, when));
    return 0;
}

int hw_certificate_check_time(const struct hw_certificate *c, const struct hw_reason *why)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->count; i++)
        rc = check_time(c, i, why);
    return rc;
}

/* A chain is valid as long as all of it is. */
static void set_times(struct hw_certificate *c)
{
    for (size_t i = 0; i < c->count; i++) {
        time_t not_before = hw_certificate_time(X509_get0_notBefore(c->chain[i]));
        time_t not_after = hw_certificate_time(X509_get0_notAfter(c->chain[i]));
        c->not_before = i == 0 || not_before > c->not_before ? not_before : c->not_before;
        c->not_after = i == 0 || not_after < c->not_after ? not_after : c->not_after;
    }
}

static int describe(struct hw_certificate *c, const char *cert, const struct hw_reason *why)
{
    const EVP_PKEY *key = X509_get0_pubkey(c->chain[0]);
    if (!key)
        return hw_refuse(why, "%s: OpenSSL can't use the key of this certificate", cert);
    name_kind(key, c->kind, sizeof c->kind);
    set_times(c);
    c->file = strdup(cert);
    c->names = list_names(c->chain[0]);
    c->issuer = name_issuer(c->chain[0]);
    if (!c->file || !c->names || !c->issuer)
        return hw_refuse(why, "out of memory");
    return 0;
}

int hw_certificate_read(struct hw_certificate *c, const char *cert, const char *key,
                        EVP_MD_CTX *digest, const struct hw_reason *why)
{
    *c = (struct hw_certificate){0};
    int rc = read_chain(c, cert, digest, why);
    rc = rc ? rc : describe(c, cert, why);
    rc = rc ? rc : read_key(c, key, digest, why);
    rc = rc ? rc : check_fit(c, cert, key, why);
    rc = rc ? rc : check_order(c, cert, why);
    ERR_clear_error();
    return rc;
}

void hw_certificate_fini(struct hw_certificate *c)
{
    for (size_t i = 0; i < c->count; i++)
        X509_free(c->chain[i]);
    EVP_PKEY_free(c->key);
    free(c->file);
    free(c->names);
    free(c->issuer);
    *c = (struct hw_certificate){0};
}
