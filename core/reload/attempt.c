/* attempt.c -- see attempt.h */
#include "reload/attempt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/crash.h"
#include "base/log.h"
#include "reload/watch.h"

const struct hw_config *hw_attempt_live(const struct hw_attempt *a)
{
    return a->live ? a->live : a->first;
}

const struct hw_config *hw_attempt_watched(const struct hw_attempt *a)
{
    return a->tried ? a->tried : hw_attempt_live(a);
}

/* ---- signatures ---- */

static uint64_t in_ms(unsigned ms)
{
    return uv_hrtime() + (uint64_t)ms * 1000000;
}

static void take_signature(struct hw_attempt *a, const struct hw_config *config)
{
    a->read = config;
    a->signature = hw_watch_signature(config); /* before the files are read: a later edit shows */
    a->content = hw_watch_content(config);
    a->coarse_until_ns = in_ms(HW_WATCH_COARSE_MS);
    a->next_look_ns = in_ms(HW_WATCH_POLL_MS);
    a->in_vain = false;
}

static bool is_same_content(const struct hw_attempt *a)
{
    return hw_watch_content(a->read) == a->content;
}

bool hw_attempt_is_as_read(const struct hw_attempt *a)
{
    return a->read && is_same_content(a);
}

bool hw_attempt_is_outdated(struct hw_attempt *a, bool event)
{
    bool is_over = uv_hrtime() >= a->coarse_until_ns;
    if (!a->read || hw_watch_signature(a->read) != a->signature)
        return true;
    if (a->coarse_until_ns == 0 || !(event || is_over))
        return false;
    if (is_over)
        a->coarse_until_ns = 0;
    return !is_same_content(a);
}

/* Called now and then while the scripts run that were read: an endless loop in them must not keep
 * the host from stopping, nor the edit that mends it from taking effect. */
static bool is_in_vain(void *attempt)
{
    struct hw_attempt *a = attempt;
    if (!a->in_vain && uv_hrtime() >= a->next_look_ns) {
        a->in_vain = hw_watch_signature(a->read) != a->signature;
        a->next_look_ns = in_ms(HW_WATCH_POLL_MS);
    }
    return a->in_vain || *a->stopping;
}

/* ---- reading ---- */

/* Reads the configuration once; the files that `names` names are signed first. Returns false when
 * something changed meanwhile. */
static bool read_config(struct hw_attempt *a, const struct hw_config *names,
                        struct hw_config **config, bool *ok, char *why, size_t size)
{
    take_signature(a, names);
    *config = hw_reconfig_read(a->first, a->modules, is_in_vain, a, ok, why, size);
    HW_STOP_POINT("config-read");
    return !a->in_vain && is_same_content(a);
}

/* A configuration lists its key files when it is read. If they are not the files that were signed,
 * it is read a second time, so that a key file that is added in between is noticed. */
static bool read_signed(struct hw_attempt *a, struct hw_config **config, bool *ok, char *why,
                        size_t size)
{
    if (!read_config(a, hw_attempt_watched(a), config, ok, why, size))
        return false;
    if (!*config || hw_reconfig_same_files(hw_attempt_watched(a), *config))
        return true;
    struct hw_config *names = *config;
    bool whole = read_config(a, names, config, ok, why, size) && *config &&
                 hw_reconfig_same_files(names, *config);
    hw_reconfig_free(names);
    return whole;
}

/* What an attempt has read. */
struct found {
    struct hw_config *config;   /* NULL when it can't be read */
    struct hw_release *release; /* NULL when keys, scripts or files of TLS can't be used */
    struct hw_tls_set *tls;     /* likewise */
};

static void read_parts(struct hw_attempt *a, struct found *f, char *why, size_t size)
{
    const struct hw_config *config = f->config;
    f->release = hw_release_make(config, a->modules, a->number + 1, why, size);
    if (f->release)
        f->tls = hw_tls_set_make(config->listen, config->door_count, a->tls, why, size);
    if (f->release && !f->tls) {
        hw_release_unref(f->release);
        f->release = NULL;
    }
}

/* Reads configuration, keys, scripts and the files of TLS. Returns false when something changed
 * meanwhile. */
static bool read_all(struct hw_attempt *a, struct found *f, char *why, size_t size)
{
    bool ok;
    *f = (struct found){0};
    if (!read_signed(a, &f->config, &ok, why, size))
        return false;
    if (!f->config)
        return true;
    a->read = f->config; /* it names the files that were signed */
    HW_STOP_POINT("config-signed");
    if (ok)
        read_parts(a, f, why, size);
    return is_same_content(a);
}

/* ---- taking effect ---- */

