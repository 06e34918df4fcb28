/* A listener's TLS context: certificates by name, versions, ciphers, ALPN, tickets, and client
 * certificates. The client is OpenSSL's, in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "certs.h"
#include "folder.h"
#include "http/tls_clients.h"
#include "http/tls_context.h"
#include "http/tls_tickets.h"

static struct folder folder;
static char paths[16][FOLDER_PATH_MAX], why[1024];
static int path_count;

/* ---- files ---- */

static const char *path_of(const char *name)
{
    assert_true(path_count < 16);
    return folder_path(&folder, name, paths[path_count++]);
}

/* Writes a pair of files, named after `name`. */
static struct hw_tls_pair pair_of(const char *name, const struct made *one)
{
    char file[64];
    snprintf(file, sizeof file, "%s.pem", name);
    const char *cert = path_of(file);
    snprintf(file, sizeof file, "%s.key", name);
    const char *key = path_of(file);
    WRITE_CERTS(cert, one);
    write_key(key, one);
    return (struct hw_tls_pair){cert, key};
}

static struct hw_tls_context *make_context(const struct hw_tls_files *files)
{
    struct hw_tls_context *context = hw_tls_context_make(files, why, sizeof why);
    if (!context)
        fail_msg("no context: %s", why);
    return context;
}

/* ---- clients ---- */

static int set_up(void **state)
{
    (void)state;
    folder_open(&folder);
    path_count = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    folder_close(&folder);
    unmake_all();
    assert_int_equal(ERR_peek_error(), 0);
    return 0;
}

/* A client that trusts everybody. */
static SSL_CTX *a_client(void)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    assert_non_null(client);
    SSL_CTX_set_security_level(client, 0);
    SSL_CTX_set_min_proto_version(client, TLS1_VERSION);
    return client;
}

/* A connection whose ends have shaken hands, as far as they could. */
struct meeting {
    SSL *client, *server;
    int client_alert; /* the alert that the client got; 0: none */
    bool done;
};

static int step(SSL *ssl)
{
    int rc = SSL_do_handshake(ssl);
    return rc == 1 ? 1 : SSL_get_error(ssl, rc) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static struct meeting begin(struct hw_tls_context *context, SSL_CTX *client)
{
    struct meeting m = {.client = SSL_new(client), .server = hw_tls_context_new_session(context)};
    BIO *ours, *theirs;
    assert_non_null(m.server);
    assert_int_equal(BIO_new_bio_pair(&ours, 0, &theirs, 0), 1);
    SSL_set_bio(m.server, ours, ours);
    SSL_set_bio(m.client, theirs, theirs);
    SSL_set_connect_state(m.client);
    return m;
}

/* The alert of the client's error, as RFC 8446, 6 numbers them. */
static int alert_of(void)
{
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    return reason > 1000 ? reason - 1000 : 0;
}

/* Shakes hands. In TLS 1.3 the client is done before its certificate is looked at, so it reads
 * afterwards. */
static void shake(struct meeting *m)
{
    int client = 0, server = 0;
    char byte;
    for (int i = 0; i < 20 && client >= 0 && (client == 0 || server == 0); i++) {
        ERR_clear_error();
        client = client == 1 ? 1 : step(m->client);
        if (client < 0)
            m->client_alert = alert_of();
        ERR_clear_error();
        server = server ? server : step(m->server);
    }
    ERR_clear_error();
    if (client == 1 && SSL_read(m->client, &byte, 1) <= 0)
        m->client_alert = alert_of();
    ERR_clear_error();
    m->done = client == 1 && server == 1;
}

static void end(struct meeting *m)
{
    SSL_shutdown(m->client);
    SSL_free(m->client);
    SSL_free(m->server);
    ERR_clear_error();
}

static struct meeting meet(struct hw_tls_context *context, SSL_CTX *client)
{
    struct meeting m = begin(context, client);
    shake(&m);
    return m;
}

/* ---- SNI ---- */

/* The common name of the certificate that serves a client which asks for `name`. */
static void assert_served(struct hw_tls_context *context, const char *name, const char *expected)
{
    char found[64] = "";
    SSL_CTX *client = a_client();
    struct meeting m = begin(context, client);
    if (name)
        SSL_set_tlsext_host_name(m.client, name);
    shake(&m);
    assert_true(m.done);
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(m.client)),
                              NID_commonName, found, sizeof found);
    assert_string_equal(found, expected);
    end(&m);
    SSL_CTX_free(client);
}

