/* tls_context.h -- what a listener needs to speak TLS: certificates, rules, ticket keys.
 *
 * How     One SSL_CTX for each pair of certificate and key; the name that the client asks for (SNI)
 *         chooses among them, and without a match the first one serves. All have the same rules:
 *         TLS 1.2 with ECDHE and AES-GCM or ChaCha20, or TLS 1.3; no renegotiation, no compression,
 *         no 0-RTT; ALPN is answered with http/1.1, and an offer without it is refused. Where
 *         client certificates are asked for (tls_clients.h), no session is resumed: a certificate
 *         that has expired or was revoked meanwhile would not be checked again. A context never
 *         changes. A reload makes a new one (tls_set.h); each session keeps the context that it
 *         began with.
 * Not     the bytes of a connection, the socket, the handshake's time-out: tls.h.
 * Thread  make, ref, unref: any. new_session and what a session does: leader only. */
#ifndef HW_TLS_CONTEXT_H
#define HW_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/str.h"
#include "http/certificate.h"

struct hw_tls_context;

/* Reads and checks the files. Returns a context with one reference, or NULL with one line in `why`
 * that names the file and the fix. */
struct hw_tls_context *hw_tls_context_make(const struct hw_tls_files *files, char *why,
                                           size_t why_size);

/* The same for the context of a reload; `old`: the one that is live, or NULL. When the files hold
 * what they held when `old` was made, returns `old`, with one reference more, even if they have
 * expired since. */
struct hw_tls_context *hw_tls_context_renew(const struct hw_tls_files *files,
                                            struct hw_tls_context *old, char *why, size_t why_size);
struct hw_tls_context *hw_tls_context_ref(struct hw_tls_context *context);
void hw_tls_context_unref(struct hw_tls_context *context); /* NULL does nothing */

/* Returns a server's SSL without a BIO, in its accepting state; NULL without memory. It has a
 * reference to the context until SSL_free. */
SSL *hw_tls_context_new_session(struct hw_tls_context *context);

/* The verified name of the session's client: {NULL, 0} before the end of the handshake, and where
 * no client certificate is asked for. It lives as long as the SSL. */
struct hw_str hw_tls_context_client(const SSL *ssl);

/* Why the client's certificate was refused; {NULL, 0} when it was not. For the log, once the
 * handshake has failed. It lives as long as the SSL. */
struct hw_str hw_tls_context_refusal(const SSL *ssl);

/* True when both were made from the same bytes, paths and client_names. */
bool hw_tls_context_same(const struct hw_tls_context *a, const struct hw_tls_context *b);

/* Gives `context` the ticket keys of the one that it replaces, so that clients go on resuming their
 * sessions. Does nothing when one of them asks for client certificates. Leader only. */
void hw_tls_context_inherit(struct hw_tls_context *context, const struct hw_tls_context *old);

/* The certificates, in the order of the pairs; for `check`, metrics and warnings. NULL past the
 * last one. */
const struct hw_certificate *hw_tls_context_certificate(const struct hw_tls_context *context,
                                                        size_t index);

/* Writes one line about a name that two pairs have; the later pair never serves it. Returns false
 * when there is no such name. */
bool hw_tls_context_twice(const struct hw_tls_context *context, char *line, size_t size);

#endif
