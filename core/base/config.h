/* config.h -- what the host is told to do: the configuration, as C sees it.
 *
 * lua/hookward/config/init.lua reads the user's file, checks it against its schema and hands over
 * plain values; nothing is checked twice here.
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

/* Exchanges parts of what scripts see, in each new VM: protected, before any script is loaded. For
 * tests and for debugging. */
typedef void hw_vm_fit_fn(lua_State *L, void *ud);

struct hw_config {
    /* constant after hw_config_read */
    struct hw_arena arena;
    const char *file;      /* what messages call it */
    const char *file_path; /* absolute; "" when it is in no file */
    const char *folder;    /* absolute */
    const char **listen;
    size_t listen_count;
    struct hw_str path;
    const char *control; /* the path of the control socket */
    const char *handlers;
    const char **key_files;
    size_t key_count;
    const char **key_patterns; /* absolute */
    size_t pattern_count;
    int min_key_bits;
    const char *ledger; /* "memory:" or an absolute path */
    unsigned workers;
    uint64_t handler_timeout_ms, queue_timeout_ms, header_timeout_ms, body_timeout_ms,
        idle_timeout_ms, drain_timeout_ms;
    uint64_t max_age_ms; /* 0: none */
    uint64_t retention_ms;
    size_t vm_memory, max_body, max_header, max_connections, max_queue;
    size_t max_connections_per_address; /* 0: the usual part */
    size_t max_unfinished, max_memory_bodies;
    bool codes_only;       /* answers = "codes" */
    bool accept_unhandled; /* unhandled = "accept" */
    bool validate;
    bool by_body; /* duplicates = "by-body" */
    bool keep_bodies;
    bool dev; /* `serve --dev` */
    enum hw_log_level log_level;
    bool log_json;
    struct hw_str source;   /* Lua source of a chunk that returns where all this comes from */
    struct hw_str settings; /* Lua source of a chunk that returns the settings */
    hw_vm_fit_fn *fit;      /* hw_config_read leaves it NULL, as it is in a host */
    void *fit_ud;
};

/* Reads the table at `index`. Raises a Lua error for what config.lua would never hand over. */
void hw_config_read(struct hw_config *config, lua_State *L, int index);
void hw_config_fini(struct hw_config *config);

#endif
