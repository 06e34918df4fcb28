/* app_test.c -- an app answers what its function returns, fails alone, and holds up nothing else.
 *
 * A leader's loop runs on a thread of its own with two listeners: the app's, and that of another
 * service. The test is the client, on blocking Unix sockets. To make an app wait, the test lets it
 * read from a pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/app.h"
#include "app/later.h"
#include "app/queues.h"
#include "base/arena.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "bindings/module.h"
#include "folder.h"
#include "http/connections.h"
#include "http/listener.h"

enum { QUEUE_MAX = 3, ANSWER_MAX = 4 * 1024 * 1024, PATIENCE_S = 60 };

struct rig {
    char folder[64], app_path[128], other_path[128];
    int gate; /* a FIFO; a byte in it lets an app go on */
    int here; /* a FIFO; a byte in it says that the app waits at the gate */
    uv_loop_t loop;
    uv_async_t stop, drain;
    uv_thread_t leader;
    struct hw_config config;
    struct hw_server server;
    struct hw_listeners listeners;
    struct hw_service other;
    struct hw_app *app;
    struct hw_embedded rows[2];
    struct hw_modules modules;
};

static uint64_t patience_ms = PATIENCE_S * 1000; /* how long a client waits for its answer */
static uint64_t write_ms = PATIENCE_S * 1000;    /* how long it may take to read it */
static uint64_t stop_ms = PATIENCE_S * 1000;
static char answer[ANSWER_MAX];
static size_t answer_len;

/* ---- the other service: refuses at once ---- */

static struct hw_requests *other_requests;

static int other_accept(struct hw_service *service, const struct hw_request *request)
{
    (void)service, (void)request;
    return 0;
}

static int other_complete(struct hw_service *service, struct hw_request *request,
                          struct hw_waiter *waiter, struct hw_str *reason)
{
    (void)service, (void)waiter;
    hw_request_put(other_requests, request);
    *reason = HW_STR("the other one");
    return HW_EDRAINING;
}

static const struct hw_service_type other_type = {.accept = other_accept,
                                                  .complete = other_complete};

/* ---- the rig ---- */

static void on_room(struct hw_server *server)
{
    hw_listeners_resume(server->owner);
}

static void on_stop(uv_async_t *async)
{
    struct rig *r = async->data;
    hw_listeners_close(&r->listeners);
    hw_connections_close(&r->server);
    uv_stop(&r->loop);
}

static void on_drain(uv_async_t *async)
{
    struct rig *r = async->data;
    hw_connections_drain(&r->server);
}

static void lead(void *arg)
{
    struct rig *r = arg;
    uv_run(&r->loop, UV_RUN_DEFAULT);
}

static int open_app(struct rig *r, const char *source, char *why, size_t size)
{
    r->rows[0] = (struct hw_embedded){"test.app", "@test.app", source, strlen(source)};
    r->modules = (struct hw_modules){luaopen_hookward_core, r->rows};
    struct hw_app_config config = {.loop = &r->loop,
                                   .requests = &r->server.requests,
                                   .queue_max = QUEUE_MAX,
                                   .stop_ms = stop_ms,
                                   .vm = {.module = "test.app",
                                          .modules = &r->modules,
                                          .settings = HW_STR("return { word = 'set' }"),
                                          .memory_max = 64 * 1024 * 1024,
                                          .run_ms = PATIENCE_S * 1000}};
    return hw_app_open(&r->app, &config, why, size);
}

static void open_listener(struct rig *r, char path[128], const char *name,
                          struct hw_service *service)
{
    char address[160], why[256];
    snprintf(path, 128, "%s/%s", r->folder, name);
    snprintf(address, sizeof address, "unix:%s", path);
    struct hw_listen listen = {.address = address};
    HW_CHECK(hw_listeners_open(&r->listeners, &listen, 1, service, why, sizeof why) == 0);
}

static int open_fifo(struct rig *r, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", r->folder, name);
    HW_CHECK(mkfifo(path, 0600) == 0);
    int fd = open(path, O_RDWR);
    HW_CHECK(fd >= 0);
    return fd;
}

static void close_fifo(struct rig *r, const char *name, int fd)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", r->folder, name);
    unlink(path);
    close(fd);
}

static void init_rig(struct rig *r)
{
    memset(r, 0, sizeof *r);
    snprintf(r->folder, sizeof r->folder, "/tmp/hookward-app-XXXXXX");
    HW_CHECK(mkdtemp(r->folder));
    r->gate = open_fifo(r, "gate");
    r->here = open_fifo(r, "here");
    HW_CHECK(uv_loop_init(&r->loop) == 0);
    HW_CHECK(uv_async_init(&r->loop, &r->stop, on_stop) == 0);
    HW_CHECK(uv_async_init(&r->loop, &r->drain, on_drain) == 0);
    r->stop.data = r->drain.data = r;
    uint64_t ms = PATIENCE_S * 1000;
    r->config.max_connections = r->config.max_unfinished = 300;
    r->config.max_header = 16384;
    r->config.max_body = 8 * 1024 * 1024;
    r->config.header_timeout_ms = r->config.body_timeout_ms = r->config.idle_timeout_ms =
        r->config.handler_timeout_ms = ms;
    r->server.loop = &r->loop;
    r->server.owner = &r->listeners;
    r->server.on_room = on_room;
    hw_connections_init(&r->server, &r->config);
    r->server.deadlines.durations_ms[HW_DEADLINE_APP] = patience_ms;
    r->server.deadlines.durations_ms[HW_DEADLINE_IDLE] = patience_ms;
    r->server.deadlines.durations_ms[HW_DEADLINE_WRITE] = write_ms;
    hw_listeners_init(&r->listeners, &r->server);
    other_requests = &r->server.requests;
    r->other = (struct hw_service){.type = &other_type, .patience = HW_DEADLINE_ANSWER};
}

static void start(struct rig *r, const char *source)
{
    char why[512] = "", text[8192];
    init_rig(r);
    snprintf(text, sizeof text,
             "local app = require 'hookward.app'\n"
             "local folder = '%s' local path = folder .. '/app'\n"
             "local gate, here = io.open(folder .. '/gate'), io.open(folder .. '/here', 'w')\n"
             "gate:setvbuf('no') here:setvbuf('no')\n"
             "local function wait() here:write('x') gate:read(1) end\n%s",
             r->folder, source);
    char *kept = strdup(text);
    if (open_app(r, kept, why, sizeof why))
        fail_msg("%s", why);
    open_listener(r, r->app_path, "app", hw_app_service(r->app));
    open_listener(r, r->other_path, "other", &r->other);
    const char *addresses[] = {"first", "second"};
    HW_CHECK(hw_app_start(r->app, addresses, 2) == 0);
    HW_CHECK(uv_thread_create(&r->leader, lead, r) == 0);
}

