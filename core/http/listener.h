/* listener.h -- the sockets that clients connect to: TCP, Unix, or handed over by systemd.
 *
 * Thread  open and free: whoever has the loop; otherwise leader only. */
#ifndef HW_LISTENER_H
#define HW_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "http/acceptor.h"
#include "http/connection.h"

enum { HW_LISTENERS_MAX = 64, HW_LISTENER_NAME_MAX = 128 };

struct hw_listener;

struct hw_listeners {
    struct hw_listener *first;
    size_t count;
    struct hw_acceptor acceptor;
};

/* Before all else. To be closed. */
void hw_listeners_init(struct hw_listeners *all, struct hw_server *server);

/* `service` gets what the clients ask for. Opens each address: as bind.h takes them, or "systemd"
 * (all sockets of LISTEN_FDS). Returns 0, or HW_EFAILED with one line. */
int hw_listeners_open(struct hw_listeners *all, const char *const *addresses, size_t count,
                      struct hw_service *service, char *why, size_t why_size);

/* The control socket of this host, for its user only (0600). No limit of connections or requests is
 * for those who come in there. */
int hw_listeners_open_control(struct hw_listeners *all, const char *path,
                              struct hw_service *service, char *why, size_t why_size);

/* Calls `each` for each address, with the port that the kernel chose: "http://127.0.0.1:8080/path"
 * or "unix:/path". Services that are not shown are left out. */
void hw_listeners_each(const struct hw_listeners *all, void (*each)(void *ud, const char *address),
                       void *ud);

/* Names each address in the log. */
void hw_listeners_report(const struct hw_listeners *all);

/* The same as text, "127.0.0.1:8080" or "unix:/path", in the order of their opening, without the
 * control socket. False when there is no such one. */
bool hw_listeners_name(const struct hw_listeners *all, size_t index, char *text, size_t size);

/* There may be room: those that wait may come in. */
void hw_listeners_resume(struct hw_listeners *all);

/* Stops accepting; Unix sockets are removed from their folder. */
void hw_listeners_close(struct hw_listeners *all);

/* After the loop has closed the handles. */
void hw_listeners_free(struct hw_listeners *all);

#endif
