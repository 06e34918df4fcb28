/* proxy.h -- which proxy of the environment an outgoing request goes through.
 *
 * Why     libcurl reads http_proxy and its like by itself, sends requests for this very machine
 * there too, and then can't say that it was the proxy that nobody listens at. How     the same
 * variables, with the same precedence: http_proxy; https_proxy, HTTPS_PROXY; then all_proxy,
 * ALL_PROXY; an empty one counts for nothing. None for a loopback address, nor for what no_proxy
 * (NO_PROXY) names: *, a host, a domain with all below it, an address, or a network such
 * as 10.0.0.0/8. Thread  any, as long as nobody sets the environment. */
#ifndef HW_PROXY_H
#define HW_PROXY_H

#include <stddef.h>

/* The proxy for the URL and, in *variable, whose value it is; or NULL for none. */
const char *hw_proxy_of(const char *url, const char **variable);

enum { HW_PROXY_SHOWN_MAX = 128 };

/* The proxy's host and port, without what it may have of a user and a password. */
void hw_proxy_show(const char *proxy, char text[HW_PROXY_SHOWN_MAX]);

#endif
