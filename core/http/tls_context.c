/* tls_context.c -- see tls_context.h */
#include "http/tls_context.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/clock.h"
#include "http/tls_clients.h"
#include "http/tls_tickets.h"

/* A name of a certificate, and the pair that serves it. */
struct served {
    char *name;
    size_t pair;
};

struct pair {
    struct hw_certificate certificate;
    SSL_CTX *ctx;
};

struct hw_tls_context {
    /* constant after make */
    struct pair *pairs;
    size_t pair_count;
    struct served *served; /* in the order of the pairs */
    size_t served_count, served_room;
    bool no_memory;
    struct hw_tls_clients clients;
    unsigned char digest[SHA256_DIGEST_LENGTH];

    /* leader only */
    struct hw_tls_tickets tickets;

    /* atomic */
    atomic_int refs;
};

/* What a session has besides its SSL. */
struct session {
    struct hw_tls_context *context;
    struct hw_tls_client client; /* not allocated unless client certificates are asked for */
};

/* ---- a session's own memory ---- */

/* OpenSSL calls this for every SSL of the process, those of libcurl included: they have none. */
static void on_session_free(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl,
                            void *argp)
{
    (void)parent, (void)data, (void)index, (void)argl, (void)argp;
    struct session *session = ptr;
    if (session)
        hw_tls_context_unref(session->context);
    free(session);
}

static int session_index = -1;

static void make_index(void)
{
    session_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_session_free);
}

static bool has_index(void)
{
    static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
    return CRYPTO_THREAD_run_once(&once, make_index) == 1 && session_index >= 0;
}

static struct session *session_of(const SSL *ssl)
{
    return SSL_get_ex_data(ssl, session_index);
}

/* ---- names ---- */

static void add_served(void *owner, const char *name)
{
    struct hw_tls_context *c = owner;
    if (c->served_count == c->served_room) {
        size_t room = c->served_room ? 2 * c->served_room : 8;
        struct served *more = realloc(c->served, room * sizeof *more);
        c->no_memory |= !more;
        if (!more)
            return;
        c->served = more;
        c->served_room = room;
    }
    char *copy = strdup(name);
    c->no_memory |= !copy;
    if (copy)
        c->served[c->served_count++] = (struct served){copy, c->pair_count};
}

static const struct served *find_exactly(const struct hw_tls_context *c, const char *name)
{
    for (size_t i = 0; i < c->served_count; i++)
        if (strcasecmp(c->served[i].name, name) == 0)
            return &c->served[i];
    return NULL;
}

/* "*.example.com" serves "a.example.com", and neither "example.com" nor "a.b.example.com"
 * (RFC 6125, 6.4.3). */
static const struct served *find_wildcard(const struct hw_tls_context *c, const char *name)
{
    const char *rest = strchr(name, '.');
    if (!rest || rest == name)
        return NULL;
    for (size_t i = 0; i < c->served_count; i++) {
        const char *own = c->served[i].name;
        if (own[0] == '*' && strcasecmp(own + 1, rest) == 0)
            return &c->served[i];
    }
    return NULL;
}

static const struct served *find(const struct hw_tls_context *c, const char *name)
{
    const struct served *found = find_exactly(c, name);
    return found ? found : find_wildcard(c, name);
}

bool hw_tls_context_twice(const struct hw_tls_context *c, char *line, size_t size)
{
    for (size_t i = 0; i < c->served_count; i++) {
        const struct served *first = find_exactly(c, c->served[i].name);
        if (first->pair == c->served[i].pair)
            continue;
        snprintf(line, size, "%s: %s is also a name of %s, which is listed first and serves it",
                 c->pairs[c->served[i].pair].certificate.file, first->name,
                 c->pairs[first->pair].certificate.file);
        return true;
    }
    return false;
}

/* ---- callbacks of OpenSSL ---- */

