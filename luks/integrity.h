/*
 * dm-integrity below dm-crypt: where a volume's authentication tags lie. There is one layout for each length, made of
 * constants and a journal of a size that follows from the length that the volume was made with; the superblock on the
 * disk, which is the host's, has to say the same, decides nothing, and is refused otherwise.
 *
 * Format: Linux drivers/md/dm-integrity.c (6.12), struct superblock version 4; Documentation/admin-guide/device-mapper/
 * dm-integrity.rst. From the volume's start on the disk: 8 sectors of superblock, the journal in sections of 264
 * sectors, then areas of 256 sectors of tags and 32768 sectors of data, the last one with less data.
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"
#include "luks/dm.h"

#define INTEGRITY_BLOCK_BYTES 4096u
#define INTEGRITY_TAG_BYTES 32u /* HMAC-SHA-256 */
#define INTEGRITY_SUPERBLOCK_BYTES 4096u
#define INTEGRITY_SECTION_BYTES (264u * 512u)
/* A volume has one section of journal for each of these. */
#define INTEGRITY_JOURNAL_SHARE_BYTES (128u * INTEGRITY_SECTION_BYTES)

/* All in sectors of 512 bytes, from the volume's start on the disk. */
struct integrity_layout {
    uint64_t provided; /* the volume's length */
    uint32_t journal_sections;
    uint64_t journal_sectors;
    uint64_t areas_start; /* first tags */
    uint64_t end;         /* of the disk that is needed */
};

/*
 * The layout for a volume of `length` bytes that was made with `made_length`: its journal keeps its size when the
 * volume grows. Errors: -EINVAL when one is no multiple of 4096, 0, or too large.
 */
int integrity_make_layout(uint64_t length, uint64_t made_length, struct integrity_layout *ret_layout) MUST_CHECK;

/* Where a block of the volume lies, and its tag, in bytes from the volume's start on the disk. */
uint64_t integrity_data_place(const struct integrity_layout *layout, uint64_t block);
uint64_t integrity_tag_place(const struct integrity_layout *layout, uint64_t block);

/* What a volume that was never opened has. */
void integrity_make_superblock(const struct integrity_layout *layout, uint8_t ret_bytes[INTEGRITY_SUPERBLOCK_BYTES]);
void integrity_make_section(uint32_t section, uint8_t ret_bytes[INTEGRITY_SECTION_BYTES]);

/*
 * The superblock, read once. The number of provided sectors is not looked at: the kernel computes and rewrites it.
 * Errors: -ENOMEDIUM when there is none (nothing is formatted for that), -EBADMSG with the field.
 */
int integrity_check_superblock(const uint8_t bytes[INTEGRITY_SUPERBLOCK_BYTES], const struct integrity_layout *layout,
                               struct reason *why) MUST_CHECK;

/* The table, with every option that the kernel will show. Errors: -EINVAL. */
int integrity_table(const char *name, const struct integrity_layout *layout, const char *device, uint64_t offset,
                    struct dm_table *ret_table) MUST_CHECK;
