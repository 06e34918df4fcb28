/* connection.h -- one client's connection: reads requests, hands them to a service, writes answers.
 *
 * Why     clients are slow, greedy, gone or hostile. Whatever one does, the others go on.
 * How     each is a state machine, drawn at the top of connection.c. A service gets one request at
 *         a time; meanwhile bytes of the next one are read as far as they fit.
 * Not     whether a connection is accepted (acceptor.h, crowd.h), what a request means (service.h).
 * Thread  leader only. */
#ifndef HW_CONNECTION_H
#define HW_CONNECTION_H

#include "http/address.h"
#include "http/server.h"
#include "http/service.h"

struct hw_tls_context;

/* A connection that was just accepted. */
struct hw_arrival {
    int fd;
    bool is_unix;
    struct hw_address peer;        /* as accept4 returned it */
    struct hw_service *service;    /* gets its requests */
    struct hw_place place;         /* in the server's crowd */
    struct hw_tls_context *tls;    /* NULL: plain. Borrowed for the call */
    struct hw_troubles *header_to; /* NULL: no header of the PROXY protocol; see preamble.h */
};

/* Takes the arrival over, with its descriptor and its place, even when it fails. Returns 0 or a
 * libuv error. */
int hw_connection_open(struct hw_server *server, const struct hw_arrival *arrival);

/* Sends an app's answer to a waiter that has left its list. */
void hw_connection_reply(struct hw_waiter *waiter, const struct hw_reply *reply);

/* The answer will take time. If the client has closed its half already, asks the service whether it
 * counts as gone (half_closed), and closes the connection if so. */
void hw_connection_await(struct hw_waiter *waiter);

/* The client's address: "127.0.0.1:4711", "[::1]:4711" or "unix". Returns a view of `text`. */
struct hw_str hw_connection_peer(struct hw_waiter *waiter, char *text, size_t size);

#endif
