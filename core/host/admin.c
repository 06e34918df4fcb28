/* admin.c -- see admin.h */
#include "host/admin.h"

#include <ctype.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "host/admin_gate.h"
#include "http/connection.h"
#include "http/connections.h"

struct hw_admin {
    struct hw_service service;

    /* constant after open */
    struct hw_admin_setup setup;
    struct hw_config config; /* a copy with the limits of this server */
    struct hw_app *app;
    char *settings; /* the app's, as Lua source */
    char secret[HW_ADMIN_SECRET + 1];
    char url[HW_LISTENER_NAME_MAX + 16];

    /* leader only */
    struct hw_server server;
    struct hw_listeners listeners;
    struct hw_waiter *asking; /* they get their answers in the next turn of the loop */
    uv_async_t turn;
    struct hw_admin_gate gate;
};

/* What a client asks the leader for; it travels as its waiter's ticket. */
enum question { HEALTH, READINESS, METRICS, WRONG_HOST, NO_TOKEN, TOO_MANY_GUESSES };

static struct hw_admin *admin_of(struct hw_service *service)
{
    return (struct hw_admin *)service;
}

static struct hw_service *app_of(const struct hw_admin *admin)
{
    return hw_app_service(admin->app);
}

/* ---- what is answered ---- */

#define JSON HW_STR("Content-Type: application/json\r\nCache-Control: no-store\r\n")

static void say(struct hw_waiter *waiter, int status, struct hw_str fields, const char *body)
{
    hw_connection_reply(
        waiter, &(struct hw_reply){.status = status, .fields = fields, .body = hw_str_of(body)});
}

static void say_ready(const struct hw_admin *admin, struct hw_waiter *waiter)
{
    char text[256];
    const char *why;
    if (admin->setup.is_ready(admin->setup.owner, &why)) {
        say(waiter, 200, JSON, "{\"status\":\"ready\"}\n");
        return;
    }
    snprintf(text, sizeof text, "{\"status\":\"not ready\",\"reason\":\"%s\"}\n", why);
    say(waiter, 503, JSON, text);
}

static void say_metrics(const struct hw_admin *admin, struct hw_waiter *waiter)
{
    size_t len;
    char *text = admin->setup.metrics(admin->setup.owner, &len);
    if (!text) {
        waiter->answer(waiter, HW_EOVERLOADED, HW_STR("the host is short of memory"));
        return;
    }
    hw_connection_reply(
        waiter, &(struct hw_reply){.status = 200,
                                   .fields = HW_STR("Content-Type: text/plain; version=0.0.4; "
                                                    "charset=utf-8\r\nCache-Control: no-store\r\n"),
                                   .body = {text, len}});
    free(text);
}

static void answer(const struct hw_admin *admin, struct hw_waiter *waiter)
{
    switch ((enum question)waiter->ticket) {
    case HEALTH:
        say(waiter, 200, JSON, "{\"status\":\"ok\"}\n");
        break;
    case READINESS:
        say_ready(admin, waiter);
        break;
    case METRICS:
        say_metrics(admin, waiter);
        break;
    case WRONG_HOST:
        say(waiter, 403, JSON,
            "{\"error\":\"wrong_host\",\"message\":\"the Host header has neither an address nor "
            "localhost; add its name to admin.hosts\"}\n");
        break;
    case NO_TOKEN:
        say(waiter, 401,
            HW_STR("WWW-Authenticate: Bearer\r\nContent-Type: application/json\r\n"
                   "Cache-Control: no-store\r\n"),
            "{\"error\":\"login_required\",\"message\":\"send Authorization: Bearer with "
            "admin.read_token\"}\n");
        break;
    case TOO_MANY_GUESSES:
        say(waiter, 429, HW_STR("Retry-After: 1\r\nContent-Type: application/json\r\n"),
            "{\"error\":\"too_many_guesses\",\"message\":\"too many wrong tokens; try again "
            "in a second\"}\n");
        break;
    }
}

static void on_turn(uv_async_t *async)
{
    struct hw_admin *admin = async->data;
    struct hw_waiter *asked;
    hw_waiter_move(&admin->asking, &asked);
    while (asked) {
        struct hw_waiter *w = asked;
        hw_waiter_leave(w);
        answer(admin, w);
    }
}

/* ---- the service ---- */

static bool is_path(const struct hw_request *r, struct hw_str path)
{
    return hw_str_eq(hw_http_view(r->bytes, r->http.path), path);
}

static bool is_health(const struct hw_request *r)
{
    return is_path(r, HW_STR("/healthz")) || is_path(r, HW_STR("/readyz"));
}

static bool is_ours(const struct hw_request *r)
{
    return is_health(r) || is_path(r, HW_STR("/metrics"));
}

static int on_accept(struct hw_service *service, const struct hw_request *r)
{
    struct hw_service *app = app_of(admin_of(service));
    struct hw_str method = hw_http_view(r->bytes, r->http.method);
    if (!is_ours(r))
        return app->type->accept(app, r);
    return hw_str_eq(method, HW_STR("GET")) || hw_str_eq(method, HW_STR("HEAD"))
               ? 0
               : HW_EMETHOD_NOT_ALLOWED;
}

