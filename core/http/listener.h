/* listener.h -- the sockets that a host listens at: TCP, Unix, or handed over by systemd.
 *
 * How     bind.h opens a socket, acceptor.h accepts its connections; here they are kept together,
 *         with their names for the log.
 * Thread  open and free: whoever has the loop; otherwise leader only. */
#ifndef HW_LISTENER_H
#define HW_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/config.h"
#include "http/acceptor.h"
#include "http/connection.h"

enum { HW_LISTENERS_MAX = 64, HW_LISTENER_NAME_MAX = 128 };

struct hw_listener;
struct hw_tls_set;

struct hw_listeners {
    struct hw_listener *first, **end; /* in the order of opening */
    size_t count;
    struct hw_acceptor acceptor;
};

/* Call it first. hw_listeners_close and, after the loop has run, hw_listeners_free end it. */
void hw_listeners_init(struct hw_listeners *all, struct hw_server *server);

/* Opens each address: one that bind.h takes, or one of inherited.h. `service` gets the requests of
 * their clients. Returns 0, or HW_EFAILED with one line in `why`. */
int hw_listeners_open(struct hw_listeners *all, const struct hw_listen *listen, size_t count,
                      struct hw_service *service, char *why, size_t why_size);

/* Gives each listener with `tls` its context in the set: connections from now on get it. A listener
 * that the set does not have keeps what it has. */
void hw_listeners_set_tls(struct hw_listeners *all, const struct hw_tls_set *set);

/* Opens the control socket of this host, for its user only (0600). Its connections are exempt from
 * the limits on connections and requests. */
int hw_listeners_open_control(struct hw_listeners *all, const char *path,
                              struct hw_service *service, char *why, size_t why_size);

/* Calls `each` for each address, with the port that the kernel chose: "http://127.0.0.1:8080/path",
 * "https://…" or "unix:/path". Services that are not shown (service.h) are left out. */
void hw_listeners_each(const struct hw_listeners *all, void (*each)(void *ud, const char *address),
                       void *ud);

/* Logs each of these addresses. */
void hw_listeners_report(const struct hw_listeners *all);

/* Writes the address number `index`, from 0 in the order of opening, as "127.0.0.1:8080" or
 * "unix:/path". Services that are not shown don't count. Returns false when there is none. */
bool hw_listeners_name(const struct hw_listeners *all, size_t index, char *text, size_t size);

/* Whether the address number `index` speaks TLS. */
bool hw_listeners_speaks_tls(const struct hw_listeners *all, size_t index);

/* Call it when there may be room again: waiting connections are then accepted. */
void hw_listeners_resume(struct hw_listeners *all);

/* Stops accepting, and removes the files of Unix sockets. */
void hw_listeners_close(struct hw_listeners *all);

/* Frees the memory, after the loop has closed the handles. */
void hw_listeners_free(struct hw_listeners *all);

#endif
