/* http_client_test.c -- what hook.http sends, what answers become, and what it refuses.
 *
 * The server is a thread that serves one connection after another. It answers each request with
 * the answer that the test has set, and keeps the bytes of the last request. */
#include <arpa/inet.h>
#include <lauxlib.h>
#include <lualib.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "script/http_client.h"
#include "script/http_exchange.h"
#include "script/json.h"

extern char **environ;

/* ---- the server ---- */

struct server {
    /* constant after start */
    int listener;
    int port;
    pthread_t thread;
    pthread_mutex_t m;
    /* guarded by m; the test calls sync_with() before it reads */
    const char *answer; /* NULL: no answer, and the connection stays open */
    size_t answer_len;
    bool close_after;
    char seen[1 << 21]; /* the last request */
    size_t seen_len;
    int connections;
    /* server thread only */
    char incoming[1 << 21];
};

/* Do these bytes hold a whole request? */
static bool is_whole(const char *bytes, size_t length)
{
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (!end)
        return false;
    size_t head = (size_t)(end - bytes) + 4;
    const char *field = memmem(bytes, head, "Content-Length: ", 16);
    return head + (field ? strtoul(field + 16, NULL, 10) : 0) <= length;
}

static size_t receive_request(struct server *s, int fd)
{
    size_t length = 0;
    while (!is_whole(s->incoming, length)) {
        ssize_t n = recv(fd, s->incoming + length, sizeof s->incoming - 1 - length, 0);
        if (n <= 0)
            return 0;
        length += (size_t)n;
    }
    return length;
}

static void serve_connection(struct server *s, int fd)
{
    size_t length;
    bool last = false;
    while (!last && (length = receive_request(s, fd)) > 0) {
        pthread_mutex_lock(&s->m);
        memcpy(s->seen, s->incoming, length);
        s->seen[length] = 0;
        s->seen_len = length;
        const char *answer = s->answer;
        size_t answer_len = s->answer_len;
        last = s->close_after;
        pthread_mutex_unlock(&s->m);
        if (answer)
            send(fd, answer, answer_len, MSG_NOSIGNAL);
    }
}

static void sync_with(struct server *s)
{
    pthread_mutex_lock(&s->m);
    pthread_mutex_unlock(&s->m);
}

static void *serve(void *server)
{
    struct server *s = server;
    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&s->m);
        s->connections++;
        pthread_mutex_unlock(&s->m);
        serve_connection(s, fd);
        close(fd);
    }
}

