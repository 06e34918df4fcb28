/* trouble.h -- the log lines about connections that were closed early, or have to wait.
 *
 * Why     each of these may happen 100,000 times a second, whenever a stranger likes.
 * How     each kind is logged at once, then once a minute with a count (seldom.h).
 * Thread  leader only; init: whoever has the loop. */
#ifndef HW_TROUBLE_H
#define HW_TROUBLE_H

#include <stdint.h>
#include <uv.h>

#include "base/seldom.h"
#include "http/address.h"
#include "http/crowd.h"

enum hw_trouble {
    HW_TROUBLE_MADE_ROOM,
    HW_TROUBLE_FULL,
    HW_TROUBLE_ADDRESS_FULL,
    HW_TROUBLE_NO_FILE,
    HW_TROUBLE_NO_MEMORY,
    HW_TROUBLE_FAILED,
    HW_TROUBLE_TURNED_AWAY,
    HW_TROUBLE_NO_HEADER,
    HW_TROUBLE_KINDS
};

struct hw_troubles {
    const struct hw_crowd *crowd; /* its limits are shown */
    uv_timer_t tell;
    struct hw_seldom kinds[HW_TROUBLE_KINDS];
    const char *why[HW_TROUBLE_KINDS]; /* of the last one */
};

void hw_troubles_init(struct hw_troubles *t, uv_loop_t *loop, const struct hw_crowd *crowd);

/* Counts one, and logs it unless it is too early. `peer` and `why`, a static text, may be NULL. */
void hw_troubles_note(struct hw_troubles *t, enum hw_trouble kind, const struct hw_address *peer,
                      const char *why);

/* The same for a connection that the crowd did not let in. */
void hw_troubles_note_refused(struct hw_troubles *t, enum hw_crowd_answer answer,
                              const struct hw_address *peer);

/* Logs what was not logged yet. Later ones are not logged. Idempotent. */
void hw_troubles_close(struct hw_troubles *t);

#endif