static void test_the_name_chooses_the_certificate(void **state)
{
    (void)state;
    struct hw_tls_pair pairs[] = {
        pair_of("1", A_CERT(.name = "first", .alt = "DNS:first.example,IP:192.0.2.1")),
        pair_of("2", A_CERT(.name = "second", .alt = "DNS:*.wild.example,DNS:b.example")),
        pair_of("3", A_CERT(.name = "c.wild.example")),
    };
    struct hw_tls_context *context =
        make_context(&(struct hw_tls_files){.pairs = pairs, .pair_count = 3});
    assert_served(context, NULL, "first");
    assert_served(context, "first.example", "first");
    assert_served(context, "b.example", "second");
    assert_served(context, "B.EXAMPLE", "second");
    assert_served(context, "a.wild.example", "second");
    assert_served(context, "c.wild.example", "c.wild.example"); /* before the wildcard */
    assert_served(context, "a.b.wild.example", "first");
    assert_served(context, "wild.example", "first");
    assert_served(context, ".wild.example", "first");
    assert_served(context, "second", "first"); /* a common name beside a subjectAltName */
    assert_served(context, "nobody.example", "first");
    hw_tls_context_unref(context);
}

static void test_says_which_name_is_there_twice(void **state)
{
    (void)state;
    struct hw_tls_pair pairs[] = {
        pair_of("1", A_CERT(.name = "1", .alt = "DNS:a.example,DNS:A.example")),
        pair_of("2", A_CERT(.name = "2", .alt = "DNS:b.example")),
        pair_of("3", A_CERT(.name = "3", .alt = "DNS:c.example,DNS:B.example")),
    };
    struct hw_tls_context *two =
        make_context(&(struct hw_tls_files){.pairs = pairs, .pair_count = 2});
    struct hw_tls_context *three =
        make_context(&(struct hw_tls_files){.pairs = pairs, .pair_count = 3});
    assert_false(hw_tls_context_twice(two, why, sizeof why));
    assert_true(hw_tls_context_twice(three, why, sizeof why));
    assert_non_null(strstr(why, "3.pem: b.example is also a name of "));
    assert_string_equal(hw_tls_context_certificate(three, 2)->names, "c.example, B.example");
    assert_null(hw_tls_context_certificate(three, 3));
    hw_tls_context_unref(two);
    hw_tls_context_unref(three);
}

static void test_sends_the_whole_chain(void **state)
{
    (void)state;
    const struct made *root = A_CERT(.name = "Root", .is_ca = true);
    const struct made *middle = A_CERT(.name = "Middle", .is_ca = true, .by = root);
    const struct made *one = A_CERT(.name = "a.example", .by = middle);
    struct hw_tls_pair pair = pair_of("1", one);
    WRITE_CERTS(pair.cert, one, middle);
    struct hw_tls_context *context =
        make_context(&(struct hw_tls_files){.pairs = &pair, .pair_count = 1});
    SSL_CTX *client = a_client();
    X509_STORE_add_cert(SSL_CTX_get_cert_store(client), root->cert);
    SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
    struct meeting m = meet(context, client);
    assert_true(m.done);
    assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(m.client)), 2);
    end(&m);
    SSL_CTX_free(client);
    hw_tls_context_unref(context);
}

/* ---- versions, ciphers, ALPN ---- */