static int ask(struct hw_admin *admin, struct hw_request *r, struct hw_waiter *waiter,
               enum question question)
{
    waiter->ticket = question;
    hw_waiter_join(waiter, &admin->asking);
    uv_async_send(&admin->turn);
    hw_request_put(&admin->server.requests, r);
    return 0;
}

static enum question question_of(struct hw_admin *admin, const struct hw_request *r,
                                 const struct hw_waiter *waiter)
{
    static const enum question questions[] = {[HW_ADMIN_PASS] = METRICS,
                                              [HW_ADMIN_NO_TOKEN] = NO_TOKEN,
                                              [HW_ADMIN_TOO_MANY_GUESSES] = TOO_MANY_GUESSES};
    return questions[hw_admin_gate_check(&admin->gate, r, &waiter->peer->any,
                                         uv_now(admin->setup.loop))];
}

static int on_complete(struct hw_service *service, struct hw_request *r, struct hw_waiter *waiter,
                       struct hw_str *reason)
{
    struct hw_admin *admin = admin_of(service);
    struct hw_service *app = app_of(admin);
    if (is_health(r))
        return ask(admin, r, waiter, is_path(r, HW_STR("/healthz")) ? HEALTH : READINESS);
    if (!hw_admin_gate_is_host_right(&admin->gate, r))
        return ask(admin, r, waiter, WRONG_HOST);
    if (is_path(r, HW_STR("/metrics")))
        return ask(admin, r, waiter, question_of(admin, r, waiter));
    return app->type->complete(app, r, waiter, reason);
}

/* Whether the leader answers this waiter; the others are the app's. */
static bool is_asking(const struct hw_admin *admin, const struct hw_waiter *waiter)
{
    const struct hw_waiter *w = admin->asking;
    while (w && w != waiter)
        w = w->next;
    return w != NULL;
}

static int on_expired(struct hw_service *service, struct hw_waiter *waiter, struct hw_str *reason)
{
    struct hw_service *app = app_of(admin_of(service));
    return is_asking(admin_of(service), waiter) ? 0 : app->type->expired(app, waiter, reason);
}

static void on_sent(struct hw_service *service, struct hw_waiter *waiter)
{
    struct hw_service *app = app_of(admin_of(service));
    app->type->sent(app, waiter);
}

static bool on_half_closed(struct hw_service *service, struct hw_waiter *waiter)
{
    struct hw_service *app = app_of(admin_of(service));
    return !is_asking(admin_of(service), waiter) && app->type->half_closed(app, waiter);
}

static void on_left(struct hw_service *service, struct hw_waiter *waiter)
{
    struct hw_service *app = app_of(admin_of(service));
    if (!is_asking(admin_of(service), waiter))
        app->type->left(app, waiter);
}

/* ---- the app ---- */

/* Writes a field with a Lua string. A path may hold any byte, so only letters and digits stay as they
 * are. */
static void put_text(FILE *out, const char *name, const char *text)
{
    if (!text)
        return;
    fprintf(out, "%s=\"", name);
    for (; *text; text++)
        fprintf(out, isalnum((unsigned char)*text) ? "%c" : "\\%03d", (unsigned char)*text);
    fputs("\",", out);
}

static char *write_settings(const struct hw_admin *admin)
{
    char *text = NULL;
    size_t len;
    const struct hw_config *c = admin->setup.config;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    fputs("return {source=(function() ", out);
    fwrite(c->source.ptr, 1, c->source.len, out);
    fputs(" end)(),", out);
    put_text(out, "token", c->admin.token);
    put_text(out, "read_token", c->admin.read_token);
    put_text(out, "secret", admin->secret);
    put_text(out, "file", c->file_path);
    put_text(out, "control", c->control);
    put_text(out, "ledger", c->ledger);
    put_text(out, "ledger_schema", c->ledger_schema);
    fprintf(out, "is_local=%s,dev=%s}", c->admin.is_local ? "true" : "false",
            c->dev ? "true" : "false");
    bool failed = ferror(out) != 0;
    if (fclose(out) == 0 && !failed)
        return text;
    free(text);
    return NULL;
}

static int open_app(struct hw_admin *admin, char *why, size_t size)
{
    struct hw_app_config app = {.loop = admin->setup.loop,
                                .requests = &admin->server.requests,
                                .queue_max = HW_APP_QUEUE_MAX,
                                .stop_ms = HW_APP_STOP_MS,
                                .vm = {.module = "hookward.admin",
                                       .modules = admin->setup.modules,
                                       .settings = hw_str_of(admin->settings),
                                       .memory_max = HW_APP_MEMORY_MAX,
                                       .run_ms = HW_APP_RUN_MS}};
    int rc = hw_app_open(&admin->app, &app, why, size);
    if (admin->app)
        admin->service.patience = app_of(admin)->patience;
    return rc;
}

