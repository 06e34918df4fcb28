/* tls_clients.h -- which client certificates a listener accepts, and what a client is called.
 *
 * How     The certificate must lead to one of `client_ca`, must not be in `crl`, and must name one
 *         of `client_names` in its subjectAltName. This is decided during the handshake: a client
 *         that is refused gets an alert, and none of its requests is read.
 * Names   A client is called by the entry of client_names that its certificate has. Without
 *         client_names, its name is the first DNS name of its certificate, else the first URI or
 *         e-mail address, else the common name.
 * Thread  load and fini: any, one at a time. Otherwise leader only. */
#ifndef HW_TLS_CLIENTS_H
#define HW_TLS_CLIENTS_H

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/config.h"
#include "signing/key_numbers.h"

enum { HW_TLS_CLIENT_MAX = 256, HW_TLS_WHY_MAX = 200 }; /* bytes, the end included */

/* What one handshake found out about its client. */
struct hw_tls_client {
    char name[HW_TLS_CLIENT_MAX]; /* "": none */
    char why[HW_TLS_WHY_MAX];     /* why its certificate was refused; "": it was not */
};

struct hw_tls_clients {
    X509_STORE *store; /* NULL: no client certificate is asked for */
    STACK_OF(X509_NAME) * issuers;
    char **names;
    size_t name_count;
    char *ca_file, *list_file;
    time_t ca_until;   /* when the last of the authorities ends */
    time_t list_until; /* when the first of the lists is to be renewed; 0: never */
};

/* Reads client_ca and crl, if set, and checks all but the time. `digest`: gets all that is read,
 * and the names; NULL: none. Returns 0, or HW_EFAILED with one line in `why`. Call fini in both
 * cases. */
int hw_tls_clients_load(struct hw_tls_clients *clients, const struct hw_tls_files *files,
                        EVP_MD_CTX *digest, const struct hw_reason *why);

/* Returns 0 if authorities and lists are valid now, else HW_EFAILED with one line in `why`. */
int hw_tls_clients_check_time(const struct hw_tls_clients *clients, const struct hw_reason *why);
void hw_tls_clients_fini(struct hw_tls_clients *clients);

/* Has the context ask for certificates and verify them. hw_tls_clients_verify is to be called by
 * its `verify` callback. Returns false without memory. */
bool hw_tls_clients_apply(const struct hw_tls_clients *clients, SSL_CTX *ctx, SSL_verify_cb verify);

/* One step of a verification. Returns 1 to go on, or 0 to refuse, with a reason in client->why. */
int hw_tls_clients_verify(const struct hw_tls_clients *clients, struct hw_tls_client *client,
                          int ok, X509_STORE_CTX *step);

#endif