/* With a certificate of each kind of key. */
static struct hw_tls_context *plain_context(EVP_PKEY *key)
{
    struct hw_tls_pair pair = pair_of("plain", A_CERT(.name = "a.example", .key = key));
    return make_context(&(struct hw_tls_files){.pairs = &pair, .pair_count = 1});
}

static bool accepts_version(struct hw_tls_context *context, int version)
{
    SSL_CTX *client = a_client();
    SSL_CTX_set_min_proto_version(client, version);
    SSL_CTX_set_max_proto_version(client, version);
    SSL_CTX_set_cipher_list(client, "ALL:@SECLEVEL=0");
    struct meeting m = meet(context, client);
    assert_int_equal(m.client_alert, m.done ? 0 : SSL_AD_PROTOCOL_VERSION);
    end(&m);
    SSL_CTX_free(client);
    return m.done;
}

static void test_speaks_1_2_and_1_3_only(void **state)
{
    (void)state;
    struct hw_tls_context *context = plain_context(NULL);
    assert_false(accepts_version(context, TLS1_VERSION));
    assert_false(accepts_version(context, TLS1_1_VERSION));
    assert_true(accepts_version(context, TLS1_2_VERSION));
    assert_true(accepts_version(context, TLS1_3_VERSION));
    hw_tls_context_unref(context);
}

static bool accepts_cipher(struct hw_tls_context *context, const char *cipher)
{
    SSL_CTX *client = a_client();
    SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
    assert_int_equal(SSL_CTX_set_cipher_list(client, cipher), 1);
    SSL_CTX_set_security_level(client, 0);
    struct meeting m = meet(context, client);
    if (m.done)
        assert_string_equal(SSL_get_cipher(m.client), cipher);
    else
        assert_int_equal(m.client_alert, SSL_AD_HANDSHAKE_FAILURE);
    end(&m);
    SSL_CTX_free(client);
    return m.done;
}

