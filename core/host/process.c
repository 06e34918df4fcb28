/* process.c -- see process.h */
#include "host/process.h"

#include <errno.h>
#include <lauxlib.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/files.h"
#include "host/init.h"

enum { EXIT_INTERRUPTED = 128 + SIGINT };

static const int caught[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2};
enum { CAUGHT_COUNT = sizeof caught / sizeof *caught };

static struct {
    /* guarded by m */
    pthread_mutex_t m;
    unsigned users;
    struct sigaction before[CAUGHT_COUNT];

    /* atomic */
    const struct hw_process_host *_Atomic hosts[HW_PROCESS_HOSTS_MAX];
    atomic_bool asked_to_stop;   /* maybe before there was a host */
    atomic_bool asked_to_reload; /* before there was a host */
    atomic_int interrupts;
    atomic_int inside; /* handlers that run now */
} P = {.m = PTHREAD_MUTEX_INITIALIZER};

/* ---- signals ---- */

/* Any thread may be struck: they don't block signals, since the programs that a handler starts
 * inherit what is blocked, and could not be ended by a SIGTERM. */
static void on_signal(int number)
{
    bool reached = false;
    if (number == SIGINT && atomic_fetch_add(&P.interrupts, 1) > 0)
        _exit(EXIT_INTERRUPTED);
    *(number == SIGHUP ? &P.asked_to_reload : &P.asked_to_stop) = true;
    P.inside++;
    for (int i = 0; i < HW_PROCESS_HOSTS_MAX; i++) {
        const struct hw_process_host *h = P.hosts[i];
        void (*act)(void *host) = !h ? NULL : number == SIGHUP ? h->reload : h->stop;
        if (act)
            act(h->host);
        reached |= h != NULL;
    }
    if (number == SIGHUP && reached)
        P.asked_to_reload = false;
    P.inside--;
}

static void on_harmless(int number)
{
    (void)number;
}

static bool is_users(int number)
{
    return number == SIGUSR1 || number == SIGUSR2;
}

/* Nothing is bound to SIGUSR1 and SIGUSR2; other servers reopen a log at them, so somebody's
 * logrotate may send one, and it must not be the end. SIGQUIT stays what it is: the end, with a
 * core for a debugger. */
static bool is_harmless(int number)
{
    return number == SIGPIPE || number == SIGXFSZ || is_users(number);
}

static void set(int number, void (*handler)(int), struct sigaction *before)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, before);
}

/* Not SIG_IGN: that would be handed down to the programs that a handler starts. */
void hw_process_disarm(void)
{
    set(SIGPIPE, on_harmless, NULL);
    set(SIGXFSZ, on_harmless, NULL);
}

void hw_process_catch(void)
{
    pthread_mutex_lock(&P.m);
    if (P.users++ == 0) {
        P.asked_to_stop = P.asked_to_reload = false;
        P.interrupts = 0;
        for (int i = 0; i < CAUGHT_COUNT; i++) {
            set(caught[i], is_harmless(caught[i]) ? on_harmless : on_signal, &P.before[i]);
            /* a program may have a use for these two */
            if (is_users(caught[i]) && P.before[i].sa_handler != SIG_DFL)
                sigaction(caught[i], &P.before[i], NULL);
        }
    }
    pthread_mutex_unlock(&P.m);
}

void hw_process_release(void)
{
    pthread_mutex_lock(&P.m);
    if (--P.users == 0)
        for (int i = 0; i < CAUGHT_COUNT; i++)
            sigaction(caught[i], &P.before[i], NULL);
    pthread_mutex_unlock(&P.m);
}

bool hw_process_was_interrupted(void)
{
    return P.interrupts > 0;
}

int hw_process_add(const struct hw_process_host *host)
{
    pthread_mutex_lock(&P.m);
    int i = 0;
    while (i < HW_PROCESS_HOSTS_MAX && P.hosts[i])
        i++;
    if (i < HW_PROCESS_HOSTS_MAX)
        P.hosts[i] = host;
    pthread_mutex_unlock(&P.m);
    if (i == HW_PROCESS_HOSTS_MAX)
        return HW_EFAILED;
    if (atomic_exchange(&P.asked_to_reload, false) && host->reload)
        host->reload(host->host);
    if (P.asked_to_stop)
        host->stop(host->host);
    return 0;
}

void hw_process_remove(const struct hw_process_host *host)
{
    pthread_mutex_lock(&P.m);
    for (int i = 0; i < HW_PROCESS_HOSTS_MAX; i++)
        if (P.hosts[i] == host)
            P.hosts[i] = NULL;
    pthread_mutex_unlock(&P.m);
    while (P.inside) /* a handler on another thread may have read it just before */
        sched_yield();
}

/* ---- open files ---- */

static int raise_files(lua_State *L)
{
    hw_files_raise((size_t)luaL_checkinteger(L, 1), (size_t)luaL_checkinteger(L, 2));
    return 0;
}

/* ---- memory ---- */

enum { OWN_BLOCK = 128 * 1024 }; /* bytes: from here on a block is a mapping of its own */

/* Left alone, the C library raises this by itself to the size of a freed block, up to 32 MB; from
 * then on bodies lie in heaps, in the middle of which nothing can be given back. */
static int return_memory(lua_State *L)
{
    (void)L;
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, OWN_BLOCK);
#endif
    return 0;
}

static int leave(lua_State *L)
{
    _exit((int)luaL_checkinteger(L, 1));
}

/* ---- the standard output ---- */

static bool has_reader(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, 0) < 1 || !(p.revents & POLLERR);
}

/* Some file systems say only at a close that there is no room. */
static int close_copy(int fd)
{
    int copy = dup(fd);
    return copy < 0 ? 0 : close(copy);
}

static int close_stdout(lua_State *L)
{
    bool failed = ferror(stdout);
    errno = 0;
    failed |= fflush(stdout) != 0;
    failed |= close_copy(STDOUT_FILENO) != 0;
    if (!failed || errno == EPIPE || !has_reader(STDOUT_FILENO)) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L,
                   errno ? strerror(errno) : "not all of it could be written (is the disk full?)");
    return 2;
}

static int split_init(lua_State *L)
{
    (void)L;
    hw_init_split();
    return 0;
}

void hw_process_push_api(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"raise_files", raise_files},   {"return_memory", return_memory}, {"leave", leave},
        {"close_stdout", close_stdout}, {"split_init", split_init},       {NULL, NULL}};
    luaL_newlib(L, functions);
}