/* ---- open and close ---- */

static void on_room(struct hw_server *server)
{
    struct hw_admin *admin = server->owner;
    hw_listeners_resume(&admin->listeners);
}

/* The limits of this server. Those of the notifications are not for people with a browser. A long
 * body comes only with a test, as a text in JSON, and tests are for developers. */
static void limit(struct hw_config *c)
{
    c->max_connections = c->max_unfinished = HW_ADMIN_CONNECTIONS_MAX;
    c->max_connections_per_address = 0;
    size_t test = c->dev ? 2 * c->max_body : 0;
    c->max_body = test > HW_ADMIN_BODY_MIN ? test : HW_ADMIN_BODY_MIN;
    c->allow_count = c->trusted_proxy_count = 0;
}

static void init(struct hw_admin *admin)
{
    admin->config = *admin->setup.config;
    limit(&admin->config);
    admin->server.loop = admin->setup.loop;
    admin->server.owner = admin;
    admin->server.on_room = on_room;
    hw_connections_init(&admin->server, &admin->config);
    hw_listeners_init(&admin->listeners, &admin->server);
    uv_async_init(admin->setup.loop, &admin->turn, on_turn);
    admin->turn.data = admin;
}

/* A developer's second host finds the usual port taken, and takes another. */
static int open_listener(struct hw_admin *admin, char *why, size_t size)
{
    const struct hw_config *c = admin->setup.config;
    struct hw_listen any = {.address = "127.0.0.1:0"};
    char what[512];
    int rc = hw_listeners_open(&admin->listeners, &c->listen[c->listen_count], 1, &admin->service,
                               what, sizeof what);
    if (rc && c->admin.may_move)
        rc = hw_listeners_open(&admin->listeners, &any, 1, &admin->service, what, sizeof what);
    if (rc)
        snprintf(why, size, "admin: %s", what);
    return rc;
}

static void name(struct hw_admin *admin)
{
    char address[HW_LISTENER_NAME_MAX] = "";
    bool tls = hw_listeners_speaks_tls(&admin->listeners, 0);
    hw_listeners_name(&admin->listeners, 0, address, sizeof address);
    admin->gate.is_unix = strncmp(address, "unix:", 5) == 0;
    const char *scheme = tls ? "https://" : "http://";
    snprintf(admin->url, sizeof admin->url, "%s%s", admin->gate.is_unix ? "" : scheme, address);
}

static bool draw_secret(char secret[HW_ADMIN_SECRET + 1])
{
    unsigned char bytes[HW_ADMIN_SECRET / 2];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(secret + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

int hw_admin_open(struct hw_admin **out, const struct hw_admin_setup *setup, char *why, size_t size)
{
    static const struct hw_service_type type = {.accept = on_accept,
                                                .complete = on_complete,
                                                .expired = on_expired,
                                                .sent = on_sent,
                                                .half_closed = on_half_closed,
                                                .left = on_left};
    struct hw_admin *admin = *out = calloc(1, sizeof *admin);
    snprintf(why, size, "out of memory");
    if (!admin)
        return HW_ENOMEM;
    admin->setup = *setup;
    admin->service = (struct hw_service){.type = &type, .shown = HW_STR("/"), .is_private = true};
    init(admin);
    if (!draw_secret(admin->secret) || !hw_admin_gate_init(&admin->gate, setup->config)) {
        snprintf(why, size, "admin: the system gave no random numbers");
        return HW_EFAILED;
    }
    admin->settings = write_settings(admin);
    if (!admin->settings)
        return HW_ENOMEM;
    int rc = open_app(admin, why, size);
    if (rc == 0)
        rc = open_listener(admin, why, size);
    if (rc == 0)
        name(admin);
    return rc;
}

void hw_admin_set_tls(struct hw_admin *admin, const struct hw_tls_set *set)
{
    hw_listeners_set_tls(&admin->listeners, set);
}

int hw_admin_start(struct hw_admin *admin)
{
    const char *address = admin->url;
    hw_log_say(HW_LOG_INFO, "the admin page is at %s", admin->url);
    return hw_app_start(admin->app, &address, 1);
}

const char *hw_admin_url(const struct hw_admin *admin)
{
    return admin->url;
}

const char *hw_admin_secret(const struct hw_admin *admin)
{
    return admin->secret;
}

void hw_admin_stop(struct hw_admin *admin)
{
    hw_listeners_close(&admin->listeners);
    hw_connections_close(&admin->server);
    if (admin->app && !hw_app_stop(admin->app)) {
        hw_log_say(HW_LOG_ERROR,
                   "the admin page did not stop within %d ms; the host stops without it",
                   HW_APP_STOP_MS);
        admin->app = NULL; /* its thread still uses it */
    }
}

void hw_admin_free(struct hw_admin *admin)
{
    if (admin->app)
        hw_app_free(admin->app);
    hw_listeners_free(&admin->listeners);
    hw_server_fini(&admin->server);
    free(admin->settings);
    free(admin);
}
