/* tls.c -- see tls.h */
#include "http/tls.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "http/tls_context.h"

struct hw_tls {
    /* constant */
    struct hw_tls_shared *shared;
    struct hw_tls_context *context;
    uv_stream_t *stream;
    hw_written_fn *written;

    /* leader only */
    SSL *ssl;       /* NULL until the first bytes come */
    const char *in; /* bytes that OpenSSL has not taken yet: where they were fed, or in `kept` */
    size_t in_len;
    char *kept;     /* NULL, or the memory that `in` points into */
    unsigned aside; /* messages that are not data, since the last answer */
    bool ready, ended;
    bool broken; /* nothing more may be read or sent */
    bool waits;  /* some of what was written last did not fit the socket */
    int error;   /* of the socket, or 0 */
    const char *why;
    unsigned char first[HW_TLS_FIRST]; /* what the client sent first */
    unsigned char first_len;
};

/* ---- from OpenSSL to the socket ---- */

static void flush(struct hw_tls *tls)
{
    struct hw_tls_shared *s = tls->shared;
    uv_buf_t buf = uv_buf_init(s->out, (unsigned)s->out_len);
    if (s->out_len == 0)
        return;
    s->out_len = 0;
    int rc = tls->error ? tls->error : hw_write(tls->stream, &buf, 1, tls->written);
    if (rc < 0)
        tls->error = rc;
    else if (rc > 0)
        tls->waits = true;
}

static int on_bio_write(BIO *bio, const char *bytes, int len)
{
    struct hw_tls *tls = BIO_get_data(bio);
    struct hw_tls_shared *s = tls->shared;
    for (size_t left = (size_t)len, n; left > 0; left -= n, bytes += n) {
        if (s->out_len == HW_TLS_OUT)
            flush(tls);
        n = HW_TLS_OUT - s->out_len;
        n = left < n ? left : n;
        memcpy(s->out + s->out_len, bytes, n);
        s->out_len += n;
    }
    return len;
}

/* ---- from the socket to OpenSSL ---- */

static void note_first(struct hw_tls *tls, const char *bytes, size_t len)
{
    while (tls->first_len < HW_TLS_FIRST && len-- > 0)
        tls->first[tls->first_len++] = (unsigned char)*bytes++;
}

static int on_bio_read(BIO *bio, char *to, int size)
{
    struct hw_tls *tls = BIO_get_data(bio);
    size_t n = tls->in_len < (size_t)size ? tls->in_len : (size_t)size;
    BIO_clear_retry_flags(bio);
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(to, tls->in, n);
    if (tls->first_len < HW_TLS_FIRST)
        note_first(tls, tls->in, n);
    tls->in += n;
    tls->in_len -= n;
    return (int)n;
}

/* OpenSSL wants to flush, which is done elsewhere; other commands have no meaning here. */
static long on_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* Called for each record's head (a number over 255) and for each message that is not data. */
static void on_message(int written, int version, int type, const void *bytes, size_t len, SSL *ssl,
                       void *tls)
{
    (void)written, (void)version, (void)bytes, (void)len, (void)ssl;
    if (type <= 255)
        ((struct hw_tls *)tls)->aside++;
}

/* ---- memory ---- */

struct hw_tls_shared *hw_tls_shared_new(void)
{
    struct hw_tls_shared *s = malloc(sizeof *s);
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "hookward");
    if (!s || !method) {
        free(s);
        BIO_meth_free(method);
        return NULL;
    }
    BIO_meth_set_read(method, on_bio_read);
    BIO_meth_set_write(method, on_bio_write);
    BIO_meth_set_ctrl(method, on_bio_ctrl);
    s->method = method;
    s->out_len = 0;
    return s;
}

void hw_tls_shared_free(struct hw_tls_shared *s)
{
    if (!s)
        return;
    BIO_meth_free(s->method);
    free(s);
}

struct hw_tls *hw_tls_new(struct hw_tls_shared *shared, struct hw_tls_context *context,
                          uv_stream_t *stream, hw_written_fn *written)
{
    struct hw_tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return NULL;
    tls->shared = shared;
    tls->context = hw_tls_context_ref(context);
    tls->stream = stream;
    tls->written = written;
    return tls;
}

void hw_tls_free(struct hw_tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    hw_tls_context_unref(tls->context);
    free(tls->kept);
    free(tls);
}

