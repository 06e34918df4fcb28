/* tls.h -- the TLS of one connection: the socket's bytes in, plain bytes out, and back.
 *
 * Why     TLS must cost a connection few copies and little memory, above all while it is idle; and
 *         what a client can send without ever sending a request must be bounded.
 * How     OpenSSL stands between two buffers that all connections of a server share. libuv reads
 *         into `in`, and a connection is fed with what has arrived there. What OpenSSL writes is
 *         collected in `out`, and goes to the socket before the call returns. Bytes that were fed
 *         and that nobody can use yet are copied and kept. A connection whose client has sent
 *         nothing has no SSL yet.
 * Limits  HW_TLS_ASIDE messages that are not data (key updates, warnings) between two answers.
 * Not     when a connection reads (reading.h); the limits of a handshake and the log line of one
 *         that failed (handshake.h); certificates, versions and ciphers (tls_context.h).
 * Thread  leader only. */
#ifndef HW_TLS_H
#define HW_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/str.h"
#include "http/write.h"

struct hw_tls;
struct hw_tls_context;

enum {
    HW_TLS_IN = 64 * 1024,
    HW_TLS_OUT = 32 * 1024,    /* the largest record fits */
    HW_TLS_RECORD = 16 * 1024, /* the most plain bytes of a record */
    HW_TLS_ASIDE = 32,
    HW_TLS_FIRST = 5 /* bytes in which plain HTTP is recognised; a record's head has as many */
};

/* What the connections of a server share. */
struct hw_tls_shared {
    BIO_METHOD *method;
    size_t out_len;
    char in[HW_TLS_IN];
    char out[HW_TLS_OUT];
    char plain[HW_TLS_RECORD]; /* an answer's parts are put together in it */
};

/* NULL without memory. */
struct hw_tls_shared *hw_tls_shared_new(void);
void hw_tls_shared_free(struct hw_tls_shared *shared); /* NULL does nothing */

/* TLS for a connection that was accepted; takes a reference to the context. What does not fit the
 * socket is written later, and `written` is then called, as by hw_write. NULL without memory. */
struct hw_tls *hw_tls_new(struct hw_tls_shared *shared, struct hw_tls_context *context,
                          uv_stream_t *stream, hw_written_fn *written);
void hw_tls_free(struct hw_tls *tls); /* NULL does nothing */

/* ---- bytes from the socket ---- */

/* Takes bytes of the socket, which must stay where they are until hw_tls_keep. No earlier ones may
 * be left. */
void hw_tls_feed(struct hw_tls *tls, const char *bytes, size_t len);

/* Copies the bytes that are left. Returns 0 or UV_ENOMEM. */
int hw_tls_keep(struct hw_tls *tls);

/* Forgets the bytes that are left. */
void hw_tls_drop(struct hw_tls *tls);

/* Whether more plain bytes may come even if the socket stays silent. */
bool hw_tls_has_bytes(const struct hw_tls *tls);

/* ---- the handshake ---- */

/* Goes on with the handshake as far as the bytes allow. Returns 0 when it is complete, UV_EAGAIN
 * when it needs more of them, UV_ENOMEM, or another error when it failed; an alert is then on its
 * way. */
int hw_tls_shake(struct hw_tls *tls);

bool hw_tls_has_begun(const struct hw_tls *tls); /* the client has sent something */
bool hw_tls_is_ready(const struct hw_tls *tls);  /* the handshake is complete */
bool hw_tls_is_resumed(const struct hw_tls *tls);

/* The name that the client's certificate proves; {NULL, 0}: none. The text lives as long as
 * `tls`. */
struct hw_str hw_tls_client(const struct hw_tls *tls);

/* Why the handshake failed, in a few words. The text lives as long as `tls`. */
struct hw_str hw_tls_why(const struct hw_tls *tls);

/* Whether the client's first bytes were a request without TLS. */
bool hw_tls_met_http(const struct hw_tls *tls);

/* ---- once it is complete ---- */

/* Reads at most `size` plain bytes. Returns how many; UV_EAGAIN when more bytes of the socket are
 * needed first; UV_EOF after the client's close_notify; or another error. */
ssize_t hw_tls_read(struct hw_tls *tls, char *to, size_t size);

/* The same as hw_write. */
int hw_tls_write(struct hw_tls *tls, const uv_buf_t *bufs, unsigned count);

/* Sends close_notify if the socket takes it at once. Idempotent. */
void hw_tls_end(struct hw_tls *tls);

#endif
