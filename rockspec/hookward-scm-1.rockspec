-- hookward for LuaRocks: the command and the module, the same host as the binary that make builds.
-- Written by rockspec/generate.lua; `make rockspec` after a file was added.
--
-- On Debian all that it stands on comes from Debian (no server is asked for anything):
--   apt-get install gcc libc6-dev luarocks lua5.4 liblua5.4-dev libuv1-dev libssl-dev \
--     libsqlite3-dev libcurl4-openssl-dev lua-cjson lua-argparse
--   LUAROCKS_CONFIG=rockspec/debian.lua luarocks --lua-version 5.4 make
rockspec_format = "3.0"
package = "hookward"
version = "scm-1"
source = {
  url = "git+https://github.com/hookward/hookward.git",
  branch = "main",
}
description = {
  summary = "A webhook host you script in Lua",
  detailed = [[
Receives Accredit's signed notifications, proves that they are authentic before any of their bytes
reach a script, runs your plain Lua handler once per notification, and answers 200 or 400.
Installs the command `hookward` and the module `hookward`, which runs the same host in a program.

It needs libuv, OpenSSL 3, SQLite and libcurl with their headers. On Debian:
apt-get install libuv1-dev libssl-dev libsqlite3-dev libcurl4-openssl-dev]],
  license = "MIT",
  labels = { "webhook", "http", "server" },
}
supported_platforms = { "linux" } -- epoll, inotify, eventfd
dependencies = {
  "lua >= 5.4, < 5.5",
  "lua-cjson",
  "argparse",
}
-- LuaRocks names the header or library that it does not find. Debian has libcurl's headers in a
-- folder that only the compiler knows, so LuaRocks looks for the library alone; what is missing
-- then is said by core/module.c, which is compiled first.
external_dependencies = {
  LIBUV = { header = "uv.h", library = "uv" },
  OPENSSL = { header = "openssl/evp.h", library = "crypto" },
  SQLITE = { header = "sqlite3.h", library = "sqlite3" },
  CURL = { library = "curl" },
}
build = {
  type = "builtin",
  install = { bin = { hookward = "rockspec/hookward" } },
  modules = {
    ["hookward.core"] = {
      defines = { "_GNU_SOURCE" },
      incdirs = {
        "core", "$(LIBUV_INCDIR)", "$(OPENSSL_INCDIR)", "$(SQLITE_INCDIR)", "$(CURL_INCDIR)",
      },
      libdirs = {
        "$(LIBUV_LIBDIR)", "$(OPENSSL_LIBDIR)", "$(SQLITE_LIBDIR)", "$(CURL_LIBDIR)",
      },
      libraries = { "uv", "crypto", "sqlite3", "curl", "pthread", "m", "dl" },
      sources = {
        "core/module.c",
        "core/answer.c",
        "core/api.c",
        "core/app.c",
        "core/app_api.c",
        "core/app_host.c",
        "core/app_vm.c",
        "core/arena.c",
        "core/base64.c",
        "core/bundle.c",
        "core/committer.c",
        "core/config.c",
        "core/connection.c",
        "core/control.c",
        "core/crew.c",
        "core/crypto_api.c",
        "core/deadline.c",
        "core/diagnose.c",
        "core/diagnose_body.c",
        "core/diagnose_signature.c",
        "core/dispatch.c",
        "core/error.c",
        "core/host.c",
        "core/host_api.c",
        "core/host_parts.c",
        "core/http.c",
        "core/http_client.c",
        "core/http_exchange.c",
        "core/instance.c",
        "core/intake.c",
        "core/job.c",
        "core/json.c",
        "core/json_encode.c",
        "core/json_scan.c",
        "core/key_forms.c",
        "core/key_numbers.c",
        "core/keys.c",
        "core/layout.c",
        "core/ledger.c",
        "core/ledger_api.c",
        "core/ledger_file.c",
        "core/ledger_filters.c",
        "core/ledger_lock.c",
        "core/ledger_memory.c",
        "core/ledger_sqlite.c",
        "core/listener.c",
        "core/log.c",
        "core/process.c",
        "core/reconfig.c",
        "core/rehearsal.c",
        "core/release.c",
        "core/reload.c",
        "core/replay.c",
        "core/report.c",
        "core/request.c",
        "core/seen.c",
        "core/sender.c",
        "core/signature.c",
        "core/stages.c",
        "core/stats.c",
        "core/sys_api.c",
        "core/testing_api.c",
        "core/timestamp.c",
        "core/vm.c",
        "core/watch.c",
      },
    },
    ["hookward._meta"] = "lua/hookward/_meta.lua",
    ["hookward.catalogue"] = "lua/hookward/catalogue.lua",
    ["hookward.cli"] = "lua/hookward/cli.lua",
    ["hookward.commands.check"] = "lua/hookward/commands/check.lua",
    ["hookward.commands.completion"] = "lua/hookward/commands/completion.lua",
    ["hookward.commands.jobs"] = "lua/hookward/commands/jobs.lua",
    ["hookward.commands.keygen"] = "lua/hookward/commands/keygen.lua",
    ["hookward.commands.new_project"] = "lua/hookward/commands/new_project.lua",
    ["hookward.commands.reload"] = "lua/hookward/commands/reload.lua",
    ["hookward.commands.sandbox"] = "lua/hookward/commands/sandbox.lua",
    ["hookward.commands.send"] = "lua/hookward/commands/send.lua",
    ["hookward.commands.serve"] = "lua/hookward/commands/serve.lua",
    ["hookward.commands.test"] = "lua/hookward/commands/test.lua",
    ["hookward.commands.verify"] = "lua/hookward/commands/verify.lua",
    ["hookward.config"] = "lua/hookward/config.lua",
    ["hookward.console"] = "lua/hookward/console.lua",
    ["hookward.files"] = "lua/hookward/files.lua",
    ["hookward"] = "lua/hookward/init.lua",
    ["hookward.jobs.ask"] = "lua/hookward/jobs/ask.lua",
    ["hookward.jobs.filters"] = "lua/hookward/jobs/filters.lua",
    ["hookward.jobs.here"] = "lua/hookward/jobs/here.lua",
    ["hookward.jobs.json"] = "lua/hookward/jobs/json.lua",
    ["hookward.jobs.list"] = "lua/hookward/jobs/list.lua",
    ["hookward.jobs.purge"] = "lua/hookward/jobs/purge.lua",
    ["hookward.jobs.replay"] = "lua/hookward/jobs/replay.lua",
    ["hookward.jobs.runner"] = "lua/hookward/jobs/runner.lua",
    ["hookward.jobs.show"] = "lua/hookward/jobs/show.lua",
    ["hookward.jobs.store"] = "lua/hookward/jobs/store.lua",
    ["hookward.jobs.table"] = "lua/hookward/jobs/table.lua",
    ["hookward.jobs.text"] = "lua/hookward/jobs/text.lua",
    ["hookward.jobs.time"] = "lua/hookward/jobs/time.lua",
    ["hookward.kinds"] = "lua/hookward/kinds.lua",
    ["hookward.library"] = "lua/hookward/library.lua",
    ["hookward.options"] = "lua/hookward/options.lua",
    ["hookward.router"] = "lua/hookward/router.lua",
    ["hookward.sandbox.answers"] = "lua/hookward/sandbox/answers.lua",
    ["hookward.sandbox.api"] = "lua/hookward/sandbox/api.lua",
    ["hookward.sandbox.badge"] = "lua/hookward/sandbox/badge.lua",
    ["hookward.sandbox.delivery"] = "lua/hookward/sandbox/delivery.lua",
    ["hookward.sandbox.faults"] = "lua/hookward/sandbox/faults.lua",
    ["hookward.sandbox"] = "lua/hookward/sandbox/init.lua",
    ["hookward.sandbox.misbehaviour"] = "lua/hookward/sandbox/misbehaviour.lua",
    ["hookward.sandbox.print_queue"] = "lua/hookward/sandbox/print_queue.lua",
    ["hookward.sandbox.screen"] = "lua/hookward/sandbox/screen.lua",
    ["hookward.sandbox.zip"] = "lua/hookward/sandbox/zip.lua",
    ["hookward.schema"] = "lua/hookward/schema.lua",
    ["hookward.suggest"] = "lua/hookward/suggest.lua",
    ["hookward.templates"] = "lua/hookward/templates.lua",
    ["hookward.testing"] = "lua/hookward/testing.lua",
    ["hookward.testing.http"] = "lua/hookward/testing/http.lua",
    ["hookward.testing.request"] = "lua/hookward/testing/request.lua",
    ["hookward.testing.result"] = "lua/hookward/testing/result.lua",
    ["hookward.testing.spec"] = "lua/hookward/testing/spec.lua",
    ["hookward.units"] = "lua/hookward/units.lua",
    ["hookward.validator"] = "lua/hookward/validator.lua",
  },
}
