/* key_forms.c -- see key_forms.h
 *
 * How     binary forms are known by their first bytes, text forms by their first letters. Anything
 *         else may be Base64 of a binary form. A PEM block's label only tells what to refuse: the
 *         content is recognised by itself, as labels are often wrong (PKCS#1 as PUBLIC KEY). */
#include "signing/key_forms.h"

#include <openssl/crypto.h>
#include <stdio.h>

#include "signing/key_blob.h"
#include "signing/key_der.h"
#include "signing/key_jwk.h"
#include "signing/key_xml.h"

static const struct hw_der_forms in_pem = {"PEM", "PEM PKCS#1", "PEM certificate"};
static const struct hw_der_forms in_der = {"DER", "DER PKCS#1", "DER certificate"};
static const struct hw_der_forms in_base64 = {"Base64 of DER", "Base64 of PKCS#1",
                                              "Base64 of certificate"};

/* ---- plain bytes ---- */

static bool starts_with(struct hw_str text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.ptr, prefix, len) == 0;
}

static struct hw_str from(struct hw_str text, size_t offset)
{
    return (struct hw_str){text.ptr + offset, text.len - offset};
}

/* The text from the first `needle` on; {NULL, 0} without one. */
static struct hw_str find(struct hw_str text, const char *needle)
{
    const char *at = text.len ? memmem(text.ptr, text.len, needle, strlen(needle)) : NULL;
    return at ? from(text, (size_t)(at - text.ptr)) : HW_STR_NONE;
}