static void on_walk(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Returns whether the app ended. */
static bool close_loop(struct rig *r)
{
    bool ended = hw_app_stop(r->app);
    hw_listeners_close(&r->listeners);
    uv_walk(&r->loop, on_walk, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    if (ended)
        hw_app_free(r->app);
    hw_listeners_free(&r->listeners);
    hw_server_fini(&r->server);
    close_fifo(r, "gate", r->gate);
    close_fifo(r, "here", r->here);
    rmdir(r->folder);
    return ended;
}

static void stop(struct rig *r)
{
    uv_async_send(&r->stop);
    uv_thread_join(&r->leader);
    assert_true(close_loop(r));
    free((char *)r->rows[0].text);
}

/* Waits until the app waits at the gate. */
static void await_one(struct rig *r)
{
    char x;
    HW_CHECK(read(r->here, &x, 1) == 1);
}

static void let_through(struct rig *r)
{
    await_one(r);
    HW_CHECK(write(r->gate, "x", 1) == 1);
}

/* ---- the client ---- */

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    HW_CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void send_text(int fd, const char *text)
{
    HW_CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

/* Reads until the server closes. */
static const char *read_all(int fd)
{
    ssize_t n;
    answer_len = 0;
    while ((n = read(fd, answer + answer_len, sizeof answer - 1 - answer_len)) > 0)
        answer_len += (size_t)n;
    if (n < 0 && errno == EAGAIN)
        fail_msg("it was not closed after %zu bytes", answer_len);
    answer[answer_len] = '\0';
    close(fd);
    return answer;
}

/* Reads until `part` has come. */
static void read_until(int fd, const char *part)
{
    ssize_t n;
    answer_len = 0;
    answer[0] = '\0';
    while (!strstr(answer, part)) {
        n = read(fd, answer + answer_len, sizeof answer - 1 - answer_len);
        if (n <= 0)
            fail_msg("no %s in %s", part, answer);
        answer_len += (size_t)n;
        answer[answer_len] = '\0';
    }
}

static const char *ask(struct rig *r, const char *request)
{
    int fd = connect_to(r->app_path);
    send_text(fd, request);
    return read_all(fd);
}

static const char *get(struct rig *r, const char *target)
{
    char request[512];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
             target);
    return ask(r, request);
}

static const char *body(void)
{
    return strstr(answer, "\r\n\r\n") + 4;
}

static void has(const char *part)
{
    if (!strstr(answer, part))
        fail_msg("no %s in %s", part, answer);
}

/* ---- the cases ---- */

static void answers_what_the_function_returns(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "return function(q)\n"
              "  if q.path == '/bare' then return 204, nil, 'not sent' end\n"
              "  if q.path == '/json' then return 418, nil, { a = 1 } end\n"
              "  if q.path == '/typed' then return 200, { ['content-type'] = 'x/y' }, { 1 } end\n"
              "  return 201, { ['X-One'] = 1, ['X-Two'] = { 'a', 'b' } }, 'a\\0b'\n"
              "end");
    get(&r, "/");
    has("HTTP/1.1 201 Created\r\nDate: ");
    has("\r\nContent-Length: 3\r\n");
    has("\r\nX-One: 1\r\n");
    has("\r\nX-Two: a\r\nX-Two: b\r\n");
    assert_memory_equal(body(), "a\0b", 3);
    assert_ptr_equal(body() + 3, answer + answer_len);
    assert_null(strstr(answer, "Content-Type"));
    get(&r, "/bare");
    has("HTTP/1.1 204 No Content\r\n");
    assert_null(strstr(answer, "Content-Length"));
    assert_string_equal(body(), "");
    get(&r, "/json");
    has("HTTP/1.1 418 \r\n");
    has("\r\nContent-Type: application/json; charset=utf-8\r\n");
    assert_string_equal(body(), "{\"a\":1}");
    get(&r, "/typed");
    has("\r\ncontent-type: x/y\r\n");
    assert_null(strstr(answer, "Content-Type"));
    stop(&r);
}

static void is_given_the_whole_request(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "local started\n"
              "return { start = function(list) started = table.concat(list, '+') end,\n"
              "  handle = function(q) return 200, nil, table.concat({ q.method, q.path, q.query,\n"
              "    q.headers['x-a'], q.body, q.peer, started, app.settings.word }, ' ') end }");
    ask(&r, "PUT /a%20b?c=d&e HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n"
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_string_equal(body(), "PUT /a%20b c=d&e 1, 2 abcde unix first+second set");
    stop(&r);
}

static void answers_head_without_a_body(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "return function(q) return 200, nil, q.method end");
    ask(&r, "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    has("\r\nContent-Length: 4\r\n");
    assert_string_equal(body(), "");
    stop(&r);
}

static void keeps_connections_and_the_order_of_requests(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "local n = 0\n"
              "return function(q) n = n + 1 return 200, nil, '<' .. q.path .. n .. '>' end");
    ask(&r, "GET /a HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 1"
            "\r\n\r\nxGET /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    const char *a = strstr(answer, "</a1>"), *b = strstr(answer, "</b2>"),
               *c = strstr(answer, "</c3>");
    assert_true(a && b && c && a < b && b < c);
    stop(&r);
}

static void answers_megabytes_to_a_slow_reader(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "return function() return 200, nil, ('0123456789abcdef'):rep(196608) end");
    int fd = connect_to(r.app_path);
    send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    char one;
    HW_CHECK(read(fd, &one, 1) == 1); /* the answer is being sent; it is larger than the buffers */
    read_all(fd);
    has("\r\nContent-Length: 3145728\r\n");
    const char *bytes = body();
    assert_int_equal(answer + answer_len - bytes, 3145728);
    for (size_t i = 0; i < 3145728; i += 16)
        assert_memory_equal(bytes + i, "0123456789abcdef", 16);
    stop(&r);
}

static void answers_500_for_an_error_with_nothing_of_its_code(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "error('a secret')",
        "error({})",
        "error(nil)",
        "return nil",
        "return '200'",
        "return 199",
        "return 600",
        "return 200.5",
        "return 200, 'no table'",
        "return 200, { ['a b'] = 1 }",
        "return 200, { [''] = 1 }",
        "return 200, { [1] = 'x' }",
        "return 200, { a = 'x\\r\\nSet-Cookie: y' }",
        "return 200, { a = 'x\\0' }",
        "return 200, { a = true }",
        "return 200, { a = { 'x', false } }",
        "return 200, { ['Content-Length'] = 5 }",
        "return 200, { CONNECTION = 'close' }",
        "return 200, { ['transfer-encoding'] = 'chunked' }",
        "return 200, nil, print",
        "return 200, nil, 5",
        "return 200, nil, { print }",
        "local t = {} for i = 1, 65 do t['h' .. i] = i end return 200, t",
        "local s = 'x' while true do s = s .. s end",
        "os.exit(0)",
    };
    struct rig r;
    char source[8192];
    size_t at = (size_t)sprintf(source, "return function(q)\nlocal n = tonumber(q.query)\n");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        at += (size_t)sprintf(source + at, "if n == %zu then %s end\n", i, wrong[i]);
    strcpy(source + at, "local t = {} for i = 1, 64 do t['h' .. i] = i end return 599, t end");
    start(&r, source);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char target[32];
        snprintf(target, sizeof target, "/?%zu", i);
        get(&r, target);
        if (!strstr(answer, "HTTP/1.1 500 Internal Server Error\r\n"))
            fail_msg("%s: %s", wrong[i], answer);
        assert_string_equal(
            body(), "{\"error\":\"app_error\",\"message\":\"the app failed; the log says why\"}");
    }
    get(&r, "/");
    has("HTTP/1.1 599 \r\n"); /* the app goes on, and 64 lines are not too many */
    has("\r\nh64: 64\r\n");
    stop(&r);
}

