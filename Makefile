# Postern. On a fresh Debian machine, as root: `make demo`, `make check`. README.md says what they do and print.
#
# Everything is built and run inside a Debian 13 root that image/builder/ makes once. Outside of it this file only
# sees to that root and calls itself inside. Variables that a user may set:
#   BUILDER=DIR   builder root, package cache, firmware, static libraries; several worktrees may share one
#   V=1           show commands    SANITIZE=1   address and undefined-behaviour sanitizers (check-unit, fuzz-corpus)
#   COVERAGE=1    counts for gcov (check-unit, coverage)
#   FUZZ_SECONDS=N   how long `make fuzz` explores with each target
#   MIRROR=URL SECURITY_MIRROR=URL   Debian archives, default: the machine's own apt configuration

BUILDER ?= $(CURDIR)/build/builder
.DEFAULT_GOAL := all

ifndef IN_BUILDER
# ---------------------------------------------------------------------------------------------------------- outside

INSIDE_TARGETS := all demo image check check-unit check-vm check-image fuzz-corpus fuzz coverage lint size \
    clean-objects
.PHONY: $(INSIDE_TARGETS) builder builder-check clean distclean

builder:
	@image/builder/host-setup
	@BUILDER='$(BUILDER)' image/builder/make-root

builder-check: builder
	@BUILDER='$(BUILDER)' image/builder/make-root check

$(filter check% fuzz% coverage lint,$(INSIDE_TARGETS)): builder-check
$(filter-out check% fuzz% coverage lint,$(INSIDE_TARGETS)): builder

$(INSIDE_TARGETS):
	@BUILDER='$(BUILDER)' image/builder/enter make --no-print-directory IN_BUILDER=1 \
	    $(foreach v,V SANITIZE COVERAGE PROFILE FUZZ_SECONDS TESTS,$(if $($(v)),$(v)='$($(v))')) -j$(shell nproc) $@

clean:
	rm -rf build/obj build/san build/cov build/fuzz build/bin build/guest build/tests build/image build/demo

distclean:
	rm -rf build

else
# ----------------------------------------------------------------------------------------------------------- inside

O := build/$(if $(SANITIZE),san,$(if $(COVERAGE),cov,$(if $(LIBFUZZER),fuzz,obj)))
Q := $(if $(V),,@)
say = @$(if $(V),:,printf '  %-6s %s\n' $(1) $(2))

CC := gcc
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef -Wpointer-arith \
    -Wcast-qual -Wimplicit-fallthrough -Wsign-compare -Werror=date-time -Werror
HARDENING := -fstack-protector-strong -fstack-clash-protection -fcf-protection -ftrivial-auto-var-init=zero
STATIC := /builder/static
CPPFLAGS := -I. -I$(STATIC)/include -D_GNU_SOURCE
CFLAGS := -std=gnu11 -O2 -fPIE -ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)=. $(WARNINGS)
LDFLAGS := -Wl,--gc-sections,-z,relro,-z,now,--build-id=none -L$(STATIC)/lib
ifdef SANITIZE
CFLAGS += -g -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS += -fsanitize=address,undefined
else ifdef COVERAGE
CFLAGS += -g -O0 --coverage
else ifdef LIBFUZZER
CC := clang
CFLAGS += -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
else
CPPFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
CFLAGS += $(HARDENING)
endif