static int on_server_name(SSL *ssl, int *alert, void *owner)
{
    const struct hw_tls_context *c = owner;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const struct served *found = name ? find(c, name) : NULL;
    (void)alert;
    if (!found)
        return SSL_TLSEXT_ERR_NOACK;
    return SSL_set_SSL_CTX(ssl, c->pairs[found->pair].ctx) ? SSL_TLSEXT_ERR_OK
                                                           : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* The client's list is of texts, each after a byte with its length (RFC 7301, 3.1). */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned int in_len, void *unused)
{
    static const char ours[] = "http/1.1";
    (void)ssl, (void)unused;
    for (unsigned i = 0; i < in_len; i += 1u + in[i]) {
        if (in[i] != sizeof ours - 1 || memcmp(in + i + 1, ours, sizeof ours - 1) != 0)
            continue;
        *out = in + i + 1;
        *out_len = in[i];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* the alert: no_application_protocol */
}

/* Clients of TLS 1.3 use a ticket only once (RFC 8446, C.4), so they get a new one (2) each
 * time. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int encrypt)
{
    struct session *session = session_of(ssl);
    int rc =
        hw_tls_tickets_use(&session->context->tickets, hw_now_ns(), name, iv, cipher, mac, encrypt);
    return rc == 1 && !encrypt && SSL_version(ssl) >= TLS1_3_VERSION ? 2 : rc;
}

static int on_verify(int ok, X509_STORE_CTX *step)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(step, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct session *session = session_of(ssl);
    return hw_tls_clients_verify(&session->context->clients, &session->client, ok, step);
}

/* ---- making ---- */

#define CIPHERS_1_2                                                                                \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

/* Versions, ciphers, and what is switched off. Whatever the system's openssl.cnf says of these is
 * overruled. */
static bool set_rules(SSL_CTX *ctx)
{
    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ctx, CIPHERS_1_2) == 1 &&
           SSL_CTX_set_ciphersuites(ctx, CIPHERS_1_3) == 1 &&
           SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1 &&
           SSL_CTX_set_max_early_data(ctx, 0) == 1;
}

/* Sessions live in the clients' tickets only, so the host needs no memory for them. */
static bool set_sessions(const struct hw_tls_context *c, SSL_CTX *ctx)
{
    static const unsigned char id[] = "hookward";
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (c->clients.store) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        return SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
               hw_tls_clients_apply(&c->clients, ctx, on_verify);
    }
    SSL_CTX_set_timeout(ctx, HW_TLS_TICKETS_MS / 1000);
    return SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1) == 1 &&
           SSL_CTX_set_num_tickets(ctx, 1) == 1 &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1;
}

static bool set_certificate(SSL_CTX *ctx, const struct hw_certificate *certificate)
{
    bool good = SSL_CTX_use_certificate(ctx, certificate->chain[0]) == 1 &&
                SSL_CTX_use_PrivateKey(ctx, certificate->key) == 1;
    for (size_t i = 1; good && i < certificate->count; i++)
        good = SSL_CTX_add1_chain_cert(ctx, certificate->chain[i]) == 1;
    return good && SSL_CTX_check_private_key(ctx) == 1;
}

static bool set_names(struct hw_tls_context *c, SSL_CTX *ctx)
{
    SSL_CTX_set_tlsext_servername_arg(ctx, c);
    return SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name) == 1;
}

static int make_ctx(struct hw_tls_context *c, struct pair *pair, const struct hw_reason *why)
{
    ERR_clear_error();
    pair->ctx = SSL_CTX_new(TLS_server_method());
    if (!pair->ctx || !set_rules(pair->ctx) || !set_sessions(c, pair->ctx) ||
        !set_names(c, pair->ctx) || !set_certificate(pair->ctx, &pair->certificate)) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        hw_refuse(why, "%s: OpenSSL can't use it: %s", pair->certificate.file,
                  reason ? reason : "out of memory");
        ERR_clear_error();
        return -1;
    }
    return 0;
}

static int add_pair(struct hw_tls_context *c, const struct hw_tls_pair *files, EVP_MD_CTX *digest,
                    const struct hw_reason *why)
{
    struct pair *pair = &c->pairs[c->pair_count];
    int rc = hw_certificate_read(&pair->certificate, files->cert, files->key, digest, why);
    if (rc == 0)
        rc = make_ctx(c, pair, why);
    if (rc == 0)
        hw_certificate_each_name(pair->certificate.chain[0], add_served, c);
    c->pair_count++; /* so that a half-made one is freed as well */
    return rc;
}

/* How many files of each kind follow, so that none can be taken for one of another kind. */
static bool add_shape(EVP_MD_CTX *digest, const struct hw_tls_files *files)
{
    const size_t shape[] = {files->client_ca != NULL, files->crl != NULL, files->name_count,
                            files->pair_count};
    return EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
           EVP_DigestUpdate(digest, shape, sizeof shape) == 1;
}

static int load(struct hw_tls_context *c, const struct hw_tls_files *files, EVP_MD_CTX *digest,
                const struct hw_reason *why)
{
    c->pairs = calloc(files->pair_count, sizeof *c->pairs);
    if (!c->pairs || !digest || !add_shape(digest, files) || !has_index())
        return hw_refuse(why, "out of memory");
    int rc = hw_tls_clients_load(&c->clients, files, digest, why);
    for (size_t i = 0; rc == 0 && i < files->pair_count; i++)
        rc = add_pair(c, &files->pairs[i], digest, why);
    if (rc == 0 && (c->no_memory || EVP_DigestFinal_ex(digest, c->digest, NULL) != 1))
        rc = hw_refuse(why, "out of memory");
    return rc;
}

