/* release.h -- one version of what notifications run on: the scripts, the keys, their limits.
 *
 * Why     an edit must take effect as a whole or not at all, and a job ends on what it began with.
 * How     a release is made apart (read once, compiled once, loaded in every VM that will run it),
 *         then published by exchanging one pointer. A worker compares that pointer between two
 *         jobs; when it differs it takes its ready-made VM of the new release and hands its old one
 *         to whoever made it, who closes it apart as well. A release that cannot be made is never
 *         published.
 * Thread  see the groups. */
#ifndef HW_RELEASE_H
#define HW_RELEASE_H

#include <stdatomic.h>
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
    unsigned vm_count;

    /* atomic */
    atomic_int refs;

    /* guarded by the shelf's m */
    struct hw_vm **vms; /* one for each worker, by its index; taken once */
};

/* Where the current release is published. */
struct hw_shelf {
    /* atomic: a worker compares, and takes m only when it differs */
    struct hw_release *_Atomic current;

    /* guarded by m */
    uv_mutex_t m;
    struct hw_vm **retired; /* old VMs, to be closed apart */
    size_t retired_count, retired_cap;
};

/* The parts, for who needs them alone (check). */
struct hw_bundle *hw_release_scripts(const struct hw_config *config, char *why, size_t why_size);
struct hw_vm_config hw_release_limits(const struct hw_config *config,
                                      const struct hw_modules *modules);

/* Reads keys and scripts as the configuration says; no script runs. Returns a release with one
 * reference; NULL with one line in `why` that names the file. */
struct hw_release *hw_release_make(const struct hw_config *config, const struct hw_modules *modules,
                                   uint64_t number, char *why, size_t why_size);

/* Loads `vm_count` VMs, once, before the release is published. It gives up when give_up(ud), asked
 * before each and now and then, says so; give_up may be NULL. Returns 0, or HW_EFAILED with one
 * line in `why`. */
int hw_release_fill(struct hw_release *release, unsigned vm_count, bool (*give_up)(void *ud),
                    void *ud, char *why, size_t why_size);
void hw_release_unref(struct hw_release *release);

/* True when both would run the same scripts, with the same settings, limits and keys. */
bool hw_release_same(const struct hw_release *a, const struct hw_release *b);

void hw_shelf_init(struct hw_shelf *shelf, struct hw_release *first); /* takes the reference over */
void hw_shelf_fini(struct hw_shelf *shelf);

/* Takes the reference over, and closes the VMs of the release before that nobody took. One thread
 * at a time, and no crew thread. */
void hw_shelf_publish(struct hw_shelf *shelf, struct hw_release *release);

/* True when `release` is not the current one any more. Any thread; no lock. */
static inline bool hw_shelf_is_stale(struct hw_shelf *shelf, const struct hw_release *release)
{
    return atomic_load_explicit(&shelf->current, memory_order_acquire) != release;
}

/* The current release, with a reference for the caller, and the VM of this worker, now the
 * caller's; NULL as *vm when it was taken before: make another one. */
struct hw_release *hw_shelf_take(struct hw_shelf *shelf, unsigned worker, struct hw_vm **vm);

/* Number and version of the current release; any thread. */
void hw_shelf_describe(struct hw_shelf *shelf, uint64_t *number, char version[17]);

/* Hands over a VM to be closed later, apart. Closes it here when there is no memory for that. */
void hw_shelf_retire(struct hw_shelf *shelf, struct hw_vm *vm);

/* Closes what was retired. Not for a crew thread: a finalizer may take its time. */
void hw_shelf_sweep(struct hw_shelf *shelf);

#endif
