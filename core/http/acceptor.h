/* acceptor.h -- takes in who knocks at the listening sockets.
 *
 * Why     libuv's own accepting goes on for as long as anybody knocks, spins when files have run
 *         out, and resets whom it can't take without a word.
 * How     A door is a socket that listens. The loop says that somebody knocks; a door takes in at
 *         most HW_ACCEPTOR_TURN of them in a turn. In a full house (crowd.h) the connection that
 *         was idle longest makes room for each that comes. When none can be spared, or the kernel
 * has no file or memory to give, the door rests: whoever knocks waits in the kernel's queue until
 *         a connection is closed, or a timer lets the door try again.
 * Files   One descriptor is kept in reserve. The control socket's door may use it, so that a host
 *         that has run out of files can still be told what to do. And when the files are out for
 *         longer than HW_ACCEPTOR_PATIENCE_MS it serves to take those who knock and close them:
 *         a sender who is told at once can try elsewhere, or later.
 * Says    each kind of trouble at once, then once a minute with a count (seldom.h).
 * Thread  leader only; init: whoever has the loop. */
#ifndef HW_ACCEPTOR_H
#define HW_ACCEPTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/seldom.h"

struct hw_server;
struct hw_service;
struct hw_acceptor;

enum {
    HW_ACCEPTOR_TURN = 64,          /* connections that a door takes in a turn of the loop */
    HW_ACCEPTOR_REST_MS = 10,       /* a door's first rest; each one in vain doubles it … */
    HW_ACCEPTOR_REST_MAX_MS = 500,  /* … up to this */
    HW_ACCEPTOR_ASK_MS = 1000,      /* between two calls of on_no_files */
    HW_ACCEPTOR_PATIENCE_MS = 1000, /* without files, until those who knock are turned away */
};

enum hw_acceptor_trouble {
    HW_ACCEPTOR_MADE_ROOM,
    HW_ACCEPTOR_FULL,
    HW_ACCEPTOR_ADDRESS_FULL,
    HW_ACCEPTOR_NO_FILE,
    HW_ACCEPTOR_NO_MEMORY,
    HW_ACCEPTOR_FAILED,
    HW_ACCEPTOR_TURNED_AWAY,
    HW_ACCEPTOR_TROUBLES
};

struct hw_door {
    uv_poll_t poll;
    struct hw_acceptor *acceptor;
    struct hw_service *service; /* of those who come in here */
    struct hw_door *next;
    int fd;
    bool is_unix;
    bool exempt; /* who comes in here is outside of the crowd */
    bool open, resting;
};

struct hw_acceptor {
    struct hw_server *server;
    struct hw_door *doors;
    int spare;               /* a file in reserve; -1: it is in use */
    uint64_t rest_ms;        /* how long the next rest is */
    uint64_t asked_at;       /* the last time that files were asked for */
    int error;               /* the last one that has no other name */
    uint64_t no_files_since; /* by the loop's clock; 0: there are some */
    uv_timer_t rest, tell;
    struct hw_seldom troubles[HW_ACCEPTOR_TROUBLES];
};

void hw_acceptor_init(struct hw_acceptor *acceptor, struct hw_server *server);

/* Opens a door at a listening, non-blocking socket, which stays the caller's. `exempt`: see struct
 * hw_door. Returns 0 or a libuv error. */
int hw_acceptor_open(struct hw_acceptor *acceptor, struct hw_door *door, int fd, bool is_unix,
                     bool exempt, struct hw_service *service);

/* There may be room: doors that rest try again now. */
void hw_acceptor_resume(struct hw_acceptor *acceptor);

/* Closes the doors, so that their sockets may be closed, and tells what was not told yet. Twice is
 * once. The memory is the loop's until it has closed its handles. */
void hw_acceptor_close(struct hw_acceptor *acceptor);

#endif
