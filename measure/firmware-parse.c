/*
 * Firmware images: whoever built the image controls every byte, and a digest worked out from a misread image is worse
 * than none. Pure; the caller's bytes are read once, through cursors. Offsets in reasons are those in the whole file.
 */
#include "measure/firmware.h"

#include <errno.h>
#include <stdio.h>
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

static const struct guid guid_svsm_info =
    GUID(0xa789a612, 0x0597, 0x4c4b, 0xa4, 0x9f, 0xcb, 0xb1, 0xfe, 0x9d, 0x1d, 0xdd);

struct walk {
    struct firmware *firmware;
    struct reason *why;
    const uint8_t *data; /* the image's tail */
    size_t size;
    uint64_t offset; /* of the tail in the file */
    bool have_reset, have_hashes, have_metadata, have_svsm;
    uint32_t reset_eip, svsm_offset, metadata_from_end;
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

static void list_table(struct walk *walk, const struct guid *guid, size_t at, size_t size)
{
    struct firmware_table *table = &walk->firmware->tables[walk->firmware->table_count];

    if (walk->firmware->table_count == FIRMWARE_MAX_TABLES)
        return;
    memcpy(table->guid, guid->bytes, GUID_BYTES);
    table->offset = walk->offset + at;
    table->size = (uint32_t)size;
    walk->firmware->table_count++;
}

/* One entry of the footer table: its GUID and the data before its tail, which starts at `at` in walk->data. */
static int take_entry(struct walk *walk, const struct guid *guid, size_t at, size_t size)
{
    struct firmware *firmware = walk->firmware;
    const uint8_t *data = walk->data + at;
    struct cursor c = cursor_over(data, size);
    bool *seen = NULL;
    int r = 0;

    list_table(walk, guid, at, size);
    if (guid_equal(guid, &guid_reset_block)) {
        seen = &walk->have_reset;
        r = read_u32(data, size, &walk->reset_eip);
    } else if (guid_equal(guid, &guid_metadata)) {
        seen = &walk->have_metadata;
        r = read_u32(data, size, &walk->metadata_from_end);
    } else if (guid_equal(guid, &guid_svsm_info)) {
        seen = &walk->have_svsm;
        r = read_u32(data, size, &walk->svsm_offset);
    } else if (guid_equal(guid, &guid_hash_table)) {
        seen = &walk->have_hashes;
        firmware->hash_table_gpa = cursor_u32le(&c);
        firmware->hash_table_size = cursor_u32le(&c);
        r = cursor_end(&c);
    } else {
        return 0; /* tables for others: the secret area, TDX */
    }
    if (r < 0)
        return reason_set(walk->why, r, "footer entry at offset 0x%llx has %zu bytes of data, which is not its size",
                          (unsigned long long)(walk->offset + at), size);
    if (*seen)
        return reason_set(walk->why, -EBADMSG, "footer entry at offset 0x%llx stands there twice",
                          (unsigned long long)(walk->offset + at));
    *seen = true;
    return 0;
}

/* The entry that ends at *end and begins at `start` or behind it; afterwards *end is where it begins. */
static int walk_entry(struct walk *walk, size_t start, size_t *end)
{
    struct cursor c;
    struct guid guid;
    size_t length, left = *end - start;

    if (left < ENTRY_TAIL_BYTES)
        return reason_set(walk->why, -EBADMSG, "footer table: %zu bytes left at offset 0x%llx, an entry needs %u", left,
                          (unsigned long long)(walk->offset + start), ENTRY_TAIL_BYTES);
    c = cursor_over(walk->data + *end - ENTRY_TAIL_BYTES, ENTRY_TAIL_BYTES);
    length = cursor_u16le(&c);
    cursor_copy(&c, guid.bytes, GUID_BYTES);
    if (cursor_end(&c) < 0 || length < ENTRY_TAIL_BYTES || length > left)
        return reason_set(walk->why, -EBADMSG,
                          "footer entry ending at offset 0x%llx says %zu bytes, expected %u to %zu",
                          (unsigned long long)(walk->offset + *end), length, ENTRY_TAIL_BYTES, left);
    *end -= length;
    return take_entry(walk, &guid, *end, length - ENTRY_TAIL_BYTES);
}

/* Backwards, from the footer's own tail at `end` down to the table's start. */
static int walk_entries(struct walk *walk, size_t start, size_t end)
{
    int r = 0;

    while (r == 0 && end > start)
        r = walk_entry(walk, start, &end);
    return r;
}

/* Finds the footer and reads the entries that matter to a launch. */
static int parse_footer(struct walk *walk)
{
    size_t end = walk->size - FOOTER_TAIL_BYTES, tail = end - ENTRY_TAIL_BYTES, length;
    struct cursor c = cursor_over(walk->data + tail, ENTRY_TAIL_BYTES);
    struct guid guid;

    length = cursor_u16le(&c);
    cursor_copy(&c, guid.bytes, GUID_BYTES);
    if (cursor_end(&c) < 0 || !guid_equal(&guid, &guid_footer))
        return reason_set(walk->why, -EBADMSG,
                          "no OVMF footer GUID at offset 0x%llx: not an OVMF image, or one without tables",
                          (unsigned long long)(walk->offset + tail + 2));
    if (length < ENTRY_TAIL_BYTES || length > end)
        return reason_set(walk->why, -EBADMSG, "footer table at offset 0x%llx says %zu bytes, expected %u to %zu",
                          (unsigned long long)(walk->offset + tail), length, ENTRY_TAIL_BYTES, end);
    return walk_entries(walk, end - length, tail);
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

int section_kind_find(const char *name, enum section_kind *ret_kind)
{
    static const enum section_kind kinds[] = { SECTION_SEC_MEM, SECTION_SECRETS, SECTION_CPUID, SECTION_SVSM_CAA,
                                               SECTION_KERNEL_HASHES };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(name, section_kind_name(kinds[i])) == 0) {
            *ret_kind = kinds[i];
            return 0;
        }
    return -ENOENT;
}

/* All fields are below 2^32, so sums cannot wrap. */
int firmware_add_section(struct firmware *firmware, const struct firmware_section *section, const char *where,
                         struct reason *why)
{
    const char *name = section_kind_name(section->kind);
    bool one_page = section->kind != SECTION_SEC_MEM && section->kind != SECTION_SVSM_CAA;

