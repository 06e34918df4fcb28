/* admin_gate.h -- who may ask the admin listener for what the leader answers.
 *
 * Host    A page of another site may have its name resolve to this machine (DNS rebinding), so the
 *         Host header must name an address, localhost, or a name of the configuration.
 * Tokens  /metrics is open to users of this machine; others send `Authorization: Bearer` with
 *         read_token or token. After HW_ADMIN_GATE_GUESSES_MAX wrong ones in a second no more of
 *         this address are compared, so guessing gets no faster.
 * Not     who may see the page and its API: lua/hookward/admin/gate.lua.
 * Thread  leader only; init: whoever has the loop. */
#ifndef HW_ADMIN_GATE_H
#define HW_ADMIN_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/config.h"
#include "http/request.h"

enum {
    HW_ADMIN_GATE_GUESSES_MAX = 10,
    HW_ADMIN_GATE_GUESSERS = 256 /* addresses whose wrong tokens are counted apart */
};

struct hw_admin_gate {
    /* constant after start */
    const struct hw_config *config;
    bool is_unix;  /* the listener has a Unix socket */
    uint64_t seed; /* random, so that a client can't choose its place in `guesses` */

    /* leader only */
    uint64_t second; /* wrong tokens are counted for this one */
    uint8_t guesses[HW_ADMIN_GATE_GUESSERS];
};

enum hw_admin_pass { HW_ADMIN_PASS, HW_ADMIN_NO_TOKEN, HW_ADMIN_TOO_MANY_GUESSES };

/* `config` must outlive the gate. Returns false when the system has no random numbers. */
bool hw_admin_gate_init(struct hw_admin_gate *gate, const struct hw_config *config);

/* Whether the Host header names this host. */
bool hw_admin_gate_is_host_right(const struct hw_admin_gate *gate,
                                 const struct hw_request *request);

/* Whether `peer` may have /metrics. `now_ms` is the loop's clock. */
enum hw_admin_pass hw_admin_gate_check(struct hw_admin_gate *gate, const struct hw_request *request,
                                       const struct sockaddr *peer, uint64_t now_ms);

#endif
