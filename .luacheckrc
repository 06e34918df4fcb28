std = "lua54"
max_line_length = 100

files["spec"] = { std = "+busted", max_line_length = 120 }
files["spec/bench/*.lua"] = { -- wrk calls these
  globals = { "init", "request", "response", "done", "delay", "setup" },
  read_globals = { "wrk" },
}
