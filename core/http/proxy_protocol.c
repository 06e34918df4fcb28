/* proxy_protocol.c -- see proxy_protocol.h */
#include "http/proxy_protocol.h"

#include <string.h>

#include "base/check.h"
#include "base/str.h"

enum {
    SIGNATURE_LEN = 12,
    FIXED_LEN = 16, /* of version 2: signature, command, family, length */
    V4_LEN = 12,    /* two addresses, two ports */
    V6_LEN = 36,
    UNIX_LEN = 216,
    LOCAL = 0x20, /* version 2 with a command */
    PROXY = 0x21,
    TCP_V4 = 0x11,
    TCP_V6 = 0x21
};

/* The first bytes of a header of either version. */
static const char signature[SIGNATURE_LEN + 1] = "\r\n\r\n\0\r\nQUIT\n";
static const struct hw_str word = {"PROXY ", 6};

static void refuse(struct hw_proxy_protocol *p, const char *why)
{
    p->why = why;
}

static bool is_line(const struct hw_proxy_protocol *p)
{
    return p->kept[0] == word.ptr[0];
}

/* ---- version 1 ---- */

/* Cuts off the text up to the next space. */
static struct hw_str next_word(struct hw_str *line)
{
    const char *space = line->len ? memchr(line->ptr, ' ', line->len) : NULL;
    size_t len = space ? (size_t)(space - line->ptr) : line->len;
    struct hw_str found = {line->ptr, len};
    *line = space ? (struct hw_str){space + 1, line->len - len - 1} : HW_STR_NONE;
    return found;
}

static bool read_address(struct hw_str *line, sa_family_t family, struct hw_address *address)
{
    return hw_address_read(address, next_word(line)) && address->any.sa_family == family;
}

/* "PROXY TCP4 203.0.113.7 192.0.2.1 4711 443": 1 with the client, 0 when it names none, -1 when it
 * is malformed. */
static int read_line(const struct hw_proxy_protocol *p, struct hw_address *client)
{
    struct hw_address destination;
    struct hw_str line = {p->kept + word.len, p->taken - word.len - 2};
    struct hw_str kind = next_word(&line);
    if (hw_str_eq(kind, HW_STR("UNKNOWN")))
        return 0;
    bool v4 = hw_str_eq(kind, HW_STR("TCP4")), v6 = hw_str_eq(kind, HW_STR("TCP6"));
    sa_family_t family = v4 ? AF_INET : AF_INET6;
    if ((!v4 && !v6) || !read_address(&line, family, client) ||
        !read_address(&line, family, &destination))
        return -1;
    int from = hw_address_read_port(next_word(&line));
    int to = line.ptr ? hw_address_read_port(line) : -1;
    if (from < 0 || to < 0)
        return -1;
    hw_address_set_port(client, from);
    return 1;
}

static void take_line_byte(struct hw_proxy_protocol *p, char c)
{
    struct hw_address client;
    size_t at = p->taken;
    p->kept[p->taken++] = c;
    if (at < word.len ? c != word.ptr[at] : c == '\0')
        refuse(p, "it is not a PROXY protocol header");
    else if (c == '\n' && p->kept[at - 1] != '\r')
        refuse(p, "a line feed without its carriage return");
    else if (c != '\n' && at >= word.len && p->kept[at - 1] == '\r')
        refuse(p, "a carriage return without its line feed");
    else if (c == '\n' && read_line(p, &client) < 0)
        refuse(p, "its line is malformed");
    else if (c == '\n')
        p->done = true;
    else if (p->taken == HW_PROXY_PROTOCOL_LINE_MAX)
        refuse(p, "its line is longer than 107 bytes");
}

/* ---- version 2 ---- */

static uint8_t byte_of(const struct hw_proxy_protocol *p, int at)
{
    return (uint8_t)p->kept[at];
}

