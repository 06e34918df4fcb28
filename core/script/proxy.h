/* proxy.h -- which proxy of the environment an outgoing request goes through.
 *
 * Why     libcurl reads these variables itself. But it sends requests for this machine to the proxy
 *         as well, and its error does not say that it is the proxy that nobody listens at.
 * How     the same variables, with the same precedence; an empty one counts as unset:
 *
 *             http://     http_proxy, all_proxy, ALL_PROXY
 *             https://    https_proxy, HTTPS_PROXY, all_proxy, ALL_PROXY
 *
 *         No proxy is used for a loopback address, nor for what no_proxy (else NO_PROXY) names: *,
 *         a host, a domain with all below it, an address, or a network such as 10.0.0.0/8.
 * Thread  any, as long as no thread changes the environment. */
#ifndef HW_PROXY_H
#define HW_PROXY_H

#include <stddef.h>

/* The proxy for the URL, and in *variable the name of its variable; NULL for none. */
const char *hw_proxy_of(const char *url, const char **variable);

enum { HW_PROXY_SHOWN_MAX = 128 };

/* Writes the proxy's host and port, without its user and password. */
void hw_proxy_show(const char *proxy, char text[HW_PROXY_SHOWN_MAX]);

#endif
