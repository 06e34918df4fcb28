/* command.c -- see command.h */
#include "script/command.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Starts `sh -c command`, with our descriptor `from` as its descriptor `to` unless `from` is -1.
 * Returns the process, or -1 with errno set. */
static pid_t spawn(const char *command, int from, int to)
{
    char shell[] = "sh", option[] = "-c";
    char *const words[] = {shell, option, (char *)command, NULL};
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    int rc = posix_spawnattr_init(&attributes);
    if (rc == 0) {
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
        posix_spawnattr_setpgroup(&attributes, 0);
        rc = posix_spawn_file_actions_init(&actions);
        if (rc == 0) {
            if (from >= 0)
                rc = posix_spawn_file_actions_adddup2(&actions, from, to);
            if (rc == 0)
                rc = posix_spawn(&pid, "/bin/sh", &actions, &attributes, words, environ);
            posix_spawn_file_actions_destroy(&actions);
        }
        posix_spawnattr_destroy(&attributes);
    }
    errno = rc;
    return rc ? -1 : pid;
}

/* Waits for the process, and pushes what Lua's os.execute returns. */
static int push_end(lua_State *L, pid_t pid)
{
    int status = 0;
    pid_t ended;
    do
        ended = waitpid(pid, &status, 0);
    while (ended < 0 && errno == EINTR);
    if (ended < 0)
        return luaL_fileresult(L, 0, NULL);
    errno = 0; /* luaL_execresult takes any other value for the reason of a failure */
    return luaL_execresult(L, status);
}

/* ---- os.execute ---- */

static int execute(lua_State *L)
{
    const char *command = luaL_optstring(L, 1, NULL);
    if (!command) {
        lua_pushboolean(L, access("/bin/sh", X_OK) == 0);
        return 1;
    }
    pid_t pid = spawn(command, -1, -1);
    return pid < 0 ? luaL_fileresult(L, 0, NULL) : push_end(L, pid);
}

/* ---- io.popen ---- */

/* A Lua file: Lua uses the stream only. */
struct command {
    luaL_Stream stream;
    pid_t pid;
};

static int close_command(lua_State *L)
{
    struct command *c = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    fclose(c->stream.f); /* a failed write of what is buffered is ignored, as in pclose */
    return push_end(L, c->pid);
}

/* The file counts as closed until it is complete, since the collector may run before. */
static struct command *push_file(lua_State *L)
{
    struct command *c = lua_newuserdatauv(L, sizeof *c, 0);
    c->stream.f = NULL;
    c->stream.closef = NULL;
    luaL_setmetatable(L, LUA_FILEHANDLE);
    return c;
}

static int fail(lua_State *L, const char *command, int ours, int theirs)
{
    int why = errno;
    close(ours);
    close(theirs);
    errno = why;
    return luaL_fileresult(L, 0, command);
}

static int popen_command(lua_State *L)
{
    const char *text = luaL_checkstring(L, 1), *mode = luaL_optstring(L, 2, "r");
    luaL_argcheck(L, strcmp(mode, "r") == 0 || strcmp(mode, "w") == 0, 2, "invalid mode");
    bool reads = *mode == 'r';
    struct command *c = push_file(L);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return luaL_fileresult(L, 0, text);
    int ours = ends[reads ? 0 : 1], theirs = ends[reads ? 1 : 0];
    FILE *file = fdopen(ours, mode);
    if (!file)
        return fail(L, text, ours, theirs);
    c->pid = spawn(text, theirs, reads ? STDOUT_FILENO : STDIN_FILENO);
    if (c->pid < 0) {
        int why = errno;
        fclose(file);
        close(theirs);
        errno = why;
        return luaL_fileresult(L, 0, text);
    }
    close(theirs);
    c->stream.f = file;
    c->stream.closef = close_command;
    return 1;
}

static void set(lua_State *L, const char *library, const char *name, lua_CFunction function)
{
    lua_getglobal(L, library);
    lua_pushcfunction(L, function);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

void hw_command_open(lua_State *L)
{
    set(L, "os", "execute", execute);
    set(L, "io", "popen", popen_command);
}
