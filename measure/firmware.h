/*
 * What a firmware image says about its launch: OVMF's table of GUIDed structures at the end of the file and the SEV
 * metadata it points to (edk2 OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm and X64/OvmfSevMetadata.asm).
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"

/* Firmware is mapped right below 4 GiB; real images have 2 to 16 MiB. */
#define FIRMWARE_MAX_BYTES (64u * 1024 * 1024)
/* All tables lie in the last part of an image: edk2 has them in its reset vector, in the last 16 KiB. */
#define FIRMWARE_TAIL_BYTES (256u * 1024)
#define FIRMWARE_MAX_SECTIONS 64
#define FIRMWARE_MAX_TABLES 16
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

/* An entry of the footer table, for showing. */
struct firmware_table {
    uint8_t guid[16]; /* as stored: the first three fields little-endian */
    uint64_t offset;  /* of its data in the file */
    uint32_t size;
};

struct firmware {
    uint64_t size;
    uint64_t gpa;            /* where the first byte lies in guest memory */
    uint32_t reset_eip;      /* where application processors start; of an SVSM: where all do; 0: not told */
    uint64_t hash_table_gpa; /* 0: no room for kernel hashes */
    uint32_t hash_table_size;
    struct firmware_section sections[FIRMWARE_MAX_SECTIONS]; /* in the file's order, which is the launch's */
    size_t section_count;
    struct firmware_table tables[FIRMWARE_MAX_TABLES]; /* from the end of the file; more than these are not listed */
    size_t table_count;
};

/* What an image is launched as decides which tables it has to have. */
enum firmware_kind {
    FIRMWARE_SNP,     /* reset block and SEV metadata */
    FIRMWARE_SEV_ES,  /* reset block */
    FIRMWARE_SEV,     /* neither: also the guest's firmware above an SVSM, whose own tables count */
    FIRMWARE_SVSM,    /* SVSM info and SEV metadata */
};

/*
 * Understands an image or refuses it: a multiple of 4 KiB, a footer table that is well formed, metadata of version 1
 * with sections of known kinds, page aligned, not empty, not overlapping each other or the firmware. Errors: -EBADMSG,
 * with the offset in the file and what was expected.
 */
int firmware_parse(const void *data, size_t size, struct firmware *ret_firmware, struct reason *why) MUST_CHECK;

struct firmware_tail {
    enum firmware_kind kind;
    uint64_t end_gpa;    /* where the image ends in guest memory */
    uint64_t size;       /* of the whole image */
    const uint8_t *data; /* its last bytes: FIRMWARE_TAIL_BYTES, or all of them when they are fewer */
};

/* Says that an image cannot have that size, unless it can: a whole number of pages, up to FIRMWARE_MAX_BYTES. */
int firmware_check_size(uint64_t size, struct reason *why) MUST_CHECK;

/* How many bytes there are behind `data` for an image of `size` bytes. */
size_t firmware_tail_size(uint64_t size);

/* The same from the end of an image. */
int firmware_parse_tail(const struct firmware_tail *tail, struct firmware *ret_firmware, struct reason *why) MUST_CHECK;

/*
 * The rules for one section: by itself, against the firmware and against those before it, to which it is added.
 * `where` says in reasons where it stands: "at offset 0x40", "sections[3]". Errors: -EBADMSG.
 */
int firmware_add_section(struct firmware *firmware, const struct firmware_section *section, const char *where,
                         struct reason *why) MUST_CHECK;

/* The rules for the hash table's place. Errors: -EBADMSG. */
int firmware_check_hash_table(const struct firmware *firmware, struct reason *why) MUST_CHECK;

/* Whether QEMU can place kernel hashes: a table address and a KERNEL_HASHES section around it. */
bool firmware_has_kernel_hashes(const struct firmware *firmware);

/* "SEC_MEM", "SECRETS", "CPUID", "SVSM_CAA", "KERNEL_HASHES"; NULL for no kind. */
const char *section_kind_name(enum section_kind kind);

/* By that name. Errors: -ENOENT. */
int section_kind_find(const char *name, enum section_kind *ret_kind) MUST_CHECK;
