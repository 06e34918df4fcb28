/* key_blob.c -- see key_blob.h */
#include "signing/key_blob.h"

#include <stdint.h>

enum { CSP_PUBLIC = 6, CSP_PRIVATE = 7, CSP_HEADER = 20, CNG_HEADER = 24 };

static uint32_t little32(struct hw_str bytes, size_t at)
{
    const unsigned char *in = (const unsigned char *)bytes.ptr + at;
    return in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static bool is_magic(struct hw_str bytes, size_t at, const char *magic)
{
    return bytes.len >= at + 4 && memcmp(bytes.ptr + at, magic, 4) == 0;
}

static bool is_csp(struct hw_str bytes)
{
    return bytes.len >= 12 && (bytes.ptr[0] == CSP_PUBLIC || bytes.ptr[0] == CSP_PRIVATE) &&
           bytes.ptr[1] == 2 && bytes.ptr[2] == 0 && bytes.ptr[3] == 0;
}

static bool is_cng(struct hw_str bytes)
{
    static const char *const magics[] = {"RSA1", "RSA2", "RSA3", "ECS1", "ECS2", "ECS3", "DSPB"};
    /* Some of the header's bytes are zero; a text that only begins like a blob has none. */
    if (bytes.len < CNG_HEADER || !memchr(bytes.ptr + 4, '\0', 20))
        return false;
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
        if (is_magic(bytes, 0, magics[i]))
            return true;
    }
    return false;
}

bool hw_key_is_blob(struct hw_str bytes)
{
    return is_csp(bytes) || is_cng(bytes);
}

static int read_csp(struct hw_key_numbers *numbers, struct hw_str bytes,
                    const struct hw_reason *why)
{
    if (bytes.ptr[0] == CSP_PRIVATE || is_magic(bytes, 8, "RSA2"))
        return hw_refuse(why,
                         "this is a private key (CSP PRIVATEKEYBLOB); keep it elsewhere and give "
                         "its public half: ExportCspBlob(false)");
    if (!is_magic(bytes, 8, "RSA1"))
        return hw_refuse(why, "a CSP blob, but not of an RSA key");
    size_t size = bytes.len < CSP_HEADER ? 0 : ((size_t)little32(bytes, 12) + 7) / 8;
    if (size == 0 || bytes.len != CSP_HEADER + size)
        return hw_refuse(why, "a CSP blob of %zu bytes, which is not the length that it states",
                         bytes.len);
    numbers->n = BN_lebin2bn((const unsigned char *)bytes.ptr + CSP_HEADER, (int)size, NULL);
    numbers->e = BN_new();
    if (!numbers->n || !numbers->e || !BN_set_word(numbers->e, little32(bytes, 16)))
        return hw_refuse(why, "out of memory");
    return 0;
}

static int read_cng(struct hw_key_numbers *numbers, struct hw_str bytes,
                    const struct hw_reason *why)
{
    if (is_magic(bytes, 0, "RSA2") || is_magic(bytes, 0, "RSA3"))
        return hw_refuse(why, "this is a private key (CNG blob); keep it elsewhere and give its "
                              "public half: BCRYPT_RSAPUBLIC_BLOB");
    if (!is_magic(bytes, 0, "RSA1"))
        return hw_refuse(why, "a CNG blob, but not of an RSA key");
    size_t exponent = little32(bytes, 8), modulus = little32(bytes, 12);
    if (exponent == 0 || modulus == 0 || exponent > bytes.len || modulus > bytes.len ||
        bytes.len != CNG_HEADER + exponent + modulus)
        return hw_refuse(why, "a CNG blob of %zu bytes, which is not the length that it states",
                         bytes.len);
    const unsigned char *in = (const unsigned char *)bytes.ptr + CNG_HEADER;
    if (!hw_key_take_bytes(&numbers->e, in, exponent) ||
        !hw_key_take_bytes(&numbers->n, in + exponent, modulus))
        return hw_refuse(why, "out of memory");
    return 0;
}

int hw_key_blob_read(struct hw_key_numbers *numbers, struct hw_str bytes, bool was_base64,
                     const struct hw_reason *why)
{
    bool csp = is_csp(bytes);
    int rc = csp ? read_csp(numbers, bytes, why) : read_cng(numbers, bytes, why);
    if (rc == 0 && csp)
        numbers->form = was_base64 ? "Base64 of CSP blob" : "CSP blob";
    else if (rc == 0)
        numbers->form = was_base64 ? "Base64 of CNG blob" : "CNG blob";
    return rc;
}
