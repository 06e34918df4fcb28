/* networks.h -- a set of addresses and of blocks of them: "203.0.113.7", "2001:db8::/32".
 *
 * How     each block is a range of numbers. IPv4 and IPv6 have a sorted list of ranges each,
 *         without overlap, so that a search halves it. An IPv4 client of an IPv6 socket
 *         (::ffff:a.b.c.d) is an IPv4 address: no IPv6 block has it, not even ::/0.
 * Strict  a block whose address has bits set after its prefix is refused: it is not certain what
 *         was meant.
 * Thread  any; a set that was made is constant. */
#ifndef HW_NETWORKS_H
#define HW_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/str.h"

enum {
    HW_NETWORKS_MAX = 10000, /* texts of one set */
    HW_NETWORK_WHY_MAX = 256 /* bytes; the reason of any refusal fits */
};

/* The word for clients of Unix sockets. */
#define HW_NETWORK_UNIX "unix"

/* From an address to an address, both included. Of IPv4 only the low 32 bits are used. */
struct hw_network {
    uint64_t first[2], last[2]; /* the high half first */
    bool is_v6;
};

struct hw_networks {
    struct hw_network *v4, *v6; /* each sorted, without overlap */
    size_t v4_count, v6_count;
    bool has_unix;
};

/* Reads an address or a block. Returns 0, or HW_EFAILED with `why`: a line that shows the text and
 * names the fix. */
int hw_network_read(struct hw_network *network, struct hw_str text, char *why, size_t size);

/* Makes a set of texts that hw_network_read takes, or HW_NETWORK_UNIX. Others are left out: whoever
 * took them from a user has checked them. Returns 0, or HW_ENOMEM and an empty set. Either way
 * hw_networks_fini ends it. */
int hw_networks_make(struct hw_networks *set, const char *const *texts, size_t count);
void hw_networks_fini(struct hw_networks *set);

bool hw_networks_has(const struct hw_networks *set, const struct sockaddr *address);

static inline bool hw_networks_is_empty(const struct hw_networks *set)
{
    return set->v4_count + set->v6_count == 0 && !set->has_unix;
}

#endif
