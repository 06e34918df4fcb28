std = "lua54"
max_line_length = 100

files["spec"] = { std = "+busted", max_line_length = 120 }
files["spec/bench/*.lua"] = { -- wrk calls these globals
  globals = { "init", "request", "response", "done", "delay", "setup" },
  read_globals = { "wrk" },
}
files["lua/hookward/_meta.lua"] = { unused_args = false, self = false, max_line_length = false }
