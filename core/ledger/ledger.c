/* ledger.c -- opens the ledger that the configuration names. */
#include "ledger/ledger.h"

#include <stdio.h>

#include "base/config.h"
#include "ledger/lock.h"

static const char *const state_names[HW_LEDGER_STATE_END] = {
    [HW_SUCCEEDED] = "succeeded", [HW_FAILED] = "failed", [HW_UNHANDLED] = "unhandled",
    [HW_DEAD] = "dead",           [HW_QUEUED] = "queued", [HW_STARTED] = "running",
};

const char *hw_ledger_state_name(int64_t state)
{
    return state > 0 && state < HW_LEDGER_STATE_END ? state_names[state] : "unknown";
}

static const struct hw_histogram_bounds sizes = {9, {1, 2, 4, 8, 16, 32, 64, 128, 256}};

void hw_ledger_init(struct hw_ledger *ledger, const struct hw_ledger_type *type)
{
    ledger->type = type;
    hw_histogram_init(&ledger->commit_times, &hw_histogram_durations);
    hw_histogram_init(&ledger->batch_sizes, &sizes);
    hw_pauses_init(&ledger->pauses);
}

static bool is_in_memory(const struct hw_config *config)
{
    return strcmp(config->ledger, "memory:") == 0;
}

bool hw_ledger_is_taken(const struct hw_config *config)
{
    return !is_in_memory(config) && !hw_ledger_is_postgres(config->ledger) &&
           hw_ledger_lock_probe(config->ledger) == 1;
}

struct hw_ledger *hw_ledger_open(const struct hw_config *config, char *why, size_t why_size)
{
    if (hw_ledger_is_postgres(config->ledger))
        return hw_ledger_postgres_open(config, why, why_size);
    if (!is_in_memory(config))
        return hw_ledger_sqlite_open(config, why, why_size);
    struct hw_ledger *ledger = hw_ledger_memory_open();
    if (!ledger)
        snprintf(why, why_size, "ledger: out of memory");
    return ledger;
}
