/* tls_tickets.c -- see tls_tickets.h */
#include "http/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

static bool make(struct hw_tls_ticket_key *key)
{
    key->usable = RAND_bytes(key->name, sizeof key->name) == 1 &&
                  RAND_priv_bytes(key->aes, sizeof key->aes) == 1 &&
                  RAND_priv_bytes(key->mac, sizeof key->mac) == 1;
    return key->usable;
}

static void wipe(struct hw_tls_ticket_key *key)
{
    OPENSSL_cleanse(key, sizeof *key);
}

/* After a rest of twice the time, even the current key is too old to be the previous one. */
static void rotate(struct hw_tls_tickets *t, uint64_t now_ns)
{
    const uint64_t period = (uint64_t)HW_TLS_TICKETS_MS * 1000000, age = now_ns - t->made_ns;
    if (t->current.usable && age < period)
        return;
    t->previous = t->current;
    if (!t->current.usable || age >= 2 * period)
        wipe(&t->previous);
    make(&t->current);
    t->made_ns = now_ns;
}

static bool set_up(const struct hw_tls_ticket_key *key, const unsigned char *iv,
                   EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv, encrypt) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int seal(const struct hw_tls_ticket_key *key, unsigned char *name, unsigned char *iv,
                EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    if (!key->usable || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
        return 0; /* without a ticket */
    memcpy(name, key->name, sizeof key->name);
    return set_up(key, iv, cipher, mac, 1) ? 1 : -1;
}

static bool is_named(const struct hw_tls_ticket_key *key, const unsigned char *name)
{
    return key->usable && memcmp(key->name, name, sizeof key->name) == 0;
}

int hw_tls_tickets_use(struct hw_tls_tickets *t, uint64_t now_ns, unsigned char *name,
                       unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
    rotate(t, now_ns);
    if (encrypt)
        return seal(&t->current, name, iv, cipher, mac);
    bool current = is_named(&t->current, name);
    if (!current && !is_named(&t->previous, name))
        return 0; /* a full handshake */
    if (!set_up(current ? &t->current : &t->previous, iv, cipher, mac, 0))
        return -1;
    return current ? 1 : 2; /* 2: give the client a new ticket */
}

void hw_tls_tickets_wipe(struct hw_tls_tickets *t)
{
    wipe(&t->current);
    wipe(&t->previous);
}
