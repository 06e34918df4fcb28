# hookward -- `make help` lists what can be made.
#
# `make V=1` shows the commands. This file builds every variant (plain, ASan+UBSan, TSan), each in
# its own folder:
#   make BUILD=build/asan SANITIZE=address,undefined

BUILD    ?= build
SANITIZE ?=
PREFIX   ?= /usr/local
CC       ?= cc
WERROR   ?=
V        ?=
Q         = $(if $(V),,@)
JOBS      = $(shell nproc)

PACKAGES_BUILD = gcc libc6-dev make pkg-config lua5.4 liblua5.4-dev libuv1-dev libssl-dev \
                 libsqlite3-dev libcurl4-openssl-dev lua-cjson lua-argparse
PACKAGES_RUN   = $(PACKAGES_BUILD) openssl curl ca-certificates
PACKAGES_TEST  = $(PACKAGES_RUN) libcmocka-dev lua-busted lua-socket lua-filesystem lua-sql-sqlite3 \
                 luarocks lua-check unzip git procps sqlite3
PACKAGES_DEB   = $(PACKAGES_BUILD) libpq-dev debhelper dpkg-dev
PACKAGES_CI    = $(PACKAGES_TEST) $(PACKAGES_DEB) $(PACKAGES_BROWSER) $(PACKAGES_MONITORING) clang \
                 libclang-rt-14-dev clang-format wrk nginx systemd lintian mmdebstrap groff-base man-db mandoc

# A browser for the admin page's specs, and letters for it: Latin, Hebrew and Arabic.
PACKAGES_BROWSER = chromium chromium-driver fonts-dejavu-core wrk

# Prometheus and promtool, for examples/monitoring.
PACKAGES_MONITORING = prometheus

# PostgreSQL for a ledger that several hosts share, and what stands around it: examples/fleet, spec/fleet.
PACKAGES_DEMO  = libpq-dev postgresql haproxy
PACKAGES_FLEET = $(PACKAGES_DEMO) pgbouncer iproute2

PACKAGES_DOTNET = mono-runtime mono-mcs libmono-system-net-http4.0-cil libmono-system-security4.0-cil

# What an installed program needs.
PACKAGES_INSTALLED = libuv1 libssl3 libsqlite3-0 libcurl4 lua-argparse ca-certificates

# libcurl is loaded when it is first needed (core/script/curl.h).
LINKED = libuv libssl libcrypto sqlite3
LIBS   = $(LINKED) libcurl

# pkg-config must not run before the packages are installed, hence `=`. $(eval) runs it only once.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags lua5.4 $(LIBS)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(LUA_LIBS) $$(shell pkg-config --libs $(LINKED)) -lm -ldl)$(PKG_LIBS)

# The program contains all of Lua if the static library exists: C modules that a handler loads find
# the Lua that they were made for in the program, also the functions that the host does not use.
# `make LUA_ARCHIVE=` links the shared library.
LUA_ARCHIVE ?= $(wildcard $(shell pkg-config --variable=libdir lua5.4)/liblua5.4.a)
LUA_LIBS = $(if $(LUA_ARCHIVE),-Wl$(comma)--whole-archive $(LUA_ARCHIVE) -Wl$(comma)--no-whole-archive -ldl,\
             $(shell pkg-config --libs lua5.4))
comma = ,

WARN   = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings \
         $(if $(WERROR),-Werror)
CFLAGS ?= -O2 -g
SAN    = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
ALL_CFLAGS  = $(CPPFLAGS) -std=c11 -D_GNU_SOURCE -fvisibility=hidden -Icore $(WARN) $(CFLAGS) $(SAN) -pthread
ALL_LDFLAGS = $(LDFLAGS) $(SAN) -pthread -rdynamic