# Libraries by room, each with the rooms below it (DESIGN: base <- measure <- attest <- release, base <- luks).
ROOMS := base measure attest release luks init broker psp psp/shim cli
objects = $(patsubst %.c,$(O)/%.o,$(wildcard $(1)/*.c))
room = $(O)/lib$(1).a
LIBRARIES := $(foreach r,release attest measure luks base,$(if $(wildcard $(r)/*.c),$(call room,$(r))))
CRYPTO := -lssl -lcrypto
DISKS := -lcryptsetup -ldevmapper -luuid -lm -lpthread
SHARED := -ljson-c -lllhttp $(CRYPTO)
COMMON := $(SHARED) -lz -lzstd

PROGRAMS := build/bin/postern build/bin/postern-psp build/bin/postern-broker build/guest/postern-init \
    build/guest/psp-shim
all: $(PROGRAMS)

define room_rules
$(call room,$(1)): $(call objects,$(1))
	$(call say,AR,$$@)
	$(Q)rm -f $$@ && ar rcD $$@ $$^
endef
$(foreach r,base measure attest release luks,$(eval $(call room_rules,$(r))))

$(O)/%-parse.o: CFLAGS += -Wconversion
$(O)/%.o: %.c Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
$(O)/attest/roots.o: $(wildcard attest/roots/*.pem)
-include $(foreach r,$(ROOMS),$(patsubst %.c,$(O)/%.d,$(wildcard $(r)/*.c)))

define link
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(1) -o $@ $(filter %.o %.a,$^) $(2)
endef

build/bin/postern: $(call objects,cli) $(LIBRARIES)
	$(call link,-static-pie -s,$(DISKS) $(COMMON))
build/bin/postern-psp: $(call objects,psp) $(LIBRARIES)
	$(call link,-static-pie -s,$(COMMON))
build/bin/postern-broker: $(call objects,broker) $(LIBRARIES)
	$(call link,-pie -s,-levent_core -levent_openssl -lsqlite3 $(COMMON))
build/guest/postern-init: $(call objects,init) $(LIBRARIES)
	$(call link,-static-pie -s -Wl$(comma)-Map=$@.map,-ldevmapper -lm -lpthread $(COMMON))
build/guest/psp-shim: $(call objects,psp/shim) $(LIBRARIES)
	$(call link,-static-pie -s,-lfuse3 -lpthread)
comma := ,

# ---- tests: each tests/unit/test-X.c is a cmocka program, each tests/fuzz/fuzz-X.c a libFuzzer target

UNIT := $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/test-*.c))
$(O)/unit/%: tests/unit/%.c $(wildcard tests/unit/*.h) $(LIBRARIES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -pie -MMD -MP -o $@ $< $(filter %.o %.a,$^) \
	    -lcmocka $(if $(findstring luks,$*),$(DISKS)) $(SHARED)
-include $(UNIT:%=%.d)

# The corpus is replayed through each target with a plain main(); `make fuzz` explores with clang's libFuzzer.
FUZZ := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(wildcard tests/fuzz/fuzz-*.c))
$(O)/fuzz/%: tests/fuzz/%.c $(if $(LIBFUZZER),,tests/fuzz/replay.c) $(LIBRARIES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(if $(LIBFUZZER),-fsanitize=fuzzer$(comma)address$(comma)undefined) \
	    -pie -MMD -MP -o $@ $(filter %.c %.a,$^) $(SHARED)
-include $(FUZZ:%=%.d)

ifdef LIBFUZZER
# What a target finds new is kept under build/; a crash ends it, with the input beside its findings.
fuzz: $(FUZZ)
	@for target in $(FUZZ); do \
	    name=$${target##*/}; found=build/fuzz-found/$$name; mkdir -p $$found; echo "$$name, $(FUZZ_SECONDS) s"; \
	    $$target -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -timeout=10 -print_final_stats=1 \
	        -artifact_prefix=$$found/ $$found tests/fuzz/corpus/$$name 2>$$found.log || \
	        { tail -40 $$found.log; exit 1; }; \
	    grep -E 'number_of_executed_units|new_units_added' $$found.log; \
	done
else
fuzz:
	@$(MAKE) --no-print-directory IN_BUILDER=1 LIBFUZZER=1 FUZZ_SECONDS=$(or $(FUZZ_SECONDS),60) $@
endif

# Random launches, measured by measure/ and by a second implementation (Python, hashlib).
DIFFERENTIAL := $(O)/measure/driver
$(DIFFERENTIAL): tests/measure/driver.c $(LIBRARIES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -pie -MMD -MP -o $@ $(filter %.c %.a,$^) $(SHARED)
-include $(DIFFERENTIAL).d

check-unit: $(UNIT) $(FUZZ) $(DIFFERENTIAL)
	@tests/run $(UNIT) $(FUZZ) 'tests/measure/differential.py $(DIFFERENTIAL)'

coverage:
	@find build/cov -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) --no-print-directory IN_BUILDER=1 COVERAGE=1 check-unit
	@tests/coverage build/cov base measure attest

.PHONY: all check-unit fuzz coverage
endif
