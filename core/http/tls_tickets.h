/* tls_tickets.h -- the keys of session tickets: a returning client skips the costly handshake.
 *
 * Why     OpenSSL's own ticket keys live as long as their SSL_CTX: whoever gets hold of them can
 *         read what was sent weeks ago. And a renewed certificate, which needs a new SSL_CTX, would
 *         make every ticket useless.
 * How     Tickets are encrypted with the current key. When it is HW_TLS_TICKETS_MS old, it becomes
 *         the previous one, which only decrypts; after as long again it is wiped. The keys are
 *         random, never leave the process, and are handed from a listener's old context to its new
 *         one. The clock is monotonic.
 * Thread  leader only. */
#ifndef HW_TLS_TICKETS_H
#define HW_TLS_TICKETS_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    HW_TLS_TICKETS_MS = 60 * 60 * 1000, /* a key encrypts for so long, and decrypts once more */
    HW_TLS_TICKETS_NAME = 16            /* bytes of a key's name (RFC 5077, 4) */
};

struct hw_tls_ticket_key {
    unsigned char name[HW_TLS_TICKETS_NAME], aes[32], mac[32];
    bool usable;
};

/* Zeroed at first. */
struct hw_tls_tickets {
    struct hw_tls_ticket_key current, previous;
    uint64_t made_ns; /* when `current` was made, monotonic */
};

/* The work of SSL_CTX_set_tlsext_ticket_key_evp_cb's callback, with its arguments and results, at
 * the time `now_ns`. */
int hw_tls_tickets_use(struct hw_tls_tickets *tickets, uint64_t now_ns, unsigned char *name,
                       unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt);

void hw_tls_tickets_wipe(struct hw_tls_tickets *tickets);

#endif