SOURCES  = $(filter-out core/main.c,$(wildcard core/*.c core/*/*.c))
OBJECTS  = $(SOURCES:core/%.c=$(BUILD)/core/%.o)
PAGE     = $(wildcard $(addprefix lua/hookward/admin/page/,*.html *.css *.js *.svg */*.js))
LUA      = $(wildcard lua/hookward/*.lua lua/hookward/*/*.lua lua/hookward/guide/*.md) $(PAGE)
# examples/monitoring and examples/fleet are no projects of handlers, so the binary does not carry them.
EXAMPLES = $(filter-out examples/monitoring/% examples/fleet/%,$(wildcard $(addprefix examples/*/,*.md *.lua */*.lua */*/*.lua .gitignore */.gitignore)))
TESTS    = $(patsubst spec/core/%_test.c,$(BUILD)/spec/%_test,$(wildcard spec/core/*_test.c spec/core/*/*_test.c))
FUZZERS  = $(patsubst spec/fuzz/%_fuzz.c,%,$(wildcard spec/fuzz/*_fuzz.c))

.PHONY: all pages uninstall deb setup-deb test-package debian-root rock rockspec build-tests build-asan build-tsan build-fuzz fuzzers crash power-loss test-rock test-dotnet test-browser test-monitoring test-fleet check-fleet fleet fleet-demo picture reload-storm bench-lookup bench-verify bench-floods bench-strangers bench-ack bench-admin bench-tls bench-claims bench-postgres help setup-build setup-run setup-test setup-ci run test check-core check-spec lint style \
        format asan tsan crash fuzz bench top install clean
.DEFAULT_GOAL := all

all: $(BUILD)/hookward pages ## build the binary: build/hookward

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BUILD)/hookward: $(BUILD)/core/main.o $(BUILD)/embedded.o $(OBJECTS)
	@echo "  link $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BUILD)/core/%.o: core/%.c Makefile
	@mkdir -p $(@D)
	@echo "  cc   $<"
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

# libpq is used where its header is found (core/ledger/pg_libpq.h). -MMD does not notice one that
# appears later, and its file is older than the objects then. So the name of a file says which it is.
LIBPQ_HEADER = $(firstword $(wildcard $(addsuffix libpq-fe.h,/usr/include/ /usr/include/postgresql/ /usr/local/include/)))
LIBPQ_STAMP  = $(BUILD)/$(if $(LIBPQ_HEADER),with,without)-libpq

$(BUILD)/with-libpq $(BUILD)/without-libpq:
	@mkdir -p $(@D)
	$(Q)rm -f $(BUILD)/with-libpq $(BUILD)/without-libpq && touch $@

$(patsubst %,$(BUILD)/core/ledger/%.o,pg pg_wire pg_libpq pg_keywords pg_absent): $(LIBPQ_STAMP)

# The Lua files, the guide, the admin page and the examples are embedded in the binary.
$(BUILD)/embedded.c: core/script/embed.lua $(LUA) $(EXAMPLES) Makefile
	@mkdir -p $(@D)
	$(Q)lua5.4 core/script/embed.lua $(LUA) > $@.new && mv $@.new $@

$(BUILD)/embedded.o: $(BUILD)/embedded.c
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -c -o $@ $<

# Tests of the C units: one program for each spec/core/X_test.c, linked with the objects that it
# needs (all but main). The archive is thin: it holds only the names of the objects. The units are
# compiled as in the program. The tests themselves are not optimised, and gold links them in half the
# time.
TEST_FLAGS := -O0 $(if $(shell command -v ld.gold),-fuse-ld=gold)

$(BUILD)/units.a: $(BUILD)/embedded.o $(OBJECTS)
	$(Q)rm -f $@ && ar rcsT $@ $^

$(BUILD)/spec/%_test: spec/core/%_test.c $(BUILD)/units.a
	@mkdir -p $(@D)
	@echo "  test $<"
	$(Q)$(CC) $(ALL_CFLAGS) $(TEST_FLAGS) -Ispec/core $(PKG_CFLAGS) $(ALL_LDFLAGS) -MMD -MP -o $@ $< \
	  $(BUILD)/units.a $(PKG_LIBS) -lcmocka

-include $(wildcard $(foreach part,core spec crash/core,$(BUILD)/$(part)/*.d $(BUILD)/$(part)/*/*.d))

