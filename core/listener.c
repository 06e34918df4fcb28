/* listener.c -- see listener.h */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "address.h"
#include "descriptors.h"
#include "error.h"
#include "log.h"

struct hw_listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct hw_listener *next;
    struct hw_listeners *all;
    char *path; /* of a Unix socket that is ours to remove */
    struct hw_service *service;
    bool owner_only; /* a Unix socket with mode 0600 */
    bool waiting;    /* a connection is at the door, and the house is full */
};

static int fail(char *why, size_t size, const char *address, const char *what)
{
    snprintf(why, size, "listen = \"%s\": %s", address, what);
    return HW_EFAILED;
}

static void on_connection(uv_stream_t *stream, int status);

static struct hw_listener *add(struct hw_listeners *all, struct hw_service *service,
                               uv_handle_type type)
{
    struct hw_listener *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->all = all;
    l->service = service;
    if (type == UV_TCP)
        uv_tcp_init(all->server->loop, &l->u.tcp);
    else
        uv_pipe_init(all->server->loop, &l->u.pipe, 0);
    l->u.handle.data = l;
    l->next = all->first;
    all->first = l;
    all->count++;
    return l;
}

static int listen_on(struct hw_listener *l, const char *address, char *why, size_t size)
{
    int rc = uv_listen(&l->u.stream, HW_LISTEN_BACKLOG, on_connection);
    return rc ? fail(why, size, address, uv_strerror(rc)) : 0;
}

/* ---- TCP ---- */

/* "host:port" or "[host]:port" -> its parts; false when it is neither. */
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

static int open_tcp(struct hw_listeners *all, const char *address, struct hw_service *service,
                    char *why, size_t size)
{
    char host[256];
    const char *port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    if (!split(address, host, sizeof host, &port))
        return fail(why, size, address, "not an address: host:port, [v6]:port or unix:/path");
    int rc = getaddrinfo(host, port, &hints, &found);
    if (rc)
        return fail(why, size, address, gai_strerror(rc));
    struct hw_listener *l = add(all, service, UV_TCP);
    rc = l ? uv_tcp_bind(&l->u.tcp, found->ai_addr, 0) : UV_ENOMEM;
    freeaddrinfo(found);
    return rc ? fail(why, size, address, uv_strerror(rc)) : listen_on(l, address, why, size);
}

/* ---- Unix sockets ---- */

/* A socket file that nobody listens at any more is in the way of bind(). */
static void remove_stale(const char *path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    struct stat st;
    if (strlen(path) >= sizeof sun.sun_path || lstat(path, &st) || !S_ISSOCK(st.st_mode))
        return;
    strcpy(sun.sun_path, path);
    int fd = hw_descriptors_socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return;
    if (connect(fd, (struct sockaddr *)&sun, sizeof sun) && errno == ECONNREFUSED)
        unlink(path);
    close(fd);
}

static bool folder_exists(const char *path)
{
    char folder[sizeof((struct sockaddr_un *)0)->sun_path];
    const char *slash = strrchr(path, '/');
    if (!slash)
        return true;
    snprintf(folder, sizeof folder, "%.*s/", (int)(slash - path), path);
    return access(folder, F_OK) == 0;
}

/* bind() makes the file with the mode that the socket has by then, less the process's umask, which
 * is not ours to change. Returns the descriptor, or -errno. */
static int bind_for_owner(const char *path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    strcpy(sun.sun_path, path);
    int fd = hw_descriptors_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    fchmod(fd, 0600);
    if (bind(fd, (struct sockaddr *)&sun, sizeof sun) == 0 && chmod(path, 0600) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

static int bind_pipe(struct hw_listener *l, const char *path)
{
    if (!l->owner_only)
        return uv_pipe_bind(&l->u.pipe, path);
    int fd = bind_for_owner(path);
    return fd < 0 ? fd : uv_pipe_open(&l->u.pipe, fd);
}

static int open_unix(struct hw_listeners *all, const char *address, struct hw_service *service,
                     bool owner_only, char *why, size_t size)
{
    const char *path = address + strlen("unix:");
    if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return fail(why, size, address, "the path is longer than 107 bytes");
    remove_stale(path);
    struct hw_listener *l = add(all, service, UV_NAMED_PIPE);
    if (!l)
        return fail(why, size, address, uv_strerror(UV_ENOMEM));
    l->owner_only = owner_only;
    int rc = bind_pipe(l, path);
    if (rc == UV_EACCES && !folder_exists(path))
        rc = UV_ENOENT; /* libuv turns this one into EACCES, for Windows' sake */
    if (rc)
        return fail(why, size, address, uv_strerror(rc));
    l->path = strdup(path);
    return listen_on(l, address, why, size);
}

int hw_listeners_open_control(struct hw_listeners *all, const char *path,
                              struct hw_service *service, char *why, size_t why_size)
{
    char address[256];
    int n = snprintf(address, sizeof address, "unix:%s", path);
    if (n >= (int)sizeof address)
        return fail(why, why_size, address, "the path is longer than 107 bytes");
    return open_unix(all, address, service, true, why, why_size);
}

/* ---- systemd: sd_listen_fds(3) ---- */

static int open_inherited(struct hw_listeners *all, int fd, struct hw_service *service, char *why,
                          size_t size)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char name[32];
    snprintf(name, sizeof name, "systemd: fd %d", fd);
    if (getsockname(fd, (struct sockaddr *)&address, &len))
        return fail(why, size, name, strerror(errno));
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    bool is_unix = address.ss_family == AF_UNIX;
    struct hw_listener *l = add(all, service, is_unix ? UV_NAMED_PIPE : UV_TCP);
    int rc = !l ? UV_ENOMEM : is_unix ? uv_pipe_open(&l->u.pipe, fd) : uv_tcp_open(&l->u.tcp, fd);
    return rc ? fail(why, size, name, uv_strerror(rc)) : listen_on(l, name, why, size);
}

static int open_systemd(struct hw_listeners *all, struct hw_service *service, char *why,
                        size_t size)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    int count = fds ? atoi(fds) : 0, rc = 0;
    if (!pid || atol(pid) != (long)getpid() || count < 1)
        return fail(why, size, "systemd", "no socket was handed over (is there a .socket unit?)");
    for (int i = 0; i < count && rc == 0; i++)
        rc = open_inherited(all, 3 + i, service, why, size);
    return rc;
}

