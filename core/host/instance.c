/* instance.c -- see instance.h */
#include "host/instance.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "base/crash.h"
#include "base/descriptors.h"
#include "base/error.h"
#include "base/log.h"
#include "host/signals.h"
#include "http/listener.h"

struct hw_instance {
    /* constant after start */
    pid_t pid;
    bool signals;
    struct hw_signals_target entry;
    int ended; /* readable once the host has ended */
    char *addresses[HW_LISTENERS_MAX + 1];
    uv_thread_t keeper;

    /* guarded by m */
    uv_mutex_t m;
    uv_cond_t changed;
    struct hw_host *host;    /* NULL before the start, and once it is being freed */
    struct hw_host *closing; /* while it is being freed */
    unsigned asking;         /* threads that wait for a result of the host */
    bool closed;
    bool unkept;                    /* the host did not start */
    struct hw_instance_facts facts; /* as of the end; `stopping` is always current */

    /* atomic */
    _Atomic enum hw_instance_state state;
};

/* ---- the end ---- */

static void read_locked(struct hw_instance *i)
{
    hw_stats_copy(&i->facts.stats, hw_host_stats(i->host));
    hw_host_version(i->host, &i->facts.version);
}

/* From here on only the keeper has the host. */
static void take_host(struct hw_instance *i)
{
    if (i->signals)
        hw_signals_remove(&i->entry);
    uv_mutex_lock(&i->m);
    while (i->asking)
        uv_cond_wait(&i->changed, &i->m);
    read_locked(i);
    i->closing = i->host;
    i->host = NULL;
    i->facts.stopping = true;
    uv_mutex_unlock(&i->m);
}

static void on_closer(void *arg)
{
    struct hw_instance *i = arg;
    hw_host_free(i->closing);
    uv_mutex_lock(&i->m);
    i->closed = true;
    uv_cond_broadcast(&i->changed);
    uv_mutex_unlock(&i->m);
}

/* Frees the host on a thread of its own, since that may never end: scripts' finalizers run while
 * their states are closed, and no hook can stop these, nor a C function that a loading script is
 * in. Returns false when it takes longer than HW_INSTANCE_CLOSE_MS. */
static bool close_host(struct hw_instance *i)
{
    uv_thread_t closer;
    if (uv_thread_create(&closer, on_closer, i)) {
        on_closer(i); /* on this thread then, hoping that it ends */
        return true;
    }
    uint64_t until = uv_hrtime() + HW_INSTANCE_CLOSE_MS * 1000000ull;
    uv_mutex_lock(&i->m);
    for (uint64_t now = uv_hrtime(); !i->closed && now < until; now = uv_hrtime())
        uv_cond_timedwait(&i->changed, &i->m, until - now);
    bool closed = i->closed;
    uv_mutex_unlock(&i->m);
    if (closed)
        uv_thread_join(&closer);
    return closed;
}

static enum hw_instance_state end(struct hw_instance *i)
{
    bool stuck;
    int code = hw_host_wait(i->host, &stuck);
    take_host(i);
    if (stuck)
        return HW_INSTANCE_STUCK;
    if (close_host(i))
        return code ? HW_INSTANCE_CUT_OFF : HW_INSTANCE_DRAINED;
    hw_log_say(HW_LOG_ERROR, "a script that loads or unloads never came back; ended without it");
    hw_log_close();
    return HW_INSTANCE_UNCLOSED;
}

static void tell_ended(struct hw_instance *i)
{
    uint64_t one = 1;
    HW_CHECK(write(i->ended, &one, sizeof one) == sizeof one);
}

static void on_keeper(void *arg)
{
    struct hw_instance *i = arg;
    pthread_setname_np(pthread_self(), "hookward-keeper");
    uv_mutex_lock(&i->m);
    while (!i->host && !i->unkept)
        uv_cond_wait(&i->changed, &i->m);
    uv_mutex_unlock(&i->m);
    if (i->unkept)
        return;
    i->state = end(i);
    if (i->signals)
        hw_signals_release();
    tell_ended(i);
}

/* ---- start ---- */

static void on_stop_signal(void *host)
{
    hw_host_stop(host);
}

static void on_reload_signal(void *host)
{
    hw_host_reload(host);
}

/* The library must stay loaded while a thread is in it, even if the Lua state that loaded it is
 * closed. */
