-- Where the rock of `make rock` is, for the system's lua5.4.

local lfs = require "lfs"

local rock = os.getenv("HOOKWARD_ROCK") or lfs.currentdir() .. "/build/rock/tree"

return {
  env = ("export LUA_PATH='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua;;' LUA_CPATH='%s/lib/lua/5.4/?.so;;';")
    :format(rock, rock, rock),
}
