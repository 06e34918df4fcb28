/* json_out.h -- writes JSON to a stream, for what the host tells of itself.
 *
 * Thread  any. */
#ifndef HW_JSON_OUT_H
#define HW_JSON_OUT_H

#include <stdio.h>

#include "base/str.h"

/* Writes the text as a JSON string. What is not UTF-8 becomes U+FFFD. */
void hw_json_out_text(FILE *out, struct hw_str text);

#endif
