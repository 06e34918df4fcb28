/* bind.c -- see bind.h */
#include "http/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/config.h"
#include "base/descriptors.h"
#include "base/error.h"

enum {
    NO_MODE = -1,                                            /* the umask decides */
    GROUP_MODE = 0660,                                       /* the default with a group */
    PATH_MAX_LEN = sizeof((struct sockaddr_un *)0)->sun_path /* with its terminating zero */
};

int hw_bind_fail(char *why, size_t size, const char *address, const char *what)
{
    snprintf(why, size, "listen = \"%s\": %s", address, what);
    return HW_EFAILED;
}

/* What the user can do about the error; "" when there is no advice. */
static const char *advice(int error, bool is_unix)
{
    switch (error) {
    case EADDRINUSE:
        return is_unix ? "; another host listens there, or a file has this name"
                       : "; `ss -ltnp` shows who listens there: stop it, or use another port";
    case EADDRNOTAVAIL:
        return "; this machine has no such address (`ip address` lists its own; 0.0.0.0 means all)";
    case EACCES:
    case EPERM:
        return is_unix ? "; the user that runs the host must be able to write to the folder"
                       : "; a port below 1024 needs CAP_NET_BIND_SERVICE, which the unit "
                         "hookward.service gives: use another port, or listen = \"systemd\"";
    case ENOENT:
        return "; make its folder with `mkdir -p`";
    default:
        return "";
    }
}

/* The texts are libuv's, since the C library's may depend on the locale. */
static int fail_by_errno(struct hw_bound *bound, char *why, size_t size, const char *address)
{
    char what[256];
    int error = errno;
    snprintf(what, sizeof what, "%s%s", uv_strerror(-error), advice(error, bound->is_unix));
    hw_bind_fail(why, size, address, what);
    hw_bind_close(bound);
    return HW_EFAILED;
}

static int fail_to_resolve(char *why, size_t size, const char *address, int rc)
{
    char what[256];
    snprintf(what, sizeof what,
             "%s; write an address such as 127.0.0.1:8080, or add the name to /etc/hosts",
             gai_strerror(rc));
    return hw_bind_fail(why, size, address, what);
}

static int start(struct hw_bound *bound, const char *address, char *why, size_t size)
{
    if (listen(bound->fd, HW_BIND_BACKLOG))
        return fail_by_errno(bound, why, size, address);
    return 0;
}

static bool is_in_place(const struct hw_bound *bound)
{
    struct stat st;
    return lstat(bound->path, &st) == 0 && st.st_dev == bound->device && st.st_ino == bound->inode;
}

void hw_bind_close(struct hw_bound *bound)
{
    if (bound->path && is_in_place(bound))
        unlink(bound->path);
    free(bound->path);
    if (bound->fd >= 0)
        close(bound->fd);
    bound->path = NULL;
    bound->fd = -1;
}

/* ---- TCP ---- */

/* Splits "host:port" or "[host]:port". Returns false when it is neither. */
static bool split(const char *address, char *host, size_t size, const char **port)
{
    const char *colon = strrchr(address, ':');
    const char *from = address, *to = colon;
    if (!colon || colon == address)
        return false;
    if (*from == '[' && colon[-1] == ']') {
        from++;
        to--;
    }
    if ((size_t)(to - from) >= size)
        return false;
    memcpy(host, from, (size_t)(to - from));
    host[to - from] = '\0';
    *port = colon + 1;
    return true;
}

bool hw_bind_is_shared(const char *address, const struct hw_listen *all, size_t count)
{
    const char *port = strrchr(address, ':');
    if (address[0] != '[' || !port)
        return false;
    for (size_t i = 0; i < count; i++) {
        const char *text = all[i].address, *other = strrchr(text, ':');
        if (text[0] != '[' && strncmp(text, "unix:", 5) != 0 && strncmp(text, "systemd:", 8) != 0 &&
            other && strcmp(other, port) == 0)
            return true;
    }
    return false;
}

static int open_tcp(struct hw_bound *bound, const struct addrinfo *found, bool v6_only)
{
    int on = 1, only = v6_only, fd = bound->fd;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on))
        return -1;
    if (found->ai_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only))
        return -1;
    return bind(fd, found->ai_addr, found->ai_addrlen);
}

static int bind_tcp(struct hw_bound *bound, const char *address, bool v6_only, char *why,
                    size_t size)
{
    char host[256];
    const char *port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    if (!split(address, host, sizeof host, &port))
        return hw_bind_fail(why, size, address,
                            "not an address: host:port, [v6]:port or unix:/path");
    int rc = getaddrinfo(host, port, &hints, &found);
    if (rc)
        return fail_to_resolve(why, size, address, rc);
    bound->fd = hw_descriptors_socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    rc = bound->fd < 0 ? -1 : open_tcp(bound, found, v6_only);
    int error = errno;
    freeaddrinfo(found);
    errno = error;
    return rc ? fail_by_errno(bound, why, size, address) : start(bound, address, why, size);
}

/* ---- Unix sockets ---- */

struct unix_address {
    struct sockaddr_un sun;
    int mode;
    char group[64]; /* "": the process's own */
};

/* Cuts ",option=VALUE" off the end of the path. Returns the value, or NULL when the path does not
 * end like that. */
