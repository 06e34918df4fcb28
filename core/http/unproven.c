/* unproven.c -- see unproven.h */
#include "http/unproven.h"

#include <stdlib.h>

#include "base/clock.h"

static struct hw_unproven_request *slot(struct hw_unproven *u, uint64_t number)
{
    return &u->ring[number % HW_UNPROVEN_MAX];
}

static void forget_oldest(struct hw_unproven *u)
{
    struct hw_unproven_request *oldest = slot(u, u->last - u->count + 1);
    u->bytes -= oldest->len;
    u->count--;
    free(oldest->bytes);
    oldest->bytes = NULL;
}

void hw_unproven_fini(struct hw_unproven *u)
{
    while (u->count)
        forget_oldest(u);
}

bool hw_unproven_concerns(int code)
{
    return code == HW_EMISSING_SIGNATURE || code == HW_EMALFORMED_SIGNATURE ||
           code == HW_EINVALID_SIGNATURE;
}

/* Returns 0 or HW_ENOMEM. */
static int describe_body(struct hw_unproven_request *entry, const struct hw_request *r,
                         const uint8_t *digest, struct hw_hasher *hasher)
{
    struct hw_str body = {r->bytes + r->head_len, (size_t)r->http.body_length};
    entry->body_length = body.len;
    entry->len = entry->head_len;
    if (body.len <= HW_UNPROVEN_BODY_MAX)
        entry->len += body.len;
    else if (digest)
        memcpy(entry->digest, digest, HW_DIGEST_SIZE);
    else
        return hw_hasher_digest(hasher, body, entry->digest);
    return 0;
}

void hw_unproven_keep(struct hw_unproven *u, const struct hw_request *r,
                      const struct hw_address *peer, int code, const uint8_t *digest,
                      struct hw_hasher *hasher)
{
    struct hw_unproven_request entry = {.code = code, .head_len = r->head_len, .at = hw_now()};
    if (!hw_unproven_concerns(code) || describe_body(&entry, r, digest, hasher))
        return;
    entry.bytes = entry.len <= HW_UNPROVEN_BYTES ? malloc(entry.len) : NULL;
    if (!entry.bytes)
        return;
    memcpy(entry.bytes, r->bytes, entry.len);
    if (peer)
        entry.peer = *peer;
    while (u->count == HW_UNPROVEN_MAX || u->bytes + entry.len > HW_UNPROVEN_BYTES)
        forget_oldest(u);
    entry.number = ++u->last;
    u->bytes += entry.len;
    u->count++;
    *slot(u, entry.number) = entry;
}

const struct hw_unproven_request *hw_unproven_before(const struct hw_unproven *u, uint64_t number)
{
    if (number == 0 || number > u->last)
        number = u->last + 1;
    uint64_t oldest = u->last - u->count + 1;
    return number > oldest ? &u->ring[(number - 1) % HW_UNPROVEN_MAX] : NULL;
}
