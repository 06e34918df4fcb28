/* key_xml.c -- see key_xml.h */
#include "signing/key_xml.h"

#include <openssl/crypto.h>

/* `at` follows a '<'. The length of the tag's name if that is `name` with any prefix, else 0. */
static size_t tag_name(struct hw_str at, const char *name)
{
    size_t len = 0, local = 0;
    while (len < at.len && !hw_key_is_space(at.ptr[len]) && at.ptr[len] != '>' &&
           at.ptr[len] != '/') {
        if (at.ptr[len++] == ':')
            local = len;
    }
    return len - local == strlen(name) && memcmp(at.ptr + local, name, len - local) == 0 ? len : 0;
}

static const char *find_char(struct hw_str text, char c)
{
    return text.len ? memchr(text.ptr, c, text.len) : NULL;
}

static struct hw_str after(struct hw_str text, const char *at)
{
    return (struct hw_str){at + 1, text.len - (size_t)(at + 1 - text.ptr)};
}

/* Finds the next start tag `name` in *text and moves *text past it. */
static bool next_element(struct hw_str *text, const char *name)
{
    const char *open;
    while ((open = find_char(*text, '<'))) {
        *text = after(*text, open);
        size_t len = tag_name(*text, name);
        const char *close = len ? find_char(*text, '>') : NULL;
        if (close) {
            *text = after(*text, close);
            return true;
        }
    }
    return false;
}

static int count_elements(struct hw_str text, const char *name)
{
    int count = 0;
    while (next_element(&text, name))
        count++;
    return count;
}

int hw_key_xml_number(BIGNUM **number, struct hw_str text, const char *name)
{
    struct hw_str inside = text;
    if (!next_element(&inside, name))
        return 0;
    const char *end = find_char(inside, '<');
    if (!end || count_elements(inside, name) > 0)
        return -1;
    struct hw_str closing = after(inside, end);
    if (closing.len == 0 || closing.ptr[0] != '/' || !tag_name(after(closing, closing.ptr), name))
        return -1;
    inside.len = (size_t)(end - inside.ptr);
    size_t len = 0;
    unsigned char *bytes = hw_key_base64(inside, &len);
    bool good = bytes && hw_key_take_bytes(number, bytes, len);
    OPENSSL_clear_free(bytes, len);
    return good ? 1 : -1;
}

static bool xml_has_secret(struct hw_str text)
{
    static const char *const secrets[] = {"D", "P", "Q", "DP", "DQ", "InverseQ"};
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        if (count_elements(text, secrets[i]))
            return true;
    }
    return false;
}

int hw_key_xml_read(struct hw_key_numbers *numbers, struct hw_str text, const struct hw_reason *why)
{
    int keys = count_elements(text, "RSAKeyValue") + count_elements(text, "RSAParameters");
    if (keys == 0 && (count_elements(text, "DSAKeyValue") || count_elements(text, "ECKeyValue") ||
                      count_elements(text, "ECDSAKeyValue")))
        return hw_refuse(why, "XML of a DSA or EC key; an RSA key is needed");
    if (keys == 0)
        return hw_refuse(why, "XML, but without an RSAKeyValue in it");
    if (xml_has_secret(text))
        return hw_refuse(why, "this is a private key in XML; keep it elsewhere and give its public "
                              "half: RSA.ToXmlString(false), or Modulus and Exponent alone");
    if (keys > 1)
        return hw_refuse(why, "%d keys in one XML file; one key a file", keys);
    if (hw_key_xml_number(&numbers->n, text, "Modulus") != 1)
        return hw_refuse(why, "XML without one Modulus in Base64");
    if (hw_key_xml_number(&numbers->e, text, "Exponent") != 1)
        return hw_refuse(why, "XML without one Exponent in Base64");
    numbers->form = ".NET XML";
    return 0;
}