static void calls_timers_in_the_order_of_their_time_unless_cancelled(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "local out = {}\n"
              "local function say(x) return function() out[#out + 1] = x end end\n"
              "app.after(0.02, say 'c') app.after(0, say 'a') app.after(0.01, say 'b')\n"
              "local never = app.after(0.005, say 'never')\n"
              "out[1] = tostring(app.cancel(never)) .. tostring(app.cancel(never))\n"
              "app.after(0.015, function() error 'on purpose' end)\n"
              "app.after(1e6, say 'after the end')\n"
              "app.after(0.03, wait)\n"
              "return function() return 200, nil, table.concat(out, ' ') end");
    let_through(&r);
    get(&r, "/");
    assert_string_equal(body(), "truefalse a b c");
    stop(&r);
}

static void refuses_what_is_no_timer(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "local out = {}\n"
              "for _, s in ipairs { -1, 0/0, 1e10 } do out[#out + 1] = tostring(pcall(app.after, s,"
              " print)) end\n"
              "out[#out + 1] = tostring(pcall(app.after, 1))\n"
              "for i = 1, 10000 do app.after(1e6, print) end\n"
              "out[#out + 1] = tostring(pcall(app.after, 1, print))\n"
              "return function() return 200, nil, table.concat(out, ' ') end");
    get(&r, "/");
    assert_string_equal(body(), "false false false false false");
    stop(&r);
}

/* The app sends requests to itself. It could never answer them if sending blocked it. */
static void sends_without_being_held_up(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "local got = {}\n"
              "local function ask(to)\n"
              "  return assert(app.request({ url = 'http://h' .. to, unix = path, body = { a = 1 },"
              "    headers = { ['x-b'] = 2 }, expect = 0.35 }, function(a, why)\n"
              "    got[#got + 1] = a and a.status .. a.body or why\n"
              "    if #got == 3 then wait() end\n"
              "  end))\n"
              "end\n"
              "return function(q)\n"
              "  if q.path == '/self' then return 202, nil, q.body .. q.headers['x-b'] end\n"
              "  if q.path == '/go' then ask '/self' ask '/self' ask '/self' return 200 end\n"
              "  return 200, nil, table.concat(got, ' ')\n"
              "end");
    get(&r, "/go");
    let_through(&r);
    get(&r, "/");
    assert_string_equal(body(), "202{\"a\":1}2 202{\"a\":1}2 202{\"a\":1}2");
    stop(&r);
}

static void tells_why_a_request_failed(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "local out, count = {}, 0\n"
              "local function add(...) out[#out + 1] = table.concat({ ... }, '/') end\n"
              "local no, why = app.request({ url = 'ftp://h' }, add) add(tostring(no), why)\n"
              "add(tostring(pcall(app.request, { url = 'http://h', uri = 1 }, add)))\n"
              "add(tostring(pcall(app.request, { url = 'http://h' })))\n"
              "app.request({ url = 'http://h', unix = '/none' }, function(a, _, kind)\n"
              "  add(tostring(a), kind) wait() end)\n"
              "return function() return 200, nil, table.concat(out, ' ') end");
    let_through(&r);
    get(&r, "/");
    assert_string_equal(body(),
                        "nil/the url must begin with http:// or https:// false false nil/connect");
    stop(&r);
}

static void sends_a_body_as_slowly_as_it_is_told(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "local got\n"
              "return function(q)\n"
              "  if q.path == '/self' then return 200, nil, q.body end\n"
              "  if q.path == '/go' then app.request({ url = 'http://h/self', unix = path,\n"
              "    body = ('0123456789'):rep(20), send_rate = 2000 }, function(a)\n"
              "      got = a.body wait() end) return 200 end\n"
              "  return 200, nil, got\n"
              "end");
    get(&r, "/go");
    let_through(&r);
    get(&r, "/");
    assert_int_equal(strlen(body()), 200);
    assert_memory_equal(body() + 190, "0123456789", 10);
    stop(&r);
}

/* 256 requests may run at once. They go to a socket whose connections nobody accepts. */
static void sends_a_limited_number_at_once_and_drops_them_when_it_ends(void **state)
{
    (void)state;
    struct rig r;
    int silent = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/hookward-silent-%d", (int)getpid());
    unlink(address.sun_path);
    HW_CHECK(bind(silent, (struct sockaddr *)&address, sizeof address) == 0);
    HW_CHECK(listen(silent, 1000) == 0);
    char source[512];
    snprintf(source, sizeof source,
             "local out, n = '', 0\n"
             "repeat\n"
             "  local ok, why = app.request({ url = 'http://h', unix = '%s' }, print)\n"
             "  if ok then n = n + 1 end\n"
             "until not ok or n == 300\n"
             "return function() return 200, nil, ('%%d'):format(n) end",
             address.sun_path);
    start(&r, source);
    get(&r, "/");
    assert_string_equal(body(), "256");
    stop(&r);
    close(silent);
    unlink(address.sun_path);
}

static void holds_up_nobody_else_while_it_is_stuck(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "return function() wait() return 200, nil, 'at last' end");
    int fd = connect_to(r.app_path);
    send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        int other = connect_to(r.other_path);
        send_text(other, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        read_all(other);
        has("the other one");
    }
    let_through(&r);
    read_all(fd);
    has("at last");
    stop(&r);
}