int hw_listeners_open(struct hw_listeners *all, const char *address, struct hw_service *service,
                      char *why, size_t size)
{
    if (all->count == HW_LISTENERS_MAX)
        return fail(why, size, address, "more than 64 listeners");
    if (strcmp(address, "systemd") == 0)
        return open_systemd(all, service, why, size);
    if (strncmp(address, "unix:", 5) == 0)
        return open_unix(all, address, service, false, why, size);
    return open_tcp(all, address, service, why, size);
}

/* ---- accepting ---- */

static void accept_one(struct hw_listener *l)
{
    struct hw_server *server = l->all->server;
    l->waiting = server->connection_count >= server->connections_max;
    if (l->waiting)
        return; /* not accepted: libuv stops polling this socket, the kernel keeps the rest */
    int rc = hw_connection_accept(server, &l->u.stream, l->u.handle.type, l->service);
    if (rc)
        hw_log_say(HW_LOG_WARN, "a connection could not be accepted: %s", uv_strerror(rc));
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct hw_listener *l = stream->data;
    if (status == 0)
        accept_one(l);
    else if (status != UV_EAGAIN)
        hw_log_say(HW_LOG_WARN, "a connection could not be accepted: %s", uv_strerror(status));
}

void hw_listeners_resume(struct hw_listeners *all)
{
    for (struct hw_listener *l = all->first; l; l = l->next)
        if (l->waiting && !uv_is_closing(&l->u.handle))
            accept_one(l);
}

/* ---- telling and ending ---- */

/* As `listen` would say it, with the port that the kernel chose. */
static void name(const struct hw_listener *l, char *text, size_t size)
{
    struct sockaddr_storage address;
    int len = sizeof address;
    if (l->u.handle.type == UV_TCP &&
        uv_tcp_getsockname(&l->u.tcp, (struct sockaddr *)&address, &len) == 0)
        hw_address_text((struct sockaddr *)&address, text, size);
    else
        snprintf(text, size, "unix:%s", l->path ? l->path : "(systemd)");
}

void hw_listeners_each(const struct hw_listeners *all, void (*each)(void *ud, const char *address),
                       void *ud)
{
    char text[1024], address[HW_LISTENER_NAME_MAX];
    for (const struct hw_listener *l = all->first; l; l = l->next) {
        if (!l->service->shown.ptr)
            continue;
        name(l, address, sizeof address);
        if (l->u.handle.type == UV_TCP)
            snprintf(text, sizeof text, "http://%s%.*s", address, HW_STR_ARG(l->service->shown));
        each(ud, l->u.handle.type == UV_TCP ? text : address);
    }
}

static void report(void *unused, const char *address)
{
    (void)unused;
    hw_log_say(HW_LOG_INFO, "listening on %s", address);
}

void hw_listeners_report(const struct hw_listeners *all)
{
    hw_listeners_each(all, report, NULL);
}

bool hw_listeners_name(const struct hw_listeners *all, size_t index, char *text, size_t size)
{
    size_t open = 0;
    for (struct hw_listener *l = all->first; l; l = l->next)
        open += l->service->shown.ptr != NULL;
    for (struct hw_listener *l = all->first; l; l = l->next) /* the last one first */
        if (l->service->shown.ptr && --open == index) {
            name(l, text, size);
            return true;
        }
    return false;
}

static void on_closed(uv_handle_t *handle)
{
    (void)handle;
}

void hw_listeners_close(struct hw_listeners *all)
{
    for (struct hw_listener *l = all->first; l; l = l->next)
        if (!uv_is_closing(&l->u.handle)) {
            if (l->owner_only && l->path)
                unlink(l->path);
            uv_close(&l->u.handle, on_closed); /* libuv unlinks a Unix socket that it bound */
        }
}

void hw_listeners_free(struct hw_listeners *all)
{
    for (struct hw_listener *l = all->first, *next; l; l = next) {
        next = l->next;
        free(l->path);
        free(l);
    }
    all->first = NULL;
    all->count = 0;
}
