/* diagnose.h -- why does this signature not verify?
 *
 * Why     a body that a proxy changed, another text form of the signature and another padding all
 *         look the same to a verifier: invalid. This finds out which it was, for a person.
 * How     the public key recovers what was signed; variations of the body are hashed and compared
 *         with it. This only describes: nothing that it finds is ever accepted.
 * Thread  pure; any. */
#ifndef HW_DIAGNOSE_H
#define HW_DIAGNOSE_H

#include "base/str.h"
#include "signing/keys.h"

/* Returns the findings, at least one, one a line, each with a '\n', for free(); NULL without
 * memory. If the signature is good, the first line says so. */
char *hw_diagnose(const struct hw_keyset *keys, struct hw_str body, struct hw_str signature);

#endif
