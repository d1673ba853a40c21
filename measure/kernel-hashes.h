/*
 * The table of kernel hashes that QEMU puts into guest memory and OVMF's AmdSev build checks
 * (QEMU target/i386/sev.c, PaddedSevHashTable; edk2 OvmfPkg/AmdSev/BlobVerifierLibSevHashes).
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"
#include "measure/measure.h"

#define KERNEL_HASHES_BYTES 176

struct kernel_hashes {
    uint8_t kernel[SHA256_BYTES];
    uint8_t initrd[SHA256_BYTES];  /* of nothing when there is none */
    uint8_t cmdline[SHA256_BYTES]; /* of the text with its NUL */
};

/* SHA-256 of a file, read once from start to end. Errors: those of files_read(). */
int kernel_hashes_file(const char *path, uint8_t ret_hash[SHA256_BYTES], struct reason *why) MUST_CHECK;

/*
 * Hashes of a direct boot. `initrd` NULL: none; `cmdline` NULL: empty. The kernel counts as the file is, which is what
 * QEMU 10 hands to the firmware.
 */
int kernel_hashes_compute(const char *kernel, const char *initrd, const char *cmdline,
                          struct kernel_hashes *ret_hashes, struct reason *why) MUST_CHECK;

/* Parts of it: of a command line with its NUL (NULL: empty), of no initrd. Errors: -ENOMEM. */
int kernel_hashes_cmdline(const char *cmdline, uint8_t ret_hash[SHA256_BYTES]) MUST_CHECK;
int kernel_hashes_no_initrd(uint8_t ret_hash[SHA256_BYTES]) MUST_CHECK;

/* The 176 bytes as they lie in guest memory. */
void kernel_hashes_encode(const struct kernel_hashes *hashes, uint8_t ret_table[KERNEL_HASHES_BYTES]);