/* ", 2 certificates"; "" without any. */
static const char *describe_tls(const struct hw_tls_set *tls, char *text, size_t size)
{
    size_t count = hw_tls_set_count(tls);
    text[0] = '\0';
    if (count)
        snprintf(text, size, ", %zu certificate%s", count, count == 1 ? "" : "s");
    return text;
}

static void describe_live(const struct hw_attempt *a, struct hw_attempt_result *result,
                          bool changed, bool after_failure)
{
    const struct hw_release *release = a->shelf->current;
    const char *waiting = a->to_restart;
    char certificates[64];
    const char *how = changed         ? "reloaded"
                      : after_failure ? "in order again"
                      : waiting[0]    ? "nothing to reload"
                                      : "nothing has changed";
    result->ok = true;
    result->changed = changed;
    snprintf(result->text, sizeof result->text,
             "%s: version %llu (%s), %zu script%s, %zu key%s%s%s%s", how,
             (unsigned long long)release->number, release->version, release->bundle->count,
             release->bundle->count == 1 ? "" : "s", release->keys->count,
             release->keys->count == 1 ? "" : "s",
             describe_tls(a->tls, certificates, sizeof certificates),
             waiting[0] ? "; these take effect at the next start:" : "", waiting);
}

/* Compares with what the host was started with, since these settings can't change while it runs. */
static void warn_of_restart(struct hw_attempt *a, const struct hw_config *config)
{
    char names[HW_RECONFIG_NAMES_MAX];
    hw_reconfig_restart(a->first, config, names);
    if (names[0] && strcmp(names, a->to_restart) != 0)
        hw_log_say(HW_LOG_WARN, "%s: these take effect at the next start:%s", config->file, names);
    strcpy(a->to_restart, names);
}

/* Makes `config` the live one. */
static void adopt(struct hw_attempt *a, struct hw_config *config)
{
    warn_of_restart(a, config);
    hw_reconfig_free(a->tried);
    hw_reconfig_free(a->live);
    a->tried = NULL;
    a->live = config;
}

/* Runs every script in its new VM before the release is published. */
static bool publish(struct hw_attempt *a, struct hw_release *release,
                    struct hw_attempt_result *result)
{
    if (hw_release_fill(release, a->first->workers, is_in_vain, a, result->text,
                        sizeof result->text)) {
        hw_release_unref(release);
        return false;
    }
    a->number++;
    hw_shelf_publish(a->shelf, release);
    return true;
}

/* Takes over the release in any case; the configuration and the contexts only on success. */
static bool take_effect(struct hw_attempt *a, struct found *f, bool after_failure,
                        struct hw_attempt_result *result)
{
    struct hw_release *live = a->shelf->current; /* only this thread replaces it */
    bool same = hw_release_same(live, f->release);
    bool changed = !same || !hw_tls_set_same(a->tls, f->tls) ||
                   !hw_reconfig_same_limits(hw_attempt_live(a), f->config);
    if (same)
        hw_release_unref(f->release);
    else if (!publish(a, f->release, result))
        return false;
    adopt(a, f->config);
    if (!hw_tls_set_same(a->tls, f->tls))
        hw_tls_set_warn(f->tls);
    hw_tls_set_unref(a->tls);
    a->tls = f->tls;
    describe_live(a, result, changed, after_failure);
    return true;
}

bool hw_attempt_run(struct hw_attempt *a, bool after_failure, struct hw_attempt_result *result)
{
    struct found f;
    result->ok = result->changed = false;
    bool whole = read_all(a, &f, result->text, sizeof result->text);
    if (whole && f.release && take_effect(a, &f, after_failure, result))
        return true;
    if (!whole && f.release)
        hw_release_unref(f.release);
    hw_tls_set_unref(f.tls);
    if (!whole || a->in_vain) {
        hw_reconfig_free(f.config);
        a->read = NULL;
        return false;
    }
    if (f.config) {
        hw_reconfig_free(a->tried);
        a->tried = f.config;
    }
    return true;
}

void hw_attempt_init(struct hw_attempt *a, const struct hw_config *first,
                     const struct hw_modules *modules, struct hw_shelf *shelf,
                     struct hw_tls_set *tls, const atomic_bool *stopping)
{
    *a = (struct hw_attempt){.first = first,
                             .modules = modules,
                             .shelf = shelf,
                             .tls = hw_tls_set_ref(tls),
                             .stopping = stopping,
                             .number = 1};
}

void hw_attempt_fini(struct hw_attempt *a)
{
    hw_reconfig_free(a->live);
    hw_reconfig_free(a->tried);
    hw_tls_set_unref(a->tls);
}
