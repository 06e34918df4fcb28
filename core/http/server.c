/* server.c -- see server.h */
#include "http/server.h"

#include "base/config.h"
#include "base/files.h"
#include "base/log.h"
#include "http/tls.h"

/* Never more connections than there are descriptors for. */
static struct hw_crowd_limits limits_of(const struct hw_config *config)
{
    size_t connections = hw_files_for_connections(config->max_connections, config->workers);
    size_t per_address = config->max_connections_per_address;
    if (!per_address)
        per_address = hw_crowd_part(connections, HW_CROWD_USUAL_PART);
    return (struct hw_crowd_limits){.connections = connections,
                                    .per_address = per_address,
                                    .unfinished = config->max_unfinished};
}

/* The largest message always fits. Its memory grows twofold, so it may have twice its length. */
static size_t memory_of(const struct hw_config *config)
{
    size_t least = 2 * (config->max_body + config->max_header);
    return config->max_memory_bodies > least ? config->max_memory_bodies : least;
}

void hw_server_apply(struct hw_server *server, const struct hw_config *config)
{
    struct hw_deadlines *deadlines = &server->deadlines;
    server->crowd.limits = limits_of(config);
    if (hw_access_apply(&server->access, config))
        hw_log_say(HW_LOG_ERROR,
                   "out of memory: allow and trusted_proxies stay as they were; reload again");
    server->requests.limits =
        (struct hw_http_limits){(uint32_t)config->max_header, config->max_body};
    server->requests.bytes_max = memory_of(config);
    hw_deadlines_last(deadlines, HW_DEADLINE_FIRST,
                      config->header_timeout_ms < config->idle_timeout_ms
                          ? config->header_timeout_ms
                          : config->idle_timeout_ms);
    hw_deadlines_last(deadlines, HW_DEADLINE_IDLE, config->idle_timeout_ms);
    hw_deadlines_last(deadlines, HW_DEADLINE_HANDSHAKE, config->header_timeout_ms);
    hw_deadlines_last(deadlines, HW_DEADLINE_HEAD, config->header_timeout_ms);
    hw_deadlines_last(deadlines, HW_DEADLINE_BODY, config->body_timeout_ms);
    hw_deadlines_last(deadlines, HW_DEADLINE_ANSWER,
                      config->handler_timeout_ms + HW_ANSWER_GRACE_MS);
    hw_deadlines_last(deadlines, HW_DEADLINE_APP, HW_APP_ANSWER_MS);
    hw_deadlines_last(deadlines, HW_DEADLINE_WRITE, HW_WRITE_TIMEOUT_MS);
    hw_deadlines_last(deadlines, HW_DEADLINE_LINGER, HW_LINGER_MS);
}

void hw_server_init(struct hw_server *server, const struct hw_config *config,
                    hw_deadline_fn *on_deadline, hw_turn_fn *on_turn)
{
    hw_requests_init(&server->requests, (struct hw_http_limits){0});
    hw_deadlines_init(&server->deadlines, server->loop, on_deadline);
    hw_turns_init(&server->turns, server->loop, on_turn);
    hw_crowd_init(&server->crowd);
    hw_access_init(&server->access);
    server->refusal_log.stats = &server->stats;
    hw_server_apply(server, config);
}

void hw_server_fini(struct hw_server *server)
{
    hw_requests_fini(&server->requests);
    hw_crowd_fini(&server->crowd);
    hw_tls_shared_free(server->tls);
    hw_access_fini(&server->access);
}
