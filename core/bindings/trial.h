/* trial.h -- would a host start? Scripts, ledger and addresses are tried and given back.
 *
 * Why     `hookward check` is run before a host is (re)started, and must find what would keep it
 *         from starting.
 * How     by the same functions that a host starts with, as far as they leave no trace.
 * Not     in a process that has the ledger open or runs a host.
 * Thread  the one that has the Lua state. */
#ifndef HW_TRIAL_H
#define HW_TRIAL_H

#include <lua.h>

/* Pushes the table { ledger =, postgres =, listen = }:
 *
 *     ledger(path) -> true        a host could use it; else nil and one line. Makes no file
 *     postgres(…)                 see trial_postgres.h
 *     listen(addresses) -> lines  an array: one line for each address that a host could not listen
 *                                 on. For a moment it does listen on them
 *
 * Stack: -0 +1. */
void hw_trial_push_api(lua_State *L);

/* check(config) -> { routes = { { pattern, place, schema }… } } | nil, why: loads the scripts in
 * one VM, as a host would. Stack: -0 +1, the function. */
void hw_trial_push_check(lua_State *L);

#endif
