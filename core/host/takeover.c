/* takeover.c -- see takeover.h */
#include "host/takeover.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "host/signals.h"
#include "http/inherited.h"
#include "ledger/ledger.h"

enum { LOOK_US = 10000 /* between two looks at the ledger's lock */ };

bool hw_takeover_is_meant(const struct hw_config *config)
{
    for (size_t i = 0; i < config->listen_count; i++)
        if (hw_inherited_is_meant(config->listen[i].address))
            return true;
    return false;
}

static void say(struct hw_manager *manager, uint64_t ms)
{
    hw_log_say(
        HW_LOG_INFO,
        "waiting for the ledger, for up to %.0f s: another host has it; new connections wait "
        "meanwhile",
        (double)ms / 1000);
    hw_manager_wait(manager, "waiting for the ledger, another host has it", ms);
}

int hw_takeover_wait(const struct hw_config *config, bool signals, struct hw_manager *manager)
{
    uint64_t ms = config->drain_timeout_ms + HW_TAKEOVER_SPARE_MS;
    uint64_t until = hw_now_ns() + ms * 1000000;
    if (!hw_takeover_is_meant(config) || !hw_ledger_is_taken(config))
        return 0;
    say(manager, ms);
    while (hw_ledger_is_taken(config) && hw_now_ns() < until) {
        if (signals && hw_signals_was_asked_to_stop())
            return HW_EDRAINING;
        usleep(LOOK_US);
    }
    return 0;
}
