/*
 * Firmware images: whoever built the image controls every byte, and a digest worked out from a misread image is worse
 * than none. Pure; the caller's bytes are read once, through cursors.
 */
#include "measure/firmware.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "measure/guid.h"

/* The reset vector's last 32 bytes lie behind the footer table. */
#define FOOTER_TAIL_BYTES 32u
/* Each entry ends with a 16-bit length that covers the whole entry and a GUID. */
#define ENTRY_TAIL_BYTES 18u
#define METADATA_HEADER_BYTES 16u
#define METADATA_ENTRY_BYTES 12u
#define METADATA_VERSION 1u

static const struct guid guid_footer =
    GUID(0x96b582de, 0x1fb2, 0x45f7, 0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d);
static const struct guid guid_reset_block =
    GUID(0x00f771de, 0x1a7e, 0x4fcb, 0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e);
static const struct guid guid_hash_table =
    GUID(0x7255371f, 0x3a3b, 0x4b04, 0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54);
static const struct guid guid_metadata =
    GUID(0xdc886566, 0x984a, 0x4798, 0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc);

struct walk {
    struct firmware *firmware;
    struct reason *why;
    bool have_reset, have_hashes, have_metadata;
    uint32_t metadata_from_end;
};

static int read_u32(const uint8_t *data, size_t size, uint32_t *ret_value)
{
    struct cursor c = cursor_over(data, size);
    uint32_t value = cursor_u32le(&c);

    if (cursor_end(&c) < 0)
        return -EBADMSG;
    *ret_value = value;
    return 0;
}

/* One entry of the footer table: its GUID and the data before its tail. `offset` is where the data starts. */
static int take_entry(struct walk *walk, const struct guid *guid, const uint8_t *data, size_t size, size_t offset)
{
    struct firmware *firmware = walk->firmware;
    struct cursor c = cursor_over(data, size);
    bool *seen = NULL;
    int r = 0;

    if (guid_equal(guid, &guid_reset_block)) {
        seen = &walk->have_reset;
        r = read_u32(data, size, &firmware->reset_eip);
    } else if (guid_equal(guid, &guid_metadata)) {
        seen = &walk->have_metadata;
        r = read_u32(data, size, &walk->metadata_from_end);
    } else if (guid_equal(guid, &guid_hash_table)) {
        seen = &walk->have_hashes;
        firmware->hash_table_gpa = cursor_u32le(&c);
        firmware->hash_table_size = cursor_u32le(&c);
        r = cursor_end(&c);
    } else {
        return 0; /* tables for others: the secret area, TDX, the SVSM */
    }
    if (r < 0)
        return reason_set(walk->why, r, "footer entry at offset 0x%zx has %zu bytes of data, which is not its size",
                          offset, size);
    if (*seen)
        return reason_set(walk->why, -EBADMSG, "footer entry at offset 0x%zx stands there twice", offset);
    *seen = true;
    return 0;
}

