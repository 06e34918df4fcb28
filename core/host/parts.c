/* parts.c -- see parts.h */
#include "host/parts.h"

#include <lauxlib.h>
#include <stdio.h>

#include "base/log.h"
#include "script/modules.h"

int hw_host_load(const struct hw_config *config, const struct hw_modules *modules,
                 unsigned vm_count, struct hw_stages *stages, char *why, size_t why_size)
{
    memset(stages, 0, sizeof *stages);
    struct hw_release *first = hw_release_make(config, modules, 1, why, why_size);
    if (!first)
        return HW_EFAILED;
    hw_shelf_init(&stages->shelf, first);
    if (hw_release_fill(first, vm_count, NULL, NULL, why, why_size))
        return HW_EFAILED;
    stages->ledger = hw_ledger_open(config, why, why_size);
    return stages->ledger ? 0 : HW_EFAILED;
}

static bool is_local(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]", 5) == 0 ||
           strncmp(address, "unix:", 5) == 0;
}

/* `hookward init` made its private half as well, and who has that can sign whatever he likes. */
void hw_host_warn_of_keys(const struct hw_keyset *keys, const char *const *addresses)
{
    bool found = false;
    for (size_t i = 0; i < keys->count; i++)
        found |= strcmp(keys->keys[i].name, HW_DEVELOPMENT_KEY) == 0;
    for (; found && *addresses; addresses++) {
        if (is_local(*addresses))
            continue;
        hw_log_say(HW_LOG_WARN,
                   "%s is a key for development, and %s is reached by others: whoever has "
                   "development.key can sign; remove it from `keys` before you go live",
                   HW_DEVELOPMENT_KEY, *addresses);
        return;
    }
}

void hw_host_unload(struct hw_stages *stages)
{
    if (stages->ledger)
        stages->ledger->type->close(stages->ledger);
    if (stages->shelf.current)
        hw_shelf_fini(&stages->shelf);
}

/* ---- check ---- */

static int fail(lua_State *L, const char *why)
{
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

static int check(lua_State *L)
{
    struct hw_config config;
    char why[1024];
    hw_config_read(&config, L, 1);
    const struct hw_modules *modules = hw_modules_of(L);
    struct hw_bundle *bundle = hw_release_scripts(&config, why, sizeof why);
    struct hw_vm_config limits = hw_release_limits(&config, modules);
    struct hw_vm *vm = bundle ? hw_vm_new(&limits, bundle, why, sizeof why) : NULL;
    if (vm) {
        lua_createtable(L, 0, 1);
        hw_vm_push_routes(vm, L);
        lua_setfield(L, -2, "routes");
        hw_vm_free(vm);
    }
    if (bundle)
        hw_bundle_unref(bundle);
    hw_config_fini(&config);
    return vm ? 1 : fail(L, why);
}

void hw_host_push_check(lua_State *L)
{
    lua_pushcfunction(L, check);
}
