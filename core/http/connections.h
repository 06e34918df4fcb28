/* connections.h -- all connections of a server: making room for new ones, and ending all of them.
 *
 * Thread  leader only; init: whoever has the loop. */
#ifndef HW_CONNECTIONS_H
#define HW_CONNECTIONS_H

#include <stdbool.h>

struct hw_config;
struct hw_connection;
struct hw_server;

enum {
    HW_CONNECTIONS_STALE_MS = 2000, /* one stuck for so long may be closed for others */
    HW_CONNECTIONS_CROWD = 64 /* once three quarters of so many are gone, memory is returned */
};

/* Makes a zeroed server ready for connections, with the limits of the configuration. The caller
 * sets its loop, on_room, on_no_files and owner before. */
void hw_connections_init(struct hw_server *server, const struct hw_config *config);

/* Closes one connection that counts in the crowd: the one that was idle longest; when none is idle,
 * one that was answered, or whose answer or request has been stuck for HW_CONNECTIONS_STALE_MS.
 * Returns false when there is none. */
bool hw_connections_make_room(struct hw_server *server);

/* From now on the answers say `Connection: close`. Idle connections stay for their next request. */
void hw_connections_part(struct hw_server *server);

/* Closes the idle connections, and those whose answer is sent in pieces. From then on every answer
 * is its connection's last one. */
void hw_connections_drain(struct hw_server *server);

/* Closes all connections, answered or not. */
void hw_connections_close(struct hw_server *server);

/* For connection.c: adds one to its server's connections, and removes it; both keep the count. */
void hw_connections_add(struct hw_connection *c);
void hw_connections_remove(struct hw_connection *c);

#endif