static char *cut_option(char *path, const char *option)
{
    char *comma = strrchr(path, ',');
    size_t len = strlen(option);
    if (!comma || strncmp(comma + 1, option, len) != 0 || comma[1 + len] != '=' ||
        strchr(comma, '/'))
        return NULL;
    *comma = '\0';
    return comma + len + 2;
}

static void read_option(struct unix_address *a, const char *mode, const char *group)
{
    if (mode)
        a->mode = (int)strtol(mode, NULL, 8);
    if (group)
        snprintf(a->group, sizeof a->group, "%s", group);
}

/* Returns false when the path is too long. */
static bool set_path(struct unix_address *a, const char *path)
{
    *a = (struct unix_address){.sun = {.sun_family = AF_UNIX}, .mode = NO_MODE};
    if (strlen(path) >= PATH_MAX_LEN)
        return false;
    strcpy(a->sun.sun_path, path);
    return true;
}

/* `text` is "/path" with its options. Returns false when the path is too long. */
static bool read_unix(struct unix_address *a, const char *text)
{
    char path[512];
    struct unix_address options = {.mode = NO_MODE};
    const char *mode, *group;
    if (snprintf(path, sizeof path, "%s", text) >= (int)sizeof path)
        return false;
    do {
        mode = cut_option(path, "mode");
        group = cut_option(path, "group");
        read_option(&options, mode, group);
    } while (mode || group);
    if (!set_path(a, path))
        return false;
    a->mode = options.group[0] && options.mode == NO_MODE ? GROUP_MODE : options.mode;
    memcpy(a->group, options.group, sizeof a->group);
    return true;
}

/* bind() fails when a socket's file exists, even if nobody listens there any more. A refused
 * connection shows that nobody does. The socket is non-blocking: a listener with a full queue
 * counts as alive. */
static void remove_stale(const struct sockaddr_un *sun)
{
    struct stat st;
    if (lstat(sun->sun_path, &st) || !S_ISSOCK(st.st_mode))
        return;
    int fd = hw_descriptors_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)sun, sizeof *sun) && errno == ECONNREFUSED)
        unlink(sun->sun_path);
    close(fd);
}

/* Returns 0 or an errno; ENOENT when there is no such group. */
static int find_group(const char *name, gid_t *gid)
{
    char room[16384], *end;
    struct group group, *found = NULL;
    *gid = (gid_t)strtoul(name, &end, 10);
    if (*end == '\0')
        return 0;
    int rc = getgrnam_r(name, &group, room, sizeof room, &found);
    if (rc == 0 && found)
        *gid = found->gr_gid;
    return rc ? rc : found ? 0 : ENOENT;
}

static int give_to_group(const struct unix_address *a, char *why, size_t size, const char *address)
{
    char what[160];
    gid_t gid = (gid_t)-1;
    int rc = find_group(a->group, &gid);
    if (rc == ENOENT) {
        snprintf(what, sizeof what, "there is no group \"%s\"", a->group);
        return hw_bind_fail(why, size, address, what);
    }
    if (rc == 0 && chown(a->sun.sun_path, (uid_t)-1, gid) == 0)
        return 0;
    snprintf(what, sizeof what, "it can't be given to the group \"%s\": %s", a->group,
             uv_strerror(-(rc ? rc : errno)));
    return hw_bind_fail(why, size, address, what);
}

static void keep_path(struct hw_bound *bound, const char *path)
{
    struct stat st;
    if (lstat(path, &st))
        return;
    bound->path = strdup(path);
    bound->device = st.st_dev;
    bound->inode = st.st_ino;
}

/* bind() creates the file with the socket's mode less the umask. The umask belongs to the process,
 * so it can't be changed here. If a mode was given, only this user may open the file until its mode
 * and its group are set. */
static int bind_unix(struct hw_bound *bound, const struct unix_address *a, const char *address,
                     char *why, size_t size)
{
    const char *path = a->sun.sun_path;
    remove_stale(&a->sun);
    bound->is_unix = true;
    bound->fd = hw_descriptors_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bound->fd < 0 || (a->mode != NO_MODE && fchmod(bound->fd, 0600)) ||
        bind(bound->fd, (const struct sockaddr *)&a->sun, sizeof a->sun))
        return fail_by_errno(bound, why, size, address);
    keep_path(bound, path);
    if (a->group[0] && give_to_group(a, why, size, address)) {
        hw_bind_close(bound);
        return HW_EFAILED;
    }
    if (a->mode != NO_MODE && chmod(path, (mode_t)a->mode))
        return fail_by_errno(bound, why, size, address);
    return start(bound, address, why, size);
}

int hw_bind_private(struct hw_bound *bound, const char *path, char *why, size_t size)
{
    struct unix_address a;
    char address[512];
    *bound = (struct hw_bound){.fd = -1};
    snprintf(address, sizeof address, "unix:%s", path);
    if (!set_path(&a, path))
        return hw_bind_fail(why, size, address, "the path is longer than 107 bytes");
    a.mode = 0600;
    return bind_unix(bound, &a, address, why, size);
}

int hw_bind_open(struct hw_bound *bound, const char *address, bool v6_only, char *why, size_t size)
{
    struct unix_address a;
    *bound = (struct hw_bound){.fd = -1};
    if (strncmp(address, "unix:", 5) != 0)
        return bind_tcp(bound, address, v6_only, why, size);
    if (!read_unix(&a, address + 5))
        return hw_bind_fail(why, size, address, "the path is longer than 107 bytes");
    return bind_unix(bound, &a, address, why, size);
}