static void test_takes_modern_ciphers_only(void **state)
{
    (void)state;
    static const char *const good[] = {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
                                       "ECDHE-RSA-CHACHA20-POLY1305"};
    static const char *const bad[] = {"AES128-GCM-SHA256",       "AES128-SHA",
                                      "ECDHE-RSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256",
                                      "ECDHE-RSA-AES128-SHA",    "ECDHE-ECDSA-AES128-GCM-SHA256"};
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    struct hw_tls_context *context = plain_context(rsa);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(accepts_cipher(context, good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(accepts_cipher(context, bad[i]));
    EVP_PKEY_free(rsa);
    hw_tls_context_unref(context);
}

/* `offer`: each protocol after its length. Returns the alert, or 0. */
static int offer_alpn(struct hw_tls_context *context, const char *offer, bool is_chosen)
{
    const unsigned char *chosen;
    unsigned len;
    SSL_CTX *client = a_client();
    if (offer)
        SSL_CTX_set_alpn_protos(client, (const unsigned char *)offer, (unsigned)strlen(offer));
    struct meeting m = meet(context, client);
    SSL_get0_alpn_selected(m.client, &chosen, &len);
    assert_int_equal(len, is_chosen ? 8 : 0);
    assert_int_equal(m.done, m.client_alert == 0);
    end(&m);
    SSL_CTX_free(client);
    return m.client_alert;
}

static void test_answers_alpn_with_http_1_1(void **state)
{
    (void)state;
    struct hw_tls_context *context = plain_context(NULL);
    assert_int_equal(offer_alpn(context, NULL, false), 0);
    assert_int_equal(offer_alpn(context, "\x08http/1.1", true), 0);
    assert_int_equal(offer_alpn(context, "\x02h2\x08http/1.1", true), 0);
    assert_int_equal(offer_alpn(context, "\x02h2", false), SSL_AD_NO_APPLICATION_PROTOCOL);
    assert_int_equal(offer_alpn(context, "\x08http/1.0", false), SSL_AD_NO_APPLICATION_PROTOCOL);
    hw_tls_context_unref(context);
}

static void test_refuses_renegotiation(void **state)
{
    (void)state;
    char byte;
    struct hw_tls_context *context = plain_context(NULL);
    SSL_CTX *client = a_client();
    SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
    struct meeting m = meet(context, client);
    assert_true(m.done);
    assert_int_equal(SSL_renegotiate(m.client), 1);
    SSL_do_handshake(m.client);
    SSL_read(m.server, &byte, 1);
    assert_int_equal(SSL_do_handshake(m.client), -1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
    end(&m);
    SSL_CTX_free(client);
    hw_tls_context_unref(context);
}

/* ---- sessions ---- */

static SSL_SESSION *kept;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

/* Not in the client's own cache: that would end the sessions with it. */
static void keep_sessions(SSL_CTX *client)
{
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client, keep_session);
}

/* Connects with the kept session, and keeps a new one. Returns whether it was resumed. */
static bool resumes(struct hw_tls_context *context, int version)
{
    SSL_CTX *client = a_client();
    SSL_CTX_set_max_proto_version(client, version);
    keep_sessions(client);
    struct meeting m = begin(context, client);
    if (kept)
        SSL_set_session(m.client, kept);
    shake(&m);
    assert_true(m.done);
    bool resumed = SSL_session_reused(m.client);
    end(&m);
    SSL_CTX_free(client);
    return resumed;
}

static void forget_session(void)
{
    SSL_SESSION_free(kept);
    kept = NULL;
}

static void test_resumes_sessions(void **state)
{
    (void)state;
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct hw_tls_pair pair = pair_of("1", A_CERT(.name = "a.example"));
    const struct hw_tls_files files = {.pairs = &pair, .pair_count = 1};
    for (size_t i = 0; i < 2; i++) {
        struct hw_tls_context *context = make_context(&files), *stranger = make_context(&files);
        struct hw_tls_context *next = make_context(&files);
        assert_false(resumes(context, versions[i]));
        assert_true(resumes(context, versions[i]));
        hw_tls_context_inherit(next, context); /* a reload */
        assert_true(resumes(next, versions[i]));
        assert_false(resumes(stranger, versions[i]));
        forget_session();
        hw_tls_context_unref(context);
        hw_tls_context_unref(next);
        hw_tls_context_unref(stranger);
    }
}

/* Seals a ticket at a time, and opens it at another. Returns what hw_tls_tickets_use does. */
static int seal_and_open(struct hw_tls_tickets *tickets, uint64_t sealed_min, uint64_t opened_min)
{
    unsigned char name[16], iv[16];
    const uint64_t minute = 60000000000u;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = EVP_MAC_CTX_new(hmac);
    assert_int_equal(hw_tls_tickets_use(tickets, sealed_min * minute, name, iv, cipher, mac, 1), 1);
    int rc = hw_tls_tickets_use(tickets, opened_min * minute, name, iv, cipher, mac, 0);
    EVP_MAC_CTX_free(mac);
    EVP_MAC_free(hmac);
    EVP_CIPHER_CTX_free(cipher);
    return rc;
}

static void test_ticket_keys_rotate(void **state)
{
    (void)state;
    struct hw_tls_tickets tickets = {0};
    assert_int_equal(seal_and_open(&tickets, 1000, 1000), 1);
    assert_int_equal(seal_and_open(&tickets, 1000, 1059), 1);
    assert_int_equal(seal_and_open(&tickets, 1059, 1060), 2); /* by the previous key */
    assert_int_equal(seal_and_open(&tickets, 1060, 1119), 1);
    assert_int_equal(seal_and_open(&tickets, 1119, 1120), 2);
    assert_int_equal(seal_and_open(&tickets, 1179, 1240), 0); /* one rotation was not enough … */
    assert_int_equal(seal_and_open(&tickets, 1241, 1359), 2);
    assert_int_equal(seal_and_open(&tickets, 1400, 1400 + 200), 0); /* … and after a long rest */
    hw_tls_tickets_wipe(&tickets);
    assert_false(tickets.current.usable);
}

/* ---- client certificates ---- */

static const struct made *ca;

/* A server that asks for certificates of `ca`, which is a new one. */
static struct hw_tls_files client_files(void)
{
    static struct hw_tls_pair pair;
    pair = pair_of("server", A_CERT(.name = "server"));
    struct hw_tls_files files = {.pairs = &pair, .pair_count = 1, .client_ca = path_of("ca.pem")};
    ca = A_CERT(.name = "Clients' CA", .is_ca = true);
    WRITE_CERTS(files.client_ca, ca);
    return files;
}

/* What became of a client with this certificate. */
struct verdict {
    int alert;
    char name[256], refusal[256];
};

static void take_text(char *out, size_t size, struct hw_str text)
{
    snprintf(out, size, "%.*s", (int)text.len, text.ptr ? text.ptr : "");
}

static struct verdict judge(struct hw_tls_context *context, const struct made *one, int version)
{
    struct verdict verdict = {0};
    SSL_CTX *client = a_client();
    SSL_CTX_set_max_proto_version(client, version);
    if (one) {
        SSL_CTX_use_certificate(client, one->cert);
        SSL_CTX_use_PrivateKey(client, one->key);
    }
    struct meeting m = meet(context, client);
    verdict.alert = m.client_alert;
    assert_int_equal(m.done, verdict.alert == 0);
    take_text(verdict.name, sizeof verdict.name, hw_tls_context_client(m.server));
    take_text(verdict.refusal, sizeof verdict.refusal, hw_tls_context_refusal(m.server));
    assert_false(m.done && verdict.refusal[0]);
    assert_false(!m.done && verdict.name[0]);
    end(&m);
    SSL_CTX_free(client);
    return verdict;
}

static void assert_named(struct hw_tls_context *context, const struct made *one, const char *name)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct verdict verdict = judge(context, one, version);
        assert_string_equal(verdict.refusal, "");
        assert_int_equal(verdict.alert, 0);
        assert_string_equal(verdict.name, name);
    }
}

