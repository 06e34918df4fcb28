/* control.c -- see control.h */
#include "host/control.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json_text.h"
#include "http/connection.h"
#include "trip/pause.h"
#include "trip/purge.h"

static const struct hw_str replay_path = {"/replay", 7}, reload_path = {"/reload", 7},
                           unproven_path = {"/unproven", 9}, purge_path = {"/purge", 6},
                           state_path = {"/state", 6}, pause_path = {"/pause", 6},
                           resume_path = {"/resume", 7}, feed_path = {"/feed", 5},
                           timeline_path = {"/timeline", 9}, admin_path = {"/admin", 6};

static struct hw_control *control_of(struct hw_service *service)
{
    return (struct hw_control *)service;
}

static bool is_path(const struct hw_request *r, struct hw_str path)
{
    return hw_str_eq(hw_http_view(r->bytes, r->http.path), path);
}

static bool is_change(const struct hw_request *r)
{
    return is_path(r, replay_path) || is_path(r, reload_path) || is_path(r, purge_path) ||
           is_path(r, pause_path) || is_path(r, resume_path);
}

static bool is_look(const struct hw_request *r)
{
    return is_path(r, unproven_path) || is_path(r, state_path) || is_path(r, feed_path) ||
           is_path(r, timeline_path) || is_path(r, admin_path);
}

static int on_accept(struct hw_service *service, const struct hw_request *r)
{
    bool reads = is_look(r);
    if (!is_change(r) && !reads)
        return HW_ENOT_FOUND;
    if (!hw_str_eq(hw_http_view(r->bytes, r->http.method), reads ? HW_STR("GET") : HW_STR("POST")))
        return HW_EMETHOD_NOT_ALLOWED;
    return control_of(service)->dispatch->draining && !reads ? HW_EDRAINING : 0;
}

/* The header's whole number, or 0. */
static int64_t number_in(const struct hw_request *r, struct hw_str name)
{
    struct hw_str text = HW_STR_NONE;
    char digits[24];
    hw_http_find(&r->http, r->bytes, name, &text);
    snprintf(digits, sizeof digits, "%.*s", HW_STR_ARG(text));
    return atoll(digits);
}

static int replay(struct hw_control *control, const struct hw_request *r, struct hw_waiter *waiter,
                  struct hw_str *reason)
{
    struct hw_str force;
    bool forced = hw_http_find(&r->http, r->bytes, HW_STR("x-hookward-force"), &force) > 0;
    int64_t seq = number_in(r, HW_STR("x-hookward-row"));
    hw_dispatch_enter_side_gate(control->dispatch);
    int rc = seq > 0 ? hw_dispatch_revive(control->dispatch, seq, forced, waiter) : HW_ENOT_FOUND;
    if (rc == 0)
        return 0; /* the job counts at the gate from here */
    hw_dispatch_leave_gate(control->dispatch);
    if (rc == HW_ENOMEM) {
        *reason = HW_NOTIFICATION_STARVED;
        return HW_EOVERLOADED;
    }
    *reason = HW_STR("X-Hookward-Row must name a row of the ledger");
    return HW_ENOT_FOUND;
}

/* ---- /state, /timeline, /admin ---- */

/* A waiter's ticket: what it asks for. From ASKS_TIMELINE on a range is added. */
enum { ASKS_STATE, ASKS_ADMIN, ASKS_TIMELINE };

static void reply(struct hw_waiter *waiter, struct hw_str json)
{
    hw_connection_reply(waiter,
                        &(struct hw_reply){.status = 200,
                                           .fields = HW_STR("Content-Type: application/json\r\n"),
                                           .body = json});
}

static void reply_and_free(struct hw_waiter *waiter, char *json, size_t len)
{
    if (json)
        reply(waiter, (struct hw_str){json, len});
    else
        waiter->answer(waiter, HW_EOVERLOADED, HW_NOTIFICATION_STARVED);
    free(json);
}

