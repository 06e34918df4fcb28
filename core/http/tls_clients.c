/* tls_clients.c -- see tls_clients.h */
#include "http/tls_clients.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "http/certificate.h"
#include "http/pem_file.h"

/* ---- the authorities ---- */

static int add_authority(struct hw_tls_clients *c, X509 *one, const char *path,
                         const struct hw_reason *why)
{
    char name[200];
    X509_NAME_oneline(X509_get_subject_name(one), name, sizeof name);
    if (X509_check_ca(one) == 0 && X509_check_issued(one, one) != X509_V_OK)
        return hw_refuse(why,
                         "%s: %s is not a CA's certificate; client_ca takes the certificate that "
                         "signed the clients' certificates",
                         path, name);
    X509_NAME *copy = X509_NAME_dup(X509_get_subject_name(one));
    if (!copy || !sk_X509_NAME_push(c->issuers, copy)) {
        X509_NAME_free(copy);
        return hw_refuse(why, "out of memory");
    }
    return X509_STORE_add_cert(c->store, one) == 1
               ? 0
               : hw_refuse(why, "%s: OpenSSL can't use %s", path, name);
}

static int add_authorities(struct hw_tls_clients *c, BIO *in, const char *path, size_t *count,
                           const struct hw_reason *why)
{
    X509 *one;
    int rc = 0;
    while (rc == 0 && (one = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
        time_t until = hw_certificate_time(X509_get0_notAfter(one));
        c->ca_until = until > c->ca_until ? until : c->ca_until;
        rc = add_authority(c, one, path, why);
        X509_free(one);
        ++*count;
    }
    return rc;
}

static int load_authorities(struct hw_tls_clients *c, const char *path, EVP_MD_CTX *digest,
                            const struct hw_reason *why)
{
    struct hw_pem_file file;
    size_t count = 0;
    int rc = hw_pem_file_read(&file, path, HW_PEM_CLIENT_CA, digest, why);
    BIO *in = rc == 0 ? hw_pem_file_open(&file) : NULL;
    ERR_clear_error();
    if (in)
        rc = add_authorities(c, in, path, &count, why);
    BIO_free(in);
    bool whole = hw_certificate_ended_well();
    hw_pem_file_fini(&file);
    if (rc)
        return rc;
    if (count == 0 || !whole)
        return hw_refuse(why, "%s: %s", path,
                         count
                             ? "a certificate in it is damaged; get the file anew"
                             : "no certificate in PEM (\"-----BEGIN CERTIFICATE-----\"); client_ca "
                               "takes the certificate that signed the clients' certificates");
    return 0;
}

/* ---- the revocation lists ---- */

static int add_list(struct hw_tls_clients *c, X509_CRL *list, const char *path,
                    const struct hw_reason *why)
{
    time_t until = hw_certificate_time(X509_CRL_get0_nextUpdate(list));
    if (until && (!c->list_until || until < c->list_until))
        c->list_until = until;
    return X509_STORE_add_crl(c->store, list) == 1
               ? 0
               : hw_refuse(why, "%s: OpenSSL can't use this list", path);
}

static int load_lists(struct hw_tls_clients *c, const char *path, EVP_MD_CTX *digest,
                      const struct hw_reason *why)
{
    struct hw_pem_file file;
    X509_CRL *list;
    size_t count = 0;
    int rc = hw_pem_file_read(&file, path, HW_PEM_CRL, digest, why);
    BIO *in = rc == 0 ? hw_pem_file_open(&file) : NULL;
    ERR_clear_error();
    for (; in && rc == 0 && (list = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL)); count++) {
        rc = add_list(c, list, path, why);
        X509_CRL_free(list);
    }
    BIO_free(in);
    bool whole = hw_certificate_ended_well();
    hw_pem_file_fini(&file);
    if (rc == 0 && (count == 0 || !whole))
        rc = hw_refuse(why, "%s: %s", path,
                       count ? "a list in it is damaged; get the file anew"
                             : "no revocation list in PEM (\"-----BEGIN X509 CRL-----\"); if it is "
                               "DER, convert it: openssl crl -inform DER -in FILE -out NEW.pem");
    X509_STORE_set_flags(c->store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return rc;
}

int hw_tls_clients_check_time(const struct hw_tls_clients *c, const struct hw_reason *why)
{
    char when[32];
    time_t now = time(NULL);
    if (c->store && c->ca_until < now)
        return hw_refuse(why, "%s: this CA's certificate expired on %s; get the new one",
                         c->ca_file, hw_certificate_when(c->ca_until, when));
    if (c->list_until && c->list_until < now)
        return hw_refuse(why,
                         "%s: the list expired on %s; get the new one, or have your CA "
                         "make it: openssl ca -gencrl",
                         c->list_file, hw_certificate_when(c->list_until, when));
    return 0;
}

/* ---- loading ---- */

static int copy_names(struct hw_tls_clients *c, const struct hw_tls_files *files,
                      EVP_MD_CTX *digest, const struct hw_reason *why)
{
    c->ca_file = strdup(files->client_ca);
    c->list_file = strdup(files->crl ? files->crl : "");
    c->names = calloc(files->name_count + 1, sizeof *c->names);
    for (size_t i = 0; c->names && i < files->name_count; i++) {
        const char *name = files->client_names[i];
        c->names[i] = strdup(name);
        if (!c->names[i] || (digest && EVP_DigestUpdate(digest, name, strlen(name) + 1) != 1))
            return hw_refuse(why, "out of memory");
        c->name_count++;
    }
    return c->names && c->ca_file && c->list_file ? 0 : hw_refuse(why, "out of memory");
}

int hw_tls_clients_load(struct hw_tls_clients *c, const struct hw_tls_files *files,
                        EVP_MD_CTX *digest, const struct hw_reason *why)
{
    *c = (struct hw_tls_clients){0};
    if (!files->client_ca)
        return 0;
    c->store = X509_STORE_new();
    c->issuers = sk_X509_NAME_new_null();
    if (!c->store || !c->issuers)
        return hw_refuse(why, "out of memory");
    /* A file may hold only the CA between the root and the clients: that one is trusted then. */
    X509_STORE_set_flags(c->store, X509_V_FLAG_PARTIAL_CHAIN);
    int rc = load_authorities(c, files->client_ca, digest, why);
    if (rc == 0 && files->crl)
        rc = load_lists(c, files->crl, digest, why);
    if (rc == 0)
        rc = copy_names(c, files, digest, why);
    ERR_clear_error();
    return rc;
}

void hw_tls_clients_fini(struct hw_tls_clients *c)
{
    X509_STORE_free(c->store);
    sk_X509_NAME_pop_free(c->issuers, X509_NAME_free);
    for (size_t i = 0; i < c->name_count; i++)
        free(c->names[i]);
    free(c->names);
    free(c->ca_file);
    free(c->list_file);
    *c = (struct hw_tls_clients){0};
}

bool hw_tls_clients_apply(const struct hw_tls_clients *c, SSL_CTX *ctx, SSL_verify_cb verify)
{
    STACK_OF(X509_NAME) *issuers = SSL_dup_CA_list(c->issuers);
    if (!issuers)
        return false;
    SSL_CTX_set_client_CA_list(ctx, issuers); /* takes it over */
    SSL_CTX_set1_cert_store(ctx, c->store);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, verify);
    SSL_CTX_set_verify_depth(ctx, HW_CERTIFICATE_CHAIN_MAX);
    return true;
}

