/*
 * measure/firmware-parse.c. The input is the end of an image, zeros fill it up to whole pages. What is accepted has
 * sections that are whole pages, apart from each other and below the firmware, and can be measured.
 */
#include <errno.h>

#include "fuzz.h"
#include "measure/firmware.h"
#include "measure/launch.h"

#define MAX_BYTES (8 * PAGE_BYTES)

static void check(const struct firmware *firmware, const uint8_t *image, size_t size)
{
    bool hashes = false;

    REQUIRE(firmware->data == image && firmware->size == size && firmware->gpa + size == FIRMWARE_END_GPA);
    REQUIRE(firmware->reset_eip && firmware->section_count <= FIRMWARE_MAX_SECTIONS);
    for (size_t i = 0; i < firmware->section_count; i++) {
        const struct firmware_section *a = &firmware->sections[i];

        REQUIRE(section_kind_name(a->kind));
        REQUIRE(a->size && a->size % PAGE_BYTES == 0 && a->gpa % PAGE_BYTES == 0);
        REQUIRE(a->gpa + a->size <= firmware->gpa);
        for (size_t k = 0; k < i; k++)
            REQUIRE(firmware->sections[k].gpa + firmware->sections[k].size <= a->gpa ||
                    a->gpa + a->size <= firmware->sections[k].gpa);
        hashes |= a->kind == SECTION_KERNEL_HASHES && a->gpa == firmware->hash_table_gpa / PAGE_BYTES * PAGE_BYTES;
    }
    REQUIRE(firmware_has_kernel_hashes(firmware) == (hashes && firmware->hash_table_gpa));
}

static void measure(const struct firmware *firmware)
{
    struct kernel_hashes hashes = { .kernel = { 1 } };
    uint8_t with[LAUNCH_DIGEST_BYTES], without[LAUNCH_DIGEST_BYTES];
    struct launch_inputs inputs = { firmware, NULL, 2, 0xa00f11, 1 };
    struct reason why = { "" };
    uint64_t pages = 0;
    int r;

    for (size_t i = 0; i < firmware->section_count; i++)
        pages += firmware->sections[i].size / PAGE_BYTES;
    if (pages > 64) /* it takes long and shows nothing more */
        return;
    REQUIRE(launch_digest(&inputs, without, &why) == 0);
    inputs.hashes = &hashes;
    r = launch_digest(&inputs, with, &why);
    REQUIRE((r == 0) == (firmware_has_kernel_hashes(firmware) && firmware->hash_table_size >= KERNEL_HASHES_BYTES));
    REQUIRE(r == 0 ? memcmp(with, without, sizeof(with)) != 0 : r == -EINVAL && why.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t whole = (size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    struct firmware firmware;
    struct reason why = { "" };
    uint8_t *image;

    if (size > MAX_BYTES)
        return 0;
    image = fuzz_copy("", 0, whole);
    if (size)
        memcpy(image + whole - size, data, size);
    if (firmware_parse(image, whole, &firmware, &why) == 0) {
        check(&firmware, image, whole);
        measure(&firmware);
    } else {
        REQUIRE(why.text[0]);
    }
    free(image);
    return 0;
}