static void start_server(struct server *s, const char *unix_path)
{
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->m, NULL);
    if (unix_path) {
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        snprintf(at.sun_path, sizeof at.sun_path, "%s", unix_path);
        s->listener = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0);
    } else {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof at;
        s->listener = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0);
        assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &size), 0);
        s->port = ntohs(at.sin_port);
    }
    assert_int_equal(listen(s->listener, 16), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop_server(struct server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    pthread_mutex_destroy(&s->m);
}

/* ---- each test has a server and a Lua state; `h` is hook.http, `U` the server's url ---- */

struct fixture {
    struct server server;
    lua_State *L;
    char *large; /* an answer that the server may still be sending when the test ends; or NULL */
    pid_t tls;   /* the openssl program, or 0 */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    start_server(&f->server, NULL);
    f->L = luaL_newstate();
    assert_non_null(f->L);
    luaL_openlibs(f->L);
    hw_json_open(f->L);
    hw_http_client_push_api(f->L);
    lua_setglobal(f->L, "h");
    lua_pushfstring(f->L, "http://127.0.0.1:%d", f->server.port);
    lua_setglobal(f->L, "U");
    assert_int_equal(
        luaL_dostring(f->L,
                      "function is(a, b)\n"
                      "  if a ~= b then error(tostring(a) .. ', not ' .. tostring(b), 2) end\n"
                      "end\n"
                      "function refused(reason, ...)\n"
                      "  local ok, why = pcall(...)\n"
                      "  if ok then error('not refused: ' .. reason, 2) end\n"
                      "  if not why:find(reason, 1, true) then error(why, 2) end\n"
                      "end"),
        LUA_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    lua_close(f->L); /* closes its connections, so that the server is done with them */
    stop_server(&f->server);
    if (f->tls > 0) {
        kill(f->tls, SIGTERM);
        waitpid(f->tls, NULL, 0);
    }
    free(f->large);
    free(f);
    return 0;
}

static void answer_with_bytes(struct fixture *f, const char *answer, size_t length)
{
    f->server.answer = answer;
    f->server.answer_len = length;
}

static void answer_with(struct fixture *f, const char *answer)
{
    answer_with_bytes(f, answer, strlen(answer));
}

static void run(struct fixture *f, const char *chunk)
{
    sync_with(&f->server);
    int rc = luaL_dostring(f->L, chunk);
    sync_with(&f->server);
    if (rc != LUA_OK)
        fail_msg("%s", lua_tostring(f->L, -1));
    lua_settop(f->L, 0);
}

static void assert_sent(const struct fixture *f, const char *expected)
{
    char host[32];
    char *seen = strdup(f->server.seen), *at;
    assert_non_null(seen);
    snprintf(host, sizeof host, "127.0.0.1:%d", f->server.port);
    while ((at = strstr(seen, host)))
        memmove(at + 1, at + strlen(host), strlen(at + strlen(host)) + 1), *at = '$';
    assert_string_equal(seen, expected);
    free(seen);
}

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static void sends_a_plain_get(void **state)
{
    struct fixture *f = *state;
    answer_with(f, ok);
    run(f, "local r = h.get(U .. '/a?b=c')\n"
           "is(r.status, 200) is(math.type(r.status), 'integer') is(r.body, 'ok')\n"
           "is(r.headers['content-length'], '2')");
    assert_sent(
        f, "GET /a?b=c HTTP/1.1\r\nHost: $\r\nUser-Agent: hookward/0.1.0\r\nAccept: */*\r\n\r\n");
}

static void sends_a_string_as_it_is(void **state)
{
    struct fixture *f = *state;
    answer_with(f, ok);
    run(f, "is(h.post(U .. '/', 'a\\0b').status, 200)");
    assert_int_equal(memcmp(f->server.seen + f->server.seen_len - 7, "\r\n\r\na\0b", 7), 0);
    assert_non_null(strstr(f->server.seen, "\r\nContent-Length: 3\r\n"));
    assert_null(strcasestr(f->server.seen, "content-type"));
}

static void does_not_wait_for_100_continue(void **state)
{
    struct fixture *f = *state;
    answer_with(f, ok);
    run(f, "is(h.post(U, ('x'):rep(1100000)).status, 200)");
    assert_null(strcasestr(f->server.seen, "expect:"));
    answer_with(f, "HTTP/1.1 100 Continue\r\nx-early: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
                   "2\r\n\r\nok");
    run(f, "local r = h.post(U, 'x', { headers = { Expect = '100-continue' } })\n"
           "is(r.status, 200) is(r.headers['x-early'], nil) is(r.body, 'ok')");
    assert_non_null(strstr(f->server.seen, "Expect: 100-continue"));
}

static void sends_a_table_as_json(void **state)
{
    struct fixture *f = *state;
    answer_with(f, ok);
    run(f, "is(h.post(U .. '/', { n = 9007199254740993 }).status, 200)");
    assert_sent(
        f, "POST / HTTP/1.1\r\nHost: $\r\nUser-Agent: hookward/0.1.0\r\nAccept: */*\r\n"
           "Content-Type: application/json\r\nContent-Length: 22\r\n\r\n{\"n\":9007199254740993}");
    run(f, "is(h.request { url = U, method = 'put', body = { 1 },\n"
           "  headers = { ['content-type'] = 'application/x+json' } }.status, 200)");
    assert_non_null(strstr(f->server.seen, "PUT / HTTP/1.1\r\n"));
    assert_non_null(strstr(f->server.seen, "content-type: application/x+json\r\n"));
    assert_null(strstr(f->server.seen, "application/json"));
    run(f, "is(h.post(U, { v = setmetatable({}, { __jsontype = 'array' }) }).status, 200)");
    assert_non_null(strstr(f->server.seen, "\r\n\r\n{\"v\":[]}"));
    run(f, "local r, e = h.post(U, { a = { print } })\n"
           "is(r, nil) is(e, 'body: cannot encode a function at a[1]')");
}

static void goes_by_no_proxy_to_this_machine_and_names_it_elsewhere(void **state)
{
    struct fixture *f = *state;
    answer_with(f, ok);
    setenv("http_proxy", "http://user:secret@127.0.0.1:1/", 1); /* nobody listens at port 1 */
    run(f, "is(h.get(U).status, 200)\n"
           "local r, e, kind = h.get 'http://a.example/'\n"
           "is(r, nil) is(kind, 'proxy')\n"
           "is(e:match '^[^:]+:%d+ .-:', 'through the proxy 127.0.0.1:1 (http_proxy):')\n"
           "assert(not e:find 'secret')");
    setenv("http_proxy", "a.proxy.invalid", 1);
    run(f, "local r, e, kind = h.get 'http://a.example/'\n"
           "is(kind, 'proxy') assert(e:find 'through the proxy a.proxy.invalid', 1, true)");
    unsetenv("http_proxy");
    run(f, "is(h.get(U).status, 200)");
}

static void sends_the_headers_that_were_asked_for(void **state)
{
    struct fixture *f = *state;
    answer_with(f, ok);
    run(f,
        "is(h.get(U, { headers = { ['X-One'] = 'a b', ['x-two'] = 5, Empty = '', Accept = 'a/b',\n"
        "  ['User-Agent'] = 'me', Authorization = 'Bearer x;y' } }).status, 200)");
    static const char *const lines[] = {"X-One: a b",     "x-two: 5",
                                        "Empty:",         "Accept: a/b",
                                        "User-Agent: me", "Authorization: Bearer x;y"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char line[64];
        snprintf(line, sizeof line, "\r\n%s", lines[i]);
        if (!strstr(f->server.seen, line))
            fail_msg("%s is not in %s", lines[i], f->server.seen);
    }
}

static void knows_the_methods(void **state)
{
    struct fixture *f = *state;
    answer_with(f, ok);
    run(f, "is(h.request { url = U, method = 'DELETE' }.status, 200)");
    assert_non_null(strstr(f->server.seen, "DELETE / HTTP/1.1\r\n"));
    assert_null(strstr(f->server.seen, "Content-Length"));
    run(f, "is(h.request { url = U, body = '' }.status, 200)");
    assert_non_null(strstr(f->server.seen, "POST / HTTP/1.1\r\n"));
    assert_non_null(strstr(f->server.seen, "Content-Length: 0\r\n"));
    run(f, "is(h.post(U).status, 200)");
    assert_non_null(strstr(f->server.seen, "Content-Length: 0\r\n"));
    run(f, "is(h.request { url = U, method = 'GET', body = 'q' }.status, 200)");
    assert_non_null(strstr(f->server.seen, "GET / HTTP/1.1\r\n"));
    answer_with(f, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
    run(f, "local r = h.request { url = U, method = 'HEAD', answer_max = 0 }\n"
           "is(r.body, '') is(r.headers['content-length'], '99')");
    assert_non_null(strstr(f->server.seen, "HEAD / HTTP/1.1\r\n"));
}

static void collects_the_headers_of_the_answer(void **state)
{
    struct fixture *f = *state;
    answer_with(f, "HTTP/1.1 404 Not Found\r\nSet-Cookie: a=1\r\nX-Empty:\r\nX-Spaces: \t v \t\r\n"
                   "SET-COOKIE: b=2\r\nX-Folded: a\r\n b: c\r\nTransfer-Encoding: chunked\r\n"
                   "Trailer: X-Late\r\n\r\n3\r\nabc\r\n0\r\nX-Late: 1\r\n\r\n");
    run(f, "local r = h.get(U)\n"
           "is(r.status, 404) is(r.body, 'abc') is(r.headers['set-cookie'], 'a=1, b=2')\n"
           "is(r.headers['x-empty'], '') is(r.headers['x-spaces'], 'v') is(r.headers['b'], nil)\n"
           "is(r.headers['x-late'], nil)");
    answer_with(f, "HTTP/1.1 204 No Content\r\n\r\n");
    run(f, "local r = h.get(U) is(r.status, 204) is(r.body, '') is(next(r.headers), nil)");
    static const char zeros[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na\0b";
    answer_with_bytes(f, zeros, sizeof zeros - 1);
    run(f, "is(h.get(U).body, 'a\\0b')");
}

static void does_not_follow_redirects(void **state)
{
    struct fixture *f = *state;
    answer_with(f, "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
    run(f, "local r = h.get(U) is(r.status, 302) is(r.headers.location, '/b')");
}

static void keeps_its_connection(void **state)
{
    struct fixture *f = *state;
    answer_with(f, ok);
    run(f, "for i = 1, 5 do is(h.get(U).status, 200) is(h.post(U, 'x').status, 200) end");
    assert_int_equal(f->server.connections, 1);
    f->server.close_after = true;
    run(f, "for i = 1, 3 do is(h.get(U).body, 'ok') end");
    assert_in_range(f->server.connections, 3, 4);
}

/* An option of one request does not affect the next. */
static void forgets_the_last_request(void **state)
{
    struct fixture *f = *state;
    answer_with(f, ok);
    run(f, "h.request { url = U, method = 'PUT', body = 'x', headers = { ['X-Once'] = '1' }, "
           "answer_max = 2 }\n"
           "is(h.request { url = U, unix = '/nonexistent' }, nil)\n"
           "is(h.get(U, { ca = '/nonexistent' }).status, 200)\n"
           "is(h.get(U .. '/').status, 200)");
    assert_sent(f,
                "GET / HTTP/1.1\r\nHost: $\r\nUser-Agent: hookward/0.1.0\r\nAccept: */*\r\n\r\n");
}

static void limits_the_answer(void **state)
{
    struct fixture *f = *state;
    answer_with(f, ok);
    run(f, "is(h.get(U, { answer_max = 2 }).body, 'ok')\n"
           "local r, e = h.get(U, { answer_max = 1 })\n"
           "is(r, nil) is(e, 'the answer is larger than answer_max')\n"
           "is(h.get(U).body, 'ok')");
    size_t length = HW_HTTP_EXCHANGE_HEADER_MAX + 200000;
    char *large = f->large = malloc(length), *to = large;
    assert_non_null(large);
    to = stpcpy(to, "HTTP/1.1 200 OK\r\n");
    while (to < large + HW_HTTP_EXCHANGE_HEADER_MAX + 1000)
        to = stpcpy(to,
                    "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    to = stpcpy(to, "Content-Length: 0\r\n\r\n");
    answer_with_bytes(f, large, (size_t)(to - large));
    f->server.close_after = true;
    run(f, "local r, e = h.get(U) is(r, nil) is(e, 'the header of the answer is too large')");
}

static void takes_a_large_answer(void **state)
{
    struct fixture *f = *state;
    size_t body = 3000000, head;
    char *large = f->large = malloc(body + 100);
    assert_non_null(large);
    head = (size_t)sprintf(large, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", body);
    memset(large + head, 'x', body);
    answer_with_bytes(f, large, head + body);
    run(f, "is(#h.get(U).body, 3000000)");
}

static void gives_up_in_time(void **state)
{
    struct fixture *f = *state;
    answer_with_bytes(f, NULL, 0);
    run(f, "local r, e = h.get(U, { timeout = 0.05 })\n"
           "is(r, nil) assert(e:find('timed out', 1, true), e)");
    run(f, "is(select(3, h.get(U, { timeout = 0.05 })), 'timeout')");
    answer_with(f, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    run(f, "local r, e = h.get(U, { timeout = 0.05 })\n"
           "is(r, nil) assert(e:find('timed out', 1, true), e)");
}

static void says_in_one_line_what_went_wrong(void **state)
{
    struct fixture *f = *state;
    f->server.close_after = true;
    answer_with(f, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    run(f, "local r, e = h.get(U) is(r, nil) assert(#e > 0 and not e:find('\\n'), e)");
    answer_with(f, "");
    run(f, "local r, e = h.get(U) is(r, nil) is(e, 'Empty reply from server')");
    answer_with(f, "nonsense\r\n\r\n");
    run(f, "local r, e = h.get(U) is(r, nil) assert(#e > 0)");
    run(f, "local r, e = h.get('http://127.0.0.1:1/') is(r, nil) assert(e:find('connect'), e)\n"
           "local r, e = h.get('http://a b/') is(r, nil) assert(#e > 0)\n"
           "for _, url in ipairs { 'file:///etc/passwd', 'ftp://127.0.0.1/', '127.0.0.1', '', "
           "'httpx://a' } do\n"
           "  local r, e = h.get(url) is(r, nil) is(e, 'the url must begin with http:// or "
           "https://')\n"
           "end");
}

static void tells_programs_what_went_wrong(void **state)
{
    struct fixture *f = *state;
    f->server.close_after = true;
    answer_with(f, "");
    run(f, "local function kind(...) local r, e, k = h.get(...) is(r, nil) return k end\n"
           "is(kind(U), 'closed')\n"
           "is(kind('http://127.0.0.1:1/'), 'connect')\n"
           "is(kind('http://no-such-host.invalid/'), 'resolve')\n"
           "is(kind('http://a b/'), 'failed') is(kind('file:///x'), 'failed')");
    answer_with(f, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    run(f, "is(select(3, h.get(U)), 'closed')");
    answer_with(f, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789");
    run(f, "is(select(3, h.get(U, { answer_max = 8 })), 'failed')");
}

static void raises_for_misuse(void **state)
{
    struct fixture *f = *state;
    answer_with(f, ok);
    run(f,
        "local R = h.request\n"
        "refused('url is missing', R, {}) refused('table expected', R) refused('table expected', "
        "R, U)\n"
        "refused('url must be a string, not nil', h.get) refused('not table', h.get, {})\n"
        "refused('url contains a zero byte', h.get, U .. '\\0')\n"
        "refused(\"unknown option 'timeot' (known: headers, timeout, unix, connect, "
        "proxy_protocol, answer_max, ca, "
        "client_cert, client_key, expect, "
        "send_rate)\", "
        "h.get, U, { timeot = 1 })\n"
        "refused(\"unknown option 'uri' (known: url, method, body, headers, timeout, unix, "
        "connect, proxy_protocol, "
        "answer_max, ca, client_cert, client_key, expect, send_rate)\", R, { uri = U })\n"
        "refused('connect must be host:port', h.get, U, { connect = 'h' })\n"
        "refused('proxy_protocol must be', h.get, U, { proxy_protocol = 1 })\n"
        "refused('client_key needs client_cert', h.get, U, { client_key = 'k' })\n"
        "refused('client_cert must be a string, not boolean', h.get, U, { client_cert = true })\n"
        "refused(\"unknown option 'url'\", h.get, U, { url = U })\n"
        "refused(\"unknown option 'body'\", h.post, U, 'x', { body = 'y' })\n"
        "refused(\"unknown option '1'\", h.get, U, { 'x' })\n"
        "refused('table expected', h.get, U, 5)\n"
        "refused('body must be a string or a table, not number', h.post, U, 5)\n"
        "refused('a HEAD request has no body', R, { url = U, method = 'HEAD', body = 'x' })\n"
        "for _, m in ipairs { '', 'GET /', 'A\\r\\nB', 'G\\xc4T', ('A'):rep(32) } do\n"
        "  refused('method is not a token', R, { url = U, method = m })\n"
        "end\n"
        "for _, t in ipairs { 0, -1, 0/0, 1/0, 1e9, '5', true } do\n"
        "  refused('timeout must be seconds', h.get, U, { timeout = t })\n"
        "end\n"
        "for _, m in ipairs { -1, 1.5, 64 * 1024 * 1024 + 1, '5' } do\n"
        "  refused('answer_max must be bytes', h.get, U, { answer_max = m })\n"
        "end\n"
        "for _, t in ipairs { 0, -1, 0/0, 61, '5' } do\n"
        "  refused('expect must be seconds', h.get, U, { expect = t })\n"
        "end\n"
        "for _, n in ipairs { 0, -1, 1.5, '5', 2^31 } do\n"
        "  refused('send_rate must be bytes a second', h.get, U, { send_rate = n })\n"
        "end\n"
        "refused('unix must be a string', h.get, U, { unix = 1 })\n"
        "refused('headers must be a table', h.get, U, { headers = 'a: b' })\n"
        "local function headers(t) return h.get(U, { headers = t }) end\n"
        "for _, name in ipairs { '', 'a b', 'a:', 'a\\r\\n', 'a\\0', '\\xe4', 'a;' } do\n"
        "  refused('the name of a header is not a token', headers, { [name] = 'x' })\n"
        "end\n"
        "refused('the name of a header is not a token', headers, { 'a: b' })\n"
        "for _, value in ipairs { 'a\\rb', 'a\\nb', 'a\\0b', '\\127', 'a\\r\\nX-Evil: 1' } do\n"
        "  refused('the header X contains a control character', headers, { X = value })\n"
        "end\n"
        "refused('the header X must be a string or a number, not boolean', headers, { X = true })\n"
        "refused('is derived from the body', headers, { ['content-LENGTH'] = '5' })\n"
        "refused('is derived from the body', headers, { ['Transfer-Encoding'] = 'chunked' })\n"
        "is(h.get(U).status, 200)");
    assert_int_equal(f->server.connections, 1);
}

static void speaks_over_a_unix_socket(void **state)
{
    struct fixture *f = *state;
    static struct server unix_server;
    char folder[] = P_tmpdir "/hw-http-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    start_server(&unix_server, path);
    unix_server.answer = ok;
    unix_server.answer_len = sizeof ok - 1;
    unix_server.close_after = true;
    sync_with(&unix_server);
    lua_pushstring(f->L, path);
    lua_setglobal(f->L, "P");
    run(f, "is(h.get('http://control/x', { unix = P }).body, 'ok')");
    sync_with(&unix_server);
    assert_non_null(strstr(unix_server.seen, "GET /x HTTP/1.1\r\nHost: control\r\n"));
    assert_int_equal(f->server.connections, 0);
    stop_server(&unix_server);
    unlink(path);
    rmdir(folder);
}

static void begins_with_a_proxy_header(void **state)
{
    struct fixture *f = *state;
    answer_with(f, ok);
    run(f, "is(h.get(U, { proxy_protocol = true }).body, 'ok')");
    sync_with(&f->server);
    assert_int_equal(strncmp(f->server.seen, "PROXY TCP4 127.0.0.1 127.0.0.1 ", 31), 0);
}

/* ---- TLS, against the openssl program ---- */

static bool program(const char *const *argv, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1 /* O_WRONLY */, 0);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    int rc = posix_spawnp(pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc == 0;
}

static bool make_certificate(const char *key, const char *cert)
{
    const char *const argv[] = {"openssl",
                                "req",
                                "-x509",
                                "-newkey",
                                "ec",
                                "-pkeyopt",
                                "ec_paramgen_curve:P-256",
                                "-nodes",
                                "-keyout",
                                key,
                                "-out",
                                cert,
                                "-subj",
                                "/CN=hw",
                                "-addext",
                                "subjectAltName=DNS:localhost",
                                "-days",
                                "1",
                                NULL};
    pid_t pid;
    int status = -1;
    return program(argv, &pid) && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Makes them in a new folder; without the program the test is skipped. `folder`: a template for
 * mkdtemp. */
static void open_certificate(char *folder, char key[64], char cert[64])
{
    assert_non_null(mkdtemp(folder));
    snprintf(key, 64, "%s/key", folder);
    snprintf(cert, 64, "%s/cert", folder);
    if (!make_certificate(key, cert)) {
        rmdir(folder);
        skip();
    }
}

static bool is_listening(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool listening = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    close(fd);
    return listening;
}

/* Starts the program on a port that was free a moment ago. With `wants` it takes only a client with
 * the same certificate. */
static pid_t start_tls(const char *key, const char *cert, bool wants, int *port)
{
    static struct server probe;
    char port_text[16];
    pid_t pid;
    start_server(&probe, NULL);
    *port = probe.port;
    stop_server(&probe);
    snprintf(port_text, sizeof port_text, "%d", *port);
    const char *argv[] = {"openssl", "s_server", "-accept", port_text, "-key",
                          key,       "-cert",    cert,      "-www",    "-quiet",
                          "-CAfile", cert,       "-Verify", "1",       "-verify_return_error",
                          "-tls1_2", NULL};
    if (!wants)
        argv[10] = NULL;
    assert_true(program(argv, &pid));
    for (int i = 0; i < 500 && !is_listening(*port); i++)
        usleep(10000);
    return pid;
}

static void verifies_certificates(void **state)
{
    struct fixture *f = *state;
    char folder[] = P_tmpdir "/hw-http-XXXXXX", key[64], cert[64];
    int port;
    open_certificate(folder, key, cert);
    f->tls = start_tls(key, cert, false, &port);
    lua_pushfstring(f->L, "https://localhost:%d/", port);
    lua_setglobal(f->L, "S");
    lua_pushfstring(f->L, "https://127.0.0.1:%d/", port);
    lua_setglobal(f->L, "OTHER");
    lua_pushstring(f->L, cert);
    lua_setglobal(f->L, "CA");
    run(f, "local function bad(...)\n"
           "  local r, e, kind = h.get(...) is(r, nil) assert(e:lower():find('certificate'), e)\n"
           "  is(kind, 'tls')\n"
           "end\n"
           "local at = S:match('://(.-)/')\n"
           "is(h.get('https://localhost:1/', { ca = CA, connect = at }).status, 200)\n"
           "bad('https://other:1/', { ca = CA, connect = at })\n"
           "bad(S) is(h.get(S, { ca = CA }).status, 200)\n"
           "bad(S) -- the kept connection is not used by a request that trusts others\n"
           "local r, e = h.get(OTHER, { ca = CA }) is(r, nil) assert(e:find('127.0.0.1'), e)\n"
           "is(h.get(S, { ca = CA .. 'x' }), nil)");
    setenv("SSL_CERT_FILE", cert, 1);
    run(f, "is(h.get(S).status, 200)");
    unsetenv("SSL_CERT_FILE");
    run(f, "is(h.get(S), nil)");
    unlink(key);
    unlink(cert);
    rmdir(folder);
}

static void shows_a_client_certificate(void **state)
{
    struct fixture *f = *state;
    char folder[] = P_tmpdir "/hw-http-XXXXXX", key[64], cert[64], command[512];
    int port;
    open_certificate(folder, key, cert);
    snprintf(command, sizeof command,
             "cat %s %s >%s/both && openssl pkey -in %s -aes128 -passout pass:x -out %s/locked",
             key, cert, folder, key, folder);
    assert_int_equal(system(command), 0);
    f->tls = start_tls(key, cert, true, &port);
    lua_pushfstring(f->L, "https://localhost:%d/", port);
    lua_setglobal(f->L, "S");
    lua_pushfstring(f->L, "%s/", folder);
    lua_setglobal(f->L, "F");
    run(f, "local function get(cert, key)\n"
           "  return h.get(S, { ca = F .. 'cert', client_cert = cert and F .. cert,\n"
           "    client_key = key and F .. key })\n"
           "end\n"
           "is(get('cert', 'key').status, 200)\n"
           "is(get('both').status, 200)\n"
           "local function bad(...)\n"
           "  local r, e, kind = get(...) is(r, nil) is(kind, 'tls')\n"
           "end\n"
           "bad() bad('none', 'key') bad('cert', 'none') bad('cert')\n"
           "bad('cert', 'locked') -- and nobody is asked for its password");
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* ---- memory ---- */

struct budget {
    long left; /* how many more allocations succeed; negative: all */
    long bytes;
};

static void *allocate(void *ud, void *old, size_t old_size, size_t size)
{
    struct budget *budget = ud;
    size_t before = old ? old_size : 0;
    if (size > before && budget->left >= 0 && budget->left-- == 0) {
        budget->left = 0;
        return NULL;
    }
    budget->bytes += (long)size - (long)before;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, size);
}

/* post(url, { a = { 1 } }, { headers = … }). All four are in the registry. */
static int request_once(lua_State *L)
{
    lua_settop(L, 0);
    lua_getfield(L, LUA_REGISTRYINDEX, "test.post");
    lua_getfield(L, LUA_REGISTRYINDEX, "test.url");
    lua_getfield(L, LUA_REGISTRYINDEX, "test.body");
    lua_getfield(L, LUA_REGISTRYINDEX, "test.options");
    lua_call(L, 3, 2);
    if (lua_type(L, 1) != LUA_TTABLE)
        fail_msg("%s", lua_tostring(L, 2));
    return 0;
}

static void running_out_of_memory_loses_nothing(void **state)
{
    struct fixture *f = *state;
    int rc = LUA_ERRMEM;
    long n;
    answer_with(f, "HTTP/1.1 200 OK\r\nX-A: 1\r\nX-a: 2\r\nContent-Length: 60\r\n\r\n"
                   "012345678901234567890123456789012345678901234567890123456789");
    f->server.close_after = true;
    run(f, "h.get(U)"); /* allocates what curl never frees, before the count begins */
    for (n = 0; rc != LUA_OK; n++) {
        struct budget budget = {.left = -1};
        lua_State *L = lua_newstate(allocate, &budget);
        assert_non_null(L);
        luaL_openlibs(L);
        hw_json_open(L);
        hw_http_client_push_api(L);
        lua_getfield(L, -1, "post");
        lua_setfield(L, LUA_REGISTRYINDEX, "test.post");
        lua_pushfstring(L, "http://127.0.0.1:%d", f->server.port);
        lua_setfield(L, LUA_REGISTRYINDEX, "test.url");
        assert_int_equal(luaL_dostring(L, "return { a = { 1 } }, { headers = { X = 'y', Z = 1 } }"),
                         0);
        lua_setfield(L, LUA_REGISTRYINDEX, "test.options");
        lua_setfield(L, LUA_REGISTRYINDEX, "test.body");
        lua_pushcfunction(L, request_once);
        lua_gc(L, LUA_GCSTOP);
        budget.left = n;
        rc = lua_pcall(L, 0, 0, 0);
        assert_true(rc == LUA_OK || rc == LUA_ERRMEM);
        budget.left = -1;
        lua_pushcfunction(L, request_once); /* the curl handle still works */
        if (lua_pcall(L, 0, 0, 0) != LUA_OK)
            fail_msg("after %ld allocations: %s", n, lua_tostring(L, -1));
        lua_close(L);
        assert_int_equal(budget.bytes, 0);
        assert_true(n < 1000);
    }
    assert_true(n > 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sends_a_plain_get),
        TEST(sends_a_string_as_it_is),
        TEST(does_not_wait_for_100_continue),
        TEST(sends_a_table_as_json),
        TEST(goes_by_no_proxy_to_this_machine_and_names_it_elsewhere),
        TEST(sends_the_headers_that_were_asked_for),
        TEST(knows_the_methods),
        TEST(collects_the_headers_of_the_answer),
        TEST(does_not_follow_redirects),
        TEST(keeps_its_connection),
        TEST(forgets_the_last_request),
        TEST(limits_the_answer),
        TEST(takes_a_large_answer),
        TEST(gives_up_in_time),
        TEST(says_in_one_line_what_went_wrong),
        TEST(tells_programs_what_went_wrong),
        TEST(raises_for_misuse),
        TEST(speaks_over_a_unix_socket),
        TEST(begins_with_a_proxy_header),
        TEST(verifies_certificates),
        TEST(shows_a_client_certificate),
        TEST(running_out_of_memory_loses_nothing),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