static void tell_admin(const struct hw_admin *admin, struct hw_waiter *waiter)
{
    const char *url = hw_admin_url(admin);
    struct hw_json_text out = {.size = strlen(url) * HW_JSON_TEXT_BYTE_MAX + HW_ADMIN_SECRET + 64};
    out.ptr = malloc(out.size);
    if (out.ptr) {
        hw_json_text_put(&out, "{\"url\":");
        hw_json_text_put_string(&out, hw_str_of(url));
        hw_json_text_put(&out, ",\"secret\":\"%s\"}\n", hw_admin_secret(admin));
    }
    reply_and_free(waiter, out.ptr, out.len);
}

static void tell(const struct hw_control *control, struct hw_waiter *waiter)
{
    size_t len = 0;
    uint64_t what = waiter->ticket;
    if (what == ASKS_STATE) {
        char *text = hw_status_write(control->status, &len);
        reply_and_free(waiter, text, len);
    } else if (!control->admin) {
        waiter->answer(waiter, HW_ENOT_FOUND, HW_STR("there is no admin listener"));
    } else if (what == ASKS_ADMIN) {
        tell_admin(control->admin, waiter);
    } else {
        enum hw_timeline_range range = (enum hw_timeline_range)(what - ASKS_TIMELINE);
        char *text = hw_timeline_write(control->timeline, range, &len);
        reply_and_free(waiter, text, len);
    }
}

static void ask(struct hw_control *control, uint64_t what, struct hw_waiter *waiter)
{
    waiter->ticket = what;
    hw_waiter_join(waiter, &control->asking);
    uv_async_send(&control->turn);
}

static int ask_timeline(struct hw_control *control, const struct hw_request *r,
                        struct hw_waiter *waiter, struct hw_str *reason)
{
    struct hw_str name;
    bool said = hw_http_find(&r->http, r->bytes, HW_STR("x-hookward-range"), &name) > 0;
    enum hw_timeline_range range = said ? hw_timeline_range_of(name) : HW_TIMELINE_HOUR;
    if (range == HW_TIMELINE_RANGES_END) {
        *reason = HW_STR("X-Hookward-Range must be hour, day or week");
        return HW_ENOT_FOUND;
    }
    ask(control, ASKS_TIMELINE + range, waiter);
    return 0;
}

/* ---- /unproven ---- */

static void look(struct hw_control *control, const struct hw_request *r, struct hw_waiter *waiter)
{
    waiter->ticket = (uint64_t)number_in(r, HW_STR("x-hookward-before"));
    hw_waiter_join(waiter, &control->looking);
    uv_async_send(&control->turn);
}

static void hex(char *out, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sprintf(out + 2 * i, "%02x", bytes[i]);
}

static void show(struct hw_waiter *waiter, const struct hw_unproven_request *r)
{
    char fields[640], peer[HW_ADDRESS_TEXT_MAX], digest[2 * HW_DIGEST_SIZE + 1] = "";
    struct hw_str from = hw_address_text(&r->peer.any, peer, sizeof peer);
    if (r->body_length > HW_UNPROVEN_BODY_MAX)
        hex(digest, r->digest, sizeof r->digest);
    int len =
        snprintf(fields, sizeof fields,
                 "Content-Type: application/octet-stream\r\nX-Hookward-Number: %llu\r\n"
                 "X-Hookward-At: %.3f\r\nX-Hookward-Peer: %.*s\r\nX-Hookward-Error: %s\r\n"
                 "X-Hookward-Head: %zu\r\nX-Hookward-Body: %llu\r\n"
                 "X-Hookward-Digest: %s\r\n",
                 (unsigned long long)r->number, r->at, HW_STR_ARG(from), hw_error_name(r->code),
                 r->head_len, (unsigned long long)r->body_length, digest);
    hw_connection_reply(waiter, &(struct hw_reply){.status = 200,
                                                   .fields = {fields, (size_t)len},
                                                   .body = {r->bytes, r->len}});
}

static void show_or_not(const struct hw_control *control, struct hw_waiter *waiter)
{
    const struct hw_unproven *kept = control->dispatch->distrust.unproven;
    const struct hw_unproven_request *r = kept ? hw_unproven_before(kept, waiter->ticket) : NULL;
    if (r)
        show(waiter, r);
    else
        waiter->answer(waiter, HW_ENOT_FOUND,
                       HW_STR("no request is kept whose signature did not verify"));
}

