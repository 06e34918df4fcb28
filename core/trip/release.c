/* release.c -- see release.h */
#include "trip/release.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "signing/signature.h"

/* ---- what it is made of ---- */

/* "handlers" rather than its absolute path, when it is below the configuration's folder. */
static const char *shown(const struct hw_config *config)
{
    size_t len = strlen(config->folder);
    if (strncmp(config->handlers, config->folder, len) == 0 && config->handlers[len] == '/')
        return config->handlers + len + 1;
    return config->handlers;
}

struct hw_vm_config hw_release_limits(const struct hw_config *config,
                                      const struct hw_modules *modules)
{
    return (struct hw_vm_config){.memory_max = config->vm_memory,
                                 .timeout_ms = config->handler_timeout_ms,
                                 .max_age_ms = config->max_age_ms,
                                 .accept_unhandled = config->accept_unhandled,
                                 .validate = config->validate,
                                 .ack_first = config->ack_first,
                                 .durable = strcmp(config->ledger, "memory:") != 0 || config->fit,
                                 .modules = modules,
                                 .fit = config->fit,
                                 .fit_ud = config->fit_ud};
}

static void hex(char *out, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sprintf(out + 2 * i, "%02x", bytes[i]);
}

/* Chains the digest in `all` with that of `next`. */
static int add_digest(struct hw_hasher *hasher, struct hw_str next, uint8_t *all)
{
    int rc = hw_hasher_digest(hasher, next, all + HW_DIGEST_SIZE);
    return rc ? rc
              : hw_hasher_digest(hasher, (struct hw_str){(char *)all, 2 * HW_DIGEST_SIZE}, all);
}

/* The digest of the scripts' digests and names, the settings and the limits. */
static int set_version(struct hw_release *r)
{
    struct hw_hasher *hasher = hw_hasher_new();
    uint8_t all[HW_DIGEST_SIZE + sizeof(struct hw_vm_config)];
    int rc = hasher ? 0 : HW_ENOMEM;
    memset(all, 0, sizeof all);
    for (size_t i = 0; i < r->bundle->count; i++) {
        const struct hw_script *s = &r->bundle->scripts[i];
        const struct hw_str parts[] = {hw_str_of(s->chunk), s->code};
        for (size_t k = 0; k < 2; k++)
            rc = rc ? rc : add_digest(hasher, parts[k], all);
    }
    rc = rc ? rc : add_digest(hasher, r->bundle->settings, all);
    hex(r->version, all, 8);
    hw_hasher_free(hasher);
    return rc ? HW_EFAILED : 0;
}

int hw_release_fill(struct hw_release *r, unsigned vm_count, bool (*give_up)(void *ud), void *ud,
                    char *why, size_t size)
{
    struct hw_vm_config limits = r->vm;
    limits.give_up = give_up;
    limits.give_up_ud = ud;
    snprintf(why, size, "out of memory");
    r->vms = calloc(vm_count, sizeof(struct hw_vm *));
    if (!r->vms)
        return HW_EFAILED;
    for (; r->vm_count < vm_count; r->vm_count++) {
        if (give_up && give_up(ud))
            return HW_EFAILED;
        r->vms[r->vm_count] = hw_vm_new(&limits, r->bundle, why, size);
        if (!r->vms[r->vm_count])
            return HW_EFAILED;
    }
    r->handler_count = vm_count ? hw_vm_count_handlers(r->vms[0]) : 0;
    r->routes = vm_count ? hw_vm_routes_as_json(r->vms[0]) : NULL;
    return 0;
}

struct hw_bundle *hw_release_scripts(const struct hw_config *config, char *why, size_t why_size)
{
    return hw_bundle_load(config->handlers, shown(config), config->settings, why, why_size);
}

static int load(struct hw_release *r, const struct hw_config *config, char *why, size_t size)
{
    r->keys = hw_keyset_load(config->key_files, config->key_count, config->min_key_bits, why, size);
    if (!r->keys)
        return HW_EFAILED;
    r->bundle = hw_release_scripts(config, why, size);
    return r->bundle ? set_version(r) : HW_EFAILED;
}

struct hw_release *hw_release_make(const struct hw_config *config, const struct hw_modules *modules,
                                   uint64_t number, char *why, size_t why_size)
{
    struct hw_release *r = calloc(1, sizeof *r);
    snprintf(why, why_size, "out of memory");
    if (!r)
        return NULL;
    atomic_init(&r->refs, 1);
    r->number = number;
    r->vm = hw_release_limits(config, modules);
    r->retries = config->retries;
    if (load(r, config, why, why_size) == 0)
        return r;
    hw_release_unref(r);
    return NULL;
}

static void free_vms(struct hw_vm **vms, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (vms[i])
            hw_vm_free(vms[i]);
    free(vms);
}

