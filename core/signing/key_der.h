/* key_der.h -- the DER forms of a key: SubjectPublicKeyInfo, PKCS#1, X.509 certificate.
 *
 * How     OpenSSL's parsers are tried one after the other; what none of them takes is tried as a
 *         private key, to say so when it is one.
 * Thread  pure; any. */
#ifndef HW_KEY_DER_H
#define HW_KEY_DER_H

#include "signing/key_numbers.h"

/* What to do with a private key: the end of a reason. */
#define HW_KEY_PUBLIC_HALF                                                                         \
    "keep it elsewhere and give its public half: openssl pkey -in FILE -pubout"

/* What each content is called, in the wrapping that it came in. */
struct hw_der_forms {
    const char *spki, *pkcs1, *certificate;
};

bool hw_key_is_der(struct hw_str bytes);

int hw_key_der_read(struct hw_key_numbers *numbers, struct hw_str bytes,
                    const struct hw_der_forms *forms, const struct hw_reason *why);

#endif
