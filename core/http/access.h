/* access.h -- who a client is behind proxies, and whether it may send: `allow`, `trusted_proxies`.
 *
 * Why     behind a load balancer all connections come from its address, and anybody can send
 *         headers that name another one. So such headers count only from those that the
 *         configuration trusts.
 * Peer    the socket's address, or the client that the PROXY protocol's header names.
 * Client  the peer, or the address that X-Forwarded-For names when the peer is a trusted proxy.
 * Thread  leader only. */
#ifndef HW_ACCESS_H
#define HW_ACCESS_H

#include <stdbool.h>

#include "http/address.h"
#include "http/http.h"
#include "http/networks.h"

struct hw_config;

struct hw_access {
    bool limited; /* only `allow` may send */
    struct hw_networks allow;
    struct hw_networks proxies;
};

/* Until the first apply succeeds nobody may send but local clients. */
void hw_access_init(struct hw_access *access);
void hw_access_fini(struct hw_access *access);

/* Takes over the networks of a configuration. Returns 0; or HW_ENOMEM, and nothing has changed. */
int hw_access_apply(struct hw_access *access, const struct hw_config *config);

/* Whether the limits per address do not concern a peer: it is local, or a proxy for many clients. */
bool hw_access_is_exempt(const struct hw_access *access, const struct hw_address *peer);

/* Whether the PROXY protocol's header of this socket counts. Where no proxies are named everyone's
 * does: only the load balancer should reach such a listener. */
bool hw_access_believes_header(const struct hw_access *access, const struct hw_address *socket);

/* Whether the limits per address hold for a socket from its accept on. `with_header`: the PROXY
 * protocol's header comes first; where it counts, the limits hold once it has named the client. */
bool hw_access_is_limited(const struct hw_access *access, const struct hw_address *socket,
                          bool with_header);

/* Finds the client of a request whose head is complete. Returns false when it is the peer. */
bool hw_access_find_client(const struct hw_access *access, const struct hw_http *http,
                           const char *bytes, const struct hw_address *peer,
                           struct hw_address *client);

/* Whether a client may send. `named`: a proxy has named its address, so it is not local even when
 * the address looks so. */
bool hw_access_may_send(const struct hw_access *access, const struct hw_address *client,
                        bool named);

#endif
