/* A server certificate is read with its chain and its key; each mistake is one line that names the
 * file and the fix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "certs.h"
#include "folder.h"
#include "http/certificate.h"

static struct folder folder;
static char cert[FOLDER_PATH_MAX], key[FOLDER_PATH_MAX], why[1024];

static int set_up(void **state)
{
    (void)state;
    folder_open(&folder);
    folder_path(&folder, "cert.pem", cert);
    folder_path(&folder, "key.pem", key);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    folder_close(&folder);
    unmake_all();
    return 0;
}

static int read_into(struct hw_certificate *certificate)
{
    struct hw_reason reason = {why, sizeof why};
    int rc = hw_certificate_read(certificate, cert, key, NULL, &reason);
    return rc ? rc : hw_certificate_check_time(certificate, &reason);
}

static void assert_accepted(void)
{
    struct hw_certificate certificate;
    if (read_into(&certificate))
        fail_msg("refused: %s", why);
    hw_certificate_fini(&certificate);
}

/* The line begins with the file's path and contains `text`. */
static void assert_refused(const char *path, const char *text)
{
    struct hw_certificate certificate;
    assert_int_not_equal(read_into(&certificate), 0);
    hw_certificate_fini(&certificate);
    if (strncmp(why, path, strlen(path)) != 0 || !strstr(why, text) || strchr(why, '\n'))
        fail_msg("not \"%s: …%s…\" but \"%s\"", path, text, why);
}

/* ---- what is accepted ---- */

static void test_says_what_it_read(void **state)
{
    (void)state;
    struct hw_certificate c;
    const struct made *ca = A_CERT(.name = "Test CA", .is_ca = true);
    const struct made *one =
        A_CERT(.name = "ignored", .by = ca, .from_days = -1, .to_days = 30,
               .alt =
                   "DNS:a.example,DNS:*.b.example,IP:192.0.2.1,IP:2001:db8::1,email:x@y.example");
    WRITE_CERTS(cert, one, ca);
    write_key(key, one);
    assert_int_equal(read_into(&c), 0);
    assert_int_equal(c.count, 2);
    assert_string_equal(c.names, "a.example, *.b.example, 192.0.2.1, 2001:db8::1");
    assert_string_equal(c.issuer, "Test CA");
    assert_string_equal(c.kind, "ECDSA P-256");
    assert_string_equal(c.file, cert);
    assert_int_equal(hw_certificate_days(c.not_after, time(NULL)), 30);
    hw_certificate_fini(&c);
}

static void test_takes_the_common_name_without_others(void **state)
{
    (void)state;
    struct hw_certificate c;
    const struct made *one = A_CERT(.name = "plain.example");
    WRITE_CERTS(cert, one);
    write_key(key, one);
    assert_int_equal(read_into(&c), 0);
    assert_string_equal(c.names, "plain.example");
    hw_certificate_fini(&c);
}

