/* admin_gate.c -- see admin_gate.h */
#include "host/admin_gate.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/origin.h"

static bool is_address(struct hw_str host)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char address[sizeof(struct in6_addr)];
    bool is_v6 = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (is_v6)
        host = (struct hw_str){host.ptr + 1, host.len - 2};
    if (host.len >= sizeof text)
        return false;
    snprintf(text, sizeof text, "%.*s", HW_STR_ARG(host));
    return inet_pton(is_v6 ? AF_INET6 : AF_INET, text, address) == 1;
}

/* Without the port. */
static struct hw_str name_of(struct hw_str host)
{
    size_t len = host.len;
    while (len > 0 && host.ptr[len - 1] >= '0' && host.ptr[len - 1] <= '9')
        len--;
    if (len > 0 && host.ptr[len - 1] == ':')
        host.len = len - 1;
    return host;
}

static bool is_known_name(const struct hw_admin_gate *gate, struct hw_str name)
{
    const struct hw_admin_config *c = &gate->config->admin;
    const struct hw_listen *listen = &gate->config->listen[gate->config->listen_count];
    for (size_t i = 0; i < c->host_count; i++)
        if (hw_str_is(name, hw_str_of(c->hosts[i])))
            return true;
    if (!c->is_local && c->host_count == 0)
        return true; /* a page of another site has no token */
    return hw_str_is(name, HW_STR("localhost")) ||
           hw_str_is(name, name_of(hw_str_of(listen->address)));
}

/* A client without the header is no browser. Nor can a browser reach a Unix socket, but for a proxy:
 * then `hosts` says what names that has. */
bool hw_admin_gate_is_host_right(const struct hw_admin_gate *gate, const struct hw_request *r)
{
    struct hw_str host;
    if (hw_http_find(&r->http, r->bytes, HW_STR("host"), &host) == 0 ||
        (gate->is_unix && gate->config->admin.host_count == 0))
        return true;
    struct hw_str name = name_of(host);
    return is_address(name) || is_known_name(gate, name);
}

static bool is_token(struct hw_str text, const char *token)
{
    return token && text.len == strlen(token) && CRYPTO_memcmp(text.ptr, token, text.len) == 0;
}

/* The text of `Authorization: Bearer TEXT`; {NULL, 0} without it. */
static struct hw_str bearer_of(const struct hw_request *r)
{
    static const char scheme[] = "bearer ";
    enum { LEN = sizeof scheme - 1 };
    struct hw_str text;
    if (hw_http_find(&r->http, r->bytes, HW_STR("authorization"), &text) != 1 || text.len <= LEN ||
        strncasecmp(text.ptr, scheme, LEN) != 0)
        return HW_STR_NONE;
    return (struct hw_str){text.ptr + LEN, text.len - LEN};
}

/* The wrong tokens of an address in this second. Some addresses share a number. */
static uint8_t *guesses_of(struct hw_admin_gate *gate, const struct sockaddr *peer, uint64_t now_ms)
{
    uint64_t origin = 0;
    if (now_ms / 1000 != gate->second) {
        gate->second = now_ms / 1000;
        memset(gate->guesses, 0, sizeof gate->guesses);
    }
    hw_origin_of(peer, &origin);
    return &gate->guesses[hw_origin_hash(origin, gate->seed) % HW_ADMIN_GATE_GUESSERS];
}

/* What a proxy on this machine passes on comes from loopback, and may be anybody's. */
static bool is_passed_on(const struct hw_request *r)
{
    static const char *const names[] = {"x-forwarded-proto", "x-forwarded-for", "forwarded"};
    struct hw_str value;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (hw_http_find(&r->http, r->bytes, hw_str_of(names[i]), &value) != 0)
            return true;
    return false;
}

enum hw_admin_pass hw_admin_gate_check(struct hw_admin_gate *gate, const struct hw_request *r,
                                       const struct sockaddr *peer, uint64_t now_ms)
{
    const struct hw_admin_config *c = &gate->config->admin;
    if (c->is_local && !is_passed_on(r))
        return HW_ADMIN_PASS;
    struct hw_str token = bearer_of(r);
    if (!token.ptr)
        return HW_ADMIN_NO_TOKEN;
    uint8_t *guesses = guesses_of(gate, peer, now_ms);
    if (*guesses >= HW_ADMIN_GATE_GUESSES_MAX)
        return HW_ADMIN_TOO_MANY_GUESSES;
    if (is_token(token, c->read_token) || is_token(token, c->token))
        return HW_ADMIN_PASS;
    ++*guesses;
    return HW_ADMIN_NO_TOKEN;
}

bool hw_admin_gate_init(struct hw_admin_gate *gate, const struct hw_config *config)
{
    *gate = (struct hw_admin_gate){.config = config};
    return RAND_bytes((unsigned char *)&gate->seed, sizeof gate->seed) == 1;
}
