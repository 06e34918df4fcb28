/* carried.h -- the modules that the binary carries, for the tests that make Lua states. */
#ifndef HW_SPEC_CARRIED_H
#define HW_SPEC_CARRIED_H

#include "bindings/module.h"
#include "script/modules.h"

static const struct hw_modules carried = {luaopen_hookward_core, hw_embedded};

#endif
