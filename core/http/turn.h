/* turn.h -- how much one connection may have before the others have their turn.
 *
 * Why     a client that pipelines, or sends as fast as it can, always has something to be done.
 *         Served without a pause it has the leader to itself.
 * How     a turn is one round of the loop. In each a connection may begin HW_TURN_REQUESTS requests
 *         and read HW_TURN_BYTES bytes. One that has more to do is held: it reads nothing, and goes
 *         on in a later turn, behind those that were held before it, HW_TURN_RESUMED in a turn.
 *         When all together have read HW_TURN_BYTES_ALL, whoever still needs more than
 *         HW_TURN_BYTES_LEAST is held too: large bodies wait for each other, and nobody for them.
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
    HW_TURN_BYTES_ALL = HW_TURN_RESUMED * HW_TURN_BYTES
};

/* A connection's part of this turn. */
struct hw_turn {
    struct hw_turn *prev, *next; /* among the held ones; NULL when it is not held */
    uint64_t number;             /* the turn that these were counted in */
    unsigned requests;
    size_t bytes;
};

/* What was held goes on. It has left the list. */
typedef void hw_turn_fn(struct hw_turn *turn);

struct hw_turns {
    uv_check_t check;    /* a turn ends */
    uv_idle_t idle;      /* while one is held the loop does not sleep */
    uint64_t number;     /* from 1 */
    size_t bytes;        /* read in this turn */
    struct hw_turn held; /* a ring around this */
    hw_turn_fn *resume;
};

void hw_turns_init(struct hw_turns *all, uv_loop_t *loop, hw_turn_fn *resume);

/* One more request. False when it has to wait: then it is held. */
bool hw_turn_begin(struct hw_turns *all, struct hw_turn *turn);

/* How many bytes it may still read in this turn, when it is known to need `need`: 0 when it is
 * held, or is to be. */
size_t hw_turn_room(struct hw_turns *all, struct hw_turn *turn, size_t need);

/* It has read them. */
void hw_turn_read(struct hw_turns *all, struct hw_turn *turn, size_t bytes);

/* It goes on in a later turn. Twice is once. */
void hw_turn_hold(struct hw_turns *all, struct hw_turn *turn);

static inline bool hw_turn_is_held(const struct hw_turn *turn)
{
    return turn->next;
}

/* It is held no longer, and is not to go on. Twice is once. */
void hw_turn_leave(struct hw_turn *turn);

#endif
