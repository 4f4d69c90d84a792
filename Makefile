# Redoubt: build, test, measure. `make` builds build/redoubt-server; `make help` lists the targets.

CC ?= cc
BUILD ?= build
# release (default) | debug; SANITIZE=address,undefined builds with these sanitizers and without jemalloc.
MODE ?= release
SANITIZE ?=

FOLDERS := base protocol storage scripting server server/commands
SOURCES := $(wildcard $(addsuffix /*.c,$(FOLDERS)))
MAIN    := server/main.c
LIBSRC  := $(filter-out $(MAIN),$(SOURCES))
UNITSRC := $(wildcard tests/unit/test_*.c)

# What --version and INFO tell of the build (server/version.h); without git its own defaults hold.
COMMIT   := $(shell git rev-parse --short=8 HEAD 2>/dev/null)
MODIFIED := $(shell git status --porcelain -uno 2>/dev/null | wc -l)
ifneq ($(COMMIT),)
VERSION  := -DREDOUBT_COMMIT='"$(COMMIT)"' -DREDOUBT_MODIFIED='"$(MODIFIED)"' \
            -DREDOUBT_BUILD_ID='"$(shell printf '%s:%s' $(COMMIT) $(MODIFIED) | sha256sum | cut -c1-16)"'
endif

WARN   := -Wall -Wextra -Werror
CFLAGS ?=
BASE   := -std=gnu11 -D_GNU_SOURCE -I. -g $(WARN) $(VERSION)
LIBS   := -lxxhash -luv -lpthread -ldl -lm -lrt

ifeq ($(MODE),debug)
OPT := -O1 -fno-omit-frame-pointer
else
OPT := -O3 -fno-omit-frame-pointer -flto=auto -fno-semantic-interposition
endif
ifneq ($(SANITIZE),)
# -Wformat-truncation sees dangers where the sanitizers have rewritten the code.
WARN += -Wno-format-truncation
OPT  := -O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined
else
BASE += -DREDOUBT_JEMALLOC
LIBS += -ljemalloc
endif

ALLFLAGS = $(BASE) $(OPT) $(CFLAGS)
OBJ   := $(LIBSRC:%.c=$(BUILD)/obj/%.o)
LIB   := $(BUILD)/libredoubt.a
UNITS := $(UNITSRC:tests/unit/%.c=$(BUILD)/unit/%)

all: $(BUILD)/redoubt-server

$(BUILD)/redoubt-server: $(BUILD)/obj/$(MAIN:.c=.o) $(LIB)
	$(CC) $(ALLFLAGS) -rdynamic -o $@ $< $(LIB) $(LIBS)

$(LIB): $(OBJ)
	@rm -f $@
	gcc-ar rcs $@ $(OBJ)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALLFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/unit/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(ALLFLAGS) -MMD -MP -o $@ $< $(LIB) -lcmocka $(LIBS)

units: $(UNITS)

unit: $(UNITS)
	@set -e; for t in $(UNITS); do $$t; done

# Fuzzing (clang): each target for FUZZ_SECONDS; what it has learnt stays in the build folder.
FUZZ_SECONDS ?= 60
FUZZED := $(wildcard base/*.c protocol/*.c)

$(BUILD)/fuzz/%: tests/fuzz/%.c $(FUZZED)
	@mkdir -p $(@D)
	clang -std=gnu11 -D_GNU_SOURCE -I. -g -O1 $(WARN) -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -o $@ $^ -lxxhash -luv -lm

# The seed holds a bulk so large that it is supplied from outside of the parser's input.
fuzz: $(BUILD)/fuzz/fuzz_request
	@mkdir -p $<.corpus
	@printf '\001\310\310\012\310*2\r\n$$4\r\necho\r\n$$40000\r\n%040000d\r\n' 0 >$<.corpus/large
	$< -dict=tests/fuzz/request.dict -max_len=90000 -max_total_time=$(FUZZ_SECONDS) \
		-artifact_prefix=$<. $<.corpus

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all units unit fuzz clean
