/* sender.c -- see sender.h */
#include "app/sender.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/descriptors.h"
#include "base/error.h"

/* A socket that curl asked to watch. */
struct watch {
    uv_poll_t poll;
    struct hw_sender *sender;
    curl_socket_t socket;
    struct watch *prev, *next;
};

struct hw_sender {
    uv_loop_t *loop;
    uv_timer_t timer;
    CURLM *multi;
    struct hw_send *sends;
    size_t count;
    struct watch *watches;
    bool stopped;
};

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *sender, void *watch);
static int on_timeout(CURLM *multi, long ms, void *sender);
static void on_poll(uv_poll_t *poll, int status, int events);
static void on_timer(uv_timer_t *timer);

struct hw_sender *hw_sender_new(uv_loop_t *loop)
{
    struct hw_sender *s = calloc(1, sizeof *s);
    CURLM *multi = hw_http_exchange_new_multi();
    if (!s || !multi) {
        free(s);
        if (multi)
            hw_curl.multi_cleanup(multi);
        return NULL;
    }
    s->loop = loop;
    s->multi = multi;
    uv_timer_init(loop, &s->timer);
    s->timer.data = s;
    hw_curl.multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    hw_curl.multi_setopt(multi, CURLMOPT_SOCKETDATA, s);
    hw_curl.multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    hw_curl.multi_setopt(multi, CURLMOPT_TIMERDATA, s);
    return s;
}

/* ---- the sends ---- */

static void link_in(struct hw_sender *s, struct hw_send *send)
{
    send->prev = NULL;
    send->next = s->sends;
    if (send->next)
        send->next->prev = send;
    s->sends = send;
    s->count++;
}

static void link_out(struct hw_sender *s, struct hw_send *send)
{
    if (send->next)
        send->next->prev = send->prev;
    if (send->prev)
        send->prev->next = send->next;
    else
        s->sends = send->next;
    s->count--;
}

int hw_sender_begin(struct hw_sender *s, struct hw_send *send)
{
    if (s->count >= HW_SENDS_MAX || s->stopped)
        return HW_EOVERLOADED;
    send->easy = hw_curl.easy_init();
    if (!send->easy)
        return HW_ENOMEM;
    bool good = hw_http_exchange_begin(send->easy, &send->request, &send->exchange) &&
                hw_curl.easy_setopt(send->easy, CURLOPT_PRIVATE, send) == CURLE_OK;
    if (!good || hw_curl.multi_add_handle(s->multi, send->easy) != CURLM_OK) {
        hw_curl.easy_cleanup(send->easy);
        return HW_ENOMEM;
    }
    link_in(s, send);
    return 0;
}

static void finish(struct hw_sender *s, struct hw_send *send, CURLcode rc)
{
    link_out(s, send);
    hw_curl.multi_remove_handle(s->multi, send->easy);
    long status = hw_http_exchange_end(send->easy, rc, &send->exchange);
    hw_curl.easy_cleanup(send->easy);
    send->easy = NULL;
    send->sent(send, status);
}

static void finish_all_done(struct hw_sender *s)
{
    CURLMsg *message;
    int rest;
    while ((message = hw_curl.multi_info_read(s->multi, &rest))) {
        char *send = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode rc = message->data.result;
        hw_curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &send);
        finish(s, (struct hw_send *)send, rc);
    }
}

/* ---- sockets ---- */

static struct watch *new_watch(struct hw_sender *s, curl_socket_t socket)
{
    struct watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->sender = s;
    w->socket = socket;
    if (uv_poll_init(s->loop, &w->poll, socket)) {
        free(w);
        return NULL;
    }
    hw_descriptors_seal_pair_of(socket); /* curl's resolver has such a pair */
    w->poll.data = w;
    w->next = s->watches;
    if (w->next)
        w->next->prev = w;
    s->watches = w;
    return w;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void drop_watch(struct watch *w)
{
    if (w->next)
        w->next->prev = w->prev;
    if (w->prev)
        w->prev->next = w->next;
    else
        w->sender->watches = w->next;
    uv_poll_stop(&w->poll); /* before curl closes the socket */
    uv_close((uv_handle_t *)&w->poll, on_closed);
}

void hw_sender_stop(struct hw_sender *s)
{
    s->stopped = true;
    while (s->sends)
        finish(s, s->sends, CURLE_ABORTED_BY_CALLBACK);
    hw_curl.multi_cleanup(s->multi);
    while (s->watches)
        drop_watch(s->watches);
    uv_close((uv_handle_t *)&s->timer, NULL);
}

void hw_sender_free(struct hw_sender *s)
{
    HW_CHECK(!s->watches);
    free(s);
}

/* ---- called by curl, and by the loop ---- */

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *sender, void *watch)
{
    static const int events[] = {[CURL_POLL_IN] = UV_READABLE,
                                 [CURL_POLL_OUT] = UV_WRITABLE,
                                 [CURL_POLL_INOUT] = UV_READABLE | UV_WRITABLE};
    struct hw_sender *s = sender;
    struct watch *w = watch;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w)
            drop_watch(w);
        return 0;
    }
    if (!w)
        w = new_watch(s, socket);
    if (!w)
        return -1;
    hw_curl.multi_assign(s->multi, socket, w);
    uv_poll_start(&w->poll, events[what], on_poll);
    return 0;
}

/* 0 means at once, but not from within this call; a negative time stops the timer. */
static int on_timeout(CURLM *multi, long ms, void *sender)
{
    struct hw_sender *s = sender;
    (void)multi;
    if (ms < 0)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static void act(struct hw_sender *s, curl_socket_t socket, int events)
{
    int running;
    hw_curl.multi_socket_action(s->multi, socket, events, &running);
    finish_all_done(s);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    act(w->sender, w->socket, flags);
}

static void on_timer(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}