static void takes_a_limited_number_of_requests_and_refuses_one_more(void **state)
{
    (void)state;
    struct rig r;
    int fds[QUEUE_MAX];
    start(&r, "return function() wait() return 200, nil, 'done' end");
    for (int i = 0; i < QUEUE_MAX; i++) {
        fds[i] = connect_to(r.app_path);
        send_text(fds[i], "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    }
    get(&r, "/");
    has("HTTP/1.1 503 Service Unavailable\r\n");
    has("\"error\":\"app_busy\"");
    for (int i = 0; i < QUEUE_MAX; i++) {
        let_through(&r);
        read_all(fds[i]);
        has("done");
    }
    int fd = connect_to(r.app_path); /* there is room again */
    send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let_through(&r);
    read_all(fd);
    has("done");
    stop(&r);
}

static void tells_a_client_that_waited_too_long(void **state)
{
    (void)state;
    struct rig r;
    patience_ms = 1;
    start(&r, "return function() wait() return 200, nil, 'too late' end");
    patience_ms = PATIENCE_S * 1000;
    get(&r, "/");
    has("HTTP/1.1 503 Service Unavailable\r\n");
    has("\"error\":\"app_busy\"");
    let_through(&r);
    stop(&r);
}

/* That it was stopped is no error, and the log says nothing. */
static void is_stopped_in_the_middle_of_a_loop(void **state)
{
    (void)state;
    struct rig r;
    FILE *log = tmpfile();
    int before = dup(STDERR_FILENO);
    hw_log_set(HW_LOG_ERROR, false);
    dup2(fileno(log), STDERR_FILENO);
    start(&r, "return function() here:write('x') while true do pcall(function() while true do end "
              "end) end end");
    int fd = connect_to(r.app_path);
    send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    await_one(&r);
    stop(&r);
    read_all(fd);
    assert_int_equal(answer_len, 0);
    dup2(before, STDERR_FILENO);
    close(before);
    hw_log_set(HW_LOG_OFF, false);
    assert_int_equal(lseek(fileno(log), 0, SEEK_END), 0);
    fclose(log);
}

static struct {
    struct hw_app *volatile app;
    const char *volatile source;
} given_up;

/* No hook can stop a C function, such as the one here that reads from a pipe. */
static void is_given_up_when_it_does_not_end(void **state)
{
    (void)state;
    struct rig *r = malloc(sizeof *r);
    stop_ms = 1;
    start(r, "return function() wait() end");
    stop_ms = PATIENCE_S * 1000;
    int fd = connect_to(r->app_path), queued = connect_to(r->app_path);
    send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    await_one(r);
    send_text(queued, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    int gate = dup(r->gate);
    given_up.app = r->app; /* so that the leak checker finds it */
    given_up.source = r->rows[0].text;
    uv_async_send(&r->stop);
    uv_thread_join(&r->leader);
    assert_false(close_loop(r));
    memset(r, 0xAA, sizeof *r);
    free(r); /* the app that goes on touches nothing of the leader's */
    assert_int_equal(write(gate, "g", 1), 1);
    close(gate);
    read_all(fd);
    assert_int_equal(answer_len, 0);
    read_all(queued);
    assert_int_equal(answer_len, 0);
}

static void forgets_a_client_that_is_gone(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "local n = 0\n"
              "return function() wait() n = n + 1 return 200, nil, 'n' .. n end");
    int fd = connect_to(r.app_path);
    send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    int half = connect_to(r.app_path); /* accepted, and never complete */
    send_text(half, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc");
    await_one(&r); /* it has the request now */
    close(fd);
    close(half);
    HW_CHECK(write(r.gate, "x", 1) == 1);
    fd = connect_to(r.app_path);
    send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let_through(&r);
    read_all(fd);
    has("n2");
    stop(&r);
}

static void ends_with_requests_in_its_queues(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "return function() wait() return 200 end");
    int fds[QUEUE_MAX];
    for (int i = 0; i < QUEUE_MAX; i++) {
        fds[i] = connect_to(r.app_path);
        send_text(fds[i], "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    await_one(&r);
    uv_async_send(&r.stop);
    uv_thread_join(&r.leader);
    HW_CHECK(write(r.gate, "...", 3) == 3); /* it may begin the others before it is stopped */
    close_loop(&r);
    free((char *)r.rows[0].text);
    for (int i = 0; i < QUEUE_MAX; i++) {
        read_all(fds[i]);
        assert_int_equal(answer_len, 0);
    }
}

/* ---- answers that come later ---- */

#define CLOSE_AFTER "HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

static int begin_get(struct rig *r, const char *target)
{
    char request[512];
    int fd = connect_to(r->app_path);
    snprintf(request, sizeof request, "GET %s " CLOSE_AFTER, target);
    send_text(fd, request);
    return fd;
}

/* Asks until the body is `wanted`. */
static void await_body(struct rig *r, const char *target, const char *wanted)
{
    uint64_t until = uv_hrtime() + PATIENCE_S * 1000000000ull;
    do
        get(r, target);
    while (strcmp(body(), wanted) != 0 && uv_hrtime() < until);
    assert_string_equal(body(), wanted);
}

static void answers_later(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "local waits\n"
              "return function(q)\n"
              "  local later = q.path ~= '/go' and app.later()\n"
              "  if q.path == '/at-once' then later:answer(201, nil, 'at once') return later end\n"
              "  if q.path == '/no-return' then later:answer(202, nil, 'so too') return end\n"
              "  if q.path == '/soon' then app.after(0, function()\n"
              "    assert(later:answer(203, { ['X-A'] = 1 }, { q.path })) end) return later end\n"
              "  if q.path == '/unused' then return 200, nil, 'unused' end\n"
              "  if q.path == '/wait' then waits = later return later end\n"
              "  return 200, nil, tostring(waits:answer(204))\n"
              "end");
    get(&r, "/soon");
    has("HTTP/1.1 203 \r\n");
    has("\r\nX-A: 1\r\n");
    assert_string_equal(body(), "[\"/soon\"]");
    get(&r, "/at-once");
    has("HTTP/1.1 201 Created\r\n");
    get(&r, "/no-return");
    has("HTTP/1.1 202 Accepted\r\n");
    get(&r, "/unused");
    has("HTTP/1.1 200 OK\r\n");
    int fd = begin_get(&r, "/wait");
    char request[] = "GET /go " CLOSE_AFTER;
    while (ask(&r, request), !strstr(answer, "true")) /* /wait may not be there yet */
        has("HTTP/1.1 500 ");
    read_all(fd);
    has("HTTP/1.1 204 No Content\r\n");
    stop(&r);
}

static void keeps_the_order_of_answers_that_come_later(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "local n = 0\n"
              "return function(q)\n"
              "  local later = app.later()\n"
              "  app.after(0.01, function() n = n + 1 later:answer(200, nil, q.path .. n) end)\n"
              "  return later\n"
              "end");
    ask(&r,
        "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\nGET /c " CLOSE_AFTER);
    const char *a = strstr(answer, "/a1"), *b = strstr(answer, "/b2"), *c = strstr(answer, "/c3");
    assert_true(a && b && c && a < b && b < c);
    stop(&r);
}

static void answers_500_for_what_is_never_answered(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "app.later() error 'on purpose'",
        "return (app.later())",
        "local later = app.later() app.after(0, function() error(later) end) return later",
        "return app.after(0, print) and app.later(), app.after(0, error)",
        "app.later() return app.later()",
        "kept = kept or app.later() return kept",
        "other = app.later() other:answer(99) return 200",
        "local later = app.later() later.x = 1 return 200",
    };
    struct rig r;
    char source[8192];
    size_t at = (size_t)sprintf(
        source, "local kept, other\n"
                "local function tick() collectgarbage() app.after(0.001, tick) end tick()\n"
                "return function(q)\nlocal n = tonumber(q.query)\n"
                "if n == 100 then kept:answer(200) return 200 end\n");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        at += (size_t)sprintf(source + at, "if n == %zu then %s end\n", i, wrong[i]);
    strcpy(source + at, "return 200, nil, 'well' end");
    start(&r, source);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char target[32];
        snprintf(target, sizeof target, "/?%zu", i);
        if (i == 5) { /* an object of another request */
            int fd = begin_get(&r, target);
            get(&r, target);
            has("HTTP/1.1 500 ");
            get(&r, "/?100");
            read_all(fd);
            has("HTTP/1.1 200 ");
            continue;
        }
        get(&r, target);
        if (!strstr(answer, "HTTP/1.1 500 Internal Server Error\r\n"))
            fail_msg("%s: %s", wrong[i], answer);
    }
    get(&r, "/");
    has("well");
    stop(&r);
}