/* Returns 0 or UV_ENOMEM. */
static int begin(struct hw_tls *tls)
{
    SSL *ssl = hw_tls_context_new_session(tls->context);
    BIO *bio = ssl ? BIO_new(tls->shared->method) : NULL;
    if (!bio) {
        SSL_free(ssl);
        ERR_clear_error();
        return UV_ENOMEM;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_set_msg_callback_arg(ssl, tls);
    tls->ssl = ssl;
    return 0;
}

/* ---- bytes from the socket ---- */

void hw_tls_feed(struct hw_tls *tls, const char *bytes, size_t len)
{
    HW_CHECK(tls->in_len == 0);
    tls->in = bytes;
    tls->in_len = len;
}

void hw_tls_drop(struct hw_tls *tls)
{
    free(tls->kept);
    tls->kept = NULL;
    tls->in_len = 0;
}

int hw_tls_keep(struct hw_tls *tls)
{
    if (tls->in_len == 0)
        hw_tls_drop(tls);
    if (tls->kept || tls->in_len == 0)
        return 0;
    tls->kept = malloc(tls->in_len);
    if (!tls->kept)
        return UV_ENOMEM;
    memcpy(tls->kept, tls->in, tls->in_len);
    tls->in = tls->kept;
    return 0;
}

bool hw_tls_has_bytes(const struct hw_tls *tls)
{
    return tls->in_len > 0 || (tls->ready && SSL_pending(tls->ssl) > 0);
}

/* ---- errors ---- */

/* What OpenSSL says of the operation that returned `n`: UV_EAGAIN, UV_EOF, or UV_EPROTO, after
 * which the connection can't be used. The first error in OpenSSL's queue is the cause. */
static int judge(struct hw_tls *tls, int n)
{
    int error = SSL_get_error(tls->ssl, n);
    if (error == SSL_ERROR_WANT_READ)
        return UV_EAGAIN;
    if (error == SSL_ERROR_ZERO_RETURN)
        return UV_EOF;
    tls->broken = true;
    tls->why = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    return UV_EPROTO;
}

struct hw_str hw_tls_why(const struct hw_tls *tls)
{
    struct hw_str refusal = tls->ssl ? hw_tls_context_refusal(tls->ssl) : HW_STR_NONE;
    return refusal.ptr ? refusal : hw_str_of(tls->why ? tls->why : "no reason is known");
}

/* ---- the handshake ---- */

int hw_tls_shake(struct hw_tls *tls)
{
    int rc = 0;
    if (!tls->ssl && begin(tls))
        return UV_ENOMEM;
    ERR_clear_error();
    int n = SSL_do_handshake(tls->ssl);
    if (n <= 0)
        rc = judge(tls, n);
    flush(tls);
    if (rc)
        return rc;
    tls->ready = true;
    SSL_set_msg_callback(tls->ssl, on_message);
    return tls->error;
}

bool hw_tls_has_begun(const struct hw_tls *tls)
{
    return tls->ssl;
}

bool hw_tls_is_ready(const struct hw_tls *tls)
{
    return tls->ready;
}

bool hw_tls_is_resumed(const struct hw_tls *tls)
{
    return SSL_session_reused(tls->ssl);
}

struct hw_str hw_tls_client(const struct hw_tls *tls)
{
    return hw_tls_context_client(tls->ssl);
}

static bool is_capital(unsigned char c)
{
    return c >= 'A' && c <= 'Z';
}

/* A record of TLS begins with a byte below 32, one of SSL 2 with a byte above 127. */
bool hw_tls_met_http(const struct hw_tls *tls)
{
    const unsigned char *f = tls->first;
    if (tls->first_len < HW_TLS_FIRST)
        return false;
    for (int i = 0; i < HW_TLS_FIRST; i++)
        if (!is_capital(f[i]))
            return i >= 3 && f[i] == ' ';
    return true;
}

/* ---- once it is complete ---- */

ssize_t hw_tls_read(struct hw_tls *tls, char *to, size_t size)
{
    ssize_t rc;
    if (tls->broken)
        return UV_EPROTO;
    ERR_clear_error();
    int n = SSL_read(tls->ssl, to, size < INT32_MAX ? (int)size : INT32_MAX);
    rc = n > 0 ? n : judge(tls, n);
    flush(tls);
    if (tls->error)
        return tls->error;
    if (tls->aside > HW_TLS_ASIDE) {
        tls->broken = true;
        return UV_EPROTO;
    }
    return rc;
}

/* Encrypts what may be larger than a record. */
static bool encrypt(struct hw_tls *tls, const char *bytes, size_t len)
{
    while (len > 0) {
        size_t n = len < INT32_MAX ? len : INT32_MAX;
        int rc = SSL_write(tls->ssl, bytes, (int)n);
        if (rc <= 0) {
            judge(tls, rc);
            return false;
        }
        bytes += rc;
        len -= (size_t)rc;
    }
    return true;
}

/* Encrypts all parts, in few records: small parts are put together. A part that is larger than a
 * record is not copied. */
static bool encrypt_parts(struct hw_tls *tls, const uv_buf_t *bufs, unsigned count)
{
    char *plain = tls->shared->plain;
    size_t len = 0;
    for (unsigned i = 0; i < count; i++) {
        if (len + bufs[i].len > HW_TLS_RECORD) {
            if (!encrypt(tls, plain, len))
                return false;
            len = 0;
        }
        if (bufs[i].len > HW_TLS_RECORD) {
            if (!encrypt(tls, bufs[i].base, bufs[i].len))
                return false;
        } else if (bufs[i].len > 0) {
            memcpy(plain + len, bufs[i].base, bufs[i].len);
            len += bufs[i].len;
        }
    }
    return encrypt(tls, plain, len);
}

int hw_tls_write(struct hw_tls *tls, const uv_buf_t *bufs, unsigned count)
{
    if (tls->broken || !tls->ready)
        return UV_EPROTO;
    ERR_clear_error();
    tls->waits = false;
    tls->aside = 0;
    bool done = count == 1 ? encrypt(tls, bufs->base, bufs->len) : encrypt_parts(tls, bufs, count);
    flush(tls);
    if (!done)
        return UV_EPROTO;
    return tls->error ? tls->error : tls->waits;
}

void hw_tls_end(struct hw_tls *tls)
{
    struct hw_tls_shared *s = tls->shared;
    if (!tls->ready || tls->ended || tls->broken || tls->error)
        return;
    tls->ended = true;
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
    uv_buf_t buf = uv_buf_init(s->out, (unsigned)s->out_len);
    if (s->out_len > 0)
        uv_try_write(tls->stream, &buf, 1);
    s->out_len = 0;
}
