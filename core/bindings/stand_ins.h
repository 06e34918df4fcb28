/* stand_ins.h -- what a spec puts in the place of the world: hook.http, the clock, and the log.
 *
 * How     The VM under test calls hook.http, os.time and os.date as ever. Outgoing requests go to a
 *         function of the spec; the clock stands where the spec says; lines of the log are kept.
 *         Two Lua states meet here, the spec's (outer) and the VM's. An error in one must never
 *         jump over frames of the other, so the outer function is called protected, and lines are
 *         kept in C memory until the VM has returned.
 * Thread  the one that has the outer state; the VM runs on it too. */
#ifndef HW_STAND_INS_H
#define HW_STAND_INS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"
#include "script/http_client.h"

struct hw_kept_line;

/* Of one VM. The caller must not move it. */
struct hw_stand_ins {
    struct hw_http_transport transport; /* constant after init */

    /* of the call that is running */
    lua_State *outer; /* NULL: no call is running */
    int on_http;      /* the function's index on its stack */
    bool clock_stands;
    double at; /* seconds since 1970, while the clock stands */

    /* logged, and not pushed yet */
    struct hw_kept_line *lines;
    size_t line_count, line_cap;
};

void hw_stand_ins_init(struct hw_stand_ins *stand_ins);
void hw_stand_ins_fini(struct hw_stand_ins *stand_ins);

/* The config's `fit` (config.h), with the stand-ins as its ud. */
void hw_stand_ins_fit(lua_State *L, void *stand_ins);

/* Around each call of the VM. `on_http` and `at` are indices on the stack of L: the function that
 * answers hook.http (testing_api.h), and the time where the clock stands, or nil. `end` takes what
 * `begin` returned. */
struct hw_log_tap hw_stand_ins_begin(struct hw_stand_ins *stand_ins, lua_State *L, int on_http,
                                     int at);
void hw_stand_ins_end(struct hw_stand_ins *stand_ins, struct hw_log_tap before);

/* The same without an outer state, while a VM is closed: hook.http fails. */
struct hw_log_tap hw_stand_ins_begin_close(struct hw_stand_ins *stand_ins);

/* Pushes the kept lines, an array of { level, JSON text }, and forgets them. Stack: -0 +1. */
void hw_stand_ins_push_lines(lua_State *L, struct hw_stand_ins *stand_ins);
void hw_stand_ins_forget_lines(struct hw_stand_ins *stand_ins);

#endif
