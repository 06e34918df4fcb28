/* turn.c -- see turn.h */
#include "http/turn.h"

static void on_check(uv_check_t *check);
static void on_idle(uv_idle_t *idle);

static void make_ring(struct hw_turn *ring)
{
    ring->prev = ring->next = ring;
}

void hw_turns_init(struct hw_turns *all, uv_loop_t *loop, hw_turn_fn *resume)
{
    uv_check_init(loop, &all->check);
    uv_idle_init(loop, &all->idle);
    all->check.data = all->idle.data = all;
    all->number = 1; /* a new connection has 0 */
    make_ring(&all->held);
    make_ring(&all->shaking);
    make_ring(&all->arriving);
    all->resume = resume;
    uv_check_start(&all->check, on_check);
    uv_unref((uv_handle_t *)&all->check);
}

/* Forgets what was counted in an earlier turn. */
static void enter(const struct hw_turns *all, struct hw_turn *turn)
{
    if (turn->number == all->number)
        return;
    turn->number = all->number;
    turn->requests = 0;
    turn->bytes = 0;
}

static void hold_in(struct hw_turns *all, struct hw_turn *turn, struct hw_turn *ring)
{
    if (hw_turn_is_held(turn))
        return;
    turn->prev = ring->prev;
    turn->next = ring;
    turn->prev->next = turn->next->prev = turn;
    uv_idle_start(&all->idle, on_idle);
}

void hw_turn_hold(struct hw_turns *all, struct hw_turn *turn)
{
    hold_in(all, turn, &all->held);
}

void hw_turn_leave(struct hw_turn *turn)
{
    if (!hw_turn_is_held(turn))
        return;
    turn->prev->next = turn->next;
    turn->next->prev = turn->prev;
    turn->prev = turn->next = NULL;
}

bool hw_turn_begin(struct hw_turns *all, struct hw_turn *turn)
{
    enter(all, turn);
    if (turn->requests == HW_TURN_REQUESTS) {
        hw_turn_hold(all, turn);
        return false;
    }
    turn->requests++;
    return true;
}

bool hw_turn_shake(struct hw_turns *all, struct hw_turn *turn, bool has_begun)
{
    if (all->handshakes == HW_TURN_HANDSHAKES) {
        hold_in(all, turn, has_begun ? &all->shaking : &all->arriving);
        return false;
    }
    all->handshakes++;
    return true;
}

size_t hw_turn_room(struct hw_turns *all, struct hw_turn *turn, size_t need)
{
    enter(all, turn);
    if (hw_turn_is_held(turn) || turn->bytes >= HW_TURN_BYTES)
        return 0;
    if (all->bytes >= HW_TURN_BYTES_ALL && need > HW_TURN_BYTES_LEAST)
        return 0;
    return HW_TURN_BYTES - turn->bytes;
}

void hw_turn_read(struct hw_turns *all, struct hw_turn *turn, size_t bytes)
{
    turn->bytes += bytes;
    all->bytes += bytes;
}

static void begin_turn(struct hw_turns *all)
{
    all->number++;
    all->bytes = 0;
    all->handshakes = 0;
}

static void on_check(uv_check_t *check)
{
    begin_turn(check->data);
}

/* Up to `most` of a ring go on. One that is held again meanwhile waits for the next turn. */
static void resume(struct hw_turns *all, struct hw_turn *ring, unsigned most)
{
    struct hw_turn *last = ring->prev;
    for (unsigned i = 0; i < most && ring->next != ring; i++) {
        struct hw_turn *turn = ring->next;
        hw_turn_leave(turn);
        all->resume(turn);
        if (turn == last)
            break;
    }
}

static bool is_empty(const struct hw_turn *ring)
{
    return ring->next == ring;
}

static void on_idle(uv_idle_t *idle)
{
    struct hw_turns *all = idle->data;
    begin_turn(all); /* also for those that were held after the last on_check */
    resume(all, &all->held, HW_TURN_RESUMED);
    resume(all, &all->shaking, HW_TURN_HANDSHAKES - all->handshakes);
    resume(all, &all->arriving, HW_TURN_HANDSHAKES - all->handshakes);
    if (is_empty(&all->held) && is_empty(&all->shaking) && is_empty(&all->arriving))
        uv_idle_stop(idle);
}
