/* process_api.c -- see process_api.h */
#include "bindings/process_api.h"

#include <errno.h>
#include <lauxlib.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "host/init.h"

static int raise_files(lua_State *L)
{
    hw_files_raise((size_t)luaL_checkinteger(L, 1), (size_t)luaL_checkinteger(L, 2));
    return 0;
}

enum { OWN_BLOCK = 128 * 1024 }; /* bytes: a block of this size or more is a mapping of its own */

/* By default the C library raises this threshold to the size of each freed block, up to 32 MB.
 * Large bodies would then lie within the heap, which gives nothing back from its middle. */
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

/* Some file systems report only on close that the disk is full. */
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

/* ---- Ctrl-C ---- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    interrupted = number;
}

static int heed_interrupt(lua_State *L)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART | SA_RESETHAND};
    (void)L;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    return 0;
}

/* For a command that only shows something: a Ctrl-C ends it at once, and that is no failure. What
 * it has printed is written, since its output is flushed line by line. */
static void leave_now(int number)
{
    (void)number;
    _exit(0);
}

static int end_on_interrupt(lua_State *L)
{
    struct sigaction action = {.sa_handler = leave_now};
    (void)L;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    return 0;
}

static int was_interrupted(lua_State *L)
{
    lua_pushboolean(L, interrupted != 0);
    return 1;
}

void hw_process_push_api(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"raise_files", raise_files},
        {"return_memory", return_memory},
        {"leave", leave},
        {"close_stdout", close_stdout},
        {"split_init", split_init},
        {"heed_interrupt", heed_interrupt},
        {"was_interrupted", was_interrupted},
        {"end_on_interrupt", end_on_interrupt},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
}
