/* listener.c -- see listener.h */
#include "http/listener.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/log.h"
#include "http/address.h"
#include "http/bind.h"
#include "http/inherited.h"
#include "http/tls_set.h"

struct hw_listener {
    struct hw_door door;
    struct hw_bound bound;
    struct hw_listener *next;
    struct hw_service *service;
    const char *tls_address; /* as the configuration names it; NULL: it is plain */
};

/* ---- opening ---- */

/* Takes the socket over, even when it fails. `listen`: NULL for the control socket. */
static int add(struct hw_listeners *all, struct hw_bound *bound, const char *address,
               const struct hw_listen *listen, struct hw_service *service, char *why, size_t size)
{
    bool full = all->count == HW_LISTENERS_MAX;
    struct hw_listener *l = full ? NULL : calloc(1, sizeof *l);
    if (!l) {
        hw_bind_close(bound);
        return hw_bind_fail(why, size, address,
                            full ? "more than 64 listeners" : uv_strerror(UV_ENOMEM));
    }
    l->bound = *bound;
    l->service = service;
    l->tls_address = listen && listen->tls && !bound->is_unix ? listen->address : NULL;
    *all->end = l;
    all->end = &l->next;
    all->count++;
    int rc =
        hw_acceptor_open(&all->acceptor, &l->door, bound->fd, bound->is_unix, !listen, service);
    l->door.proxy_protocol = listen && listen->proxy_protocol;
    return rc ? hw_bind_fail(why, size, address, uv_strerror(rc)) : 0;
}

int hw_listeners_open_control(struct hw_listeners *all, const char *path,
                              struct hw_service *service, char *why, size_t size)
{
    struct hw_bound bound;
    if (hw_bind_private(&bound, path, why, size))
        return HW_EFAILED;
    return add(all, &bound, path, NULL, service, why, size);
}

/* Takes over the sockets that listen[which] gets from the service manager. */
static int open_inherited(struct hw_listeners *all, const struct hw_listen *listen, size_t count,
                          size_t which, struct hw_service *service, char *why, size_t size)
{
    struct hw_bound bound;
    int rc = hw_inherited_check(listen, count, which, why, size);
    for (size_t i = 0; rc == 0 && i < hw_inherited_count(); i++) {
        if (!hw_inherited_is_for(i, listen, count, which))
            continue;
        rc = hw_inherited_take(&bound, i, why, size);
        if (rc == 0)
            rc = add(all, &bound, listen[which].address, &listen[which], service, why, size);
    }
    return rc;
}

static int open_one(struct hw_listeners *all, const struct hw_listen *listen, size_t count,
                    size_t which, struct hw_service *service, char *why, size_t size)
{
    struct hw_bound bound;
    const char *address = listen[which].address;
    bool v6_only = hw_bind_is_shared(address, listen, count);
    if (hw_inherited_is_meant(address))
        return open_inherited(all, listen, count, which, service, why, size);
    if (hw_bind_open(&bound, address, v6_only, why, size))
        return HW_EFAILED;
    return add(all, &bound, address, &listen[which], service, why, size);
}

void hw_listeners_init(struct hw_listeners *all, struct hw_server *server)
{
    *all = (struct hw_listeners){.end = &all->first};
    hw_acceptor_init(&all->acceptor, server);
}

int hw_listeners_open(struct hw_listeners *all, const struct hw_listen *listen, size_t count,
                      struct hw_service *service, char *why, size_t size)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = open_one(all, listen, count, i, service, why, size);
    return rc;
}

void hw_listeners_set_tls(struct hw_listeners *all, const struct hw_tls_set *set)
{
    for (struct hw_listener *l = all->first; l; l = l->next) {
        struct hw_tls_context *old = l->door.tls;
        struct hw_tls_context *next = l->tls_address ? hw_tls_set_find(set, l->tls_address) : NULL;
        if (!next || next == old)
            continue;
        if (old)
            hw_tls_context_inherit(next, old);
        l->door.tls = hw_tls_context_ref(next);
        hw_tls_context_unref(old);
    }
}

void hw_listeners_resume(struct hw_listeners *all)
{
    hw_acceptor_resume(&all->acceptor);
}

/* ---- names ---- */

/* The address as in `listen`, with the port that the kernel chose. */
static void name(const struct hw_listener *l, char *text, size_t size)
{
    union {
        struct sockaddr any;
        struct sockaddr_un path;
        struct sockaddr_storage room;
    } address = {0};
    socklen_t len = sizeof address;
    bool known = l->bound.fd >= 0 && getsockname(l->bound.fd, &address.any, &len) == 0;
    if (!l->bound.is_unix && known)
        hw_address_text(&address.any, text, size);
    else if (!l->bound.path && known && address.path.sun_path[0])
        snprintf(text, size, "unix:%s", address.path.sun_path);
    else
        snprintf(text, size, "unix:%s", l->bound.path ? l->bound.path : "(systemd)");
}

void hw_listeners_each(const struct hw_listeners *all, void (*each)(void *ud, const char *address),
                       void *ud)
{
    char text[1024], address[HW_LISTENER_NAME_MAX];
    for (const struct hw_listener *l = all->first; l; l = l->next) {
        if (!l->service->shown.ptr)
            continue;
        name(l, address, sizeof address);
        if (!l->bound.is_unix)
            snprintf(text, sizeof text, "http%s://%s%.*s", l->tls_address ? "s" : "", address,
                     HW_STR_ARG(l->service->shown));
        each(ud, l->bound.is_unix ? address : text);
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

/* NULL: there is none. */
static const struct hw_listener *find(const struct hw_listeners *all, size_t index)
{
    for (const struct hw_listener *l = all->first; l; l = l->next)
        if (l->service->shown.ptr && index-- == 0)
            return l;
    return NULL;
}

bool hw_listeners_name(const struct hw_listeners *all, size_t index, char *text, size_t size)
{
    const struct hw_listener *l = find(all, index);
    if (l)
        name(l, text, size);
    return l != NULL;
}

bool hw_listeners_speaks_tls(const struct hw_listeners *all, size_t index)
{
    const struct hw_listener *l = find(all, index);
    return l && l->tls_address;
}

/* ---- the end ---- */

void hw_listeners_close(struct hw_listeners *all)
{
    hw_acceptor_close(&all->acceptor);
    for (struct hw_listener *l = all->first; l; l = l->next)
        hw_bind_close(&l->bound);
}

void hw_listeners_free(struct hw_listeners *all)
{
    for (struct hw_listener *l = all->first, *next; l; l = next) {
        next = l->next;
        hw_tls_context_unref(l->door.tls);
        free(l);
    }
    all->first = NULL;
    all->end = &all->first;
    all->count = 0;
}
