/*
 * The kernel as QEMU before 10 hands it to the firmware: with the fields of the setup header filled in that a boot
 * loader fills in (QEMU hw/i386/x86.c, x86_load_linux(); Linux Documentation/arch/x86/boot.rst).
 */
#pragma once

#include "base/reason.h"
#include "measure/measure.h"

/* How much of a kernel the header takes at most. */
#define SETUP_HEADER_BYTES 0x268

struct kernel_placing {
    bool has_initrd;
    uint64_t initrd_size;
    uint64_t memory_below_4g; /* of the guest: the initrd ends there */
};

/*
 * Patches the first bytes of a kernel. False, and nothing changed, when it is none that is loaded high with protocol
 * 2.02 or newer, or the initrd does not fit.
 */
bool kernel_patch_header(uint8_t header[SETUP_HEADER_BYTES], const struct kernel_placing *placing);

/* SHA-256 of the patched kernel. Errors: -errno of open and read; -ENOEXEC when kernel_patch_header() cannot. */
int kernel_patched_hash(const char *path, const struct kernel_placing *placing, uint8_t ret_hash[SHA256_BYTES],
                        struct reason *why) MUST_CHECK;