# Names missing packages and installs them; does nothing if there are none.
define install_missing
	@command -v dpkg-query >/dev/null || { echo "no Debian; needed are:" $(1); exit 0; }; \
	missing=$$(for p in $(1); do \
	    dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  [ -z "$$sudo" ] || command -v sudo >/dev/null || { \
	    echo "packages are missing, and so is sudo; as root: apt-get install" $$missing >&2; exit 1; }; \
	  echo "installing with apt, which may take minutes:" $$missing; \
	  $$sudo apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing \
	    >/dev/null || exit 1; \
	fi
endef

setup-build: ## install the packages that building takes
	$(call install_missing,$(PACKAGES_BUILD))
setup-run:
	$(call install_missing,$(PACKAGES_RUN))
setup-test:
	$(call install_missing,$(PACKAGES_TEST))
setup-deb:
	$(call install_missing,$(PACKAGES_DEB))
setup-ci:
	$(call install_missing,$(PACKAGES_CI))

# ---- a first run ----

DEV = $(BUILD)/development

run: setup-run ## install what is missing, build, serve examples/hello to a sandbox, see one notification handled
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@HOOKWARD=$(BUILD)/hookward DEV=$(DEV) sh examples/run.sh

fleet-demo: setup-run ## two hosts with one ledger on PostgreSQL behind HAProxy; one is killed, and nothing is lost
	$(call install_missing,$(PACKAGES_DEMO))
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@HOOKWARD=$(BUILD)/hookward DEV=$(BUILD)/development sh examples/fleet/run.sh

# ---- the rock ----

ROCK = build/rock/tree

# LuaRocks compiles one file after another. For the specs it does so without optimising, in half the
# time.
SPEC_ROCK = build/spec-rock/tree
$(SPEC_ROCK)/bin/hookward: export HOOKWARD_ROCK_OPTIMIZE = -O0

# From a copy, since LuaRocks writes its objects beside the sources.
%/tree/bin/hookward: $(wildcard core/*.[ch] core/*/*) $(LUA) $(EXAMPLES) $(wildcard rockspec/*)
	@echo "  rock $*/tree"
	$(Q)rm -rf $* && mkdir -p $*/source
	$(Q)cp -r core lua examples rockspec README.md LICENSE CHANGELOG.md $*/source
	$(Q)cd $*/source && LUAROCKS_CONFIG=rockspec/debian.lua luarocks --lua-version 5.4 make \
	  --tree $(CURDIR)/$*/tree rockspec/hookward-scm-1.rockspec >../log 2>&1 || { cat ../log; exit 1; }

rock: setup-test ## build the LuaRocks rock, installed in build/rock/tree
	@$(MAKE) --no-print-directory $(ROCK)/bin/hookward
	@echo "the command: $(ROCK)/bin/hookward"
	@echo "the module:  eval \"\$$(luarocks --lua-version 5.4 path --tree $(CURDIR)/$(ROCK))\""

rockspec: ## list new files of core/ and lua/ in the rockspecs
	lua5.4 rockspec/generate.lua

# ---- tests ----

# The same host with crash points compiled in (core/base/crash.h), for the specs. Only the files
# that have such points are compiled again.
CRASH = $(BUILD)/crash/hookward
CRASH_SOURCES = $(shell grep -l 'crash\.h"' $(SOURCES))
CRASH_OBJECTS = $(CRASH_SOURCES:core/%.c=$(BUILD)/crash/core/%.o)
PLAIN_OBJECTS = $(filter-out $(CRASH_SOURCES:core/%.c=$(BUILD)/core/%.o),$(OBJECTS))

# The rock's tests are a target of their own, since LuaRocks compiles everything again, file after
# file; so are the Debian package's, which need root. Tests tagged #long run in `make asan`, or in
# targets of their own, and those tagged #ci in `make test-fleet`. So do the files in LATER, which
# start many processes and test what is far from a notification's path, and the C tests that need
# PostgreSQL: `make test` is for every change, so it stays under three minutes.
LATER = accredit admin admin_listener admin_views backup check commands crash_ack doctor \
        events_paused examples feed guide here jobs jobs_postgres keys man mask memory metrics \
        notify print_queue program purge readme retries robustness sandbox schema send_tls \
        status story tail testing timeline tls_client tls_files upgrade verify_last
SOON = $(filter-out $(LATER:%=spec/%_spec.lua),$(sort $(wildcard spec/*_spec.lua)))

# Of several hosts with one ledger `make test` has three rounds; without PostgreSQL they are left out.
FLEET_SOON = spec/fleet/journal_spec.lua spec/fleet/kill_spec.lua

test: setup-test ## install what is missing, build, run the tests except the longest and the packages'
	@$(MAKE) --no-print-directory -j$(JOBS) build-tests TESTS="$(filter-out $(FLEET_TESTS),$(TESTS))"
	@$(MAKE) --no-print-directory check-core TESTS="$(filter-out $(FLEET_TESTS),$(TESTS))" WITH_POSTGRES=
	@$(MAKE) --no-print-directory check-spec SPECS="--exclude-tags=rock,long,package,dotnet,ci $(SOON) $(FLEET_SOON)"

test-rock: setup-test ## build the rock, run its tests
	@$(MAKE) --no-print-directory -j$(JOBS) $(SPEC_ROCK)/bin/hookward build-tests TESTS=
	@HOOKWARD_SPEC_PATIENCE=60 $(MAKE) --no-print-directory check-spec SPECS=--tags=rock

test-dotnet: setup-test ## install Mono, and deliver notifications with a .NET client
	$(call install_missing,$(PACKAGES_DOTNET))
	@$(MAKE) --no-print-directory -j$(JOBS) all $(CRASH) $(PRELOADS)
	@HOOKWARD_DOTNET=1 $(MAKE) --no-print-directory check-spec SPECS=spec/dotnet_spec.lua

# spec/browser/ is apart from the other specs: a newcomer need not install a browser.
BROWSER_SPECS ?= spec/browser
test-browser: setup-test ## install Chromium, and use the admin page as people do; pictures: build/screenshots
	$(call install_missing,$(PACKAGES_BROWSER))
	@$(MAKE) --no-print-directory -j$(JOBS) all $(CRASH) $(PRELOADS)
	@HOOKWARD=$(abspath $(BUILD)/hookward) HOOKWARD_SPEC_PATIENCE=60 JOBS=$(JOBS) sh spec/run.sh specs $(BROWSER_SPECS)

# spec/fleet/ is apart, too: it starts servers, poolers and networks. `make test-fleet` has what is worth
# a look at every change, twenty kills among it; `make fleet` has it all. The C tests of a ledger on
# PostgreSQL run in `make asan`.
FLEET_TESTS = $(filter $(BUILD)/spec/ledger/pg_% $(BUILD)/spec/ledger/postgres_%,$(TESTS))
FLEET_SPECS = $(addprefix spec/fleet/,$(addsuffix _spec.lua,away demo doubt due journal kill looks place points schema start))
FLEET_RUN = HOOKWARD=$(abspath $(BUILD)/hookward) HOOKWARD_CRASH=$(abspath $(CRASH)) HOOKWARD_SPEC_PATIENCE=60 \
            $(WITH_POSTGRES) sh spec/run.sh specs

check-fleet: $(BUILD)/hookward $(CRASH)
	@HOOKWARD_FLEET_ROUNDS=20 JOBS=$(TEST_JOBS) $(FLEET_RUN) $(FLEET_SPECS) --exclude-tags=long

test-fleet: setup-test ## install PostgreSQL, and kill hosts that share a ledger twenty times
	$(call install_missing,$(PACKAGES_FLEET))
	@$(MAKE) --no-print-directory -j$(JOBS) check-fleet

ROUNDS_FLEET ?= 500
fleet: setup-test ## the same with 500 kills, poolers, networks, and a failover
	$(call install_missing,$(PACKAGES_FLEET))
	@$(MAKE) --no-print-directory -j$(JOBS) $(BUILD)/hookward $(CRASH)
	@HOOKWARD_FLEET_ROUNDS=$(ROUNDS_FLEET) JOBS=1 $(FLEET_RUN) spec/fleet

picture: ## renew README's picture of the admin page
	@$(MAKE) --no-print-directory test-browser BROWSER_SPECS=spec/browser/picture_spec.lua
	cp build/screenshots/admin.png examples/admin.png

test-monitoring: setup-test ## install Prometheus, and have it scrape a host: examples/monitoring
	$(call install_missing,$(PACKAGES_MONITORING))
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@HOOKWARD=$(abspath $(BUILD)/hookward) HOOKWARD_SPEC_PATIENCE=60 JOBS=$(JOBS) sh spec/run.sh specs spec/monitoring

# Libraries that specs load before the host to replace functions of libc; always without sanitizers.
PRELOADS = $(patsubst spec/preload/%.c,build/preload/%.so,$(wildcard spec/preload/*.c))

build/preload/%.so: spec/preload/%.c Makefile
	@mkdir -p $(@D)
	@echo "  cc   $<"
	$(Q)$(CC) -std=c11 $(WARN) -O2 -g -fPIC -shared -o $@ $< -ldl -pthread

build-tests: $(CRASH) $(BUILD)/hookward $(TESTS) $(PRELOADS)

# More jobs than cores: tests wait more than they compute.
TEST_JOBS = $(shell echo $$(($(JOBS) * 3)))
UNIT_JOBS = $(shell echo $$(($(JOBS) * 2)))

# With a PostgreSQL beside the tests, where it is installed.
WITH_POSTGRES = lua5.4 spec/support/with_postgres.lua

check-core: $(TESTS)
	@JOBS=$(UNIT_JOBS) HOOKWARD_TEST=1 $(WITH_POSTGRES) sh spec/run.sh units $(TESTS)

$(BUILD)/crash/core/%.o: core/%.c Makefile
	@mkdir -p $(@D)
	@echo "  cc   $< (with crash points)"
	$(Q)$(CC) $(ALL_CFLAGS) -DHW_CRASH_POINTS $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

$(CRASH): $(BUILD)/core/main.o $(BUILD)/embedded.o $(CRASH_OBJECTS) $(PLAIN_OBJECTS)
	@echo "  link $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

crash: all $(CRASH) ## kill the host 200 times under load; nothing answered may be lost
	HOOKWARD=$(abspath $(BUILD)/hookward) HOOKWARD_CRASH=$(abspath $(CRASH)) \
	  HOOKWARD_CRASH_ROUNDS=200 busted spec/crash_spec.lua spec/crash_ack_spec.lua

ROUNDS ?= 200
power-loss: all $(CRASH) $(PRELOADS) ## lose power ROUNDS (200) times; nothing answered may be lost
	HOOKWARD=$(abspath $(BUILD)/hookward) HOOKWARD_CRASH=$(abspath $(CRASH)) HOOKWARD_POWER_ROUNDS=$(ROUNDS) \
	  busted spec/power_spec.lua

reload-storm: all $(CRASH) ## make 500 edits under load and 1,000 reloads
	HOOKWARD=$(abspath $(BUILD)/hookward) HOOKWARD_CRASH=$(abspath $(CRASH)) \
	  HOOKWARD_RELOAD_EDITS=500 busted spec/reload_spec.lua

check-spec: $(BUILD)/hookward $(CRASH) $(PRELOADS)
	HOOKWARD=$(abspath $(BUILD)/hookward) HOOKWARD_CRASH=$(abspath $(CRASH)) \
	  HOOKWARD_ROCK=$(abspath $(SPEC_ROCK)) JOBS=$(TEST_JOBS) $(WITH_POSTGRES) sh spec/run.sh specs $(SPECS)

# At a fixed address: the sanitizers' tables would be relocated at each start, which is a fifth of it.
ASAN_FLAGS = BUILD=build/asan SANITIZE=address,undefined CFLAGS="-O1 -g1" LDFLAGS=-no-pie WERROR=1
TSAN_FLAGS = BUILD=build/tsan SANITIZE=thread CFLAGS="-O1 -g1" WERROR=1
TSAN_SPECS = spec/crew_spec.lua spec/drain_spec.lua spec/ledger_spec.lua \
             spec/reload_spec.lua spec/ack_first_spec.lua spec/fleet/kill_spec.lua --exclude-tags=alone,ci,long
TSAN_TESTS = app/app_test trip/crew_test trip/claims_test trip/committer_test trip/dispatch_test ledger/memory_test ledger/sqlite_test \
             ledger/recovery_test ledger/due_test ledger/accept_test ledger/postgres_test ledger/pg_pulse_test

build-asan:
	@$(MAKE) --no-print-directory $(ASAN_FLAGS) -j$(JOBS) build-tests

build-tsan:
	@$(MAKE) --no-print-directory $(TSAN_FLAGS) -j$(JOBS) build/tsan/hookward build/tsan/crash/hookward $(TSAN_TESTS:%=build/tsan/spec/%)

build-fuzz:
	@$(MAKE) --no-print-directory $(FUZZ_FLAGS) -j$(JOBS) fuzzers

# A sanitizer names lines, which -g1 has. Three frames show where a block was allocated; the default of
# 30 makes the tests a quarter slower.
asan: build-asan ## run the tests, the longest too, with AddressSanitizer and UBSan
	@HOOKWARD_SPEC_PATIENCE=60 HOOKWARD_RELOAD_EDITS=10 ASAN_OPTIONS=malloc_context_size=3 $(MAKE) --no-print-directory $(ASAN_FLAGS) check-core check-spec \
	  SPECS="--exclude-tags=rock,package,dotnet,ci $(wildcard spec/*_spec.lua) spec/fleet/kill_spec.lua"

tsan: build-tsan ## test the crew and the ledger with ThreadSanitizer
	@TSAN_OPTIONS="suppressions=$(CURDIR)/spec/tsan.supp exitcode=66" \
	  $(MAKE) --no-print-directory $(TSAN_FLAGS) check-core TESTS="$(TSAN_TESTS:%=build/tsan/spec/%)"
	@HOOKWARD_SPEC_PATIENCE=60 HOOKWARD_RELOAD_EDITS=10 TSAN_OPTIONS="suppressions=$(CURDIR)/spec/tsan.supp exitcode=66" \
	  $(MAKE) --no-print-directory $(TSAN_FLAGS) check-spec SPECS="$(TSAN_SPECS)"

FUZZ_SECONDS ?= 60
FUZZ_FLAGS = BUILD=build/fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined CFLAGS="-O1 -g1"

fuzzers: $(FUZZERS:%=$(BUILD)/%_fuzz)

$(BUILD)/%_fuzz: spec/fuzz/%_fuzz.c $(OBJECTS) $(BUILD)/embedded.o
	@echo "  link $@"
	$(Q)$(CC) $(ALL_CFLAGS) -Ispec/core $(PKG_CFLAGS) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

# New finds go to build/; add those worth keeping to the corpus by hand.
FUZZ_EACH = $(shell echo $$(( $(FUZZ_SECONDS) / $(words $(FUZZERS)) )))

fuzz: setup-ci ## fuzz each parser, the connection, RSA and the configuration, FUZZ_SECONDS (60) in total
	@$(MAKE) --no-print-directory build-fuzz
	@printf '%s\n' $(FUZZERS) | xargs -P $(JOBS) -I{} sh -c 'mkdir -p build/fuzz/{}_finds; \
	  build/fuzz/{}_fuzz -max_total_time=$(FUZZ_EACH) -max_len=20000 -artifact_prefix=build/fuzz/{}- \
	    -verbosity=0 -print_final_stats=1 build/fuzz/{}_finds spec/fuzz/{}_corpus >build/fuzz/{}.log 2>&1; \
	  code=$$?; { flock 9; echo "fuzzing {}"; cat build/fuzz/{}.log; } 9>build/fuzz/lock; exit $$code'

# ---- code quality and measurements ----

C_FILES = $(wildcard core/*.[ch] core/*/*.[ch] spec/core/*.[ch] spec/core/*/*.[ch] spec/fuzz/*.[ch] spec/bench/*.c spec/preload/*.c)

style: ## check with clang-format, luacheck, and the order of the rooms
	clang-format --dry-run --Werror $(C_FILES)
	lua5.4 spec/rooms.lua
	luacheck -q lua rockspec/hookward spec examples core/script/embed.lua rockspec/generate.lua

lint: style ## check the style, and compile with warnings as errors
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=build/lint WERROR=1 CFLAGS="-O2" all

format: ## format the C code
	clang-format -i $(C_FILES)

bench: all ## measure with wrk, and compare with openssl's verification rate; LEDGER=postgres://…
	HOOKWARD=$(BUILD)/hookward sh spec/bench/run.sh

ROWS ?= 1000 100000 1000000
$(BUILD)/lookup: spec/bench/lookup.c $(OBJECTS) $(BUILD)/embedded.o
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BUILD)/verify: spec/bench/verify.c $(OBJECTS) $(BUILD)/embedded.o
	$(Q)$(CC) $(ALL_CFLAGS) -Ispec/core $(PKG_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BUILD)/flood: spec/bench/flood.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $< -lssl -lcrypto -pthread

$(BUILD)/claims: spec/bench/claims.c $(OBJECTS) $(BUILD)/embedded.o
	$(Q)$(CC) $(ALL_CFLAGS) -Ispec/core $(PKG_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

FLOODS ?=
bench-floods: setup-ci all $(BUILD)/flood ## measure answers and memory under ten floods, beside nginx
	HOOKWARD=$(BUILD)/hookward FLOOD=$(BUILD)/flood sh spec/bench/floods.sh $(FLOODS)

STRANGERS ?=
bench-strangers: all $(BUILD)/flood ## measure answers, memory and descriptors under floods, with and without TLS
	HOOKWARD=$(BUILD)/hookward FLOOD=$(BUILD)/flood sh spec/bench/strangers.sh $(STRANGERS)

ACK ?= rate backlog rows
bench-ack: all ## measure ack-first: its rate, a backlog that grows, a long one
	for what in $(ACK); do HOOKWARD=$(BUILD)/hookward sh spec/bench/ack.sh $$what || exit 1; done

ADMIN ?= rate rows
bench-admin: setup-ci all ## measure what the admin listener costs, and its page with a million rows
	for what in $(ADMIN); do HOOKWARD=$(BUILD)/hookward sh spec/bench/admin.sh $$what || exit 1; done

bench-tls: setup-ci all ## measure what TLS costs: https beside http, handshakes beside nginx's
	HOOKWARD=$(BUILD)/hookward sh spec/bench/tls.sh

bench-verify: $(BUILD)/verify ## measure what a verification costs, and compare with OpenSSL
	$(BUILD)/verify

bench-lookup: $(BUILD)/lookup ## measure what a look-up in ledgers of ROWS rows costs
	$(BUILD)/lookup $(ROWS)

LEDGER  ?= postgres://
SECONDS ?= 5
BATCHES ?= 1 16 64 256
bench-claims: $(BUILD)/claims ## measure what one connection claims and settles in PostgreSQL, at LEDGER
	$(BUILD)/claims "$(LEDGER)" $(SECONDS) $(BATCHES)

bench-postgres: all ## measure a ledger in PostgreSQL, at LEDGER, beside one in a file
	HOOKWARD=$(BUILD)/hookward LEDGER="$(LEDGER)" sh spec/bench/postgres.sh

top: ## show the longest functions and files, and the includes from room to room
	@lua5.4 spec/bench/longest.lua $(filter %.c,$(wildcard core/*.c core/*/*.c))
	@lua5.4 spec/rooms.lua --arrows

# ---- installing ----

# The program itself prints the manual pages and the completions.
PAGES = $(addprefix $(BUILD)/share/,hookward.1 hookward.lua.5 hookward.bash hookward.zsh hookward.fish)

pages: $(PAGES)

$(BUILD)/share/hookward.1: $(BUILD)/hookward
	$(call print,help --man hookward)

$(BUILD)/share/hookward.lua.5: $(BUILD)/hookward
	$(call print,help --man hookward.lua)

$(BUILD)/share/hookward.%: $(BUILD)/hookward
	$(call print,completion $*)

define print
	@mkdir -p $(@D)
	$(Q)$(abspath $(BUILD)/hookward) $(1) >$@.new && mv $@.new $@
endef

BINDIR  = $(PREFIX)/bin
UNITDIR = $(PREFIX)/lib/systemd/system
MANDIR  = $(PREFIX)/share/man
DOCDIR  = $(PREFIX)/share/doc/hookward
BASHDIR = $(PREFIX)/share/bash-completion/completions
ZSHDIR  = $(PREFIX)/share/zsh/site-functions
FISHDIR = $(PREFIX)/share/fish/vendor_completions.d

install: all pages ## install into PREFIX (/usr/local), with the packages that the program needs
	$(if $(DESTDIR),,$(call install_missing,$(PACKAGES_INSTALLED)))
	install -D -m 755 $(BUILD)/hookward $(DESTDIR)$(BINDIR)/hookward
	install -D -m 644 $(BUILD)/share/hookward.1 $(DESTDIR)$(MANDIR)/man1/hookward.1
	install -D -m 644 $(BUILD)/share/hookward.lua.5 $(DESTDIR)$(MANDIR)/man5/hookward.lua.5
	install -D -m 644 $(BUILD)/share/hookward.bash $(DESTDIR)$(BASHDIR)/hookward
	install -D -m 644 $(BUILD)/share/hookward.zsh $(DESTDIR)$(ZSHDIR)/_hookward
	install -D -m 644 $(BUILD)/share/hookward.fish $(DESTDIR)$(FISHDIR)/hookward.fish
	@install -d $(DESTDIR)$(UNITDIR)
	@for unit in hookward.service hookward.socket; do \
	  echo "install rockspec/systemd/$$unit $(DESTDIR)$(UNITDIR)"; \
	  sed 's,@BINDIR@,$(BINDIR),' rockspec/systemd/$$unit >$(DESTDIR)$(UNITDIR)/$$unit && \
	  chmod 644 $(DESTDIR)$(UNITDIR)/$$unit || exit 1; \
	done
	@echo "install examples $(DESTDIR)$(DOCDIR)"
	@for file in $(sort $(EXAMPLES) $(wildcard examples/monitoring/* examples/fleet/*.* examples/fleet/*/*)); do \
	  install -D -m 644 $$file $(DESTDIR)$(DOCDIR)/$$file || exit 1; \
	done

uninstall: ## remove what `make install` has installed, with the same PREFIX
	rm -f $(addprefix $(DESTDIR),$(BINDIR)/hookward $(MANDIR)/man1/hookward.1 $(MANDIR)/man5/hookward.lua.5 \
	  $(BASHDIR)/hookward $(ZSHDIR)/_hookward $(FISHDIR)/hookward.fish \
	  $(UNITDIR)/hookward.service $(UNITDIR)/hookward.socket)
	rm -rf $(DESTDIR)$(DOCDIR)

# ---- the Debian package ----

# rockspec/debian becomes debian/ in a copy of the sources, and Debian's own tools build there. -d
# does without build-essential, whose C++ compiler is not needed. -g0 makes no debug information, which
# would only be stripped.
DEB_VERSION = $(shell sed -n '1s/.*(\(.*\)).*/\1/p' rockspec/debian/changelog)
DEB = build/hookward_$(DEB_VERSION)_$(shell dpkg --print-architecture).deb

deb: setup-deb ## build the Debian package: build/hookward_VERSION_ARCH.deb
	@$(MAKE) --no-print-directory $(DEB)
	@echo "the package: $(DEB)"

$(DEB): $(wildcard core/*.[ch] core/*/*) $(LUA) $(EXAMPLES) $(wildcard rockspec/*/* rockspec/debian/*/*) \
        Makefile README.md LICENSE CHANGELOG.md
	@echo "  deb  $@"
	$(Q)rm -rf build/deb && mkdir -p build/deb/hookward
	$(Q)cp -r core lua examples rockspec Makefile README.md LICENSE CHANGELOG.md build/deb/hookward
	$(Q)mv build/deb/hookward/rockspec/debian build/deb/hookward/debian
	$(Q)cd build/deb/hookward && env -u MAKEFLAGS -u MAKELEVEL DEB_BUILD_OPTIONS="parallel=$(JOBS) noautodbgsym" \
	  DEB_CFLAGS_APPEND=-g0 dpkg-buildpackage -d -b -us -uc >../log 2>&1 || { tail -30 ../log; exit 1; }
	$(Q)mv build/deb/$(@F) $@

# A bare Debian 12 with what the package depends on, kept until `make clean`.
DEBIAN_ROOT = build/debian-root.tar

debian-root: $(DEBIAN_ROOT)

$(DEBIAN_ROOT): spec/support/debian_root.sh
	@mkdir -p build
	@echo "  root $@"
	$(Q)sh $< $@ $(PACKAGES_INSTALLED) adduser >build/debian-root.log 2>&1 || { tail -30 build/debian-root.log; exit 1; }

test-package: setup-ci ## build the Debian package; install, run, upgrade and remove it in a bare Debian
	@if [ "$$(id -u)" != 0 ] || ! unshare --mount mount -t tmpfs none /mnt 2>/dev/null; then \
	  echo "test-package: skipped: a Debian root needs a user that may mount"; else \
	  $(MAKE) --no-print-directory -j$(JOBS) $(DEB) $(DEBIAN_ROOT) $(BUILD)/hookward $(CRASH) $(PRELOADS) && \
	  HOOKWARD_DEB=$(abspath $(DEB)) HOOKWARD_ROOT=$(abspath $(DEBIAN_ROOT)) \
	    $(MAKE) --no-print-directory check-spec SPECS="spec/package_spec.lua --tags=package"; \
	fi

clean: ## remove what was built
	rm -rf build