/* Without the collection that follows a failed event, the client would wait until its time is up. */
static void tells_the_client_of_an_event_that_failed_at_once(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "collectgarbage 'stop'\n"
              "return function() local later = app.later()\n"
              "  app.after(0, function() error(later.missing) end) return later end");
    get(&r, "/");
    has("HTTP/1.1 500 ");
    stop(&r);
}

static void says_when_it_is_too_late_for_an_answer(void **state)
{
    (void)state;
    struct rig r;
    start(
        &r,
        "local laters, early = {}, pcall(app.later)\n"
        "return function(q)\n"
        "  if q.path == '/wait' then laters[#laters + 1] = app.later() return laters[#laters] end\n"
        "  if q.path == '/early' then return 200, nil, tostring(early) end\n"
        "  if q.path == '/count' then return 200, nil, ('%d'):format(#laters) end\n"
        "  if q.path == '/twice' then\n"
        "    local l = app.later()\n"
        "    l:answer(200, nil, tostring(l:gone()) .. tostring(pcall(app.later)))\n"
        "    laters.failed = not pcall(l.answer, l, 200) and not pcall(l.begin, l, 200)\n"
        "    return l\n"
        "  end\n"
        "  if q.path == '/failed' then return 200, nil, tostring(laters.failed) end\n"
        "  return 200, nil, tostring(laters[1]:gone()) .. (laters[1]:gone() and\n"
        "    table.concat({ tostring(laters[1]:answer(200)), select(2, laters[1]:answer(200)) }) "
        "or '')\n"
        "end");
    get(&r, "/early");
    assert_string_equal(body(), "false");
    get(&r, "/twice");
    assert_string_equal(body(), "falsefalse");
    get(&r, "/failed");
    assert_string_equal(body(), "true");
    int fd = begin_get(&r, "/wait");
    await_body(&r, "/count", "1");
    get(&r, "/gone");
    assert_string_equal(body(), "false");
    close(fd);
    await_body(&r, "/gone", "truefalsegone");
    stop(&r);
}

static void tells_an_app_whose_client_has_waited_too_long(void **state)
{
    (void)state;
    struct rig r;
    patience_ms = 20;
    start(&r, "local later\n"
              "return function(q)\n"
              "  if q.path == '/wait' then later = app.later() return later end\n"
              "  return 200, nil, tostring(later and later:gone())\n"
              "end");
    patience_ms = PATIENCE_S * 1000;
    get(&r, "/wait");
    has("HTTP/1.1 503 Service Unavailable\r\n");
    has("\"error\":\"app_busy\"");
    await_body(&r, "/gone", "true");
    stop(&r);
}

/* They count until they are answered, or until the client leaves. */
static void counts_what_waits_for_its_answer(void **state)
{
    (void)state;
    struct rig r;
    int fds[QUEUE_MAX];
    start(&r, "local laters = {}\n"
              "return function(q)\n"
              "  if q.path == '/go' then\n"
              "    for _, later in ipairs(laters) do later:answer(200, nil, 'at last') end\n"
              "    laters = {} return 200, nil, 'went'\n"
              "  end\n"
              "  laters[#laters + 1] = app.later() here:write('x') return laters[#laters]\n"
              "end");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < QUEUE_MAX; i++) {
            fds[i] = begin_get(&r, "/");
            await_one(&r);
        }
        get(&r, "/go");
        has("\"error\":\"app_busy\"");
        close(fds[0]);
        await_body(&r, "/go", "went");
        for (int i = 1; i < QUEUE_MAX; i++) {
            read_all(fds[i]);
            has("at last");
        }
    }
    stop(&r);
}

/* A client that closes its half after the request may still want an ordinary answer. */
static void answers_a_client_that_has_closed_its_half(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "return function(q)\n"
              "  wait() if q.path == '/later' then return app.later() end\n"
              "  return 200, nil, 'all the same' end");
    int fd = begin_get(&r, "/");
    shutdown(fd, SHUT_WR);
    let_through(&r);
    read_all(fd);
    has("all the same");
    fd = begin_get(&r, "/later");
    shutdown(fd, SHUT_WR);
    let_through(&r);
    read_all(fd);
    assert_int_equal(answer_len, 0);
    stop(&r);
}

static void ends_while_requests_wait_for_their_answer(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "kept = {} return function() kept[#kept + 1] = app.later() here:write('x')\n"
              "  return kept[#kept] end");
    int fds[QUEUE_MAX];
    for (int i = 0; i < QUEUE_MAX; i++) {
        fds[i] = begin_get(&r, "/");
        await_one(&r);
    }
    stop(&r);
    for (int i = 0; i < QUEUE_MAX; i++) {
        read_all(fds[i]);
        assert_int_equal(answer_len, 0);
    }
}

/* ---- answers in pieces ---- */

/* An app with the streams that it has begun; /send, /finish and /gone are for the newest one. */
static const char streams[] =
    "local all = {}\n"
    "local function newest() return all[#all] end\n"
    "return function(q)\n"
    "  if q.path == '/send' then return 200, nil, tostring(newest():send(q.query)) end\n"
    "  if q.path == '/finish' then return 200, nil, tostring(newest():finish()) end\n"
    "  if q.path == '/gone' then return 200, nil, tostring(newest():gone()) end\n"
    "  if q.path == '/why' then\n"
    "    return 200, nil, table.concat({ tostring(newest():send 'x'), select(2, newest():send 'x') "
    "}) end\n"
    "  if q.path == '/fill' then\n"
    "    local piece, n, ok, why = ('x'):rep(4096), 0\n"
    "    repeat ok, why = newest():send(piece) n = n + (ok and 1 or 0) until not ok\n"
    "    return 200, nil, ('%s %d'):format(why, n)\n"
    "  end\n"
    "  if q.path == '/other' then return 200, nil, 'another answer' end\n"
    "  local later = app.later()\n"
    "  local ok, why = later:begin(tonumber(q.query) or 200, { ['X-A'] = 'b' })\n"
    "  if not ok then return 503, nil, why end\n"
    "  all[#all + 1] = later\n"
    "  return later\n"
    "end\n";

