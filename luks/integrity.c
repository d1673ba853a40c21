/* The one layout of volumes with tags. */
#include "luks/integrity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "luks/luks.h"

#define SUPERBLOCK_SECTORS 8u
#define SECTION_SECTORS 264u /* 8 of entries, and the data of 32 blocks */
#define LOG2_AREA_SECTORS 15u
#define AREA_SECTORS (1u << LOG2_AREA_SECTORS)
#define AREA_TAG_SECTORS (AREA_SECTORS / 8 * INTEGRITY_TAG_BYTES / SECTOR_BYTES)
#define BLOCK_SECTORS (INTEGRITY_BLOCK_BYTES / SECTOR_BYTES)

/* As the kernel would choose: 1/128 of the disk, at most 64 MiB. */
#define MOST_SECTIONS 496u

#define SUPERBLOCK_VERSION 4
#define FLAG_FIXED_PADDING 8u
#define LOG2_BLOCKS_PER_BITMAP_BIT 12 /* what the kernel writes in journal mode, too */

#define ENTRIES 32u
#define ENTRY_SECTORS 8u /* at the start of a section; entry n lies in sector n % 8 */
#define ENTRY_BYTES 104u
#define COMMIT_ID_AT 504u
#define COMMIT_ID UINT64_C(0x1111111111111111) /* of the first sequence, without a journal MAC */

int integrity_make_layout(uint64_t length, uint64_t made_length, struct integrity_layout *ret_layout)
{
    struct integrity_layout layout = { .provided = length / SECTOR_BYTES };
    uint64_t areas, sections;

    if (!length || !made_length || length % INTEGRITY_BLOCK_BYTES || made_length % INTEGRITY_BLOCK_BYTES ||
        length > INT64_MAX / 2 || made_length > INT64_MAX / 2)
        return -EINVAL;
    areas = (layout.provided + AREA_SECTORS - 1) / AREA_SECTORS;
    sections = made_length / INTEGRITY_JOURNAL_SHARE_BYTES;
    layout.journal_sections = sections < 1 ? 1 : sections > MOST_SECTIONS ? MOST_SECTIONS : (uint32_t)sections;
    layout.journal_sectors = (uint64_t)layout.journal_sections * SECTION_SECTORS;
    layout.areas_start = SUPERBLOCK_SECTORS + layout.journal_sectors;
    layout.end = layout.areas_start + areas * AREA_TAG_SECTORS + layout.provided;
    *ret_layout = layout;
    return 0;
}

uint64_t integrity_data_place(const struct integrity_layout *layout, uint64_t block)
{
    uint64_t sector = block * BLOCK_SECTORS;

    return (layout->areas_start + (sector / AREA_SECTORS + 1) * AREA_TAG_SECTORS + sector) * SECTOR_BYTES;
}

uint64_t integrity_tag_place(const struct integrity_layout *layout, uint64_t block)
{
    uint64_t area = block * BLOCK_SECTORS / AREA_SECTORS, in_area = block % (AREA_SECTORS / BLOCK_SECTORS);

    return (layout->areas_start + area * (AREA_TAG_SECTORS + AREA_SECTORS)) * SECTOR_BYTES +
           in_area * INTEGRITY_TAG_BYTES;
}

void integrity_make_superblock(const struct integrity_layout *layout, uint8_t ret_bytes[INTEGRITY_SUPERBLOCK_BYTES])
{
    memset(ret_bytes, 0, INTEGRITY_SUPERBLOCK_BYTES);
    memcpy(ret_bytes, "integrt", 8);
    ret_bytes[8] = SUPERBLOCK_VERSION;
    ret_bytes[9] = LOG2_AREA_SECTORS;
    put_u16le(ret_bytes + 10, INTEGRITY_TAG_BYTES);
    put_u32le(ret_bytes + 12, layout->journal_sections);
    put_u64le(ret_bytes + 16, layout->provided);
    put_u32le(ret_bytes + 24, FLAG_FIXED_PADDING);
    ret_bytes[28] = 3; /* log2 of sectors per block */
    ret_bytes[29] = LOG2_BLOCKS_PER_BITMAP_BIT;
}

/* Entries that are not used have all ones in the upper half of their sector number. */
void integrity_make_section(uint32_t section, uint8_t ret_bytes[INTEGRITY_SECTION_BYTES])
{
    memset(ret_bytes, 0, INTEGRITY_SECTION_BYTES);
    for (uint32_t i = 0; i < ENTRIES; i++)
        put_u32le(ret_bytes + (i % ENTRY_SECTORS) * SECTOR_BYTES + i / ENTRY_SECTORS * ENTRY_BYTES + 4, UINT32_MAX);
    for (uint32_t i = 0; i < SECTION_SECTORS; i++)
        put_u64le(ret_bytes + i * SECTOR_BYTES + COMMIT_ID_AT, COMMIT_ID ^ ((uint64_t)section << 32 ^ i));
}

int integrity_table(const char *name, const struct integrity_layout *layout, const char *device, uint64_t offset,
                    struct dm_table *ret_table)
{
    struct dm_table table = { .target = "integrity", .sectors = layout->provided };
    int length;

    if (strlen(name) >= sizeof(table.name) || offset % INTEGRITY_BLOCK_BYTES)
        return -EINVAL;
    memcpy(table.name, name, strlen(name) + 1);
    length = snprintf(table.parameters, sizeof(table.parameters),
                      "%s %llu %u J 7 block_size:%u journal_sectors:%llu interleave_sectors:%u buffer_sectors:128 "
                      "journal_watermark:50 commit_time:10000 fix_padding",
                      device, (unsigned long long)(offset / SECTOR_BYTES), INTEGRITY_TAG_BYTES, INTEGRITY_BLOCK_BYTES,
                      (unsigned long long)layout->journal_sectors, AREA_SECTORS);
    if (length < 0 || (size_t)length >= sizeof(table.parameters))
        return -EINVAL;
    *ret_table = table;
    return 0;
}
