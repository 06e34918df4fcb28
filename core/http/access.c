/* access.c -- see access.h */
#include "http/access.h"

#include "base/config.h"
#include "http/forwarded.h"

void hw_access_init(struct hw_access *access)
{
    *access = (struct hw_access){.limited = true};
}

void hw_access_fini(struct hw_access *access)
{
    hw_networks_fini(&access->allow);
    hw_networks_fini(&access->proxies);
}

int hw_access_apply(struct hw_access *access, const struct hw_config *config)
{
    struct hw_access fresh = {.limited = config->allow_count > 0};
    int rc = hw_networks_make(&fresh.allow, config->allow, config->allow_count);
    if (rc == 0)
        rc = hw_networks_make(&fresh.proxies, config->trusted_proxies, config->trusted_proxy_count);
    if (rc) {
        hw_access_fini(&fresh);
        return rc;
    }
    hw_access_fini(access);
    *access = fresh;
    return 0;
}

static bool is_local(const struct hw_address *address)
{
    return address->any.sa_family == AF_UNIX || hw_address_is_loopback(&address->any);
}

bool hw_access_is_exempt(const struct hw_access *access, const struct hw_address *peer)
{
    return is_local(peer) || hw_networks_has(&access->proxies, &peer->any);
}

bool hw_access_believes_header(const struct hw_access *access, const struct hw_address *socket)
{
    return hw_networks_is_empty(&access->proxies) || hw_access_is_exempt(access, socket);
}

bool hw_access_is_limited(const struct hw_access *access, const struct hw_address *socket,
                          bool with_header)
{
    return !hw_access_is_exempt(access, socket) &&
           !(with_header && hw_access_believes_header(access, socket));
}

bool hw_access_find_client(const struct hw_access *access, const struct hw_http *http,
                           const char *bytes, const struct hw_address *peer,
                           struct hw_address *client)
{
    return hw_networks_has(&access->proxies, &peer->any) &&
           hw_forwarded_find(http, bytes, &access->proxies, client);
}

bool hw_access_may_send(const struct hw_access *access, const struct hw_address *client, bool named)
{
    return !access->limited || (!named && is_local(client)) ||
           hw_networks_has(&access->allow, &client->any);
}
