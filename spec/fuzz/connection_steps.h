/* connection_steps.h -- what the programs of connection_fuzz.c and tls_fuzz.c have in common.
 *
 * An input is a small program for the rig of connection_rig.h. Each byte is a step; some of its bits
 * say which one, the others (`amount`) how much of it. What a step sends follows it.
 *
 * Needs connection_rig.h. */
#ifndef CONNECTION_STEPS_H
#define CONNECTION_STEPS_H

struct program {
    const uint8_t *bytes;
    size_t len, at;
    bool cut_short; /* somebody gave up: not every request has an answer */
};

static char large[100 * 1000];

/* The next bytes of the program, up to `max`. */
static struct hw_str next_bytes(struct program *p, size_t max)
{
    size_t left = p->len - p->at;
    struct hw_str bytes = {(const char *)p->bytes + p->at, left < max ? left : max};
    p->at += bytes.len;
    return bytes;
}

static void take_turns(struct rig *r, unsigned amount)
{
    for (unsigned i = 0; i <= amount % 4; i++)
        rig_turn(r);
}

/* A step of an answer in pieces. */
static void answer_in_pieces(struct rig *r, struct program *p, unsigned amount)
{
    struct hw_str piece = {large, amount & 4 ? sizeof large : 1 + amount};
    if (!r->waiters)
        return;
    if (!r->streams) {
        bool chunked = amount % 4 != 0;
        if (!chunked)
            p->cut_short = true; /* it closes the connection, whatever is pipelined */
        rig_begin(r, chunked);
    } else if (amount % 4 == 3) {
        rig_finish(r, piece);
    } else {
        hw_pieces_send(r->waiters, piece);
    }
}

static void answer(struct rig *r, struct program *p, unsigned amount)
{
    static const size_t lengths[] = {0, 1, 16384, 100000};
    if (amount >= 16)
        answer_in_pieces(r, p, amount - 16);
    else if (amount % 4 == 0)
        rig_answer(r, 0, HW_STR_NONE);
    else if (amount % 4 == 1)
        rig_answer(r, HW_EHANDLER_REFUSED, HW_STR("a reason"));
    else
        rig_reply(r, (struct hw_str){large, lengths[amount / 4 % 4]});
}

static void pass_time(struct rig *r, struct program *p, unsigned amount)
{
    p->cut_short = true;
    if (amount < HW_DEADLINE_KINDS)
        rig_pass(r, (enum hw_deadline_kind)amount);
}

static void do_as_server(struct rig *r, struct program *p, unsigned amount)
{
    p->cut_short = true;
    if (amount & 1)
        hw_connections_drain(&r->server);
    else if (amount & 2)
        hw_connections_close(&r->server);
    else
        hw_connections_make_room(&r->server);
}

/* Everything that could happen has happened. */
static void check_answers(struct rig *r, const struct program *p)
{
    unsigned whole = rig_count_model(r, false);
    if (!p->cut_short)
        HW_CHECK(r->answers >= rig_count_model(r, true));
    HW_CHECK(r->answers <= whole + 1); /* one more refuses what can't be read */
    HW_CHECK(r->completed <= whole);
}

#endif
