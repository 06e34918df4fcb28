/* forwarded_fuzz.c -- X-Forwarded-For gives the address that a simple reading from the left gives.
 *
 * The input is the values of header lines, parted by line feeds. They are in memory of exactly
 * their size.
 *
 * Properties
 *   The client is the one that the model below finds, which reads the whole list from the left.
 *   Whatever a client puts in front changes nothing, unless trusted proxies alone follow. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "http/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

enum { LINES_MAX = 200 };

static const struct hw_networks *proxies(void)
{
    static const char *const texts[] = {"10.0.0.0/8", "fd00::/8", "127.0.0.1"};
    static struct hw_networks set;
    if (!set.v4)
        HW_CHECK(hw_networks_make(&set, texts, 3) == 0);
    return &set;
}

/* ---- the model ---- */

/* What is found so far, as if the list ended here. */
struct model {
    struct hw_address chain[HW_FORWARDED_HOPS_MAX];
    int count; /* of the last addresses in a row */
};

static struct hw_str trim(struct hw_str s)
{
    while (s.len && (*s.ptr == ' ' || *s.ptr == '\t'))
        s.ptr++, s.len--;
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static bool is_address(struct hw_str s, struct hw_address *address)
{
    if (hw_address_read(address, s))
        return true;
    size_t digits = 0;
    while (digits < s.len && s.ptr[s.len - 1 - digits] >= '0' && s.ptr[s.len - 1 - digits] <= '9')
        digits++;
    int port = hw_address_read_port((struct hw_str){s.ptr + s.len - digits, digits});
    if (digits < s.len && s.ptr[s.len - 1 - digits] == ':') {
        if (port < 0)
            return false;
        s.len -= digits + 1;
        if (hw_address_read(address, s))
            return address->any.sa_family == AF_INET;
    }
    if (s.len < 2 || s.ptr[0] != '[' || s.ptr[s.len - 1] != ']')
        return false;
    return hw_address_read(address, (struct hw_str){s.ptr + 1, s.len - 2}) &&
           address->any.sa_family == AF_INET6;
}

static void add(struct model *m, struct hw_str element)
{
    struct hw_address address;
    if (!is_address(trim(element), &address)) {
        m->count = 0;
        return;
    }
    if (m->count == HW_FORWARDED_HOPS_MAX)
        memmove(m->chain, m->chain + 1, sizeof *m->chain * (size_t)--m->count);
    m->chain[m->count++] = address;
}

static void add_line(struct model *m, struct hw_str line)
{
    size_t begin = 0;
    for (size_t at = 0; at <= line.len; at++) {
        if (at < line.len && line.ptr[at] != ',')
            continue;
        add(m, (struct hw_str){line.ptr + begin, at - begin});
        begin = at + 1;
    }
}

/* NULL: the peer */
static const struct hw_address *client_of(const struct model *m)
{
    int i = m->count;
    while (i > 0 && (i == m->count || hw_networks_has(proxies(), &m->chain[i].any)))
        i--;
    return m->count ? &m->chain[i] : NULL;
}

/* ---- the check ---- */

static bool same_host(const struct hw_address *a, const struct hw_address *b)
{
    char one[HW_ADDRESS_TEXT_MAX], two[HW_ADDRESS_TEXT_MAX];
    return hw_str_eq(hw_address_host(&a->any, one, sizeof one),
                     hw_address_host(&b->any, two, sizeof two));
}

static void check(const struct hw_str *lines, size_t count)
{
    struct hw_address client, other;
    struct model m = {.count = 0};
    for (size_t i = 0; i < count; i++)
        add_line(&m, lines[i]);
    const struct hw_address *expected = client_of(&m);
    bool found = hw_forwarded_client(lines, count, proxies(), &client);
    HW_CHECK(found == (expected != NULL));
    if (!found)
        return;
    HW_CHECK(same_host(&client, expected));
    if (hw_networks_has(proxies(), &client.any))
        return;
    struct hw_str more[LINES_MAX + 1] = {HW_STR("198.51.100.1, 10.0.0.1")};
    memcpy(more + 1, lines, count * sizeof *lines);
    HW_CHECK(hw_forwarded_client(more, count + 1, proxies(), &other));
    HW_CHECK(same_host(&client, &other));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    struct hw_str lines[LINES_MAX];
    size_t count = 0, begin = 0;
    char *exact = malloc(len ? len : 1);
    HW_CHECK(exact);
    if (len)
        memcpy(exact, input, len);
    for (size_t at = 0; at <= len && count < LINES_MAX; at++) {
        if (at < len && exact[at] != '\n')
            continue;
        lines[count++] = (struct hw_str){exact + begin, at - begin};
        begin = at + 1;
    }
    check(lines, count);
    free(exact);
    return 0;
}