void hw_release_unref(struct hw_release *r)
{
    if (atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    free_vms(r->vms, r->vm_count);
    free(r->routes);
    if (r->bundle)
        hw_bundle_unref(r->bundle);
    if (r->keys)
        hw_keyset_unref(r->keys);
    free(r);
}

static bool same_keys(const struct hw_keyset *a, const struct hw_keyset *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->keys[i].fingerprint, b->keys[i].fingerprint) != 0 ||
            strcmp(a->keys[i].name, b->keys[i].name) != 0)
            return false;
    return true;
}

static bool same_retries(const struct hw_retries *a, const struct hw_retries *b)
{
    return a->count == b->count &&
           memcmp(a->delays_ms, b->delays_ms, a->count * sizeof *a->delays_ms) == 0;
}

bool hw_release_same(const struct hw_release *a, const struct hw_release *b)
{
    return strcmp(a->version, b->version) == 0 && a->vm.memory_max == b->vm.memory_max &&
           a->vm.timeout_ms == b->vm.timeout_ms && a->vm.max_age_ms == b->vm.max_age_ms &&
           a->vm.accept_unhandled == b->vm.accept_unhandled && a->vm.validate == b->vm.validate &&
           a->vm.ack_first == b->vm.ack_first && same_retries(&a->retries, &b->retries) &&
           same_keys(a->keys, b->keys);
}

/* ---- the shelf ---- */

void hw_shelf_init(struct hw_shelf *shelf, struct hw_release *first)
{
    memset(shelf, 0, sizeof *shelf);
    HW_CHECK(uv_mutex_init(&shelf->m) == 0);
    atomic_init(&shelf->current, first);
}

void hw_shelf_fini(struct hw_shelf *shelf)
{
    hw_shelf_sweep(shelf);
    free(shelf->retired);
    hw_release_unref(shelf->current);
    uv_mutex_destroy(&shelf->m);
}

void hw_shelf_publish(struct hw_shelf *shelf, struct hw_release *release)
{
    uv_mutex_lock(&shelf->m);
    struct hw_release *old = atomic_exchange(&shelf->current, release);
    struct hw_vm **rest = old->vms; /* freed here, since a long job may keep `old` */
    unsigned count = old->vm_count;
    old->vms = NULL;
    old->vm_count = 0;
    uv_mutex_unlock(&shelf->m);
    free_vms(rest, count);
    hw_release_unref(old);
}

struct hw_release *hw_shelf_take(struct hw_shelf *shelf, unsigned worker, struct hw_vm **vm)
{
    uv_mutex_lock(&shelf->m);
    struct hw_release *release = shelf->current;
    atomic_fetch_add_explicit(&release->refs, 1, memory_order_relaxed);
    *vm = NULL;
    if (worker < release->vm_count) {
        *vm = release->vms[worker];
        release->vms[worker] = NULL;
    }
    uv_mutex_unlock(&shelf->m);
    return release;
}

void hw_shelf_describe(struct hw_shelf *shelf, uint64_t *number, char version[17])
{
    uv_mutex_lock(&shelf->m);
    struct hw_release *release = shelf->current;
    *number = release->number;
    memcpy(version, release->version, sizeof release->version);
    uv_mutex_unlock(&shelf->m);
}

void hw_shelf_count(struct hw_shelf *shelf, size_t *handlers, size_t *keys)
{
    uv_mutex_lock(&shelf->m);
    *handlers = shelf->current->handler_count;
    *keys = shelf->current->keys->count;
    uv_mutex_unlock(&shelf->m);
}

size_t hw_shelf_vm_memory_max(struct hw_shelf *shelf)
{
    uv_mutex_lock(&shelf->m);
    size_t max = shelf->current->vm.memory_max;
    uv_mutex_unlock(&shelf->m);
    return max;
}

void hw_shelf_write_routes(struct hw_shelf *shelf, FILE *out)
{
    uv_mutex_lock(&shelf->m);
    const char *routes = shelf->current->routes;
    fputs(routes ? routes : "[]", out);
    uv_mutex_unlock(&shelf->m);
}

static bool put_retired_locked(struct hw_shelf *shelf, struct hw_vm *vm)
{
    if (shelf->retired_count == shelf->retired_cap) {
        size_t cap = shelf->retired_cap ? shelf->retired_cap * 2 : 16;
        struct hw_vm **retired = realloc(shelf->retired, cap * sizeof(struct hw_vm *));
        if (!retired)
            return false;
        shelf->retired = retired;
        shelf->retired_cap = cap;
    }
    shelf->retired[shelf->retired_count++] = vm;
    return true;
}

void hw_shelf_retire(struct hw_shelf *shelf, struct hw_vm *vm)
{
    uv_mutex_lock(&shelf->m);
    bool put = put_retired_locked(shelf, vm);
    uv_mutex_unlock(&shelf->m);
    if (!put)
        hw_vm_free(vm);
}

void hw_shelf_sweep(struct hw_shelf *shelf)
{
    for (;;) {
        uv_mutex_lock(&shelf->m);
        struct hw_vm *vm = shelf->retired_count ? shelf->retired[--shelf->retired_count] : NULL;
        uv_mutex_unlock(&shelf->m);
        if (!vm)
            return;
        hw_vm_free(vm);
    }
}
