/* config.h -- the configuration of a host, as C sees it.
 *
 * The Lua half (lua/hookward/config/) reads the user's file, checks it against its schema and hands
 * over plain values. Nothing is checked again here.
 * Thread  constant after hw_config_read. */
#ifndef HW_CONFIG_H
#define HW_CONFIG_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/str.h"

enum { HW_RETRIES_MAX = 100 };

/* When the host runs again what the sender delivers no more. */
struct hw_retries {
    size_t count; /* 0: it does not */
    uint64_t delays_ms[HW_RETRIES_MAX];
};

/* The files of a listener that speaks TLS. All paths are absolute. */
struct hw_tls_pair {
    const char *cert, *key;
};

struct hw_tls_files {
    struct hw_tls_pair *pairs; /* the first is for clients that name no host that is known */
    size_t pair_count;
    const char *client_ca;     /* NULL: clients are not asked for a certificate */
    const char *crl;           /* NULL: none */
    const char **client_names; /* only these clients are accepted; count 0: any of client_ca's */
    size_t name_count;
};

struct hw_listen {
    const char *address;            /* as bind.h takes it */
    bool proxy_protocol;            /* each connection begins with a header of the PROXY protocol */
    const struct hw_tls_files *tls; /* NULL: plain HTTP; never with a Unix socket */
};

/* The admin listener; its address is the last in `listen` (see there). */
struct hw_admin_config {
    bool is_on;
    bool is_local;                  /* only this machine's users reach it */
    bool may_move;                  /* any free port will do when its port is taken */
    const char *token, *read_token; /* NULL: none */
    const char **hosts;             /* what the Host header may name, besides the usual names */
    size_t host_count;
};

/* Replaces parts of what scripts see, in each new VM, before any script is loaded. It is called in
 * protected mode. For tests and for debugging. */
typedef void hw_vm_fit_fn(lua_State *L, void *ud);

struct hw_config {
    /* constant after hw_config_read */
    struct hw_arena arena;
    const char *file;      /* its name in messages */
    const char *file_path; /* absolute; "" when the configuration comes from no file */
    const char *folder;    /* absolute */
    struct hw_listen *listen;
    size_t listen_count; /* for notifications */
    size_t door_count;   /* with the admin listener, which is the last, if there is one */
    struct hw_admin_config admin;
    const char **mask; /* events and patterns of events whose bodies are not shown */
    size_t mask_count;
    const char **allow; /* the networks that may send; count 0: every one */
    size_t allow_count;
    const char **trusted_proxies; /* networks, or "unix" */
    size_t trusted_proxy_count;
    unsigned max_failures_per_address; /* 0: no limit */
    struct hw_str path;
    const char *control; /* the path of the control socket */
    const char *handlers;
    const char **key_files;
    size_t key_count;
    const char **key_patterns; /* absolute */
    size_t pattern_count;
    int min_key_bits;
    const char *ledger; /* "memory:", an absolute path, or "postgres://…" as libpq takes it */
    /* of a ledger on PostgreSQL only */
    uint64_t lease_ms;          /* how long a host that died may hold its notifications */
    const char *ledger_schema;  /* the name of the schema in the database */
    const char *host_name;      /* for people; "": the machine's name */
    const char **ledger_advice; /* lines to be logged at the start */
    size_t ledger_advice_count;
    unsigned workers;
    uint64_t handler_timeout_ms, queue_timeout_ms, header_timeout_ms, body_timeout_ms,
        idle_timeout_ms, drain_timeout_ms;
    uint64_t max_age_ms; /* 0: none */
    uint64_t retention_ms;
    uint64_t dead_retention_ms; /* 0: for ever */
    struct hw_retries retries;
    size_t vm_memory, max_body, max_header, max_connections, max_queue;
    size_t max_connections_per_address; /* 0: HW_CROWD_USUAL_PART of max_connections */
    size_t max_unfinished, max_memory_bodies;
    size_t max_backlog;     /* rows */
    uint64_t min_disk_free; /* bytes; 0: not looked at */
    bool codes_only;        /* answers = "codes" */
    bool accept_unhandled;  /* unhandled = "accept" */
    bool validate;
    bool ack_first; /* ack = "first" */
    bool by_body;   /* duplicates = "by-body" */
    bool keep_bodies;
    bool dev; /* `serve --dev` */
    enum hw_log_level log_level;
    bool log_json;
    struct hw_str source;   /* Lua source of a chunk that returns where each value comes from */
    struct hw_str settings; /* Lua source of a chunk that returns the settings */
    hw_vm_fit_fn *fit;      /* NULL after hw_config_read, and in a host */
    void *fit_ud;
};

/* Reads the table at `index`. Raises a Lua error for a table that the Lua half would never make. */
void hw_config_read(struct hw_config *config, lua_State *L, int index);
void hw_config_fini(struct hw_config *config);

#endif
