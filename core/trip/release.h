/* release.h -- one version of what notifications run on: the scripts, the keys, their limits.
 *
 * Why     An edit must take effect as a whole or not at all, and a job ends with the version that
 *         it began with.
 * How     A release is made in a thread of its own: it is read once, compiled once and loaded in
 *         every VM that will run it. Then it is published by exchanging one pointer. Between two
 *         jobs a worker compares that pointer; when it changed, the worker takes its ready-made VM
 *         of the new release and hands the old one back to be closed. A release that can't be made
 *         is never published.
 * Thread  see the groups of the structs. */
#ifndef HW_RELEASE_H
#define HW_RELEASE_H

#include <stdatomic.h>
#include <stdio.h>
#include <uv.h>

#include "base/config.h"
#include "script/bundle.h"
#include "script/vm.h"
#include "signing/keys.h"

struct hw_release {
    /* constant after make */
    uint64_t number;  /* 1 for the one that the host starts with */
    char version[17]; /* the first 16 hex digits of the digest of scripts and settings */
    struct hw_vm_config vm;
    struct hw_bundle *bundle;
    struct hw_keyset *keys;
    struct hw_retries retries;
    unsigned vm_count;
    size_t handler_count; /* set by fill */
    char *routes;         /* as JSON (vm.h); NULL: there was no memory. Set by fill */

    /* atomic */
    atomic_int refs;

    /* guarded by the shelf's m */
    struct hw_vm **vms; /* one for each worker, by its index; each is taken once */
};

/* Where the current release is published. */
struct hw_shelf {
    /* atomic: a worker compares it, and takes m only when it changed */
    struct hw_release *_Atomic current;

    /* guarded by m */
    uv_mutex_t m;
    struct hw_vm **retired; /* old VMs, to be closed by hw_shelf_sweep */
    size_t retired_count, retired_cap;
};

/* Parts of a release, for `hookward check`. */
struct hw_bundle *hw_release_scripts(const struct hw_config *config, char *why, size_t why_size);
struct hw_vm_config hw_release_limits(const struct hw_config *config,
                                      const struct hw_modules *modules);

/* Reads keys and scripts as the configuration says; no script runs. Returns a release with one
 * reference; NULL with one line in `why` that names the file. */
struct hw_release *hw_release_make(const struct hw_config *config, const struct hw_modules *modules,
                                   uint64_t number, char *why, size_t why_size);

/* Loads `vm_count` VMs, once, before the release is published. Stops when give_up(ud) returns true,
 * which is called before each VM and now and then while it loads; it may be NULL. Returns 0, or
 * HW_EFAILED with one line in `why`. */
int hw_release_fill(struct hw_release *release, unsigned vm_count, bool (*give_up)(void *ud),
                    void *ud, char *why, size_t why_size);
void hw_release_unref(struct hw_release *release);

/* True when both would run the same scripts, with the same settings, limits and keys. */
bool hw_release_same(const struct hw_release *a, const struct hw_release *b);

void hw_shelf_init(struct hw_shelf *shelf, struct hw_release *first); /* takes the reference over */
void hw_shelf_fini(struct hw_shelf *shelf);

/* Takes the reference over, and closes those VMs of the previous release that no worker took. One
 * thread at a time, and not one of the crew. */
void hw_shelf_publish(struct hw_shelf *shelf, struct hw_release *release);

/* True when `release` is not the current one any more. Any thread; no lock. */
static inline bool hw_shelf_is_stale(struct hw_shelf *shelf, const struct hw_release *release)
{
    return atomic_load_explicit(&shelf->current, memory_order_acquire) != release;
}

/* Returns the current release, with a reference for the caller, and its VM for this worker, which
 * the caller owns from then on. *vm is NULL when it was taken before: then make another one. */
struct hw_release *hw_shelf_take(struct hw_shelf *shelf, unsigned worker, struct hw_vm **vm);

/* Number and version of the current release; any thread. */
void hw_shelf_describe(struct hw_shelf *shelf, uint64_t *number, char version[17]);

/* How many handlers and keys it has; any thread. */
void hw_shelf_count(struct hw_shelf *shelf, size_t *handlers, size_t *keys);

/* How many bytes each of its VMs may use; any thread. */
size_t hw_shelf_vm_memory_max(struct hw_shelf *shelf);

/* Writes its routes, a JSON array; any thread. */
void hw_shelf_write_routes(struct hw_shelf *shelf, FILE *out);

/* Hands over a VM for hw_shelf_sweep. Closes it at once when there is no memory for that. */
void hw_shelf_retire(struct hw_shelf *shelf, struct hw_vm *vm);

/* Closes the retired VMs. Not in a crew thread: a finalizer may take long. */
void hw_shelf_sweep(struct hw_shelf *shelf);

#endif
