/* tls_client.h -- a TLS client at the other end of the rig's connection, and a context for the
 * host; for tls_test.c and the fuzz target. The client's bytes go through memory, so that a test
 * decides how they are cut.
 *
 * Needs connection_rig.h, and what certs.h and folder.h need. */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "folder.h"
#include "http/certs.h"
#include "http/tls_context.h"

/* With a new certificate for localhost. */
static inline struct hw_tls_context *localhost_context(void)
{
    struct folder folder;
    char cert[FOLDER_PATH_MAX], key[FOLDER_PATH_MAX], why[256];
    folder_open(&folder);
    folder_path(&folder, "cert.pem", cert);
    folder_path(&folder, "key.pem", key);
    const struct made *made = A_CERT(.name = "localhost", .alt = "DNS:localhost");
    WRITE_CERTS(cert, made);
    write_key(key, made);
    struct hw_tls_pair pair = {.cert = cert, .key = key};
    struct hw_tls_context *context = hw_tls_context_make(
        &(struct hw_tls_files){.pairs = &pair, .pair_count = 1}, why, sizeof why);
    folder_close(&folder);
    unmake_all();
    HW_CHECK(context);
    return context;
}

struct tls_client {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    size_t cut;    /* at most so many bytes are sent before a turn; 0: all at once */
    bool notified; /* the host sent close_notify */
    int error;     /* the reason of the last error; 0: none */
};

/* `version`: TLS1_2_VERSION or TLS1_3_VERSION. */
static inline void client_open(struct tls_client *c, int version)
{
    *c = (struct tls_client){.ctx = SSL_CTX_new(TLS_client_method())};
    HW_CHECK(c->ctx);
    SSL_CTX_set_min_proto_version(c->ctx, version);
    SSL_CTX_set_max_proto_version(c->ctx, version);
    c->ssl = SSL_new(c->ctx);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    HW_CHECK(c->ssl && c->in && c->out);
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_connect_state(c->ssl);
}

static inline void client_close(struct tls_client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    *c = (struct tls_client){0};
    ERR_clear_error();
}

/* Sends what the client has to send, as far as the socket takes it. */
static inline size_t client_push(struct tls_client *c, struct rig *r)
{
    char *bytes;
    size_t sent = 0, left;
    while ((left = (size_t)BIO_get_mem_data(c->out, &bytes)) > 0) {
        size_t len = c->cut && c->cut < left ? c->cut : left;
        ssize_t n = r->fd < 0 ? -1 : send(r->fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        char *taken = malloc((size_t)n);
        HW_CHECK(taken && BIO_read(c->out, taken, (int)n) == n);
        free(taken);
        sent += (size_t)n;
        if (c->cut)
            rig_turn(r);
    }
    return sent;
}

/* Takes in what has come from the host. */
static inline size_t client_pull(struct tls_client *c, struct rig *r)
{
    char bytes[4096];
    size_t got = 0;
    for (ssize_t n; r->fd >= 0; got += (size_t)n) {
        n = recv(r->fd, bytes, sizeof bytes, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            r->ended = true;
        if (n <= 0)
            break;
        BIO_write(c->in, bytes, (int)n);
    }
    return got;
}

static inline void client_judge(struct tls_client *c, int n)
{
    int error = SSL_get_error(c->ssl, n);
    if (error == SSL_ERROR_ZERO_RETURN)
        c->notified = true;
    else if (error == SSL_ERROR_SSL)
        c->error = ERR_GET_REASON(ERR_peek_error());
    ERR_clear_error();
}

/* Goes on with the handshake; returns true once it is complete. */
static inline bool client_step(struct tls_client *c, struct rig *r)
{
    client_pull(c, r);
    int n = SSL_do_handshake(c->ssl);
    if (n <= 0)
        client_judge(c, n);
    client_push(c, r);
    return n == 1;
}

static inline bool client_shake(struct tls_client *c, struct rig *r)
{
    for (int i = 0; i < 10; i++) {
        if (client_step(c, r)) {
            rig_turn(r);
            return true;
        }
        rig_turn(r);
    }
    return false;
}

/* Encrypts bytes of requests, as records of at most `record` bytes, without sending them yet. */
static inline void client_write(struct tls_client *c, struct rig *r, const char *bytes, size_t len,
                                size_t record)
{
    rig_was_sent(r, bytes, len);
    for (size_t n; len > 0; bytes += n, len -= n) {
        n = len < record ? len : record;
        HW_CHECK(SSL_write(c->ssl, bytes, (int)n) == (int)n);
    }
}

/* Reads answers; returns how many bytes they were. */
static inline size_t client_read(struct tls_client *c, struct rig *r)
{
    size_t got = 0;
    client_pull(c, r);
    for (int n;; got += (size_t)n) {
        n = SSL_read(c->ssl, rig_room(r, 16384), 16384);
        if (n <= 0) {
            client_judge(c, n);
            return got;
        }
        rig_has_got(r, (size_t)n);
    }
}

#endif
