/* networks.c -- see networks.h */
#include "http/networks.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "http/address.h"

enum {
    V4_BITS = 32,
    V6_BITS = 128,
    MAPPED_BITS = V6_BITS - V4_BITS,
    HOST_MAX = INET6_ADDRSTRLEN,
    SHOWN_MAX = 64 /* of a text in a reason */
};

/* ---- numbers of 128 bits ---- */

static void number_of(const struct sockaddr *address, uint64_t number[2])
{
    const unsigned char *v4 = hw_address_v4(address);
    const unsigned char *v6 = ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr;
    number[0] = number[1] = 0;
    if (v4)
        for (int i = 0; i < 4; i++)
            number[1] = number[1] << 8 | v4[i];
    else
        for (int i = 0; i < 16; i++)
            number[i / 8] = number[i / 8] << 8 | v6[i];
}

static int compare(const uint64_t a[2], const uint64_t b[2])
{
    int half = a[0] == b[0];
    return (a[half] > b[half]) - (a[half] < b[half]);
}

/* The lowest `count` of 64 bits. */
static uint64_t low_bits(int count)
{
    return count >= 64 ? UINT64_MAX : count <= 0 ? 0 : ((uint64_t)1 << count) - 1;
}

/* ---- reading one ---- */

/* The text, cut, and with '?' for what should not be shown. */
static const char *shown(struct hw_str text, char out[SHOWN_MAX])
{
    size_t len = text.len < SHOWN_MAX - 4 ? text.len : SHOWN_MAX - 4;
    for (size_t i = 0; i < len; i++)
        out[i] = text.ptr[i] >= ' ' && text.ptr[i] <= '~' ? text.ptr[i] : '?';
    snprintf(out + len, 4, "%s", text.len > len ? "..." : "");
    return out;
}

static int refuse(struct hw_str text, char *why, size_t size, const char *reason)
{
    char start[SHOWN_MAX];
    snprintf(why, size, "\"%s\" %s", shown(text, start), reason);
    return HW_EFAILED;
}

static void write_host(const struct hw_address *address, char *text, size_t size)
{
    struct hw_str host = hw_address_host(&address->any, text, size);
    if (host.ptr != text)
        snprintf(text, size, "%.*s", HW_STR_ARG(host));
}

/* The address with its last `count` bits cleared. */
static void clear_bits(struct hw_address *address, int count)
{
    bool v6 = address->any.sa_family == AF_INET6;
    unsigned char *bytes =
        v6 ? address->v6.sin6_addr.s6_addr : (unsigned char *)&address->v4.sin_addr;
    for (int i = (v6 ? 16 : 4) - 1; count > 0; i--, count -= 8)
        bytes[i] &= count >= 8 ? 0 : (unsigned char)(0xff << count);
}

static int refuse_host_bits(struct hw_str text, const struct hw_address *address, int bits,
                            int host_bits, char *why, size_t size)
{
    char reason[200], alone[HOST_MAX], block[HOST_MAX];
    struct hw_address begin = *address;
    clear_bits(&begin, host_bits);
    write_host(address, alone, sizeof alone);
    write_host(&begin, block, sizeof block);
    snprintf(reason, sizeof reason,
             "has bits set after its prefix; write \"%s/%d\" for the block, or \"%s\" for the "
             "address",
             block, bits, alone);
    return refuse(text, why, size, reason);
}

static int refuse_mapped(struct hw_str text, const struct hw_address *address, int bits, char *why,
                         size_t size)
{
    char reason[100], host[HOST_MAX];
    struct hw_address begin = *address;
    clear_bits(&begin, V6_BITS - bits);
    write_host(&begin, host, sizeof host);
    if (bits == V6_BITS)
        snprintf(reason, sizeof reason, "is an IPv4 address; write \"%s\"", host);
    else
        snprintf(reason, sizeof reason, "is an IPv4 block; write \"%s/%d\"", host,
                 bits - MAPPED_BITS);
    return refuse(text, why, size, reason);
}

/* "/255.255.255.0": the length of the prefix, or -1 */
static int length_of_mask(struct hw_str mask)
{
    struct hw_address address;
    uint64_t number[2];
    if (!hw_address_read(&address, mask) || address.any.sa_family != AF_INET)
        return -1;
    number_of(&address.any, number);
    int length = 0;
    while (length < V4_BITS && (number[1] >> (V4_BITS - 1 - length) & 1))
        length++;
    return (number[1] & low_bits(V4_BITS - length)) == 0 ? length : -1;
}

static int refuse_length(struct hw_str text, struct hw_str host, struct hw_str length, int most,
                         char *why, size_t size)
{
    char reason[160], start[SHOWN_MAX];
    int mask = most == V4_BITS ? length_of_mask(length) : -1;
    if (mask >= 0)
        snprintf(reason, sizeof reason, "has a mask; write \"%s/%d\"", shown(host, start), mask);
    else
        snprintf(reason, sizeof reason,
                 "needs the length of its prefix after the slash, from 0 to %d", most);
    return refuse(text, why, size, reason);
}