static void stay_loaded(void)
{
    static const char here;
    Dl_info info;
    if (dladdr(&here, &info) && info.dli_fname)
        (void)dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

static void copy_addresses(struct hw_instance *i, struct hw_host *host)
{
    const char *const *addresses = hw_host_addresses(host);
    for (size_t n = 0; addresses[n]; n++)
        i->addresses[n] = strdup(addresses[n]);
}

static void free_rest(struct hw_instance *i)
{
    for (char **address = i->addresses; *address; address++)
        free(*address);
    if (i->ended >= 0)
        close(i->ended);
    uv_cond_destroy(&i->changed);
    uv_mutex_destroy(&i->m);
    free(i);
}

static struct hw_instance *new_instance(bool signals)
{
    struct hw_instance *i = calloc(1, sizeof *i);
    if (!i)
        return NULL;
    i->pid = getpid();
    i->signals = signals;
    i->ended = hw_descriptors_lift(eventfd(0, EFD_CLOEXEC));
    HW_CHECK(uv_mutex_init(&i->m) == 0);
    HW_CHECK(uv_cond_init(&i->changed) == 0);
    return i;
}

static struct hw_instance *give_up(struct hw_instance *i, struct hw_config *config,
                                   const char *reason, char *why, size_t size)
{
    snprintf(why, size, "%s", reason);
    hw_config_fini(config);
    free(config);
    if (i)
        free_rest(i);
    return NULL;
}

/* The keeper starts before the host, since a host that nobody can end must not take a request. */
static int start_keeper(struct hw_instance *i, char *why, size_t size)
{
    int rc = uv_thread_create(&i->keeper, on_keeper, i);
    return rc ? hw_error_no_thread(-rc, why, size) : 0;
}

/* `host`: NULL when it did not start. */
static void give_keeper(struct hw_instance *i, struct hw_host *host)
{
    uv_mutex_lock(&i->m);
    i->host = host;
    i->unkept = !host;
    uv_cond_broadcast(&i->changed);
    uv_mutex_unlock(&i->m);
}

static void enter_process(struct hw_instance *i, struct hw_host *host)
{
    i->entry = (struct hw_signals_target){host, on_stop_signal, on_reload_signal};
    if (i->signals && hw_signals_add(&i->entry))
        hw_log_say(HW_LOG_WARN, "more than %d hosts in one process: signals do not reach this one",
                   HW_SIGNALS_TARGETS_MAX);
}

struct hw_instance *hw_instance_start(struct hw_config *config, const struct hw_modules *modules,
                                      bool signals, char *why, size_t size)
{
    char reason[256];
    hw_descriptors_fill(); /* so that libuv's own descriptors get no number below 3 */
    struct hw_instance *i = new_instance(signals);
    stay_loaded();
    if (!i || i->ended < 0)
        return give_up(i, config, strerror(errno), why, size);
    if (start_keeper(i, reason, sizeof reason))
        return give_up(i, config, reason, why, size);
    if (signals)
        hw_signals_catch();
    struct hw_host *host = hw_host_start(config, modules, !signals, why, size);
    if (!host) {
        give_keeper(i, NULL);
        uv_thread_join(&i->keeper);
        if (signals)
            hw_signals_release();
        free_rest(i);
        return NULL;
    }
    HW_STOP_POINT("host-started");
    copy_addresses(i, host);
    enter_process(i, host);
    give_keeper(i, host);
    return i;
}

/* ---- asking ---- */

bool hw_instance_is_here(const struct hw_instance *i)
{
    return i->pid == getpid();
}

void hw_instance_stop(struct hw_instance *i)
{
    uv_mutex_lock(&i->m);
    i->facts.stopping = true;
    if (i->host)
        hw_host_stop(i->host);
    uv_mutex_unlock(&i->m);
}

enum hw_instance_state hw_instance_wait(struct hw_instance *i, int ms)
{
    struct pollfd fd = {.fd = i->ended, .events = POLLIN};
    if (i->state == HW_INSTANCE_RUNNING)
        poll(&fd, 1, ms); /* a signal ends it, even with SA_RESTART */
    return i->state;
}

int hw_instance_reload(struct hw_instance *i, char *text, size_t size)
{
    uv_mutex_lock(&i->m);
    struct hw_host *host = i->host;
    i->asking += host != NULL;
    uv_mutex_unlock(&i->m);
    if (!host) {
        snprintf(text, size, "the host has stopped");
        return HW_EDRAINING;
    }
    int rc = hw_host_reload_now(host, text, size);
    uv_mutex_lock(&i->m);
    i->asking--;
    uv_cond_broadcast(&i->changed);
    uv_mutex_unlock(&i->m);
    return rc;
}

void hw_instance_read(struct hw_instance *i, struct hw_instance_facts *facts)
{
    uv_mutex_lock(&i->m);
    if (i->host)
        read_locked(i);
    facts->stopping = i->facts.stopping;
    facts->version = i->facts.version;
    hw_stats_copy(&facts->stats, &i->facts.stats);
    uv_mutex_unlock(&i->m);
}

const char *const *hw_instance_addresses(const struct hw_instance *i)
{
    return (const char *const *)i->addresses;
}

void hw_instance_free(struct hw_instance *i)
{
    if (!hw_instance_is_here(i))
        return;
    hw_instance_stop(i);
    enum hw_instance_state state;
    while ((state = hw_instance_wait(i, -1)) == HW_INSTANCE_RUNNING)
        ;
    uv_thread_join(&i->keeper);
    if (state != HW_INSTANCE_STUCK && state != HW_INSTANCE_UNCLOSED)
        free_rest(i);
}
