/* networks_fuzz.c -- a set of networks has an address exactly when one of its texts covers it.
 *
 * The input is texts, parted by line feeds, as they may stand in `allow`. Each is in memory of
 * exactly its size.
 *
 * Properties
 *   A text is refused with a printable line that ends.
 *   A block has its first and last address, and not the ones beside it.
 *   The set of all texts has an address exactly when the set of one of them has it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "http/address.h"
#include "http/networks.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

enum { TEXTS_MAX = 40 };

static struct hw_address address_of(const uint64_t number[2], bool is_v6)
{
    struct hw_address a = {.v4 = {.sin_family = AF_INET}};
    if (!is_v6) {
        a.v4.sin_addr.s_addr = htonl((uint32_t)number[1]);
        return a;
    }
    a = (struct hw_address){.v6 = {.sin6_family = AF_INET6}};
    for (int i = 0; i < 16; i++)
        a.v6.sin6_addr.s6_addr[i] = (uint8_t)(number[i / 8] >> (56 - i % 8 * 8));
    return a;
}

static bool covers(const struct hw_network *n, const uint64_t number[2], bool is_v6)
{
    bool from = number[0] > n->first[0] || (number[0] == n->first[0] && number[1] >= n->first[1]);
    bool to = number[0] < n->last[0] || (number[0] == n->last[0] && number[1] <= n->last[1]);
    return from && to && n->is_v6 == is_v6;
}

/* An IPv6 number that stands for an IPv4 address is in no IPv6 block. */
static bool is_mapped(const uint64_t number[2])
{
    return number[0] == 0 && number[1] >> 32 == 0xffff;
}

static void check_number(const struct hw_networks *set, const struct hw_network *all, size_t count,
                         const uint64_t number[2], bool is_v6)
{
    struct hw_address address = address_of(number, is_v6);
    uint64_t v4[2] = {0, number[1] & UINT32_MAX};
    bool mapped = is_v6 && is_mapped(number), expected = false;
    for (size_t i = 0; i < count; i++)
        expected = expected || covers(&all[i], mapped ? v4 : number, is_v6 && !mapped);
    HW_CHECK(hw_networks_has(set, &address.any) == expected);
}

/* The ends of each block, and the addresses beside them. */
static void check_set(const struct hw_networks *set, const struct hw_network *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct hw_network *n = &all[i];
        uint64_t before[2] = {n->first[0] - (n->first[1] == 0), n->first[1] - 1};
        uint64_t after[2] = {n->last[0] + (n->last[1] == UINT64_MAX), n->last[1] + 1};
        uint64_t mapped[2] = {0, (uint64_t)0xffff << 32 | (n->first[1] & UINT32_MAX)};
        if (!n->is_v6)
            before[0] = after[0] = 0, before[1] &= UINT32_MAX, after[1] &= UINT32_MAX;
        check_number(set, all, count, n->first, n->is_v6);
        check_number(set, all, count, n->last, n->is_v6);
        check_number(set, all, count, before, n->is_v6);
        check_number(set, all, count, after, n->is_v6);
        check_number(set, all, count, mapped, true);
    }
}

static void check_why(const char *why)
{
    size_t len = strlen(why);
    HW_CHECK(len > 10 && len < HW_NETWORK_WHY_MAX - 1);
    for (size_t i = 0; i < len; i++)
        HW_CHECK(why[i] >= ' ' && why[i] <= '~');
}

/* Whether it is a block; a set takes no text with a zero byte in it. */
static bool read_one(struct hw_str text, struct hw_network *network)
{
    char why[HW_NETWORK_WHY_MAX];
    char *exact = malloc(text.len ? text.len : 1);
    HW_CHECK(exact);
    if (text.len)
        memcpy(exact, text.ptr, text.len);
    memset(why, 'x', sizeof why);
    int rc = hw_network_read(network, (struct hw_str){exact, text.len}, why, sizeof why);
    HW_CHECK(rc == 0 || rc == HW_EFAILED);
    if (rc)
        check_why(why);
    free(exact);
    return rc == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    struct hw_network all[TEXTS_MAX];
    const char *texts[TEXTS_MAX];
    struct hw_networks set;
    size_t count = 0, blocks = 0;
    char *copy = malloc(len + 1), *at = copy;
    HW_CHECK(copy);
    if (len)
        memcpy(copy, input, len);
    copy[len] = '\0';
    while (at && count < TEXTS_MAX) {
        char *end = memchr(at, '\n', len - (size_t)(at - copy));
        size_t size = end ? (size_t)(end - at) : len - (size_t)(at - copy);
        at[size] = '\0';
        if (read_one((struct hw_str){at, size}, &all[blocks]))
            blocks++;
        texts[count++] = at;
        at = end ? end + 1 : NULL;
    }
    HW_CHECK(hw_networks_make(&set, texts, count) == 0);
    if (len == 0 || !memchr(input, 0, len)) {
        HW_CHECK(set.v4_count + set.v6_count <= blocks);
        check_set(&set, all, blocks);
    }
    hw_networks_fini(&set);
    free(copy);
    return 0;
}