static void assert_turned_away(struct hw_tls_context *context, const struct made *one, int alert,
                               const char *refusal)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct verdict verdict = judge(context, one, version);
        assert_int_equal(verdict.alert, alert);
        if (!strstr(verdict.refusal, refusal))
            fail_msg("not \"%s\" but \"%s\"", refusal, verdict.refusal);
    }
}

static void test_verifies_client_certificates(void **state)
{
    (void)state;
    const struct hw_tls_files files = client_files();
    struct hw_tls_context *context = make_context(&files);
    const struct made *other = A_CERT(.name = "Another CA", .is_ca = true);
    assert_named(context, A_CERT(.name = "plain", .by = ca), "plain");
    assert_named(context, A_CERT(.name = "x", .by = ca, .alt = "URI:spiffe://x/y,DNS:a.example"),
                 "a.example");
    assert_named(context, A_CERT(.name = "x", .by = ca, .alt = "email:x@example.com"),
                 "x@example.com");
    char alt[4 + HW_TLS_CLIENT_MAX + 1] = "DNS:";
    memset(alt + 4, 'a', HW_TLS_CLIENT_MAX);
    assert_named(context, A_CERT(.name = "x", .by = ca, .alt = alt), "x"); /* too long: no name */
    assert_turned_away(context, A_CERT(.name = "x", .by = other), SSL_AD_UNKNOWN_CA, "issuer");
    assert_turned_away(context, A_CERT(.name = "x"), SSL_AD_UNKNOWN_CA, "self-signed");
    assert_turned_away(context, A_CERT(.name = "x", .by = ca, .from_days = -9, .to_days = -1),
                       SSL_AD_CERTIFICATE_EXPIRED, "client certificate: certificate has expired");
    hw_tls_context_unref(context);
}

