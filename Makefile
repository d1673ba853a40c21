# Postern. On a fresh Debian machine, as root: `make demo`, `make check`. README.md says what they do and print.
#
# Everything is built and run inside a Debian 13 root that image/builder/ makes once. Outside of it this file only
# sees to that root and calls itself inside. Variables that a user may set:
#   BUILDER=DIR   builder root, package cache, firmware, static libraries; several worktrees may share one
#   PROFILE=NAME  which image `make image` makes (image/profiles/)
#   KERNEL=NAME   of which kernel: debian, own, or own-test (image/kernel/). Without it Debian's, and in the profiles of
#                 WITH_OWN (below) our own where `make kernel` has built it
#   PAYLOAD=PATH  the workload of an image: a static program, an OCI bundle, or a folder to lay over the root (image/payload)
#   SITE=FILE     what differs from site to site (brokers), merged into postern.json
#   ID_KEY=FILE AUTHOR_KEY=FILE SVN=N   ID blocks for every row; SIGN_KEY=FILE signs the manifest. Below this folder
#   V=1           show commands
#   SYMBOLS=1     static programs keep their symbols, for profiles (tests/bench/bench-boot.py)
#   SANITIZE=1    address and undefined-behaviour sanitizers (check-unit, check-broker)
#   FUZZ_SECONDS=N   how long `make fuzz` explores with each target
#   MIRROR=URL SECURITY_MIRROR=URL   Debian archives, default: the machine's own apt configuration

BUILDER ?= $(CURDIR)/build/builder
PROFILE ?= app
KERNEL ?=
.DEFAULT_GOAL := all

ifndef IN_BUILDER
# ---------------------------------------------------------------------------------------------------------- outside

INSIDE := all demo image images release deb firmware kernel
INSIDE_CHECKS := check-unit check-programs check-broker check-image check-vm check-kernel \
    check-kernel-reproducible lint fuzz coverage bench prove soak
.PHONY: $(INSIDE) $(INSIDE_CHECKS) check builder builder-check clean distclean
export BUILDER MIRROR SECURITY_MIRROR SNAPSHOT
inside = @image/builder/enter make --no-print-directory -j$$(nproc) IN_BUILDER=1 PROFILE='$(PROFILE)' KERNEL='$(KERNEL)' \
    $(foreach v,SITE PAYLOAD ID_KEY AUTHOR_KEY SVN SIGN_KEY STORE WITH_OWN,$(if $($(v)),$(v)='$($(v))'))

builder:
	@image/builder/make-root
builder-check:
	@image/builder/make-root check

$(INSIDE): builder
	$(inside) $@
$(INSIDE_CHECKS): builder-check
	$(inside) $@

# The newest source of the suite, if there is a newer one: what it changes in the configuration, then the tests on it.
.PHONY: kernel-update
kernel-update: builder-check
	@image/kernel/update $(MAKE) --no-print-directory check-kernel
# Rebuilds a release with a builder root of its own and compares byte by byte: RELEASE=DIR, perhaps SNAPSHOT=URL.
.PHONY: reproduce
reproduce:
	@image/builder/host-setup host reproduce
	@image/reproduce '$(RELEASE)'

# Against implementations of others, which are fetched and built for it.
.PHONY: interop
interop: builder
	@tests/interop/make-peer
	$(inside) interop

