/* diagnose.h -- why does this signature not verify?
 *
 * Why     a proxy that touches the body, another text form of the signature or another padding all
 *         look the same to a verifier: invalid. This finds out which it was, for a person.
 * How     the public key opens what was signed; then variations of the body are hashed and compared
 *         with that. It only describes, nothing that it finds is ever accepted.
 * Thread  pure; any. */
#ifndef HW_DIAGNOSE_H
#define HW_DIAGNOSE_H

#include "base/str.h"
#include "signing/keys.h"

/* Returns the findings, at least one, one a line ('\n' behind each), for free(); NULL without
 * memory. The first line of a signature that is good says so. */
char *hw_diagnose(const struct hw_keyset *keys, struct hw_str body, struct hw_str signature);

#endif
