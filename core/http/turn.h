/* turn.h -- how much one connection may do before the others have their turn.
 *
 * Why     a client that pipelines, or sends as fast as it can, always has more to do. Without a
 *         limit it would have the leader to itself.
 * How     a turn is one round of the loop. In a turn a connection may begin HW_TURN_REQUESTS
 *         requests and read HW_TURN_BYTES bytes. One that has more to do is held: it reads nothing
 *         until a later turn. Held ones go on in the order that they were held, HW_TURN_RESUMED in
 *         a turn. Once all together have read HW_TURN_BYTES_ALL in a turn, those that need more
 *         than HW_TURN_BYTES_LEAST are held too: large bodies wait for each other, small ones for
 *         none. In a turn, HW_TURN_HANDSHAKES steps of TLS handshakes are taken. Those that wait
 *         have a queue of their own, so that a flood of them holds up no established connection.
 * Thread  leader only. */
#ifndef HW_TURN_H
#define HW_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum {
    HW_TURN_REQUESTS = 4,
    HW_TURN_BYTES = 64 * 1024,
    HW_TURN_BYTES_LEAST = 4 * 1024,
    HW_TURN_RESUMED = 8,
    HW_TURN_BYTES_ALL = HW_TURN_RESUMED * HW_TURN_BYTES,
    HW_TURN_HANDSHAKES = 4 /* of all connections together; one may take a millisecond (RSA) */
};

/* A connection's part of this turn. */
struct hw_turn {
    struct hw_turn *prev, *next; /* among the held ones; NULL when it is not held */
    uint64_t number;             /* the turn in which `requests` and `bytes` were counted */
    unsigned requests;
    size_t bytes;
};

/* Called when a held connection may go on; it is no longer held then. */
typedef void hw_turn_fn(struct hw_turn *turn);

struct hw_turns {
    uv_check_t check;        /* runs at the end of a turn */
    uv_idle_t idle;          /* keeps the loop from sleeping while one is held */
    uint64_t number;         /* of the present turn, from 1 */
    size_t bytes;            /* read in this turn */
    unsigned handshakes;     /* steps taken in this turn */
    struct hw_turn held;     /* a ring */
    struct hw_turn shaking;  /* likewise: held in their TLS handshake */
    struct hw_turn arriving; /* likewise: held before it */
    hw_turn_fn *resume;
};

void hw_turns_init(struct hw_turns *all, uv_loop_t *loop, hw_turn_fn *resume);

/* Counts one more request. Returns false when it has to wait; the connection is then held. */
bool hw_turn_begin(struct hw_turns *all, struct hw_turn *turn);

/* How many bytes it may still read in this turn, when it is known to need `need`. 0 when it is
 * held, or has to be. */
size_t hw_turn_room(struct hw_turns *all, struct hw_turn *turn, size_t need);

/* Counts `bytes` as read. */
void hw_turn_read(struct hw_turns *all, struct hw_turn *turn, size_t bytes);

/* Counts one more step of a TLS handshake. Returns false when it has to wait; the connection is
 * then held. Handshakes that have begun go on before the others, since they take up memory. */
bool hw_turn_shake(struct hw_turns *all, struct hw_turn *turn, bool has_begun);

/* Holds it until a later turn. Idempotent. */
void hw_turn_hold(struct hw_turns *all, struct hw_turn *turn);

static inline bool hw_turn_is_held(const struct hw_turn *turn)
{
    return turn->next;
}

/* Ends the hold without calling `resume`. Idempotent. */
void hw_turn_leave(struct hw_turn *turn);

#endif