# Tests of what runs on the machine itself leave their TAP lines for the runner, which is inside.
HOST_TAP := $(patsubst tests/host/%,build/tests/host/%.tap,$(sort $(wildcard tests/host/*)))
check: builder-check
	$(inside) check-built
	@mkdir -p build/tests/host
	@for test in $(sort $(wildcard tests/host/*)); do \
	    printf 'running %s\n' $$test; $$test >build/tests/host/$${test##*/}.tap 2>&1 || true; done
	$(inside) check-run HOST_TAP='$(HOST_TAP)'

# Everything once more, on machines with nothing on them: README's demonstration, a release rebuilt from its store and from a
# look-alike of a snapshot archive, images by the Debian packages, the firmware. Takes an hour and more.
.PHONY: check-rebuild
REBUILDS := $(sort $(wildcard tests/rebuild/*))
check-rebuild: builder-check
	$(inside) PROFILE=app KERNEL=debian release firmware
	@mkdir -p build/tests/rebuild
	@for test in $(REBUILDS); do \
	    printf 'running %s\n' $$test; $$test >build/tests/rebuild/$${test##*/}.tap || true; done
	@image/builder/enter tests/run $(REBUILDS:tests/%=build/tests/%.tap)

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
export INIT := build/guest/postern-init
CFLAGS := -std=gnu11 -O2 -fPIE -ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)=. $(WARNINGS)
LDFLAGS := -Wl,--gc-sections,-z,relro,-z,now,--build-id=none -L$(STATIC)/lib
ifdef SANITIZE
# gcc's manual says that this warning has false positives with sanitizers.
CFLAGS += -g -fsanitize=address,undefined -fno-sanitize-recover=all -Wno-maybe-uninitialized
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
ROOMS := base base/static measure attest release luks init init/dhcp init/static broker psp psp/shim cli
# Sorted: the order that wildcard gives is the locale's.
objects = $(patsubst %.c,$(O)/%.o,$(sort $(wildcard $(1:%=%/*.c))))
room = $(O)/lib$(1).a
program = $(O)/$(1)/main.o $(call room,$(1))
LIBRARIES := $(foreach r,release attest measure luks base,$(call room,$(r)))
CRYPTO := -lssl -lcrypto
SECCOMP := -lseccomp
DISKS := -lcryptsetup -ldevmapper -luuid -lm -lpthread
# Programs that tests run besides linking to them; a sanitized build leaves build/bin alone.
TESTED := $(if $(SANITIZE),$(O),build)
BROKER := -levent_core -levent_openssl -lsqlite3
DYNAMIC := -ljson-c -lllhttp $(CRYPTO)
COMMON := $(DYNAMIC)

objects: $(foreach r,$(ROOMS),$(call objects,$(r)))

PROGRAMS := build/bin/postern build/bin/postern-psp build/bin/postern-broker build/guest/postern-init \
    build/guest/dhcp-handler build/guest/psp-shim build/guest/steps
all: $(PROGRAMS)

define room_rules
$(call room,$(1)): $(filter-out %/main.o,$(call objects,$(1)))
	$(call say,AR,$$@)
	$(Q)rm -f $$@ && ar rcD $$@ $$^
endef
$(foreach r,base measure attest release luks init broker psp cli,$(eval $(call room_rules,$(r))))

$(O)/%-parse.o: CFLAGS += -Wconversion
$(O)/%.o: %.c Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
$(O)/attest/roots.o: $(wildcard attest/roots/*.pem)
$(call objects,luks): | $(STATIC)/lock.json
-include $(foreach r,$(ROOMS),$(patsubst %.c,$(O)/%.d,$(wildcard $(r)/*.c)))

# libcryptsetup and libdevmapper, which Debian has as shared libraries only; firmware. Both notice by themselves when
# they are up to date with the builder root.
$(STATIC)/lock.json: image/builder/static-libs
	@image/builder/static-libs
/builder/firmware/lock.json: image/builder/firmware
	@image/builder/firmware

/builder/udhcpc/lock.json: image/builder/udhcpc image/builder/udhcpc.config
	@image/builder/udhcpc

# Static programs have neither a loader nor name lookup nor compression, and Argon2id beside the secure heap: base/static/.
STATIC_PIE := -static-pie $(if $(SYMBOLS),,-s) -Wl,--wrap=dlopen,--wrap=CRYPTO_secure_zalloc
# Of what an initrd carries: relocations packed, no tables for unwinding.
IN_INITRD := $(STATIC_PIE) -Wl,-z,pack-relative-relocs,--no-eh-frame-hdr,-T,base/static/no-unwind.ld
define link
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(1) -o $@ $(filter %.o %.a,$^) $(2)
endef

build/bin/postern: $(call program,cli) $(call objects,base/static) $(LIBRARIES)
	$(call link,$(STATIC_PIE),$(DISKS) $(COMMON))
build/bin/postern-psp: $(call program,psp) $(call objects,base/static) $(LIBRARIES)
	$(call link,$(STATIC_PIE),-ljson-c -lllhttp -lcrypto -lpthread)
$(TESTED)/bin/postern-broker: $(call program,broker) $(LIBRARIES)
	$(call link,-pie -s,$(BROKER) $(DYNAMIC))
build/guest/postern-init: $(call program,init) $(call objects,init/static base/static) $(LIBRARIES)
	$(call link,$(IN_INITRD) -Wl$(comma)-Map=$@.map,-ldevmapper -lm -lpthread $(SECCOMP) $(COMMON))
build/guest/dhcp-handler: $(call objects,init/dhcp) $(call room,init) $(call objects,base/static) $(LIBRARIES)
	$(call link,$(IN_INITRD),)
build/guest/postern-init build/guest/dhcp-handler: base/static/no-unwind.ld
build/guest/psp-shim: $(call objects,psp/shim) $(call room,psp) $(call objects,base/static) $(LIBRARIES)
	$(call link,$(STATIC_PIE),-lfuse3 -lpthread)
build/guest/steps: $(O)/image/guest/steps.o
	$(call link,-pie -s,)
comma := ,

# ---- tests: each tests/unit/test-X.c is a cmocka program, each tests/fuzz/fuzz-X.c a libFuzzer target

ALL_ROOMS := $(foreach r,init broker psp cli,$(call room,$(r))) $(LIBRARIES)
UNIT := $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/test-*.c))
$(O)/unit/%: tests/unit/%.c $(wildcard tests/unit/*.h) $(ALL_ROOMS)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -pie -MMD -MP -o $@ $< $(filter %.o %.a,$^) \
	    -lcmocka $(BROKER) $(DISKS) $(SECCOMP) $(COMMON)
-include $(UNIT:%=%.d)
$(O)/unit/test-psp-line: $(O)/psp/shim/line.o

# The corpus is replayed through each target with a plain main(); `make fuzz` explores with clang's libFuzzer.
FUZZ := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(wildcard tests/fuzz/fuzz-*.c))
$(O)/fuzz/%: tests/fuzz/%.c $(wildcard tests/fuzz/*.h) $(if $(LIBFUZZER),,tests/fuzz/replay.c) $(ALL_ROOMS)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) \
	    $(if $(LIBFUZZER),-fsanitize=fuzzer$(comma)address$(comma)undefined) -pie -o $@ $(filter %.c %.a,$^) \
	    $(BROKER) $(DISKS) $(SECCOMP) $(COMMON)

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

# The whole of PID 1 as a process among others, with calls that fail: tests/inject/test-inject.c.
INJECT := $(O)/inject/test-inject
INJECT_REAL := fork clone pipe2 read write dup2 chdir signalfd poll sigaltstack sigaction sigprocmask setsid close_range \
    setrlimit execve socket send recv clock_gettime fsync rename mmap munmap mlock mprotect madvise chmod lstat clearenv open connect \
    getsockopt setsockopt fstat pread pwrite fcntl access bind listen accept4 dup3 chown fchmod ftruncate kill memfd_create rmdir \
    unlinkat readlink opendir fdopendir readdir if_nametoindex waitpid getrandom
INJECT_ALLOCATIONS := malloc calloc realloc posix_memalign free
INJECT_QUIET := mkdir mount umount2 mount_setattr mknod symlink unlink klogctl unshare setns sethostname clock_settime setgroups \
    setresgid setresuid chroot fstatfs reboot prctl syscall ioctl verity_open button_open crypt_open crypt_close crypto_wipe_freed
INJECT_PARTS := stage_network stage_handoff console_exit clock_ms clock_left_ms clock_sleep_ms dm_join_suspend dm_join_change \
    dm_join_resume rotations_start rotation_free
$(O)/inject/main.o: init/main.c Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -Wno-missing-prototypes -Dmain=init_main -MMD -MP -c $< -o $@
$(INJECT): $(addprefix tests/inject/,test-inject.c guest.c parts.c fail.c leaks.c watched.c) $(O)/inject/main.o $(call room,init) $(call room,psp) \
    $(LIBRARIES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -U_FORTIFY_SOURCE -pie -MMD -MP -o $@ $(filter %.c %.o %.a,$^) \
	    $(patsubst %,-Wl$(comma)--wrap=%,$(INJECT_REAL) $(INJECT_QUIET) $(INJECT_PARTS)) -ldevmapper -lm -lpthread $(SECCOMP) $(DYNAMIC)
-include $(INJECT).d $(O)/inject/main.d
# It has an allocator of its own, as sanitizers have. Of allocations every fiftieth, in `make soak` each.
INJECT_RUN := $(if $(SANITIZE)$(COVERAGE),,'tests/inject/run $(INJECT) 50')

# Random launches, measured by measure/ and by a second implementation (Python, hashlib).
DIFFERENTIAL := $(O)/measure/driver
$(DIFFERENTIAL): tests/measure/driver.c $(LIBRARIES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -pie -MMD -MP -o $@ $(filter %.c %.a,$^) $(DYNAMIC)
-include $(DIFFERENTIAL).d

# Programs that tests run in a guest, in the place of the production init.
build/tests/%: tests/vm/%.c $(call objects,base/static) $(LIBRARIES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(STATIC_PIE) -o $@ $(filter %.c %.o %.a,$^) \
	    $(CRYPTO)

# The kernel's configfs-tsm in test overlays, for the image's kernel: both come from the same state of the archive.
HEADERS := $(lastword $(sort $(wildcard /usr/src/linux-headers-*-cloud-amd64)))
build/tests/postern-psp-tsm.ko: psp/tsm-module/postern-psp-tsm.c
	$(call say,KO,$@)
	$(if $(HEADERS),,$(error no kernel headers in the builder root: linux-headers-cloud-amd64 is missing))
	$(Q)mkdir -p build/tests/tsm-module && cp $< build/tests/tsm-module/ && \
	    echo 'obj-m := postern-psp-tsm.o' >build/tests/tsm-module/Kbuild && \
	    $(MAKE) --no-print-directory -s -C $(HEADERS) M=$(CURDIR)/build/tests/tsm-module \
	        CONFIG_DEBUG_INFO_BTF_MODULES= modules && \
	    strip --strip-debug -o $@ build/tests/tsm-module/postern-psp-tsm.ko
build/tests/volume-probe: tests/vm/volume-probe.c $(call objects,base/static) $(call room,init) $(LIBRARIES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(STATIC_PIE) -o $@ $(filter %.c %.o %.a,$^) \
	    -ldevmapper -lm -lpthread $(SECCOMP) $(COMMON)

# The production's init once more, with functions of a test around those that handle secrets.
WRAPPED := secret_free tee_key_generate tls_client_exchange EVP_KDF_derive EVP_PKEY_derive EVP_PKEY_decapsulate \
    EVP_PKEY_keygen crypto_cipher_begin
build/tests/telling-init: $(call program,init) tests/vm/secret-hooks.c $(call objects,init/static base/static) $(LIBRARIES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(STATIC_PIE) $(WRAPPED:%=-Wl$(comma)--wrap=%) -o $@ \
	    $(filter %.c %.o %.a,$^) -ldevmapper -lm -lpthread $(SECCOMP) $(COMMON)

# And with calls of its stage volumes that fail.
build/tests/volumes-guest: $(call program,init) $(addprefix tests/inject/,volumes-guest.c fail.c leaks.c watched.c) \
    $(call objects,init/static base/static) $(LIBRARIES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -U_FORTIFY_SOURCE -DINJECT_STATIC $(STATIC_PIE) \
	    $(patsubst %,-Wl$(comma)--wrap=%,$(INJECT_REAL) $(INJECT_ALLOCATIONS) ioctl syscall release_confirm_open stage_volumes) \
	    -o $@ $(filter %.c,$^) $(filter %.o %.a,$^) -ldevmapper -lm -lpthread $(SECCOMP) $(COMMON)

# What guests of tests have besides the image.
GUEST_TESTS := build/tests/attest-proxy /builder/udhcpc/lock.json build/tests/device-probe build/tests/volume-probe \
    build/tests/workload-probe build/tests/handler-probe build/tests/telling-init build/tests/volumes-guest \
    build/tests/find-bytes build/tests/postern-psp-tsm.ko

# A guest that tests of the broker can make lie, with a processor of its own.
$(TESTED)/tests/release-client: $(call objects,tests/broker) $(LIBRARIES)
	$(call link,-pie,$(DYNAMIC))
-include $(patsubst %.c,$(O)/%.d,$(wildcard tests/broker/*.c))

# The algorithms of PID 1, in a program that is linked as it is.
build/tests/algorithms: tests/static/algorithms.c $(call objects,init/static base/static) $(LIBRARIES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(STATIC_PIE) -o $@ $(filter %.c %.o %.a,$^) $(COMMON)

# ---- comparisons with other programs, measurements, proofs and long runs, which nothing else waits for

build/bench/%: tests/bench/%.c $(call objects,base/static) $(LIBRARIES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(STATIC_PIE) -o $@ $(filter %.c %.o %.a,$^) \
	    -lcrypto
build/bench/boot-floor build/bench/boot-stamps: LDFLAGS += -Wl,-e,first_stamp
# Of QEMU's emulator, which counts instructions.
build/bench/count.so: tests/bench/plugin/count.c tests/bench/mark.h
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -fPIC -shared -o $@ $<
# The production's init once more, with marks around what is left out of its account.
STAMPED := $(patsubst %,stage_%,start mounts modules devices network report expect release volumes root handoff) \
    device_get_report release_from_brokers release_confirm execve
build/bench/boot-stamps: tests/bench/boot-stamps.c $(call program,init) $(call objects,init/static base/static) $(LIBRARIES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(IN_INITRD) $(STAMPED:%=-Wl$(comma)--wrap=%) -o $@ \
	    $(filter %.c %.o %.a,$^) -ldevmapper -lm -lpthread $(SECCOMP) $(COMMON)
build/bench/kbs-floor: tests/bench/kbs-floor.c
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -pie -o $@ $< $(BROKER) $(CRYPTO)
# In a guest, in the place of init.
build/bench/volume-bench: tests/bench/volume-bench.c $(call objects,base/static) $(call room,init) $(LIBRARIES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(STATIC_PIE) -o $@ $(filter %.c %.o %.a,$^) \
	    $(DISKS) $(COMMON)
BENCHES := $(patsubst tests/bench/%.c,build/bench/%,$(wildcard tests/bench/*.c)) build/bench/count.so
bench: image-debian build/bin/postern build/bin/postern-broker build/tests/release-client $(BENCHES)
	@status=0; for bench in $(sort $(wildcard tests/bench/bench-*.py)); do $$bench || status=1; done; exit $$status
interop: build/bin/postern build/bin/postern-psp build/bin/postern-broker build/tests/release-client
	@tests/run $(sort $(wildcard tests/interop/test-*))
prove:
	@tests/run tests/prove/run
	@TEST_LIMIT_SECONDS=7200 tests/run 'tests/lint/test-static.py thorough'
# SOAK=long boots a thousand times instead of fifty. Mode exec with a whole Debian in it is part of this for its time.
soak: image-guests $(INJECT) $(PROGRAMS) build/tests/release-client $(GUEST_TESTS)
	@KILLS=1000 tests/run tests/broker/test-kills.py
	@TEST_LIMIT_SECONDS=14400 tests/run 'tests/inject/run $(INJECT)'
	@VM_KERNEL=$(OF_GUESTS) TEST_LIMIT_SECONDS=14400 tests/run 'tests/vm/test-inject.py 1'
	@VM_KERNEL=$(OF_GUESTS) TEST_LIMIT_SECONDS=14400 FLIPS=1000 CUTS=1000 tests/run tests/vm/test-block-server.py
	@VM_KERNEL=$(OF_GUESTS) TEST_LIMIT_SECONDS=14400 CUTS=500 tests/run 'tests/vm/test-rotation.py probes'
	@$(MAKE) --no-print-directory IN_BUILDER=1 PROFILE=systemd KERNEL=debian PAYLOAD=tests/vm/systemd-payload image
	@TEST_LIMIT_SECONDS=3600 tests/run tests/vm/soak-systemd.py
	@VM_KERNEL=$(OF_GUESTS) TEST_LIMIT_SECONDS=86400 tests/run 'tests/vm/soak.py $(if $(filter long,$(SOAK)),1000,50) 1000000'

# ---- images

# The keys of the demonstration's broker are part of an image's configuration, so it is made once and kept.
build/demo/site.json: broker/store.c image/demo-broker | build/bin/postern-broker
	@image/demo-broker

# What differs from site to site; without one that of the demonstration.
SITE := $(or $(SITE),build/demo/site.json)
# A profile whose configuration asks for DHCP carries a client.
WITH_DHCP := $(shell grep -ls '"method": *"dhcp"' image/profiles/$(PROFILE)/postern.json.in)
# Which kernel an image has: the one that KERNEL names. Without it ours, in the profiles of WITH_OWN, where it has been built
# of these very recipes, and Debian's where not. What tests and the demonstration boot has a software processor, and so of
# ours the variant for that. WITH_OWN is for profiles whose VM tests all pass on it: `make check-kernel`.
WITH_OWN := app gateway
BUILT := $(if $(KERNEL),,$(if $(WITH_OWN),$(shell image/kernel/build made production test && echo own)))
OF_IMAGE := $(or $(KERNEL),$(if $(filter $(WITH_OWN),$(PROFILE)),$(BUILT)),debian)
OF_GUESTS := $(patsubst own,own-test,$(or $(KERNEL),$(BUILT),debian))
# folder PROFILE,KERNEL: of Debian's kernel build/image/PROFILE, of another build/image/PROFILE-KERNEL.
folder = build/image/$(1)$(if $(filter-out debian,$(2)),-$(2))
make_image = KERNEL='$(2)' SITE=$(SITE) image/build $(1) $(call folder,$(1),$(2)) && image/finish $(call folder,$(1),$(2))
PARTS := $(PROGRAMS) $(SITE) $(STATIC)/lock.json /builder/firmware/lock.json $(if $(WITH_DHCP),/builder/udhcpc/lock.json)

image: $(PARTS) $(addprefix kernel-,$(filter own%,$(OF_IMAGE)))
	@$(call make_image,$(PROFILE),$(OF_IMAGE))
# The image of Debian's kernel, which tests read and compare with; and the same as guests of tests boot it.
image-debian: $(PARTS)
	@$(call make_image,app,debian)
image-guests: image-debian $(addprefix kernel-,$(filter own%,$(OF_GUESTS)))
	@$(if $(filter own%,$(OF_GUESTS)),$(call make_image,app,$(OF_GUESTS)))
# All profiles, as tests boot them.
images: image-guests
	@$(foreach p,gateway database debug,PAYLOAD= && $(call make_image,$(p),$(OF_GUESTS)) &&) true
# Both variants in one tree, where the second costs little; and the one that an image is of.
kernel:
	@image/kernel/build production test
kernel-own:
	@image/kernel/build production
kernel-own-test:
	@image/kernel/build test

deb: $(PROGRAMS)
	@image/deb/build

release: image
	@image/release $(notdir $(call folder,$(PROFILE),$(OF_IMAGE)))

# edk2 from its source: auditable, and with a DEBUG build that says what it compares. Takes minutes, is kept in BUILDER.
firmware:
	@ovmf-config/make-ovmf

demo: image-guests
	@image/demo $(call folder,app,$(OF_GUESTS))

# ---- checks

# Without a guest, with programs that run, over the tree, over images, and with whole guests.
TESTS_UNIT := $(UNIT) $(FUZZ) 'tests/measure/differential.py $(DIFFERENTIAL)' $(INJECT_RUN) $(sort $(wildcard tests/unit/test_*.py))
# Of the comparisons those whose peers are Debian's packages as they are; `make interop` builds more.
TESTS_PROGRAMS := $(sort $(wildcard tests/psp/test-*.py tests/broker/test-*.py tests/cli/test-*.py tests/static/test-*.py)) tests/interop/test-kbs.py \
    tests/interop/test-trustee.py
TESTS_LINT := $(sort $(wildcard tests/lint/test-*))
TESTS_IMAGE := $(sort $(wildcard tests/image/*)) tests/kernel/test-options.py
TESTS_VM := $(sort $(wildcard tests/vm/test-*.py))

check-unit: $(UNIT) $(FUZZ) $(DIFFERENTIAL) $(if $(INJECT_RUN),$(INJECT) $(PROGRAMS) /builder/firmware/lock.json)
	@tests/run $(TESTS_UNIT)
check-programs: $(PROGRAMS) $(TESTED)/tests/release-client build/tests/algorithms
	@tests/run $(TESTS_PROGRAMS)
check-broker: $(TESTED)/bin/postern-broker $(TESTED)/tests/release-client
	@TESTED='$(TESTED)' tests/run $(filter tests/broker/%,$(TESTS_PROGRAMS))
lint: $(PROGRAMS)
	@tests/run $(TESTS_LINT)
check-image: image-debian
	@tests/run $(TESTS_IMAGE)
check-vm: images $(GUEST_TESTS)
	@VM_KERNEL=$(OF_GUESTS) tests/run $(TESTS_VM)
# The same guests on the kernel of our own, whatever KERNEL says, and what only it can show.
TESTS_KERNEL := $(sort $(wildcard tests/kernel/test-*.py))
check-kernel: image-debian kernel $(GUEST_TESTS) build/bench/boot-floor
	@$(MAKE) --no-print-directory IN_BUILDER=1 PROFILE=app KERNEL=own image
	@$(MAKE) --no-print-directory IN_BUILDER=1 PROFILE=app KERNEL=own-test images
	@VM_KERNEL=own-test tests/run $(TESTS_KERNEL) $(TESTS_VM)
check-kernel-reproducible: kernel-own
	@TEST_LIMIT_SECONDS=14400 tests/run tests/kernel/reproducible
# The two halves of `make check`.
check-built: images $(BENCHES) $(UNIT) $(FUZZ) $(DIFFERENTIAL) $(INJECT) $(GUEST_TESTS) $(TESTED)/tests/release-client build/tests/algorithms
check-run:
	@VM_KERNEL=$(OF_GUESTS) tests/run -j $$(nproc) $(TESTS_UNIT) $(TESTS_PROGRAMS) $(TESTS_LINT) $(HOST_TAP) $(TESTS_IMAGE) $(TESTS_VM)

coverage:
	@find build/cov -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) --no-print-directory IN_BUILDER=1 COVERAGE=1 check-unit
	@tests/coverage build/cov base measure attest

.PHONY: all objects image image-debian image-guests images release deb firmware kernel kernel-own kernel-own-test demo \
    check-kernel check-kernel-reproducible check-built check-run check-unit check-programs check-broker check-image check-vm lint \
    fuzz coverage interop bench prove soak
endif