static void sends_pieces_as_chunks(void **state)
{
    (void)state;
    struct rig r;
    start(&r, streams);
    int fd = connect_to(r.app_path);
    send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    read_until(fd, "\r\n\r\n");
    has("HTTP/1.1 200 OK\r\n");
    has("\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n");
    assert_null(strstr(answer, "Content-Length"));
    assert_null(strstr(answer, "Connection"));
    get(&r, "/send?hello");
    assert_string_equal(body(), "true");
    read_until(fd, "\r\nhello\r\n");
    assert_string_equal(answer, "5\r\nhello\r\n");
    get(&r, "/send?");
    get(&r, "/send?0123456789abcdef");
    read_until(fd, "f\r\n");
    assert_string_equal(answer, "10\r\n0123456789abcdef\r\n");
    get(&r, "/finish");
    assert_string_equal(body(), "true");
    read_until(fd, "0\r\n\r\n");
    assert_string_equal(answer, "0\r\n\r\n");
    send_text(fd, "GET /other " CLOSE_AFTER); /* the connection goes on */
    read_all(fd);
    has("another answer");
    stop(&r);
}

static void sends_pieces_until_it_closes_in_http_1_0(void **state)
{
    (void)state;
    struct rig r;
    start(&r, streams);
    int fd = connect_to(r.app_path);
    send_text(fd, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    read_until(fd, "\r\n\r\n");
    has("\r\nConnection: close\r\n");
    assert_null(strstr(answer, "Transfer-Encoding"));
    assert_null(strstr(answer, "Content-Length"));
    get(&r, "/send?one");
    read_until(fd, "one");
    get(&r, "/send?two");
    get(&r, "/finish");
    read_all(fd);
    assert_string_equal(answer, "two");
    stop(&r);
}

static void sends_no_pieces_where_there_is_no_body(void **state)
{
    (void)state;
    static const char *const requests[] = {"HEAD / ", "GET /?204 ", "GET /?304 "};
    struct rig r;
    start(&r, streams);
    for (int i = 0; i < 3; i++) {
        char request[256];
        snprintf(request, sizeof request, "%sHTTP/1.1\r\nHost: h\r\n\r\nGET /why " CLOSE_AFTER,
                 requests[i]);
        ask(&r, request);
        assert_true((strstr(answer, "chunked") != NULL) == (i == 0));
        assert_null(strstr(answer, "\r\n0\r\n"));
        has("falsegone");
    }
    stop(&r);
}

static void answers_what_is_pipelined_behind_a_stream(void **state)
{
    (void)state;
    struct rig r;
    start(&r, streams);
    int fd = connect_to(r.app_path);
    send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\nPOST /other HTTP/1.1\r\nHost: h\r\n"
                  "Content-Length: 5\r\n\r\nhel");
    read_until(fd, "\r\n\r\n");
    get(&r, "/send?a");
    send_text(fd, "loGET /other " CLOSE_AFTER);
    get(&r, "/send?b");
    get(&r, "/finish");
    read_all(fd);
    const char *end = strstr(answer, "0\r\n\r\nHTTP/1.1 200"),
               *first = strstr(answer, "another answer");
    assert_true(end && first && end < first && strstr(first + 1, "another answer"));
    stop(&r);
}

/* What the client does not read is kept up to a limit. What was taken arrives whole. */
static void says_that_too_much_is_unread(void **state)
{
    (void)state;
    struct rig r;
    int pieces = 0;
    start(&r, streams);
    int fd = begin_get(&r, "/");
    read_until(fd, "\r\n\r\n");
    for (int n = -1, more; n != 0; n = more) { /* the socket takes some of it */
        get(&r, "/fill");
        assert_int_equal(sscanf(body(), "full %d", &more), 1);
        pieces += more;
    }
    assert_true(pieces * 4096 >= HW_APP_STREAM_MAX);
    get(&r, "/gone");
    assert_string_equal(body(), "false");
    get(&r, "/finish");
    read_all(fd);
    assert_string_equal(answer + answer_len - 5, "0\r\n\r\n");
    size_t count = 0;
    for (const char *at = answer; (at = strchr(at, 'x')); at++)
        count++;
    assert_int_equal(count, pieces * 4096);
    stop(&r);
}

static void on_nothing(uv_async_t *async)
{
    (void)async;
}