static struct hw_str trim(struct hw_str text)
{
    while (text.len && hw_key_is_space(text.ptr[0]))
        text = from(text, 1);
    while (text.len && hw_key_is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* A text copied out of a JSON answer keeps its quotes. */
static struct hw_str unquote(struct hw_str text)
{
    if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
        return (struct hw_str){text.ptr + 1, text.len - 2};
    return text;
}

struct hw_str hw_key_forms_plain(struct hw_str text)
{
    char *copy = OPENSSL_malloc(text.len + 1);
    if (!copy)
        return HW_STR_NONE;
    bool little = starts_with(text, "\xff\xfe"), big = starts_with(text, "\xfe\xff");
    size_t len = 0;
    if (little || big) {
        for (size_t i = 2; i + 1 < text.len; i += 2) {
            char low = text.ptr[i + big], high = text.ptr[i + little];
            copy[len++] = high == 0 && low > 0 ? low : '?';
        }
    } else {
        if (starts_with(text, "\xef\xbb\xbf"))
            text = from(text, 3);
        if (text.len)
            memcpy(copy, text.ptr, text.len);
        len = text.len;
    }
    copy[len] = '\0';
    return (struct hw_str){copy, len};
}

/* ---- PEM ---- */

/* `text` begins with "-----BEGIN ": the label that follows, or an empty one when it is damaged. */
static struct hw_str pem_label(struct hw_str text)
{
    struct hw_str label = from(text, sizeof("-----BEGIN ") - 1);
    for (size_t i = 0; i < label.len && i <= 48; i++) {
        char c = label.ptr[i];
        if (c == '-')
            return (struct hw_str){label.ptr, i};
        if (c != ' ' && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9'))
            break;
    }
    return HW_STR_NONE;
}

static int refuse_pem_private(struct hw_str label, const struct hw_reason *why)
{
    if (starts_with(label, "OPENSSH"))
        return hw_refuse(why,
                         "this is an OpenSSH private key; keep it elsewhere and give its public "
                         "half: ssh-keygen -e -m PKCS8 -f FILE");
    return hw_refuse(why, "this is %s private key (%.*s); " HW_KEY_PUBLIC_HALF,
                     starts_with(label, "ENCRYPTED") ? "an encrypted" : "a", HW_STR_ARG(label));
}

/* Refuses a private key in any of the blocks. Returns the number of blocks, or HW_EFAILED. */
static int pem_blocks(struct hw_str text, const struct hw_reason *why)
{
    int count = 0;
    for (struct hw_str at = find(text, "-----BEGIN "); at.len; count++) {
        struct hw_str label = pem_label(at);
        if (find(label, "PRIVATE KEY").len)
            return refuse_pem_private(label, why);
        at = find(from(at, 1), "-----BEGIN ");
    }
    return count;
}

static int read_pem(struct hw_key_numbers *numbers, struct hw_str text, const struct hw_reason *why)
{
    int blocks = pem_blocks(text, why);
    if (blocks < 0)
        return blocks;
    if (blocks > 1)
        return hw_refuse(why, "%d PEM blocks in one file; one key a file", blocks);
    struct hw_str begin = find(text, "-----BEGIN ");
    struct hw_str label = pem_label(begin);
    if (label.len == 0)
        return hw_refuse(why, "a PEM block with a damaged BEGIN line");
    if (!hw_str_eq(label, HW_STR("PUBLIC KEY")) && !hw_str_eq(label, HW_STR("RSA PUBLIC KEY")) &&
        !hw_str_eq(label, HW_STR("CERTIFICATE")) && !hw_str_eq(label, HW_STR("X509 CERTIFICATE")))
        return hw_refuse(why, "a PEM block \"%.*s\", not a public key or a certificate",
                         HW_STR_ARG(label));
    char mark[80];
    int marked = snprintf(mark, sizeof mark, "-----BEGIN %.*s-----", HW_STR_ARG(label));
    struct hw_str inside = starts_with(begin, mark) ? from(begin, (size_t)marked) : HW_STR_NONE;
    snprintf(mark, sizeof mark, "-----END %.*s-----", HW_STR_ARG(label));
    struct hw_str end = find(inside, mark);
    if (!end.len)
        return hw_refuse(why, "a PEM block without its END line");
    inside.len -= end.len;
    size_t len = 0;
    unsigned char *der = hw_key_base64(inside, &len);
    if (!der)
        return hw_refuse(why, "a damaged PEM block: its content is not Base64");
    int rc = hw_key_der_read(numbers, (struct hw_str){(char *)der, len}, &in_pem, why);
    OPENSSL_clear_free(der, len);
    return rc;
}

/* ---- texts ---- */

static int read_base64(struct hw_key_numbers *numbers, struct hw_str text,
                       const struct hw_reason *why)
{
    size_t len = 0;
    unsigned char *decoded = hw_key_base64(text, &len);
    struct hw_str bytes = {(char *)decoded, len};
    int rc;
    if (decoded && hw_key_is_der(bytes))
        rc = hw_key_der_read(numbers, bytes, &in_base64, why);
    else if (decoded && hw_key_is_blob(bytes))
        rc = hw_key_blob_read(numbers, bytes, true, why);
    else
        rc =
            hw_refuse(why, "no known form of a public key (PEM, DER, Base64 of DER, .NET XML, JWK, "
                           "CSP or CNG blob)");
    OPENSSL_clear_free(decoded, len);
    return rc;
}

static bool is_ssh(struct hw_str text)
{
    return starts_with(text, "ssh-") || starts_with(text, "ecdsa-sha2-") ||
           starts_with(text, "sk-ssh-") || starts_with(text, "---- BEGIN SSH2 ");
}

static int read_text(struct hw_key_numbers *numbers, struct hw_str text,
                     const struct hw_reason *why)
{
    text = trim(text);
    if (find(text, "-----BEGIN ").len)
        return read_pem(numbers, text, why);
    text = trim(unquote(text));
    if (text.len == 0)
        return hw_refuse(why, "it is empty");
    if (is_ssh(text))
        return hw_refuse(why, "this is an OpenSSH key; turn it into PEM: ssh-keygen -e -m PKCS8 -f "
                              "FILE");
    if (starts_with(text, "PuTTY-User-Key-File"))
        return hw_refuse(why, "this is a PuTTY private key; keep it elsewhere and give its public "
                              "half: puttygen FILE -O public-openssh, then ssh-keygen -e -m PKCS8");
    if (text.ptr[0] == '<')
        return hw_key_xml_read(numbers, text, why);
    if (text.ptr[0] == '{')
        return hw_key_jwk_read(numbers, text, why);
    return read_base64(numbers, text, why);
}

int hw_key_forms_read(struct hw_key_numbers *numbers, struct hw_str text,
                      const struct hw_reason *why)
{
    *numbers = (struct hw_key_numbers){0};
    if (hw_key_is_der(text))
        return hw_key_der_read(numbers, text, &in_der, why);
    if (hw_key_is_blob(text))
        return hw_key_blob_read(numbers, text, false, why);
    struct hw_str plain = hw_key_forms_plain(text);
    if (!plain.ptr)
        return hw_refuse(why, "out of memory");
    int rc = read_text(numbers, plain, why);
    OPENSSL_clear_free((char *)plain.ptr, text.len + 1);
    return rc;
}
