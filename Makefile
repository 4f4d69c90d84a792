# Redoubt: build, test, measure. `make` builds build/redoubt-server; `make help` lists the targets.

CC ?= cc
BUILD ?= build
# release (default) | debug; SANITIZE=address,undefined builds with these sanitizers and without jemalloc.
MODE ?= release
SANITIZE ?=
# Added to what is below, for packagers and experiments. WERROR= lets warnings pass.
CFLAGS ?=
LDFLAGS ?=
WERROR ?= -Werror
# Debian's own python3, which has the redis package; another may come first in PATH.
PYTHON ?= /usr/bin/python3

FOLDERS := base protocol storage storage/snapshot scripting server server/commands
SOURCES := $(wildcard $(addsuffix /*.c,$(FOLDERS)))
HEADERS := $(wildcard $(addsuffix /*.h,$(FOLDERS)))
MAIN    := server/main.c
LIBSRC  := $(filter-out $(MAIN),$(SOURCES))
UNITSRC := $(wildcard tests/unit/test_*.c)
FUZZSRC := $(wildcard tests/fuzz/*.c)

WARN := -Wall -Wextra $(WERROR)
BASE := -std=gnu11 -D_GNU_SOURCE -I. -isystem /usr/include/lua5.4 -g
# Lua comes as its static library, of whose functions some are ours instead (scripting/): --wrap takes the
# calls between its objects.
LUA_WRAPS := luaU_undump luaO_tostring luaO_str2num luaL_tolstring luaL_checkinteger luaL_optinteger luaD_throw
LUA_LIBS  := $(LUA_WRAPS:%=-Wl,--wrap=%) -l:liblua5.4.a
LIBS := $(LUA_LIBS) -lxxhash -llzf -luv -lpthread -ldl -lm -lrt

# Archives of objects for link-time optimization take the compiler's own archiver.
IS_CLANG := $(findstring clang,$(shell $(CC) --version))
LTO_AR   := $(shell command -v "$$($(CC) -print-prog-name=$(if $(IS_CLANG),llvm-ar,gcc-ar))")
LTO      := $(if $(LTO_AR),$(if $(IS_CLANG),-flto,-flto=auto))
ARCHIVER := $(or $(LTO_AR),ar)

ifneq ($(SANITIZE),)
# -Wformat-truncation sees dangers where the sanitizers have rewritten the code.
WARN += -Wno-format-truncation
OPT  := -O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined
else
ifeq ($(MODE),debug)
OPT := -O1 -fno-omit-frame-pointer
else
OPT := -O3 -fno-omit-frame-pointer $(LTO) -fno-semantic-interposition
endif
BASE += -DREDOUBT_JEMALLOC
LIBS += -ljemalloc
endif

COMPILE = $(CC) $(BASE) $(WARN) $(OPT) $(CFLAGS)

# What --version and INFO tell of the build (server/version.h); without git its own defaults hold.
ifneq ($(wildcard .git),)
COMMIT   := $(shell git rev-parse --short=8 HEAD 2>/dev/null)
endif
ifneq ($(COMMIT),)
MODIFIED := $(shell git status --porcelain -uno 2>/dev/null | wc -l)
VERSION  := -DREDOUBT_COMMIT='"$(COMMIT)"' -DREDOUBT_MODIFIED='"$(MODIFIED)"' \
            -DREDOUBT_BUILD_ID='"$(shell printf '%s:%s' $(COMMIT) $(MODIFIED) | sha256sum | cut -c1-16)"'
endif

OBJ   := $(LIBSRC:%.c=$(BUILD)/obj/%.o)
LIB   := $(BUILD)/libredoubt.a
UNITS := $(UNITSRC:tests/unit/%.c=$(BUILD)/unit/%)
# The objects that know the version: only they are built again when it changes.
VERSIONED := $(patsubst %.c,$(BUILD)/obj/%.o,$(shell grep -l '"server/version.h"' $(SOURCES)))

all: $(BUILD)/redoubt-server ## the server: build/redoubt-server (MODE=debug, SANITIZE=address,undefined, CC=clang)

# A file that changes with the text it holds: what depends on it is built again with other flags. The text
# is that of the variable named like the file.
$(BUILD)/flags: TEXT = $(COMPILE) $(LDFLAGS) $(LIBS)
$(BUILD)/version: TEXT = $(VERSION)
$(BUILD)/flags $(BUILD)/version: always
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(TEXT))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(TEXT))' >$@

$(BUILD)/redoubt-server: $(BUILD)/obj/$(MAIN:.c=.o) $(LIB)
	$(COMPILE) $(LDFLAGS) -rdynamic -o $@ $< $(LIB) $(LIBS)

$(LIB): $(OBJ)
	@rm -f $@
	$(ARCHIVER) rcs $@ $(OBJ)

$(VERSIONED): $(BUILD)/version
$(VERSIONED): private COMPILE += $(VERSION)
$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c -o $@ $<

$(BUILD)/unit/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(COMPILE) $(LDFLAGS) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(LIB) -lcmocka $(LIBS)

run: all ## build and serve: make run ARGS='--port 7000'
	$(BUILD)/redoubt-server $(ARGS)

check: ## every test, as ./check does
	./check

units: $(UNITS)

unit: $(UNITS) ## the unit tests of this build
	@set -e; for t in $(UNITS); do $$t; done

bench: all ## side by side with redis-server: bench/results.md and its chart (ARGS=--quick: neither)
	REDOUBT_SERVER=$(abspath $(BUILD)/redoubt-server) $(PYTHON) bench/run.py $(ARGS)

# Fuzzing (clang): each target for FUZZ_SECONDS; what it has learnt stays in the build folder.
FUZZ_SECONDS ?= 60
# The digest knows nothing but storage.
FUZZED := $(wildcard base/*.c protocol/*.c storage/*.c storage/snapshot/*.c) server/digest.c

$(BUILD)/fuzz/%: tests/fuzz/%.c $(FUZZED) $(HEADERS)
	@mkdir -p $(@D)
	clang $(BASE) -UREDOUBT_JEMALLOC -O1 $(WARN) -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -o $@ $< $(FUZZED) -lxxhash -llzf -luv -lm

fuzz: fuzz-request fuzz-restore ## what reads requests and dumps, fed with anything (clang): FUZZ_SECONDS=60

# The seed holds a bulk so large that it is supplied from outside of the parser's input.
fuzz-request: $(BUILD)/fuzz/fuzz_request
	@mkdir -p $<.corpus
	@printf '\001\310\310\012\310*2\r\n$$4\r\necho\r\n$$40000\r\n%040000d\r\n' 0 >$<.corpus/large
	$< -dict=tests/fuzz/request.dict -max_len=90000 -max_total_time=$(FUZZ_SECONDS) \
		-artifact_prefix=$<. $<.corpus

# The seeds are values as all ages of Redis wrote them.
fuzz-restore: $(BUILD)/fuzz/fuzz_restore
	@mkdir -p $<.corpus
	@$(PYTHON) tests/payloads.py $<.corpus
	$< -max_len=4096 -rss_limit_mb=1024 -malloc_limit_mb=64 -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$<. $<.corpus

# Lines that the unit and integration tests reach, by file, the least covered first.
COVERED := $(BUILD)/coverage
coverage: ## which lines the tests reach (gcc's gcov)
	$(MAKE) BUILD=$(COVERED) MODE=debug CC=gcc CFLAGS='-O0 --coverage -fprofile-update=atomic' \
		units $(COVERED)/redoubt-server
	find $(COVERED) -name '*.gcda' -delete
	for t in $(UNITS:$(BUILD)/%=$(COVERED)/%); do $$t >/dev/null 2>&1 || echo "$$t failed"; done
	-PYTHONPATH=tests REDOUBT_SERVER=$(abspath $(COVERED))/redoubt-server \
		REDOUBT_SERVER_SANITIZED=$(abspath $(COVERED))/redoubt-server \
		$(PYTHON) -m unittest discover -q -s tests/integration
	find $(COVERED)/obj -name '*.gcda' -exec gcov -n {} + 2>/dev/null | tools/coverage.sh

TIDIED := $(SOURCES:%.c=$(BUILD)/lint/%.ok)
$(BUILD)/lint/%.ok: %.c $(HEADERS) .clang-tidy
	@mkdir -p $(@D)
	clang-tidy --quiet --warnings-as-errors='*' $< -- $(BASE) 2>/dev/null
	@touch $@

lint: $(TIDIED) ## clang-tidy over the sources that have changed

format: ## clang-format over all sources
	clang-format -i $(SOURCES) $(HEADERS) $(UNITSRC) $(FUZZSRC)

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man
DOCDIR     ?= $(PREFIX)/share/doc/redoubt
SYSCONFDIR ?= /etc
UNITDIR    ?= $(PREFIX)/lib/systemd/system
USERDIR    ?= $(PREFIX)/lib/sysusers.d
CONFIG     := $(DESTDIR)$(SYSCONFDIR)/redoubt/redoubt.conf

install: all ## binary, man page, configuration, systemd unit: PREFIX=/usr/local, DESTDIR, SYSCONFDIR=/etc
	install -D -m 755 $(BUILD)/redoubt-server $(DESTDIR)$(BINDIR)/redoubt-server
	install -D -m 644 package/redoubt-server.1 $(DESTDIR)$(MANDIR)/man1/redoubt-server.1
	install -D -m 644 redis.conf.example $(DESTDIR)$(DOCDIR)/redis.conf.example
	install -D -m 644 package/redoubt.service $(DESTDIR)$(UNITDIR)/redoubt.service
	sed -i 's|/usr/bin/redoubt-server|$(BINDIR)/redoubt-server|; s|/etc/redoubt|$(SYSCONFDIR)/redoubt|g' \
		$(DESTDIR)$(UNITDIR)/redoubt.service
	install -D -m 644 package/redoubt.sysusers $(DESTDIR)$(USERDIR)/redoubt.conf
	test -e $(CONFIG) || install -D -m 644 redis.conf.example $(CONFIG)

uninstall: ## what install brought, but for the configuration
	rm -f $(DESTDIR)$(BINDIR)/redoubt-server $(DESTDIR)$(MANDIR)/man1/redoubt-server.1 \
		$(DESTDIR)$(DOCDIR)/redis.conf.example $(DESTDIR)$(UNITDIR)/redoubt.service \
		$(DESTDIR)$(USERDIR)/redoubt.conf
	-rmdir $(DESTDIR)$(DOCDIR) 2>/dev/null

clean: ## remove the build folder
	rm -rf $(BUILD)

help: ## this list
	@awk -F': .*## |: ## ' '/^[a-z]+:.* ## /{printf "    make %-10s %s\n", $$1, $$2}' Makefile

# `make clean all` means: one after the other.
ifneq ($(filter clean,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all always run check units unit bench fuzz fuzz-request fuzz-restore coverage lint format install uninstall clean help
