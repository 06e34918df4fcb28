/* key_fuzz.c -- any bytes are a key within the limits, or refused in one line. */
#include <openssl/err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "signing/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hw_key key;
    char why[200] = "";
    int rc = hw_key_parse(&key, (struct hw_str){(const char *)data, size}, 512, why, sizeof why);
    HW_CHECK(ERR_peek_error() == 0);
    if (rc == 0) {
        HW_CHECK(key.pkey && key.form && strlen(key.fingerprint) == 64);
        HW_CHECK(key.bits >= 512 && key.bits <= HW_KEY_BITS_MAX);
        HW_CHECK(key.bits == EVP_PKEY_get_bits(key.pkey));
    } else {
        HW_CHECK(rc == HW_EFAILED && why[0] && !key.pkey);
        for (const char *at = why; *at; at++)
            HW_CHECK(*at >= ' ' && *at <= '~');
    }
    hw_key_fini(&key);
    return 0;
}