static void test_requires_a_client_certificate(void **state)
{
    (void)state;
    const struct hw_tls_files files = client_files();
    struct hw_tls_context *context = make_context(&files);
    assert_int_equal(judge(context, NULL, TLS1_2_VERSION).alert, SSL_AD_HANDSHAKE_FAILURE);
    assert_int_equal(judge(context, NULL, TLS1_3_VERSION).alert, SSL_AD_CERTIFICATE_REQUIRED);
    hw_tls_context_unref(context);
}

static void test_accepts_the_names_of_client_names_only(void **state)
{
    (void)state;
    const char *names[] = {"sender.example", "spiffe://x/y"};
    struct hw_tls_files files = client_files();
    files.client_names = names;
    files.name_count = 2;
    struct hw_tls_context *context = make_context(&files);
    assert_named(context, A_CERT(.name = "x", .by = ca, .alt = "DNS:other,DNS:Sender.example"),
                 "sender.example");
    assert_named(context, A_CERT(.name = "x", .by = ca, .alt = "DNS:other,URI:spiffe://x/y"),
                 "spiffe://x/y");
    assert_turned_away(context, A_CERT(.name = "x", .by = ca, .alt = "DNS:other.example"),
                       SSL_AD_BAD_CERTIFICATE, "\"other.example\" is not in client_names");
    assert_turned_away(context, A_CERT(.name = "sender.example", .by = ca), SSL_AD_BAD_CERTIFICATE,
                       "not in client_names"); /* its common name does not count */
    assert_turned_away(context, A_CERT(.name = "x", .by = ca, .alt = "URI:spiffe://X/y"),
                       SSL_AD_BAD_CERTIFICATE, "not in client_names");
    assert_turned_away(context, A_CERT(.name = "x", .by = ca, .alt = "DNS:*.example"),
                       SSL_AD_BAD_CERTIFICATE, "not in client_names");
    hw_tls_context_unref(context);
}

/* The certificates of client_ca are trusted as they are, without the root above them. */
static void test_trusts_a_ca_in_the_middle(void **state)
{
    (void)state;
    struct hw_tls_files files = client_files();
    const struct made *middle = A_CERT(.name = "Middle", .is_ca = true, .by = ca);
    WRITE_CERTS(files.client_ca, middle);
    struct hw_tls_context *context = make_context(&files);
    assert_named(context, A_CERT(.name = "x", .by = middle), "x");
    assert_turned_away(context, A_CERT(.name = "x", .by = ca), SSL_AD_UNKNOWN_CA, "");
    hw_tls_context_unref(context);
}

static void test_resumes_no_session_of_a_verified_client(void **state)
{
    (void)state;
    const struct hw_tls_files files = client_files();
    const struct hw_tls_files plain = {.pairs = files.pairs, .pair_count = 1};
    struct hw_tls_context *context = make_context(&files), *open = make_context(&plain);
    const struct made *one = A_CERT(.name = "x", .by = ca);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        assert_false(resumes(open, version)); /* a ticket of the time without client_ca … */
        hw_tls_context_inherit(context, open);
        SSL_CTX *client = a_client();
        SSL_CTX_set_max_proto_version(client, version);
        SSL_CTX_use_certificate(client, one->cert);
        SSL_CTX_use_PrivateKey(client, one->key);
        keep_sessions(client);
        struct meeting m = begin(context, client);
        SSL_set_session(m.client, kept);
        forget_session();
        shake(&m);
        assert_true(m.done);
        assert_false(SSL_session_reused(m.server)); /* … opens no door, and no ticket is given */
        assert_true(!kept || !SSL_SESSION_has_ticket(kept));
        end(&m);
        forget_session();
        SSL_CTX_free(client);
    }
    hw_tls_context_unref(context);
    hw_tls_context_unref(open);
}

/* ---- revocation ---- */

