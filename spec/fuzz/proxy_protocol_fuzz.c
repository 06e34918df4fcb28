/* proxy_protocol_fuzz.c -- the PROXY protocol's header ends where it ends, however it is split.
 *
 * The input is what a load balancer sends; its last byte also decides how it is cut into reads.
 * Each read is in memory of exactly its size.
 *
 * Properties
 *   In parts or at once, the result is the same.
 *   A whole header is whole from its own bytes alone, and not from one byte less.
 *   It is within its limit, and is refused with a reason.
 *   An address that it names is read back from its text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "http/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

static size_t take(struct hw_proxy_protocol *p, const uint8_t *bytes, size_t len)
{
    char *copy = malloc(len);
    HW_CHECK(copy || len == 0);
    if (len)
        memcpy(copy, bytes, len);
    size_t taken = hw_proxy_protocol_take(p, copy, len);
    free(copy);
    return taken;
}

static size_t take_in_parts(struct hw_proxy_protocol *p, const uint8_t *input, size_t len,
                            size_t step)
{
    size_t taken = 0;
    for (size_t at = 0; at < len && !p->done && !p->why; at += step)
        taken += take(p, input + at, len - at < step ? len - at : step);
    return taken;
}

static void check_same(const struct hw_proxy_protocol *a, const struct hw_proxy_protocol *b)
{
    size_t kept = a->taken < sizeof a->kept ? a->taken : sizeof a->kept;
    HW_CHECK(a->done == b->done && a->why == b->why);
    HW_CHECK(a->taken == b->taken && a->total == b->total);
    HW_CHECK(memcmp(a->kept, b->kept, kept) == 0);
}

static void check_client(const struct hw_proxy_protocol *p)
{
    struct hw_address client, again;
    char text[HW_ADDRESS_TEXT_MAX];
    if (!hw_proxy_protocol_client(p, &client))
        return;
    HW_CHECK(client.any.sa_family == AF_INET || client.any.sa_family == AF_INET6);
    HW_CHECK(hw_address_read(&again, hw_address_host(&client.any, text, sizeof text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    struct hw_proxy_protocol once = {0}, parts = {0}, alone = {0}, less = {0};
    size_t taken = take(&once, input, len);
    HW_CHECK(taken <= len && taken == once.taken && !(once.done && once.why));
    HW_CHECK(taken == len || once.done || once.why);
    HW_CHECK(taken <= HW_PROXY_PROTOCOL_BYTES_MAX);
    HW_CHECK(once.total || taken <= HW_PROXY_PROTOCOL_LINE_MAX);
    HW_CHECK(take_in_parts(&parts, input, len, len ? 1 + input[len - 1] % 7 : 1) == taken);
    check_same(&once, &parts);
    if (!once.done)
        return 0;
    take(&alone, input, taken);
    check_same(&once, &alone);
    take(&less, input, taken - 1);
    HW_CHECK(!less.done && !less.why);
    check_client(&once);
    return 0;
}