static void counts_what_is_not_sent_yet_up_to_the_limit(void **state)
{
    (void)state;
    static const char x[HW_APP_STREAM_MAX];
    struct hw_app_queues q;
    struct hw_app_call call = {0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    uv_async_init(&loop, &q.wake, on_nothing);
    uv_async_init(&loop, &q.answered, on_nothing);
    hw_app_queues_init(&q);
    hw_app_queues_give(&q, &call);
    assert_int_equal(hw_app_queues_add(&call, (struct hw_str){x, sizeof x - 1}), HW_APP_ADDED);
    assert_int_equal(hw_app_queues_add(&call, HW_STR("12")), HW_APP_FULL);
    assert_int_equal(hw_app_queues_add(&call, HW_STR("1")), HW_APP_ADDED);
    assert_int_equal(hw_app_queues_add(&call, HW_STR("1")), HW_APP_FULL);
    struct hw_str taken = hw_app_queues_take(&call);
    assert_int_equal(taken.len, HW_APP_STREAM_MAX);
    free((char *)taken.ptr);
    assert_int_equal(hw_app_queues_add(&call, HW_STR("1")), HW_APP_FULL); /* it is under way */
    hw_app_queues_sent(&call, 2);
    assert_int_equal(hw_app_queues_add(&call, HW_STR("")), HW_APP_ADDED);
    assert_int_equal(hw_app_queues_add(&call, HW_STR("123")), HW_APP_FULL);
    assert_int_equal(hw_app_queues_add(&call, HW_STR("12")), HW_APP_ADDED);
    hw_app_queues_leave(&call);
    assert_int_equal(hw_app_queues_add(&call, HW_STR("1")), HW_APP_GONE);
    free(call.pieces);
    uv_close((uv_handle_t *)&q.wake, NULL);
    uv_close((uv_handle_t *)&q.answered, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    hw_app_queues_fini(&q);
}

static void goes_on_once_the_client_has_read(void **state)
{
    (void)state;
    struct rig r;
    start(&r, streams);
    int fd = begin_get(&r, "/");
    size_t got = 0, sent = 0;
    read_until(fd, "\r\n\r\n");
    for (int round = 0, more; round < 5; round++) {
        get(&r, "/fill");
        assert_int_equal(sscanf(body(), "full %d", &more), 1);
        for (sent += (size_t)more * 4096; got < sent;) {
            ssize_t n = read(fd, answer, sizeof answer);
            assert_true(n > 0);
            for (ssize_t i = 0; i < n; i++)
                got += answer[i] == 'x';
        }
    }
    assert_true(sent >= 5 * HW_APP_STREAM_MAX - 4096);
    close(fd);
    stop(&r);
}

static void takes_one_piece_up_to_the_limit(void **state)
{
    (void)state;
    struct rig r;
    start(&r, "return function(q)\n"
              "  local later = app.later() later:begin(200)\n"
              "  local ok, why = pcall(later.send, later, ('x'):rep(256 * 1024 + 1))\n"
              "  later:send(tostring(ok) .. why .. '\\n')\n"
              "  app.after(0.05, function() later:send(('y'):rep(256 * 1024)) later:finish() end)\n"
              "  return later\n"
              "end");
    get(&r, "/");
    has("falsebad argument #2 to");
    has("40000\r\nyyy");
    assert_string_equal(answer + answer_len - 8, "y\r\n0\r\n\r\n");
    stop(&r);
}

static void notices_a_client_that_leaves_a_silent_stream(void **state)
{
    (void)state;
    struct rig r;
    start(&r, streams);
    for (int i = 0; i < 3; i++) {
        int fd = begin_get(&r, "/");
        read_until(fd, "\r\n\r\n");
        get(&r, "/gone");
        assert_string_equal(body(), "false");
        if (i == 1)
            send_text(fd, "GET /half-a-request HT");
        if (i == 2)
            shutdown(fd, SHUT_WR);
        else
            close(fd);
        await_body(&r, "/gone", "true");
        get(&r, "/why");
        assert_string_equal(body(), "falsegone");
        if (i == 2)
            read_all(fd);
    }
    stop(&r);
}

/* Tries again while there are too many. */
static int begin_stream(struct rig *r)
{
    for (;;) {
        int fd = begin_get(r, "/");
        read_until(fd, "\r\n\r\n");
        if (strstr(answer, "chunked"))
            return fd;
        close(fd);
    }
}

/* They don't count against queue_max. */
static void has_a_limited_number_of_streams(void **state)
{
    (void)state;
    struct rig r;
    int fds[HW_APP_STREAMS_MAX];
    start(&r, streams);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < HW_APP_STREAMS_MAX; i++)
            fds[i] = begin_stream(&r);
        get(&r, "/");
        has("HTTP/1.1 503 ");
        assert_string_equal(body(), "full");
        close(fds[0]); /* one leaves */
        fds[0] = begin_stream(&r);
        get(&r, "/finish"); /* one ends */
        int last = begin_get(&r, "/");
        read_until(last, "\r\n\r\n");
        has("chunked");
        close(last);
        for (int i = 0; i < HW_APP_STREAMS_MAX; i++)
            close(fds[i]);
    }
    stop(&r);
}

static void cuts_off_an_answer_that_can_not_go_on(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "error 'on purpose'",
        "return 200, nil, 'something else'",
        "return",
        "app.after(0, function() error(later) end) return later",
        "pcall(later.answer, later, 200) return later",
        "pcall(later.begin, later, 200) return later",
    };
    struct rig r;
    char source[4096];
    size_t at =
        (size_t)sprintf(source, "return function(q)\nlocal n = tonumber(q.query)\n"
                                "local later = app.later() later:begin(200) later:send 'a'\n"
                                "app.after(0, collectgarbage)\n");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        at += (size_t)sprintf(source + at, "if n == %zu then %s end\n", i, wrong[i]);
    strcpy(source + at, "later:finish() return later end");
    start(&r, source);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char target[32];
        snprintf(target, sizeof target, "/?%zu", i);
        get(&r, target);
        assert_null(strstr(answer, "0\r\n\r\n"));
        assert_null(strstr(answer, "app_error"));
    }
    get(&r, "/");
    has("1\r\na\r\n0\r\n\r\n");
    stop(&r);
}

static void refuses_pieces_in_the_wrong_order(void **state)
{
    (void)state;
    struct rig r;
    start(
        &r,
        "return function()\n"
        "  local later, out = app.later(), {}\n"
        "  local function try(name, ...)\n"
        "    local ok, why = pcall(later[name], later, ...)\n"
        "    out[#out + 1] = ok and 'ok' or why end\n"
        "  try('send', 'x') try 'finish' try('begin', 199) try('begin', 200, { ['A B'] = 1 })\n"
        "  try('begin', 200) try('begin', 200) try('answer', 200) try('send', {})\n"
        "  later:send(table.concat(out, '|')) later:finish()\n"
        "  out = {} try('send', 'x') try 'finish'\n"
        "  if out[1] ~= 'the request was answered before' or out[2] ~= out[1] then os.abort() end\n"
        "  return later\n"
        "end");
    get(&r, "/");
    has("the answer was not begun|the answer was not begun|the status of an answer must be a whole "
        "number from 200 to 599|an answer can't have the header A B|ok|the answer was begun before|"
        "the answer was begun before|bad argument #2 to '?' (string expected, got table)");
    stop(&r);
}

/* Only what is written has a time limit. */
static void lets_a_stream_live_longer_than_an_answer_may_take(void **state)
{
    (void)state;
    struct rig r;
    patience_ms = 50;
    write_ms = 1;
    start(&r, "return function()\n"
              "  local later, n = app.later(), 0\n"
              "  later:begin(200)\n"
              "  local function go_on()\n"
              "    n = n + 1\n"
              "    if n == 3 then return later:finish() end\n"
              "    assert(later:send(n .. ';')) app.after(0.15, go_on)\n"
              "  end\n"
              "  app.after(0.15, go_on) return later\n"
              "end");
    patience_ms = write_ms = PATIENCE_S * 1000;
    get(&r, "/");
    has("2\r\n1;\r\n2\r\n2;\r\n0\r\n\r\n");
    stop(&r);
}

static void closes_on_a_client_that_does_not_read(void **state)
{
    (void)state;
    struct rig r;
    write_ms = 50;
    start(&r, streams);
    write_ms = PATIENCE_S * 1000;
    int fd = begin_get(&r, "/");
    read_until(fd, "\r\n\r\n");
    get(&r, "/fill");
    get(&r, "/fill");
    await_body(&r, "/gone", "true");
    read_all(fd);
    assert_true(answer_len < 4096 * 1024 && !strstr(answer, "0\r\n\r\n"));
    stop(&r);
}