static void write_list(const char *path, const struct made *by, const struct made *revoked,
                       int days)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *at = X509_gmtime_adj(NULL, -3600), *next = X509_gmtime_adj(NULL, days * 86400L);
    X509_CRL_set_version(list, 1);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(by->cert));
    X509_CRL_set1_lastUpdate(list, at);
    X509_CRL_set1_nextUpdate(list, next);
    if (revoked) {
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->cert));
        X509_REVOKED_set_revocationDate(entry, at);
        X509_CRL_add0_revoked(list, entry);
    }
    X509_CRL_sign(list, by->key, EVP_sha256());
    FILE *file = fopen(path, "a");
    PEM_write_X509_CRL(file, list);
    fclose(file);
    X509_CRL_free(list);
    ASN1_TIME_free(at);
    ASN1_TIME_free(next);
}

static void test_refuses_a_revoked_certificate(void **state)
{
    (void)state;
    struct hw_tls_files files = client_files();
    const struct made *good = A_CERT(.name = "good", .by = ca);
    const struct made *bad = A_CERT(.name = "bad", .by = ca);
    files.crl = path_of("crl.pem");
    write_list(files.crl, ca, bad, 7);
    struct hw_tls_context *context = make_context(&files);
    assert_named(context, good, "good");
    assert_turned_away(context, bad, SSL_AD_CERTIFICATE_REVOKED, "certificate revoked");
    hw_tls_context_unref(context);
}

/* A certificate below a CA without a list could be revoked without anybody noticing. */
static void test_wants_the_list_of_each_ca(void **state)
{
    (void)state;
    struct hw_tls_files files = client_files();
    const struct made *second = A_CERT(.name = "Second CA", .is_ca = true);
    WRITE_CERTS(files.client_ca, ca, second);
    files.crl = path_of("crl.pem");
    write_list(files.crl, ca, NULL, 7);
    struct hw_tls_context *context = make_context(&files);
    assert_named(context, A_CERT(.name = "x", .by = ca), "x");
    assert_turned_away(context, A_CERT(.name = "x", .by = second), SSL_AD_UNKNOWN_CA,
                       "unable to get certificate CRL");
    hw_tls_context_unref(context);
}

static void test_a_ca_in_the_middle_needs_no_list_of_the_root(void **state)
{
    (void)state;
    struct hw_tls_files files = client_files();
    const struct made *middle = A_CERT(.name = "Middle", .is_ca = true, .by = ca);
    const struct made *bad = A_CERT(.name = "bad", .by = middle);
    WRITE_CERTS(files.client_ca, middle);
    files.crl = path_of("crl.pem");
    write_list(files.crl, middle, bad, 7);
    struct hw_tls_context *context = make_context(&files);
    assert_named(context, A_CERT(.name = "x", .by = middle), "x");
    assert_turned_away(context, bad, SSL_AD_CERTIFICATE_REVOKED, "certificate revoked");
    hw_tls_context_unref(context);
}

/* ---- files of client certificates ---- */

static void assert_no_context(const struct hw_tls_files *files, const char *path, const char *text)
{
    assert_null(hw_tls_context_make(files, why, sizeof why));
    if (strncmp(why, path, strlen(path)) != 0 || !strstr(why, text) || strchr(why, '\n'))
        fail_msg("not \"%s: …%s…\" but \"%s\"", path, text, why);
}

static void test_refuses_unusable_files_of_client_certificates(void **state)
{
    (void)state;
    struct hw_tls_files files = client_files();
    assert_int_equal(remove(files.client_ca), 0);
    assert_no_context(&files, files.client_ca, "No such file");
    folder_write(&folder, "ca.pem", "nothing\n");
    assert_no_context(&files, files.client_ca, "no certificate in PEM");
    WRITE_CERTS(files.client_ca, A_CERT(.name = "leaf", .by = ca));
    assert_no_context(&files, files.client_ca, "is not a CA's certificate");
    WRITE_CERTS(files.client_ca,
                A_CERT(.name = "old", .is_ca = true, .from_days = -9, .to_days = -1));
    assert_no_context(&files, files.client_ca, "expired on 2");
    WRITE_CERTS(files.client_ca, ca);
    files.crl = path_of("crl.pem");
    assert_no_context(&files, files.crl, "No such file");
    WRITE_CERTS(files.crl, ca);
    assert_no_context(&files, files.crl, "no revocation list in PEM");
    remove(files.crl);
    write_list(files.crl, ca, NULL, -1);
    assert_no_context(&files, files.crl, "the list expired on 2");
}

