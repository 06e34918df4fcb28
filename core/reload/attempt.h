/* attempt.h -- one attempt to take edits over: everything is read, tried, then published.
 *
 * How     The files are signed (watch.h) before configuration, keys and scripts are read, and
 *         compared afterwards; what changed meanwhile is read again. Then the scripts are loaded
 *         into as many new VMs as there are workers, and the files of TLS are read. Only if all of
 *         that works, the release (release.h) is published and the TLS contexts go live with it;
 *         otherwise the old ones stay.
 * Not     when to try, and who is told of it: reload.c.
 * Thread  the reload thread; init before it starts, fini after it has ended. */
#ifndef HW_ATTEMPT_H
#define HW_ATTEMPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"
#include "http/tls_set.h"
#include "reload/reconfig.h"
#include "trip/release.h"

enum { HW_ATTEMPT_WHY_MAX = 1024 };

/* What the attempts have in common, one after the other. */
struct hw_attempt {
    /* constant after init */
    const struct hw_config *first; /* what the host was started with */
    const struct hw_modules *modules;
    struct hw_shelf *shelf;
    const atomic_bool *stopping; /* ends the scripts that an attempt runs */

    /* reload thread only: the results so far */
    uint64_t number;         /* of the last release */
    struct hw_config *live;  /* NULL: the one that the host was started with */
    struct hw_tls_set *tls;  /* the live one; never NULL */
    struct hw_config *tried; /* a later one that failed; the files that it names are watched */
    char to_restart[HW_RECONFIG_NAMES_MAX]; /* the settings of the last warning */

    /* reload thread only: what was read last, and its signature */
    const struct hw_config *read; /* NULL: nothing that counts */
    uint64_t signature, content;
    uint64_t coarse_until_ns; /* until then a change may not show in the signature; 0: it does */
    uint64_t next_look_ns;    /* while scripts run: when to compare signatures again */
    bool in_vain;             /* the files changed while their scripts ran */
};

struct hw_attempt_result {
    bool ok;
    bool changed;                  /* something new is live */
    char text[HW_ATTEMPT_WHY_MAX]; /* one line: what is live now, or why it is not */
};

/* `tls`: the set that is live; gets a reference. */
void hw_attempt_init(struct hw_attempt *attempt, const struct hw_config *first,
                     const struct hw_modules *modules, struct hw_shelf *shelf,
                     struct hw_tls_set *tls, const atomic_bool *stopping);
void hw_attempt_fini(struct hw_attempt *attempt);

/* Makes an attempt; `after_failure`: the one before it failed. Returns false, without a result,
 * when something changed while it was read or loaded. Once *stopping is true, the result means
 * nothing. */
bool hw_attempt_run(struct hw_attempt *attempt, bool after_failure,
                    struct hw_attempt_result *result);

/* True when the files are not the ones that were read last. `event`: the file system reported a
 * change, so their content is compared as well while it may not show in the signature. */
bool hw_attempt_is_outdated(struct hw_attempt *attempt, bool event);

/* True when the files are still the ones that were read last, by their content. */
bool hw_attempt_is_as_read(const struct hw_attempt *attempt);

/* The configuration that is live, and the one whose files are to be watched. */
const struct hw_config *hw_attempt_live(const struct hw_attempt *attempt);
const struct hw_config *hw_attempt_watched(const struct hw_attempt *attempt);

#endif