static void free_context(struct hw_tls_context *c)
{
    for (size_t i = 0; i < c->pair_count; i++) {
        SSL_CTX_free(c->pairs[i].ctx);
        hw_certificate_fini(&c->pairs[i].certificate);
    }
    for (size_t i = 0; i < c->served_count; i++)
        free(c->served[i].name);
    hw_tls_clients_fini(&c->clients);
    hw_tls_tickets_wipe(&c->tickets);
    free(c->served);
    free(c->pairs);
    free(c);
}

static struct hw_tls_context *read_files(const struct hw_tls_files *files,
                                         const struct hw_reason *why)
{
    struct hw_tls_context *c = calloc(1, sizeof *c);
    if (!c) {
        hw_refuse(why, "out of memory");
        return NULL;
    }
    atomic_init(&c->refs, 1);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    int rc = load(c, files, digest, why);
    EVP_MD_CTX_free(digest);
    if (rc == 0)
        return c;
    free_context(c);
    return NULL;
}

static int check_time(const struct hw_tls_context *c, const struct hw_reason *why)
{
    int rc = hw_tls_clients_check_time(&c->clients, why);
    for (size_t i = 0; rc == 0 && i < c->pair_count; i++)
        rc = hw_certificate_check_time(&c->pairs[i].certificate, why);
    return rc;
}

struct hw_tls_context *hw_tls_context_renew(const struct hw_tls_files *files,
                                            struct hw_tls_context *old, char *why, size_t size)
{
    struct hw_reason reason = {why, size};
    struct hw_tls_context *c = read_files(files, &reason);
    if (!c)
        return NULL;
    bool same = old && hw_tls_context_same(c, old);
    if (!same && check_time(c, &reason) == 0)
        return c;
    free_context(c);
    return same ? hw_tls_context_ref(old) : NULL;
}

struct hw_tls_context *hw_tls_context_make(const struct hw_tls_files *files, char *why, size_t size)
{
    return hw_tls_context_renew(files, NULL, why, size);
}

struct hw_tls_context *hw_tls_context_ref(struct hw_tls_context *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void hw_tls_context_unref(struct hw_tls_context *c)
{
    if (!c)
        return;
    int before = atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel);
    HW_CHECK(before > 0);
    if (before == 1)
        free_context(c);
}

/* ---- sessions ---- */

static struct session *make_session(struct hw_tls_context *c)
{
    size_t size = c->clients.store ? sizeof(struct session) : offsetof(struct session, client);
    struct session *session = calloc(1, size);
    if (session)
        session->context = hw_tls_context_ref(c);
    return session;
}

SSL *hw_tls_context_new_session(struct hw_tls_context *c)
{
    SSL *ssl = SSL_new(c->pairs[0].ctx);
    struct session *session = ssl ? make_session(c) : NULL;
    if (session && SSL_set_ex_data(ssl, session_index, session) == 1) {
        SSL_set_accept_state(ssl);
        return ssl;
    }
    if (session)
        hw_tls_context_unref(c);
    free(session);
    SSL_free(ssl);
    ERR_clear_error();
    return NULL;
}

static struct hw_str text_or_none(const char *text)
{
    return text[0] ? hw_str_of(text) : HW_STR_NONE;
}

struct hw_str hw_tls_context_client(const SSL *ssl)
{
    struct session *session = session_of(ssl);
    if (!session->context->clients.store || !SSL_is_init_finished(ssl))
        return HW_STR_NONE;
    return text_or_none(session->client.name);
}

struct hw_str hw_tls_context_refusal(const SSL *ssl)
{
    struct session *session = session_of(ssl);
    return session->context->clients.store ? text_or_none(session->client.why) : HW_STR_NONE;
}

/* ---- the rest ---- */

bool hw_tls_context_same(const struct hw_tls_context *a, const struct hw_tls_context *b)
{
    return memcmp(a->digest, b->digest, sizeof a->digest) == 0;
}

void hw_tls_context_inherit(struct hw_tls_context *c, const struct hw_tls_context *old)
{
    if (!c->clients.store && !old->clients.store)
        c->tickets = old->tickets;
}

const struct hw_certificate *hw_tls_context_certificate(const struct hw_tls_context *c,
                                                        size_t index)
{
    return index < c->pair_count ? &c->pairs[index].certificate : NULL;
}
