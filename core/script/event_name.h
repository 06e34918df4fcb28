/* event_name.h -- finds the name of an event in its body, without decoding that.
 *
 * Why     a repeat that is answered from the ledger is not decoded, and still the log and the
 *         numbers should name its event.
 * Thread  pure; any. */
#ifndef HW_EVENT_NAME_H
#define HW_EVENT_NAME_H

#include "base/str.h"

/* The text of the member `Event` of the object that `body` is, as a view into it; of several the
 * last one. {NULL, 0} when there is none, when it is no string, or when it is written with escapes.
 * Of a body that is not valid JSON it finds anything or nothing. */
struct hw_str hw_event_name_find(struct hw_str body);

#endif