/* ---- the client's name ---- */

/* A name that is too long is none: its beginning might be another client's name. */
static const char *if_short(const char *name)
{
    return name && strlen(name) < HW_TLS_CLIENT_MAX ? name : NULL;
}

/* The DNS name, URI or e-mail address of an entry; NULL for other kinds. */
static const char *entry_name(const GENERAL_NAME *entry)
{
    switch (entry->type) {
    case GEN_DNS:
        return if_short(hw_certificate_text(entry->d.dNSName));
    case GEN_URI:
        return if_short(hw_certificate_text(entry->d.uniformResourceIdentifier));
    case GEN_EMAIL:
        return if_short(hw_certificate_text(entry->d.rfc822Name));
    default:
        return NULL;
    }
}

/* DNS names are compared without case; URIs and e-mail addresses are compared exactly. */
static bool is_wanted(const GENERAL_NAME *entry, const char *name, const char *wanted)
{
    return entry->type == GEN_DNS ? strcasecmp(name, wanted) == 0 : strcmp(name, wanted) == 0;
}

static const char *find_wanted(const struct hw_tls_clients *c, GENERAL_NAMES *names)
{
    for (size_t k = 0; k < c->name_count; k++)
        for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
            const GENERAL_NAME *entry = sk_GENERAL_NAME_value(names, i);
            const char *name = entry_name(entry);
            if (name && is_wanted(entry, name, c->names[k]))
                return c->names[k];
        }
    return NULL;
}

static const char *first_name(GENERAL_NAMES *names)
{
    const char *other = NULL;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *entry = sk_GENERAL_NAME_value(names, i);
        const char *name = entry_name(entry);
        if (name && entry->type == GEN_DNS)
            return name;
        other = other ? other : name;
    }
    return other;
}

/* Finds out what the client is called. Returns false when it has none of client_names. */
static bool name_client(const struct hw_tls_clients *c, X509 *certificate,
                        struct hw_tls_client *client)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    const char *shown = first_name(names), *wanted = find_wanted(c, names);
    if (!shown)
        shown = if_short(hw_certificate_common_name(X509_get_subject_name(certificate)));
    bool accepted = wanted || c->name_count == 0;
    if (accepted)
        snprintf(client->name, sizeof client->name, "%s", wanted ? wanted : shown ? shown : "");
    else
        snprintf(client->why, sizeof client->why, "\"%.100s\" is not in client_names",
                 shown ? shown : "");
    GENERAL_NAMES_free(names);
    return accepted;
}

/* ---- verification ---- */

/* A CA of client_ca is trusted because it is in the file; no list needs to say that it was not
 * revoked. */
static bool is_about_anchor(X509_STORE_CTX *step)
{
    return X509_STORE_CTX_get_error(step) == X509_V_ERR_UNABLE_TO_GET_CRL &&
           X509_STORE_CTX_get_error_depth(step) ==
               sk_X509_num(X509_STORE_CTX_get0_chain(step)) - 1 &&
           X509_STORE_CTX_get_error_depth(step) > 0;
}

int hw_tls_clients_verify(const struct hw_tls_clients *c, struct hw_tls_client *client, int ok,
                          X509_STORE_CTX *step)
{
    if (!ok && is_about_anchor(step)) {
        X509_STORE_CTX_set_error(step, X509_V_OK);
        return 1;
    }
    if (!ok) {
        int depth = X509_STORE_CTX_get_error_depth(step);
        snprintf(client->why, sizeof client->why, "client certificate%s: %s",
                 depth > 0 ? "'s issuer" : "",
                 X509_verify_cert_error_string(X509_STORE_CTX_get_error(step)));
        return 0;
    }
    if (X509_STORE_CTX_get_error_depth(step) > 0 ||
        name_client(c, X509_STORE_CTX_get_current_cert(step), client))
        return 1;
    X509_STORE_CTX_set_error(step, X509_V_ERR_HOSTNAME_MISMATCH); /* the alert: bad_certificate */
    return 0;
}