static void ends_streams_at_once_in_a_drain(void **state)
{
    (void)state;
    struct rig r;
    start(&r, streams);
    int fd = begin_get(&r, "/"), next = begin_get(&r, "/");
    read_until(fd, "\r\n\r\n");
    read_until(next, "\r\n\r\n");
    uv_async_send(&r.drain);
    read_all(fd);
    assert_int_equal(answer_len, 0);
    read_all(next);
    assert_int_equal(answer_len, 0);
    await_body(&r, "/gone", "true");
    get(&r, "/"); /* no new one is begun */
    assert_int_equal(answer_len, 0);
    stop(&r);
}

static void ends_with_streams_that_still_have_pieces(void **state)
{
    (void)state;
    struct rig r;
    start(&r, streams);
    int fds[5];
    for (int i = 0; i < 5; i++) {
        fds[i] = begin_get(&r, "/");
        read_until(fds[i], "\r\n\r\n");
        get(&r, "/fill");
    }
    stop(&r);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
}

static void does_not_load_what_is_no_app(void **state)
{
    (void)state;
    static const struct {
        const char *source, *why;
    } cases[] = {
        {"return 5", "test.app is no app: it must return a function, or a table with `handle`"},
        {"return {}", "test.app is no app: it must return a function, or a table with `handle`"},
        {"\nerror 'on purpose'", "test.app:2: on purpose"},
        {"return +", "error loading module"},
        {"local s = 'x' while true do s = s .. s end", "not enough memory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig r;
        char why[512];
        init_rig(&r);
        assert_true(open_app(&r, cases[i].source, why, sizeof why) != 0);
        if (i != 3 && !strstr(why, cases[i].why))
            fail_msg("%s is not in %s", cases[i].why, why);
        assert_null(strchr(why, '\n'));
        close_loop(&r);
    }
}

/* ---- the time limit of one call, without a host ---- */

static void ends_what_runs_too_long_even_in_a_pcall(void **state)
{
    (void)state;
    static const char source[] = "return function() while true do pcall(function() while true do "
                                 "end end) end end";
    struct hw_embedded rows[] = {{"m", "@m", source, sizeof source - 1}, {0}};
    struct hw_modules modules = {luaopen_hookward_core, rows};
    struct hw_app_vm_config config = {
        .module = "m", .modules = &modules, .memory_max = 8 * 1024 * 1024, .run_ms = 1};
    atomic_bool stopping = false;
    struct hw_app_vm *vm;
    struct hw_requests requests;
    char why[256];
    uv_loop_t loop;
    uv_loop_init(&loop);
    assert_int_equal(hw_app_vm_open(&vm, &config, &loop, &stopping, why, sizeof why), 0);
    hw_requests_init(&requests, (struct hw_http_limits){1024, 1024});
    struct hw_app_call call = {.request = hw_request_take(&requests)};
    hw_request_append(call.request, HW_STR("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_true(hw_http_head(&call.request->http, call.request->bytes, call.request->len) > 0);
    for (int i = 0; i < 2; i++) {
        hw_app_vm_handle(vm, &call);
        assert_int_equal(call.code, HW_EAPP_ERROR);
    }
    hw_request_put(&requests, call.request);
    hw_requests_fini(&requests);
    hw_app_vm_stop(vm);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    hw_app_vm_free(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_what_the_function_returns),
        cmocka_unit_test(is_given_the_whole_request),
        cmocka_unit_test(answers_head_without_a_body),
        cmocka_unit_test(keeps_connections_and_the_order_of_requests),
        cmocka_unit_test(answers_megabytes_to_a_slow_reader),
        cmocka_unit_test(answers_500_for_an_error_with_nothing_of_its_code),
        cmocka_unit_test(calls_timers_in_the_order_of_their_time_unless_cancelled),
        cmocka_unit_test(refuses_what_is_no_timer),
        cmocka_unit_test(sends_without_being_held_up),
        cmocka_unit_test(tells_why_a_request_failed),
        cmocka_unit_test(sends_a_body_as_slowly_as_it_is_told),
        cmocka_unit_test(sends_a_limited_number_at_once_and_drops_them_when_it_ends),
        cmocka_unit_test(holds_up_nobody_else_while_it_is_stuck),
        cmocka_unit_test(takes_a_limited_number_of_requests_and_refuses_one_more),
        cmocka_unit_test(tells_a_client_that_waited_too_long),
        cmocka_unit_test(is_stopped_in_the_middle_of_a_loop),
        cmocka_unit_test(is_given_up_when_it_does_not_end),
        cmocka_unit_test(forgets_a_client_that_is_gone),
        cmocka_unit_test(ends_with_requests_in_its_queues),
        cmocka_unit_test(answers_later),
        cmocka_unit_test(keeps_the_order_of_answers_that_come_later),
        cmocka_unit_test(answers_500_for_what_is_never_answered),
        cmocka_unit_test(tells_the_client_of_an_event_that_failed_at_once),
        cmocka_unit_test(says_when_it_is_too_late_for_an_answer),
        cmocka_unit_test(tells_an_app_whose_client_has_waited_too_long),
        cmocka_unit_test(counts_what_waits_for_its_answer),
        cmocka_unit_test(answers_a_client_that_has_closed_its_half),
        cmocka_unit_test(ends_while_requests_wait_for_their_answer),
        cmocka_unit_test(sends_pieces_as_chunks),
        cmocka_unit_test(sends_pieces_until_it_closes_in_http_1_0),
        cmocka_unit_test(sends_no_pieces_where_there_is_no_body),
        cmocka_unit_test(answers_what_is_pipelined_behind_a_stream),
        cmocka_unit_test(says_that_too_much_is_unread),
        cmocka_unit_test(counts_what_is_not_sent_yet_up_to_the_limit),
        cmocka_unit_test(goes_on_once_the_client_has_read),
        cmocka_unit_test(takes_one_piece_up_to_the_limit),
        cmocka_unit_test(notices_a_client_that_leaves_a_silent_stream),
        cmocka_unit_test(has_a_limited_number_of_streams),
        cmocka_unit_test(cuts_off_an_answer_that_can_not_go_on),
        cmocka_unit_test(refuses_pieces_in_the_wrong_order),
        cmocka_unit_test(lets_a_stream_live_longer_than_an_answer_may_take),
        cmocka_unit_test(closes_on_a_client_that_does_not_read),
        cmocka_unit_test(ends_streams_at_once_in_a_drain),
        cmocka_unit_test(ends_with_streams_that_still_have_pieces),
        cmocka_unit_test(does_not_load_what_is_no_app),
        cmocka_unit_test(ends_what_runs_too_long_even_in_a_pcall),
    };
    hw_log_set(HW_LOG_OFF, false);
    signal(SIGPIPE, SIG_IGN); /* clients go away */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