/* ---- two contexts ---- */

static void test_notices_every_difference(void **state)
{
    (void)state;
    const char *names[] = {"a", "b"};
    struct hw_tls_files files = client_files();
    files.client_names = names;
    files.name_count = 1;
    struct hw_tls_context *first = make_context(&files), *second = make_context(&files);
    assert_true(hw_tls_context_same(first, second));
    hw_tls_context_unref(second);
    files.name_count = 2;
    second = make_context(&files);
    assert_false(hw_tls_context_same(first, second));
    hw_tls_context_unref(second);
    files.name_count = 1;
    WRITE_CERTS(files.client_ca, ca, A_CERT(.name = "another", .is_ca = true));
    second = make_context(&files);
    assert_false(hw_tls_context_same(first, second));
    hw_tls_context_unref(second);
    hw_tls_context_unref(first);
}

/* Time passes: what was live when it expired stays live, and is not taken anew. */
static void test_keeps_what_has_expired_meanwhile(void **state)
{
    (void)state;
    const struct made *one = A_CERT(.name = "a.example");
    struct hw_tls_pair pair = pair_of("1", one);
    const struct hw_tls_files files = {.pairs = &pair, .pair_count = 1};
    struct hw_tls_context *old = make_context(&files);
    struct hw_tls_context *same = hw_tls_context_renew(&files, old, why, sizeof why);
    assert_ptr_equal(same, old);
    hw_tls_context_unref(same);
    WRITE_CERTS(pair.cert, A_CERT(.name = "b.example", .key = one->key));
    struct hw_tls_context *other = hw_tls_context_renew(&files, old, why, sizeof why);
    assert_ptr_not_equal(other, old);
    assert_non_null(other);
    hw_tls_context_unref(other);
    WRITE_CERTS(pair.cert, A_CERT(.name = "a", .key = one->key, .from_days = -9, .to_days = -1));
    assert_null(hw_tls_context_renew(&files, old, why, sizeof why));
    assert_non_null(strstr(why, "expired on 2"));
    hw_tls_context_unref(old);
}

/* A reload drops the context while connections have sessions of it. */
static void test_a_session_outlives_its_listener(void **state)
{
    (void)state;
    struct hw_tls_context *context = plain_context(NULL);
    SSL_CTX *client = a_client();
    struct meeting m = begin(context, client);
    hw_tls_context_unref(context);
    shake(&m);
    assert_true(m.done);
    end(&m);
    SSL_CTX_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(test_the_name_chooses_the_certificate),
        T(test_says_which_name_is_there_twice),
        T(test_sends_the_whole_chain),
        T(test_speaks_1_2_and_1_3_only),
        T(test_takes_modern_ciphers_only),
        T(test_answers_alpn_with_http_1_1),
        T(test_refuses_renegotiation),
        T(test_resumes_sessions),
        T(test_ticket_keys_rotate),
        T(test_verifies_client_certificates),
        T(test_requires_a_client_certificate),
        T(test_accepts_the_names_of_client_names_only),
        T(test_trusts_a_ca_in_the_middle),
        T(test_resumes_no_session_of_a_verified_client),
        T(test_refuses_a_revoked_certificate),
        T(test_wants_the_list_of_each_ca),
        T(test_a_ca_in_the_middle_needs_no_list_of_the_root),
        T(test_refuses_unusable_files_of_client_certificates),
        T(test_notices_every_difference),
        T(test_keeps_what_has_expired_meanwhile),
        T(test_a_session_outlives_its_listener),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
