/* turn.c -- see turn.h */
#include "http/turn.h"

static void on_check(uv_check_t *check);
static void on_idle(uv_idle_t *idle);

void hw_turns_init(struct hw_turns *all, uv_loop_t *loop, hw_turn_fn *resume)
{
    uv_check_init(loop, &all->check);
    uv_idle_init(loop, &all->idle);
    all->check.data = all->idle.data = all;
    all->number = 1; /* a new connection has 0 */
    all->held.prev = all->held.next = &all->held;
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

void hw_turn_hold(struct hw_turns *all, struct hw_turn *turn)
{
    if (hw_turn_is_held(turn))
        return;
    turn->prev = all->held.prev;
    turn->next = &all->held;
    turn->prev->next = turn->next->prev = turn;
    uv_idle_start(&all->idle, on_idle);
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
}

static void on_check(uv_check_t *check)
{
    begin_turn(check->data);
}

/* One that is held again meanwhile goes to the end and waits for the next turn. */
static void on_idle(uv_idle_t *idle)
{
    struct hw_turns *all = idle->data;
    struct hw_turn *last = all->held.prev;
    begin_turn(all); /* also for those that were held after the last on_check */
    for (int i = 0; i < HW_TURN_RESUMED && all->held.next != &all->held; i++) {
        struct hw_turn *turn = all->held.next;
        hw_turn_leave(turn);
        all->resume(turn);
        if (turn == last)
            break;
    }
    if (all->held.next == &all->held)
        uv_idle_stop(idle);
}
