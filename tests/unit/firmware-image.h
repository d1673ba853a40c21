/*
 * Small synthetic firmware images: random bytes with OVMF's footer table and SEV metadata in them. A plan says what is
 * in an image; the places of its parts are told, so that a test can damage them.
 */
#pragma once

#include "base/cursor.h"
#include "measure/firmware.h"
#include "measure/guid.h"

#define IMAGE_MAX_BYTES (16u * PAGE_BYTES)
#define IMAGE_MAX_ENTRIES 8
#define IMAGE_RESET_EIP 0x80b004u
/* Where the hash table lies unless a plan says otherwise: at the end of the page at 0x810000, as in OVMF. */
#define IMAGE_HASH_PAGE 0x810000u
#define IMAGE_HASH_GPA 0x810c00u
#define IMAGE_HASH_SIZE 0x400u

static const struct guid image_guid_footer =
    GUID(0x96b582de, 0x1fb2, 0x45f7, 0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d);
static const struct guid image_guid_reset =
    GUID(0x00f771de, 0x1a7e, 0x4fcb, 0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e);
static const struct guid image_guid_hashes =
    GUID(0x7255371f, 0x3a3b, 0x4b04, 0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54);
static const struct guid image_guid_metadata =
    GUID(0xdc886566, 0x984a, 0x4798, 0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc);
/* A table for others, which a launch does not look at. */
static const struct guid image_guid_other =
    GUID(0x4c2eb361, 0x7d9b, 0x4cc3, 0x80, 0x81, 0x12, 0x7c, 0x90, 0xd3, 0xd2, 0x94);

struct image_entry {
    const struct guid *guid;
    uint8_t data[16];
    size_t size;
};

struct image_section {
    uint32_t gpa, size, kind;
};

struct image_plan {
    size_t size;
    struct image_entry entries[IMAGE_MAX_ENTRIES]; /* in the order in which they are found: from the footer down */
    size_t entry_count;
    struct image_section sections[FIRMWARE_MAX_SECTIONS + 2];
    size_t section_count;
};

struct image {
    uint8_t data[IMAGE_MAX_BYTES];
    size_t size;
    size_t footer;                        /* offset of the footer's length */
    size_t entry_tail[IMAGE_MAX_ENTRIES]; /* offset of each entry's length */
    size_t metadata;                      /* offset of "ASEV" */
};

static inline struct image_entry *image_plan_entry(struct image_plan *plan, const struct guid *guid, size_t size,
                                                   uint32_t first, uint32_t second)
{
    struct image_entry *entry = &plan->entries[plan->entry_count++];

    *entry = (struct image_entry){ .guid = guid, .size = size };
    put_u32le(entry->data, first);
    put_u32le(entry->data + 4, second);
    return entry;
}

static inline void image_plan_section(struct image_plan *plan, uint32_t gpa, uint32_t size, uint32_t kind)
{
    plan->sections[plan->section_count++] = (struct image_section){ gpa, size, kind };
}

/* What Debian's AmdSev build has, in its order. */
static inline struct image_plan image_plan_usual(void)
{
    struct image_plan plan = { .size = 2 * PAGE_BYTES };

    (void)image_plan_entry(&plan, &image_guid_reset, 4, IMAGE_RESET_EIP, 0);
    (void)image_plan_entry(&plan, &image_guid_other, 8, 0x80c000, 0xc00);
    (void)image_plan_entry(&plan, &image_guid_hashes, 8, IMAGE_HASH_GPA, IMAGE_HASH_SIZE);
    (void)image_plan_entry(&plan, &image_guid_metadata, 4, 0, 0); /* the offset is filled in */
    image_plan_section(&plan, 0x800000, 0x9000, SECTION_SEC_MEM);
    image_plan_section(&plan, 0x80a000, 0x3000, SECTION_SEC_MEM);
    image_plan_section(&plan, 0x80d000, 0x1000, SECTION_SECRETS);
    image_plan_section(&plan, 0x80e000, 0x1000, SECTION_CPUID);
    image_plan_section(&plan, 0x811000, 0xf000, SECTION_SEC_MEM);
    image_plan_section(&plan, IMAGE_HASH_PAGE, 0x1000, SECTION_KERNEL_HASHES);
    return plan;
}

static inline void image_put_guid(struct image *image, size_t at, const struct guid *guid)
{
    memcpy(image->data + at, guid->bytes, GUID_BYTES);
}

static inline void image_build(const struct image_plan *plan, struct image *ret_image)
{
    struct image *image = ret_image;
    size_t at;

    memset(image, 0, sizeof(*image));
    image->size = plan->size;
    random_fill(image->data, image->size);
    image->metadata = 64;
    memcpy(image->data + image->metadata, "ASEV", 4);
    put_u32le(image->data + image->metadata + 4, (uint32_t)(16 + 12 * plan->section_count));
    put_u32le(image->data + image->metadata + 8, 1);
    put_u32le(image->data + image->metadata + 12, (uint32_t)plan->section_count);
    for (size_t i = 0; i < plan->section_count; i++) {
        put_u32le(image->data + image->metadata + 16 + 12 * i, plan->sections[i].gpa);
        put_u32le(image->data + image->metadata + 20 + 12 * i, plan->sections[i].size);
        put_u32le(image->data + image->metadata + 24 + 12 * i, plan->sections[i].kind);
    }
    image->footer = image->size - 32 - 18;
    at = image->footer;
    for (size_t i = 0; i < plan->entry_count; i++) {
        const struct image_entry *entry = &plan->entries[i];

        at -= 18;
        image->entry_tail[i] = at;
        put_u16le(image->data + at, (uint16_t)(entry->size + 18));
        image_put_guid(image, at + 2, entry->guid);
        at -= entry->size;
        memcpy(image->data + at, entry->data, entry->size);
        if (entry->guid == &image_guid_metadata && entry->size == 4 && !get_u32le(entry->data))
            put_u32le(image->data + at, (uint32_t)(image->size - image->metadata));
    }
    put_u16le(image->data + image->footer, (uint16_t)(image->size - 32 - at));
    image_put_guid(image, image->footer + 2, &image_guid_footer);
}
