/* host_parts.c -- see host_parts.h */
#include "host_parts.h"

#include <lauxlib.h>
#include <stdio.h>

/* "handlers" rather than its absolute path, when it is below the configuration's folder. */
static const char *shown(const struct hw_config *config)
{
    size_t len = strlen(config->folder);
    if (strncmp(config->handlers, config->folder, len) == 0 && config->handlers[len] == '/')
        return config->handlers + len + 1;
    return config->handlers;
}

static void set_vm(const struct hw_config *config, const struct hw_embedded *modules,
                   struct hw_vm_config *vm)
{
    *vm = (struct hw_vm_config){.memory_max = config->vm_memory,
                                .timeout_ms = config->handler_timeout_ms,
                                .max_age_ms = config->max_age_ms,
                                .accept_unhandled = config->accept_unhandled,
                                .modules = modules};
}

int hw_host_load(const struct hw_config *config, const struct hw_embedded *modules,
                 struct hw_stages *stages, char *why, size_t why_size)
{
    *stages = (struct hw_stages){0};
    set_vm(config, modules, &stages->vm);
    stages->keys =
        hw_keyset_load(config->key_files, config->key_count, config->min_key_bits, why, why_size);
    if (!stages->keys)
        return HW_EFAILED;
    stages->bundle =
        hw_bundle_load(config->handlers, shown(config), config->settings, why, why_size);
    if (!stages->bundle)
        return HW_EFAILED;
    stages->ledger = hw_ledger_open(config, why, why_size);
    return stages->ledger ? 0 : HW_EFAILED;
}

void hw_host_unload(struct hw_stages *stages)
{
    if (stages->ledger)
        stages->ledger->type->close(stages->ledger);
    if (stages->bundle)
        hw_bundle_unref(stages->bundle);
    if (stages->keys)
        hw_keyset_unref(stages->keys);
}

/* ---- check ---- */

static void on_route(void *ud, const char *pattern, const char *place)
{
    lua_State *L = ud;
    lua_createtable(L, 0, 2);
    lua_pushstring(L, pattern);
    lua_setfield(L, -2, "pattern");
    lua_pushstring(L, place);
    lua_setfield(L, -2, "place");
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

static int fail(lua_State *L, const char *why)
{
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

static int check(lua_State *L)
{
    struct hw_config config;
    struct hw_vm_config vm_config;
    char why[1024];
    hw_config_read(&config, L, 1);
    set_vm(&config, lua_touserdata(L, lua_upvalueindex(1)), &vm_config);
    struct hw_bundle *bundle =
        hw_bundle_load(config.handlers, shown(&config), config.settings, why, sizeof why);
    struct hw_vm *vm = bundle ? hw_vm_new(&vm_config, bundle, why, sizeof why) : NULL;
    if (vm) {
        lua_createtable(L, 0, 1);
        lua_newtable(L);
        hw_vm_routes(vm, on_route, L);
        lua_setfield(L, -2, "routes");
        hw_vm_free(vm);
    }
    if (bundle)
        hw_bundle_unref(bundle);
    hw_config_fini(&config);
    return vm ? 1 : fail(L, why);
}

void hw_host_push_check(lua_State *L, const struct hw_embedded *modules)
{
    lua_pushlightuserdata(L, (void *)modules);
    lua_pushcclosure(L, check, 1);
}