/* For the most common mistakes: says what was probably meant. */
static int refuse_text(struct hw_str text, char *why, size_t size)
{
    char reason[160], host[HOST_MAX];
    struct hw_str inner = text;
    struct hw_address address;
    if (hw_str_eq(text, HW_STR("*")))
        return refuse(text, why, size,
                      "is not an address; write \"0.0.0.0/0\" and \"::/0\" for all");
    if (text.len && memchr(text.ptr, '%', text.len))
        return refuse(text, why, size, "has a zone, which is not supported; leave it out");
    if (text.len && text.ptr[0] == '[') { /* "[::1]" or "[::1]:80" */
        const char *end = memchr(text.ptr, ']', text.len);
        inner = (struct hw_str){text.ptr + 1, end ? (size_t)(end - text.ptr) - 1 : 0};
    } else if (text.len && memchr(text.ptr, ':', text.len)) { /* "127.0.0.1:80" */
        inner.len = (size_t)((const char *)memchr(text.ptr, ':', text.len) - text.ptr);
    }
    if (inner.len != text.len && hw_address_read(&address, inner)) {
        const char *slash = text.ptr[0] == '[' ? memchr(text.ptr, '/', text.len) : NULL;
        int bits = slash ? hw_address_read_port((struct hw_str){
                               slash + 1, (size_t)(text.ptr + text.len - slash) - 1})
                         : -1;
        write_host(&address, host, sizeof host);
        if (bits >= 0 && bits <= V6_BITS) /* "[2001:db8::]/32" */
            snprintf(reason, sizeof reason, "has brackets; write \"%s/%d\"", host, bits);
        else
            snprintf(reason, sizeof reason, "is more than an address; write \"%s\"", host);
        return refuse(text, why, size, reason);
    }
    return refuse(
        text, why, size,
        "is not an address; write one such as \"203.0.113.7\" or \"2001:db8::7\", or a block "
        "such as \"203.0.113.0/24\" or \"2001:db8::/32\"");
}

static int read_length(struct hw_str text, int most)
{
    int length = hw_address_read_port(text); /* the same form: digits without zeroes in front */
    return length <= most ? length : -1;
}

int hw_network_read(struct hw_network *network, struct hw_str text, char *why, size_t size)
{
    struct hw_address address;
    const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
    struct hw_str host = {text.ptr, slash ? (size_t)(slash - text.ptr) : text.len};
    if (text.len && memchr(text.ptr, ',', text.len))
        return refuse(text, why, size, "is more than one; write a list: { \"...\", \"...\" }");
    if (!hw_address_read(&address, host))
        return refuse_text(text, why, size);
    int most = address.any.sa_family == AF_INET ? V4_BITS : V6_BITS, bits = most;
    if (slash) {
        struct hw_str length = {slash + 1, text.len - host.len - 1};
        bits = read_length(length, most);
        if (bits < 0)
            return refuse_length(text, host, length, most, why, size);
    }
    bool is_mapped = most == V6_BITS && hw_address_v4(&address.any);
    if (is_mapped && bits >= MAPPED_BITS)
        return refuse_mapped(text, &address, bits, why, size);
    uint64_t number[2], host_bits[2] = {low_bits(most - bits - 64), low_bits(most - bits)};
    number_of(&address.any, number);
    if (is_mapped)
        number[1] |= UINT64_C(0xffff) << V4_BITS;
    if ((number[0] & host_bits[0]) || (number[1] & host_bits[1]))
        return refuse_host_bits(text, &address, bits, most - bits, why, size);
    *network = (struct hw_network){.is_v6 = most == V6_BITS};
    for (int half = 0; half < 2; half++) {
        network->first[half] = number[half];
        network->last[half] = number[half] | host_bits[half];
    }
    return 0;
}

/* ---- sets ---- */

static int by_first(const void *a, const void *b)
{
    return compare(((const struct hw_network *)a)->first, ((const struct hw_network *)b)->first);
}

/* Sorts the ranges and joins those that overlap. Returns how many are left. */
static size_t join(struct hw_network *list, size_t count)
{
    size_t kept = 0;
    if (count == 0)
        return 0;
    qsort(list, count, sizeof *list, by_first);
    for (size_t i = 1; i < count; i++) {
        if (compare(list[i].first, list[kept].last) > 0)
            list[++kept] = list[i];
        else if (compare(list[i].last, list[kept].last) > 0)
            memcpy(list[kept].last, list[i].last, sizeof list[i].last);
    }
    return kept + 1;
}

int hw_networks_make(struct hw_networks *set, const char *const *texts, size_t count)
{
    char why[HW_NETWORK_WHY_MAX];
    struct hw_network network;
    *set = (struct hw_networks){0};
    if (count == 0)
        return 0;
    set->v4 = calloc(count, sizeof *set->v4);
    set->v6 = calloc(count, sizeof *set->v6);
    if (!set->v4 || !set->v6) {
        hw_networks_fini(set);
        return HW_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(texts[i], HW_NETWORK_UNIX) == 0)
            set->has_unix = true;
        else if (hw_network_read(&network, hw_str_of(texts[i]), why, sizeof why) == 0)
            *(network.is_v6 ? &set->v6[set->v6_count++] : &set->v4[set->v4_count++]) = network;
    }
    set->v4_count = join(set->v4, set->v4_count);
    set->v6_count = join(set->v6, set->v6_count);
    return 0;
}

void hw_networks_fini(struct hw_networks *set)
{
    free(set->v4);
    free(set->v6);
    *set = (struct hw_networks){0};
}

/* The range with the highest beginning that is not above the number is the only one that may have
 * it. */
static bool has(const struct hw_network *list, size_t count, const uint64_t number[2])
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(list[middle].first, number) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && compare(list[low - 1].last, number) >= 0;
}

bool hw_networks_has(const struct hw_networks *set, const struct sockaddr *address)
{
    uint64_t number[2];
    if (address->sa_family == AF_UNIX)
        return set->has_unix;
    if (set->v4_count + set->v6_count == 0 ||
        (address->sa_family != AF_INET && address->sa_family != AF_INET6))
        return false;
    number_of(address, number);
    return hw_address_v4(address) ? has(set->v4, set->v4_count, number)
                                  : has(set->v6, set->v6_count, number);
}
