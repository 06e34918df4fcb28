/* trial.h -- would a host start? What it needs of the machine, tried and given back.
 *
 * Why     `hookward check` is asked before a host is (re)started: what would keep it from starting
 *         must be known by then.
 * How     by the same functions that a host starts with, as far as they leave no trace.
 * Not     for who has the ledger open, or a host in the same process.
 * Thread  any. */
#ifndef HW_TRIAL_H
#define HW_TRIAL_H

#include <lua.h>

/* Pushes the table { ledger =, listen = }:
 *
 *     ledger(path) -> true       a host could take it; else nil and one line. Makes no file.
 *     listen(addresses) -> lines one for each address that a host could not listen at: array. For a
 *                                moment it is listened at.
 *
 * Stack: -0 +1. */
void hw_trial_push_api(lua_State *L);

#endif