    if (firmware->section_count == FIRMWARE_MAX_SECTIONS)
        return reason_set(why, -EBADMSG, "metadata section %s is one more than %u", where, FIRMWARE_MAX_SECTIONS);
    if (!name)
        return reason_set(why, -EBADMSG, "metadata section %s has the unknown kind 0x%x", where,
                          (unsigned)section->kind);
    if (!section->size || section->size % PAGE_BYTES || section->gpa % PAGE_BYTES)
        return reason_set(why, -EBADMSG,
                          "metadata section %s %s covers 0x%llx bytes at 0x%llx, expected whole pages", name, where,
                          (unsigned long long)section->size, (unsigned long long)section->gpa);
    if (one_page && section->size != PAGE_BYTES)
        return reason_set(why, -EBADMSG, "metadata section %s %s covers 0x%llx bytes, expected one page", name, where,
                          (unsigned long long)section->size);
    if (section->gpa + section->size > firmware->gpa)
        return reason_set(why, -EBADMSG, "metadata section %s %s reaches into the firmware", name, where);
    for (size_t i = 0; i < firmware->section_count; i++) {
        const struct firmware_section *other = &firmware->sections[i];

        if (ranges_overlap(section->gpa, section->size, other->gpa, other->size))
            return reason_set(why, -EBADMSG, "metadata section %s %s overlaps section %zu", name, where, i);
    }
    firmware->sections[firmware->section_count++] = *section;
    return 0;
}

/* Where the metadata starts in walk->data; it has at least a header's room there. */
static int find_metadata(const struct walk *walk, size_t *ret_at)
{
    uint32_t from_end = walk->metadata_from_end;

    if (from_end < METADATA_HEADER_BYTES || from_end > walk->firmware->size)
        return reason_set(walk->why, -EBADMSG,
                          "SEV metadata is said to start 0x%x bytes before the end of a file of 0x%llx", from_end,
                          (unsigned long long)walk->firmware->size);
    if (from_end > walk->size)
        return reason_set(walk->why, -EBADMSG,
                          "SEV metadata is said to start 0x%x bytes before the end, expected in the last 0x%x bytes",
                          from_end, FIRMWARE_TAIL_BYTES);
    *ret_at = walk->size - from_end;
    return 0;
}

static int parse_metadata(struct walk *walk)
{
    struct cursor c;
    uint8_t signature[4];
    uint32_t length, version, count;
    size_t at = 0, room;
    int r = find_metadata(walk, &at);

    if (r < 0)
        return r;
    room = walk->size - at;
    c = cursor_over(walk->data + at, room);
    cursor_copy(&c, signature, sizeof(signature));
    length = cursor_u32le(&c);
    version = cursor_u32le(&c);
    count = cursor_u32le(&c);
    if (c.failed || memcmp(signature, "ASEV", sizeof(signature)) != 0 || version != METADATA_VERSION)
        return reason_set(walk->why, -EBADMSG, "no SEV metadata of version %u at offset 0x%llx", METADATA_VERSION,
                          (unsigned long long)(walk->offset + at));
    if (count > FIRMWARE_MAX_SECTIONS || length != METADATA_HEADER_BYTES + count * METADATA_ENTRY_BYTES ||
        length > room)
        return reason_set(walk->why, -EBADMSG, "SEV metadata at offset 0x%llx has %u sections in %u bytes",
                          (unsigned long long)(walk->offset + at), count, length);
    for (uint32_t i = 0; i < count; i++) {
        struct firmware_section section;
        char where[32];

        section.gpa = cursor_u32le(&c);
        section.size = cursor_u32le(&c);
        section.kind = (enum section_kind)cursor_u32le(&c);
        (void)snprintf(where, sizeof(where), "at offset 0x%llx",
                       (unsigned long long)(walk->offset + at + METADATA_HEADER_BYTES + i * METADATA_ENTRY_BYTES));
        r = firmware_add_section(walk->firmware, &section, where, walk->why);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The hash table needs its section, whole and in one page; the section is measured as zeros without a kernel. */
int firmware_check_hash_table(const struct firmware *firmware, struct reason *why)
{
    if (firmware->hash_table_gpa && firmware->hash_table_gpa % PAGE_BYTES + firmware->hash_table_size > PAGE_BYTES)
        return reason_set(why, -EBADMSG, "hash table of 0x%x bytes at 0x%llx crosses a page",
                          firmware->hash_table_size, (unsigned long long)firmware->hash_table_gpa);
    return 0;
}

/* What the kind of image has to have. */
static int check_kind(struct walk *walk, enum firmware_kind kind)
{
    struct firmware *firmware = walk->firmware;

    if (kind == FIRMWARE_SVSM) {
        if (!walk->have_svsm || walk->svsm_offset >= firmware->size)
            return reason_set(walk->why, -EBADMSG,
                              "no SVSM entry point inside the image in the footer table: not an SVSM");
        firmware->reset_eip = (uint32_t)(firmware->gpa + walk->svsm_offset);
    } else {
        firmware->reset_eip = walk->reset_eip;
        if (kind != FIRMWARE_SEV && !firmware->reset_eip)
            return reason_set(walk->why, -EBADMSG,
                              "no SEV-ES reset block in the footer table: not built for SEV-ES or SEV-SNP");
    }
    if (!walk->have_metadata && (kind == FIRMWARE_SNP || kind == FIRMWARE_SVSM))
        return reason_set(walk->why, -EBADMSG, "no SEV metadata in the footer table: not built for SEV-SNP");
    return 0;
}

int firmware_check_size(uint64_t size, struct reason *why)
{
    if (!size || size > FIRMWARE_MAX_BYTES || size % PAGE_BYTES)
        return reason_set(why, -EBADMSG, "%llu bytes, expected a multiple of 4096 up to %u", (unsigned long long)size,
                          FIRMWARE_MAX_BYTES);
    return 0;
}

size_t firmware_tail_size(uint64_t size)
{
    return size < FIRMWARE_TAIL_BYTES ? (size_t)size : FIRMWARE_TAIL_BYTES;
}

int firmware_parse_tail(const struct firmware_tail *tail, struct firmware *ret_firmware, struct reason *why)
{
    struct firmware firmware = { .size = tail->size, .gpa = tail->end_gpa - tail->size };
    struct walk walk = { .firmware = &firmware, .why = why, .data = tail->data };
    int r = firmware_check_size(tail->size, why);

    if (r < 0)
        return r;
    walk.size = firmware_tail_size(tail->size);
    walk.offset = tail->size - walk.size;
    r = parse_footer(&walk);
    if (r == 0)
        r = check_kind(&walk, tail->kind);
    if (r == 0 && walk.have_metadata)
        r = parse_metadata(&walk);
    if (r == 0)
        r = firmware_check_hash_table(&firmware, why);
    if (r < 0)
        return r;
    *ret_firmware = firmware;
    return 0;
}

int firmware_parse(const void *data, size_t size, struct firmware *ret_firmware, struct reason *why)
{
    struct firmware_tail tail = { FIRMWARE_SNP, FIRMWARE_END_GPA, size, data };

    if (size <= FIRMWARE_MAX_BYTES) /* refused otherwise */
        tail.data += size - firmware_tail_size(size);
    return firmware_parse_tail(&tail, ret_firmware, why);
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
