/* tls_api.h -- the certificates of a listener for `check` and `doctor`: `hookward.core.tls`.
 *
 * Thread  the one that has the Lua state. */
#ifndef HW_TLS_API_H
#define HW_TLS_API_H

#include <lua.h>

/* Pushes a table of functions.
 *
 *     check(files) -> {
 *         certificates = { { file, names, issuer, key, not_before, not_after, days,
 *                            development }, … },
 *         errors = { … }, warnings = { … } }
 *
 * `files` is a listener's `tls` as hookward.config gives it: pairs = { { cert, key }, … },
 * client_ca, crl, client_names; absolute paths. All files are read and checked as the host does
 * when it starts (http/tls_context.h). If `errors` is empty, the host would start. An error or a
 * warning is one line that names the file and the fix.
 *
 * Of a certificate: file, its path; names, an array of DNS names and addresses; issuer and key,
 * texts ("ECDSA P-256"); not_before and not_after, seconds since 1970; days, whole days until
 * not_after, negative once it is past; development, whether `hookward init --tls` made it. A pair
 * that can't be read has only its error.
 *
 * Misuse (a wrong type) raises an error. Stack: -0 +1. */
void hw_tls_push_api(lua_State *L);

#endif