/* Walks the entries backwards, from the footer's own tail down to the table's start. */
static int walk_entries(struct walk *walk, const uint8_t *table, size_t table_size, size_t table_offset)
{
    size_t left = table_size;

    while (left) {
        struct cursor c;
        struct guid guid;
        size_t length;
        int r;

        if (left < ENTRY_TAIL_BYTES)
            return reason_set(walk->why, -EBADMSG, "footer table: %zu bytes left at offset 0x%zx, an entry needs %u",
                              left, table_offset, ENTRY_TAIL_BYTES);
        c = cursor_over(table + left - ENTRY_TAIL_BYTES, ENTRY_TAIL_BYTES);
        length = cursor_u16le(&c);
        cursor_copy(&c, guid.bytes, GUID_BYTES);
        if (cursor_end(&c) < 0 || length < ENTRY_TAIL_BYTES || length > left)
            return reason_set(walk->why, -EBADMSG,
                              "footer entry ending at offset 0x%zx says %zu bytes, expected %u to %zu",
                              table_offset + left, length, ENTRY_TAIL_BYTES, left);
        left -= length;
        r = take_entry(walk, &guid, table + left, length - ENTRY_TAIL_BYTES, table_offset + left);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Finds the footer and reads the entries that matter to a launch. */
static int parse_footer(struct walk *walk)
{
    const struct firmware *firmware = walk->firmware;
    size_t end = firmware->size - FOOTER_TAIL_BYTES, tail = end - ENTRY_TAIL_BYTES, length;
    struct cursor c = cursor_over(firmware->data + tail, ENTRY_TAIL_BYTES);
    struct guid guid;

    length = cursor_u16le(&c);
    cursor_copy(&c, guid.bytes, GUID_BYTES);
    if (cursor_end(&c) < 0 || !guid_equal(&guid, &guid_footer))
        return reason_set(walk->why, -EBADMSG,
                          "no OVMF footer GUID at offset 0x%zx: not an OVMF image, or one without tables", tail + 2);
    if (length < ENTRY_TAIL_BYTES || length > end)
        return reason_set(walk->why, -EBADMSG, "footer table at offset 0x%zx says %zu bytes, expected %u to %zu", tail,
                          length, ENTRY_TAIL_BYTES, end);
    return walk_entries(walk, firmware->data + end - length, length - ENTRY_TAIL_BYTES, end - length);
}

static bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

const char *section_kind_name(enum section_kind kind)
{
    switch (kind) {
    case SECTION_SEC_MEM:
        return "SEC_MEM";
    case SECTION_SECRETS:
        return "SECRETS";
    case SECTION_CPUID:
        return "CPUID";
    case SECTION_SVSM_CAA:
        return "SVSM_CAA";
    case SECTION_KERNEL_HASHES:
        return "KERNEL_HASHES";
    }
    return NULL;
}

/* One section by itself and against those before it. All fields are below 2^32, so sums cannot wrap. */
static int check_section(const struct firmware *firmware, const struct firmware_section *section, size_t offset,
                         struct reason *why)
{
    const char *name = section_kind_name(section->kind);
    bool one_page = section->kind != SECTION_SEC_MEM && section->kind != SECTION_SVSM_CAA;

    if (!name)
        return reason_set(why, -EBADMSG, "metadata section at offset 0x%zx has the unknown kind 0x%x", offset,
                          (unsigned)section->kind);
    if (!section->size || section->size % PAGE_BYTES || section->gpa % PAGE_BYTES)
        return reason_set(why, -EBADMSG,
                          "metadata section %s at offset 0x%zx covers 0x%llx bytes at 0x%llx, expected whole pages",
                          name, offset, (unsigned long long)section->size, (unsigned long long)section->gpa);
    if (one_page && section->size != PAGE_BYTES)
        return reason_set(why, -EBADMSG, "metadata section %s at offset 0x%zx covers 0x%llx bytes, expected one page",
                          name, offset, (unsigned long long)section->size);
    if (section->gpa + section->size > firmware->gpa)
        return reason_set(why, -EBADMSG, "metadata section %s at offset 0x%zx reaches into the firmware", name, offset);
    for (size_t i = 0; i < firmware->section_count; i++) {
        const struct firmware_section *other = &firmware->sections[i];

        if (ranges_overlap(section->gpa, section->size, other->gpa, other->size))
            return reason_set(why, -EBADMSG, "metadata section %s at offset 0x%zx overlaps section %zu", name, offset,
                              i);
    }
    return 0;
}

static int parse_metadata(struct firmware *firmware, uint32_t from_end, struct reason *why)
{
    size_t offset = firmware->size - from_end, at;
    struct cursor c;
    uint8_t signature[4];
    uint32_t length, version, count;

    if (from_end < METADATA_HEADER_BYTES || from_end > firmware->size)
        return reason_set(why, -EBADMSG, "SEV metadata is said to start 0x%x bytes before the end of a file of 0x%zx",
                          from_end, firmware->size);
    c = cursor_over(firmware->data + offset, from_end);
    cursor_copy(&c, signature, sizeof(signature));
    length = cursor_u32le(&c);
    version = cursor_u32le(&c);
    count = cursor_u32le(&c);
    if (c.failed || memcmp(signature, "ASEV", sizeof(signature)) != 0 || version != METADATA_VERSION)
        return reason_set(why, -EBADMSG, "no SEV metadata of version %u at offset 0x%zx", METADATA_VERSION, offset);
    if (count > FIRMWARE_MAX_SECTIONS || length != METADATA_HEADER_BYTES + count * METADATA_ENTRY_BYTES ||
        length > from_end)
        return reason_set(why, -EBADMSG, "SEV metadata at offset 0x%zx has %u sections in %u bytes", offset, count,
                          length);
    for (at = offset + METADATA_HEADER_BYTES; firmware->section_count < count; at += METADATA_ENTRY_BYTES) {
        struct firmware_section section;
        int r;

        section.gpa = cursor_u32le(&c);
        section.size = cursor_u32le(&c);
        section.kind = (enum section_kind)cursor_u32le(&c);
        r = check_section(firmware, &section, at, why);
        if (r < 0)
            return r;
        firmware->sections[firmware->section_count++] = section;
    }
    return 0;
}

/* The hash table needs its section, whole and in one page; the section is measured as zeros without a kernel. */
static int check_hash_table(const struct firmware *firmware, struct reason *why)
{
    if (firmware->hash_table_gpa && firmware->hash_table_gpa % PAGE_BYTES + firmware->hash_table_size > PAGE_BYTES)
        return reason_set(why, -EBADMSG, "hash table of 0x%x bytes at 0x%llx crosses a page",
                          firmware->hash_table_size, (unsigned long long)firmware->hash_table_gpa);
    return 0;
}

int firmware_parse(const void *data, size_t size, struct firmware *ret_firmware, struct reason *why)
{
    struct firmware firmware = { .data = data, .size = size, .gpa = FIRMWARE_END_GPA - size };
    struct walk walk = { .firmware = &firmware, .why = why };
    int r;

    if (!size || size > FIRMWARE_MAX_BYTES || size % PAGE_BYTES)
        return reason_set(why, -EBADMSG, "%zu bytes, expected a multiple of 4096 up to %u", size, FIRMWARE_MAX_BYTES);
    r = parse_footer(&walk);
    if (r < 0)
        return r;
    if (!walk.have_reset || !firmware.reset_eip)
        return reason_set(why, -EBADMSG, "no SEV-ES reset block in the footer table: not built for SEV");
    if (!walk.have_metadata)
        return reason_set(why, -EBADMSG, "no SEV metadata in the footer table: not built for SEV-SNP");
    r = parse_metadata(&firmware, walk.metadata_from_end, why);
    if (r == 0)
        r = check_hash_table(&firmware, why);
    if (r < 0)
        return r;
    *ret_firmware = firmware;
    return 0;
}

bool firmware_has_kernel_hashes(const struct firmware *firmware)
{
    for (size_t i = 0; firmware->hash_table_gpa && i < firmware->section_count; i++) {
        const struct firmware_section *section = &firmware->sections[i];

        if (section->kind == SECTION_KERNEL_HASHES &&
            firmware->hash_table_gpa - firmware->hash_table_gpa % PAGE_BYTES == section->gpa)
            return true;
    }
    return false;
}