/* What the addresses take at least. */
static int length_of(int family)
{
    static const int lengths[] = {0, V4_LEN, V6_LEN, UNIX_LEN};
    return lengths[family >> 4];
}

static bool is_known_family(int family)
{
    return family >> 4 <= 3 && (family & 15) <= 2;
}

/* The 16 fixed bytes are there. A LOCAL one's family and addresses don't count (section 2.2). */
static void read_fixed(struct hw_proxy_protocol *p)
{
    int command = byte_of(p, 12), family = byte_of(p, 13);
    int length = byte_of(p, 14) << 8 | byte_of(p, 15);
    if (command == PROXY && (family & 15) && length < length_of(family))
        refuse(p, "its length is too small for its addresses");
    else if (FIXED_LEN + length > HW_PROXY_PROTOCOL_BYTES_MAX)
        refuse(p, "it is longer than 2048 bytes");
    else
        p->total = (uint16_t)(FIXED_LEN + length);
    p->done = p->total == FIXED_LEN;
}

static void take_fixed_byte(struct hw_proxy_protocol *p, char c)
{
    int at = p->taken;
    p->kept[p->taken++] = c;
    if (at < SIGNATURE_LEN && c != signature[at])
        refuse(p, "it is not a PROXY protocol header");
    else if (at == 12 && byte_of(p, 12) != LOCAL && byte_of(p, 12) != PROXY)
        refuse(p, "its version or command is not known");
    else if (at == 13 && byte_of(p, 12) == PROXY && !is_known_family(byte_of(p, 13)))
        refuse(p, "its address family or protocol is not known");
    else if (p->taken == FIXED_LEN)
        read_fixed(p);
}

/* Keeps what fits, which the addresses of TCP do, and skips the rest. */
static size_t take_rest(struct hw_proxy_protocol *p, const char *bytes, size_t len)
{
    size_t left = (size_t)(p->total - p->taken), count = len < left ? len : left;
    size_t room = p->taken < sizeof p->kept ? sizeof p->kept - p->taken : 0;
    memcpy(p->kept + (room ? p->taken : 0), bytes, count < room ? count : room);
    p->taken += (uint16_t)count;
    p->done = p->taken == p->total;
    return count;
}

/* ---- both ---- */

size_t hw_proxy_protocol_take(struct hw_proxy_protocol *p, const char *bytes, size_t len)
{
    size_t n = 0;
    while (n < len && !p->done && !p->why) {
        if (p->total)
            n += take_rest(p, bytes + n, len - n);
        else if (p->taken == 0 ? bytes[n] == word.ptr[0] : is_line(p))
            take_line_byte(p, bytes[n++]);
        else
            take_fixed_byte(p, bytes[n++]);
    }
    return n;
}

static void copy_v4(const struct hw_proxy_protocol *p, struct hw_address *client)
{
    *client = (struct hw_address){.v4 = {.sin_family = AF_INET}};
    memcpy(&client->v4.sin_addr, p->kept + FIXED_LEN, 4);
    memcpy(&client->v4.sin_port, p->kept + FIXED_LEN + 8, 2);
}

static void copy_v6(const struct hw_proxy_protocol *p, struct hw_address *client)
{
    *client = (struct hw_address){.v6 = {.sin6_family = AF_INET6}};
    memcpy(&client->v6.sin6_addr, p->kept + FIXED_LEN, 16);
    memcpy(&client->v6.sin6_port, p->kept + FIXED_LEN + 32, 2);
}

bool hw_proxy_protocol_client(const struct hw_proxy_protocol *p, struct hw_address *client)
{
    HW_CHECK(p->done);
    if (is_line(p))
        return read_line(p, client) > 0;
    if (byte_of(p, 12) != PROXY)
        return false;
    int family = byte_of(p, 13);
    if (family == TCP_V4)
        copy_v4(p, client);
    else if (family == TCP_V6)
        copy_v6(p, client);
    return family == TCP_V4 || family == TCP_V6;
}