static void test_takes_the_usual_kinds_of_keys(void **state)
{
    (void)state;
    EVP_PKEY *keys[] = {EVP_RSA_gen(2048), EVP_EC_gen("P-384"),
                        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
    const char *const kinds[] = {"RSA 2048", "ECDSA P-384", "Ed25519"};
    for (size_t i = 0; i < 3; i++) {
        struct hw_certificate c;
        const struct made *ca = A_CERT(.name = "CA", .is_ca = true);
        const struct made *one = A_CERT(.name = "a", .key = keys[i], .by = ca);
        WRITE_CERTS(cert, one);
        write_key(key, one);
        assert_int_equal(read_into(&c), 0);
        assert_string_equal(c.kind, kinds[i]);
        hw_certificate_fini(&c);
        EVP_PKEY_free(keys[i]);
    }
}

static void test_takes_key_and_certificate_in_one_file(void **state)
{
    (void)state;
    const struct made *one = A_CERT(.name = "a.example");
    write_key(cert, one);
    FILE *file = fopen(cert, "a");
    PEM_write_X509(file, one->cert);
    fclose(file);
    strcpy(key, cert);
    assert_accepted();
    folder_path(&folder, "key.pem", key);
}

static void test_counts_days(void **state)
{
    (void)state;
    assert_int_equal(hw_certificate_days(1000000 + 14 * 86400, 1000000), 14);
    assert_int_equal(hw_certificate_days(1000000 + 14 * 86400 - 1, 1000000), 13);
    assert_int_equal(hw_certificate_days(1000000, 1000000), 0);
    assert_int_equal(hw_certificate_days(1000000 - 1, 1000000), -1);
    assert_int_equal(hw_certificate_days(1000000 - 86400, 1000000), -1);
    assert_int_equal(hw_certificate_days(1000000 - 86401, 1000000), -2);
}

/* ---- files ---- */

static void test_names_a_file_that_cannot_be_read(void **state)
{
    (void)state;
    const struct made *one = A_CERT(.name = "a.example");
    assert_refused(cert, "No such file");
    WRITE_CERTS(cert, one);
    assert_refused(key, "No such file");
    write_key(key, one);
    assert_accepted();
    assert_int_equal(mkdir(key, 0700) == 0 || (remove(key) == 0 && mkdir(key, 0700) == 0), true);
    assert_refused(key, "a folder");
    rmdir(key);
    folder_write(&folder, "key.pem", "");
    assert_refused(key, "empty");
    if (geteuid() != 0) {
        chmod(key, 0);
        assert_refused(key, "may not read this TLS key; let a deploy hook copy it");
    }
}

static void test_says_what_it_found_instead(void **state)
{
    (void)state;
    const struct made *one = A_CERT(.name = "a.example");
    WRITE_CERTS(cert, one);
    folder_write(&folder, "key.pem", "no PEM at all\n");
    assert_refused(key, "not a private key in PEM");
    WRITE_CERTS(key, one);
    assert_refused(key, "a certificate, not a private key; `key` and `cert` may be mixed up");
    folder_write(&folder, "key.pem",
                 "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert_refused(key, "damaged");
    folder_write(&folder, "cert.pem", "no PEM at all\n");
    assert_refused(cert, "not a certificate in PEM");
    write_key(cert, one);
    assert_refused(cert, "a private key, not a certificate; `cert` and `key` may be mixed up");
    folder_write(&folder, "cert.pem",
                 "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_refused(cert, "damaged");
}

/* A file that was cut off must not pass for a shorter chain. */
static void test_refuses_a_chain_that_is_cut_off(void **state)
{
    (void)state;
    const struct made *ca = A_CERT(.name = "CA", .is_ca = true);
    const struct made *one = A_CERT(.name = "a.example", .by = ca);
    struct stat st;
    WRITE_CERTS(cert, one, ca);
    write_key(key, one);
    assert_accepted();
    assert_int_equal(stat(cert, &st), 0);
    assert_int_equal(truncate(cert, st.st_size - 100), 0);
    assert_refused(cert, "damaged");
}

static void test_refuses_an_encrypted_key(void **state)
{
    (void)state;
    const struct made *one = A_CERT(.name = "a.example");
    WRITE_CERTS(cert, one);
    FILE *file = fopen(key, "w");
    PEM_write_PKCS8PrivateKey(file, one->key, EVP_aes_128_cbc(), "pass", 4, NULL, NULL);
    fclose(file);
    assert_refused(key, "encrypted");
    BIO *out = BIO_new_file(key, "w");
    PEM_write_bio_PrivateKey_traditional(out, one->key, EVP_aes_128_cbc(),
                                         (const unsigned char *)"pass", 4, NULL, NULL);
    BIO_free(out);
    assert_refused(key, "openssl pkey -in");
}

/* ---- what does not belong together ---- */

static void test_refuses_a_key_that_does_not_fit(void **state)
{
    (void)state;
    const struct made *one = A_CERT(.name = "a.example"), *other = A_CERT(.name = "a.example");
    WRITE_CERTS(cert, one);
    write_key(key, other);
    assert_refused(key, "this key does not fit the certificate");
}

static void test_refuses_a_chain_in_the_wrong_order(void **state)
{
    (void)state;
    const struct made *root = A_CERT(.name = "Root", .is_ca = true);
    const struct made *middle = A_CERT(.name = "Middle", .is_ca = true, .by = root);
    const struct made *one = A_CERT(.name = "a.example", .by = middle);
    const struct made *stranger = A_CERT(.name = "Root", .is_ca = true);
    write_key(key, one);
    WRITE_CERTS(cert, one, middle, root);
    assert_accepted();
    WRITE_CERTS(cert, one, middle);
    assert_accepted();
    WRITE_CERTS(cert, middle, one);
    assert_refused(cert, "the certificate of the key is number 2 and must be the first");
    WRITE_CERTS(cert, root, middle, one);
    assert_refused(cert, "number 3 and must be the first");
    WRITE_CERTS(cert, one, root, middle);
    assert_refused(cert, "certificate number 2 did not sign number 1");
    WRITE_CERTS(cert, one, one, middle);
    assert_refused(cert, "certificate number 2 did not sign number 1");
    WRITE_CERTS(cert, one, middle, stranger); /* it has the right name, and another key */
    assert_refused(cert, "certificate number 3 did not sign number 2");
}

static void test_a_chain_may_have_16_certificates(void **state)
{
    (void)state;
    const struct made *all[HW_CERTIFICATE_CHAIN_MAX + 2] = {0};
    const int count = HW_CERTIFICATE_CHAIN_MAX + 1;
    for (int i = count - 1; i >= 0; i--)
        all[i] = A_CERT(.name = i ? "CA" : "a", .is_ca = i > 0, .by = all[i + 1]);
    write_key(key, all[0]);
    write_certs(cert, all);
    assert_refused(cert, "17 certificates, more than 16");
    all[count - 1] = NULL;
    write_certs(cert, all);
    assert_accepted();
}

static void test_refuses_what_is_not_valid_now(void **state)
{
    (void)state;
    const struct made *old = A_CERT(.name = "a", .from_days = -20, .to_days = -1);
    const struct made *young = A_CERT(.name = "a", .from_days = 2, .to_days = 20);
    WRITE_CERTS(cert, old);
    write_key(key, old);
    assert_refused(cert, "expired on 2");
    assert_non_null(strstr(why, "; renew it"));
    WRITE_CERTS(cert, young);
    write_key(key, young);
    assert_refused(cert, "is not valid before 2");
    const struct made *ca = A_CERT(.name = "CA", .is_ca = true, .from_days = -9, .to_days = -1);
    const struct made *one = A_CERT(.name = "a", .by = ca);
    WRITE_CERTS(cert, one, ca);
    write_key(key, one);
    assert_refused(cert, "(number 2 of the chain) expired");
}

static void test_refuses_a_short_rsa_key(void **state)
{
    (void)state;
    EVP_PKEY *small = EVP_RSA_gen(1024), *odd = EVP_RSA_gen(2047);
    const struct made *one = A_CERT(.name = "a", .key = small),
                      *other = A_CERT(.name = "a", .key = odd);
    WRITE_CERTS(cert, one);
    write_key(key, one);
    assert_refused(key, "an RSA key of 1024 bits, fewer than 2048");
    WRITE_CERTS(cert, other);
    write_key(key, other);
    assert_refused(key, "2047 bits");
    EVP_PKEY_free(small);
    EVP_PKEY_free(odd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(test_says_what_it_read),
        T(test_takes_the_common_name_without_others),
        T(test_takes_the_usual_kinds_of_keys),
        T(test_takes_key_and_certificate_in_one_file),
        T(test_counts_days),
        T(test_names_a_file_that_cannot_be_read),
        T(test_says_what_it_found_instead),
        T(test_refuses_a_chain_that_is_cut_off),
        T(test_refuses_an_encrypted_key),
        T(test_refuses_a_key_that_does_not_fit),
        T(test_refuses_a_chain_in_the_wrong_order),
        T(test_a_chain_may_have_16_certificates),
        T(test_refuses_what_is_not_valid_now),
        T(test_refuses_a_short_rsa_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
