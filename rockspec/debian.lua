-- For LUAROCKS_CONFIG, on Debian 12. LuaRocks neither searches for nor builds what apt has installed
-- (lua-cjson, lua-argparse).
rocks_provided = {
  ["lua-cjson"] = "2.1.0-1",
  argparse = "0.7.1-1",
}
-- The library exports only its luaopen_ function. A rockspec can't say this.
variables = {
  CFLAGS = (os_getenv("HOOKWARD_ROCK_OPTIMIZE") or "-O2") .. " -fPIC -fvisibility=hidden",
}