/* ---- /feed ---- */

static int follow(struct hw_control *control, const struct hw_request *r, struct hw_waiter *waiter,
                  struct hw_str *reason)
{
    struct hw_str text;
    bool said = hw_http_find(&r->http, r->bytes, HW_STR("x-hookward-after"), &text) > 0;
    int64_t after = number_in(r, HW_STR("x-hookward-after"));
    return hw_feed_ask(&control->feed, said ? (uint64_t)after : HW_FEED_JUST_TELL, waiter, reason);
}

/* ---- answers in the next turn of the loop, not from within the request ---- */

static void answer_all(struct hw_control *control, struct hw_waiter **list,
                       void (*answer)(const struct hw_control *, struct hw_waiter *))
{
    struct hw_waiter *asked;
    hw_waiter_move(list, &asked);
    while (asked) {
        struct hw_waiter *w = asked;
        hw_waiter_leave(w);
        answer(control, w);
    }
}

/* A client that asks again meanwhile waits for the turn after. */
static void on_turn(uv_async_t *async)
{
    struct hw_control *control = async->data;
    answer_all(control, &control->looking, show_or_not);
    answer_all(control, &control->asking, tell);
}

static int on_complete(struct hw_service *service, struct hw_request *request,
                       struct hw_waiter *waiter, struct hw_str *reason)
{
    struct hw_control *control = control_of(service);
    int code = 0;
    if (is_path(request, replay_path)) {
        code = replay(control, request, waiter, reason);
    } else if (is_path(request, purge_path)) {
        code = hw_purge_ask(control->dispatch, request, waiter, reason);
    } else if (is_path(request, pause_path) || is_path(request, resume_path)) {
        code =
            hw_pause_ask(control->dispatch, request, is_path(request, resume_path), waiter, reason);
    } else if (is_path(request, feed_path)) {
        code = follow(control, request, waiter, reason);
    } else if (is_path(request, unproven_path)) {
        look(control, request, waiter);
    } else if (is_path(request, state_path)) {
        ask(control, ASKS_STATE, waiter);
    } else if (is_path(request, admin_path)) {
        ask(control, ASKS_ADMIN, waiter);
    } else if (is_path(request, timeline_path)) {
        code = ask_timeline(control, request, waiter, reason);
    } else {
        waiter->ticket = control->ask_reload(control->owner);
        hw_waiter_join(waiter, &control->reloading);
    }
    hw_request_put(control->dispatch->requests, request);
    return code;
}

static int on_expired(struct hw_service *service, struct hw_waiter *waiter, struct hw_str *reason)
{
    (void)service;
    if (waiter->job || waiter->until_ms)
        return 0; /* see patience.h and feed.h */
    *reason = HW_STR("it is not done yet; the log will say");
    return HW_ERELOAD_FAILED;
}

void hw_control_reloaded(struct hw_control *control, uint64_t ticket, int code, struct hw_str text)
{
    for (struct hw_waiter *w = control->reloading, *next; w; w = next) {
        next = w->next;
        if (w->ticket > ticket)
            continue;
        hw_waiter_leave(w);
        w->answer(w, code, text);
    }
}

void hw_control_init(struct hw_control *control, uv_loop_t *loop, struct hw_dispatch *dispatch,
                     const struct hw_status *status, uint64_t (*ask_reload)(void *owner),
                     void *owner)
{
    static const struct hw_service_type type = {
        .accept = on_accept, .complete = on_complete, .expired = on_expired};
    *control = (struct hw_control){
        .service = {.type = &type, .is_private = true, .patience = HW_DEADLINE_ANSWER},
        .dispatch = dispatch,
        .status = status,
        .ask_reload = ask_reload,
        .owner = owner};
    control->turn.data = control;
    uv_async_init(loop, &control->turn, on_turn);
    hw_feed_init(&control->feed, loop, dispatch->report);
}

void hw_control_fini(struct hw_control *control)
{
    hw_feed_fini(&control->feed);
}

void hw_control_part(struct hw_control *control)
{
    hw_feed_end(&control->feed);
}
