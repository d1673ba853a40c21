/*
 * What a firmware image says about its launch: OVMF's table of GUIDed structures at the end of the file and the SEV
 * metadata it points to (edk2 OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm and X64/OvmfSevMetadata.asm).
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"

/* Firmware is mapped right below 4 GiB; real images have 2 to 16 MiB. */
#define FIRMWARE_MAX_BYTES (64u * 1024 * 1024)
#define FIRMWARE_MAX_SECTIONS 64
#define FIRMWARE_END_GPA UINT64_C(0x100000000)

enum section_kind {
    SECTION_SEC_MEM = 1,
    SECTION_SECRETS = 2,
    SECTION_CPUID = 3,
    SECTION_SVSM_CAA = 4,
    SECTION_KERNEL_HASHES = 0x10,
};

/* A range of guest memory that the launch touches beside the firmware itself. */
struct firmware_section {
    enum section_kind kind;
    uint64_t gpa;
    uint64_t size;
};

struct firmware {
    const uint8_t *data; /* the caller's */
    size_t size;
    uint64_t gpa;       /* where the first byte lies in guest memory */
    uint32_t reset_eip; /* where application processors start */
    uint64_t hash_table_gpa; /* 0: no room for kernel hashes */
    uint32_t hash_table_size;
    struct firmware_section sections[FIRMWARE_MAX_SECTIONS]; /* in the file's order, which is the launch's */
    size_t section_count;
};

/*
 * Understands a whole image or refuses it: a multiple of 4 KiB, a footer table that is well formed, metadata of
 * version 1 with sections of known kinds, page aligned, not empty, not overlapping each other or the firmware.
 * `data` stays the caller's and must outlive the result. Errors: -EBADMSG, with the offset and what was expected.
 */
int firmware_parse(const void *data, size_t size, struct firmware *ret_firmware, struct reason *why) MUST_CHECK;

/* Whether QEMU can place kernel hashes: a table address and a KERNEL_HASHES section around it. */
bool firmware_has_kernel_hashes(const struct firmware *firmware);

const char *section_kind_name(enum section_kind kind);
