/*
 * measure/firmware-parse.c. The input is the end of an image, zeros fill it up to whole pages. What is accepted has
 * sections that are whole pages, apart from each other and below the firmware, and can be measured.
 */
#include <errno.h>

#include "fuzz.h"
#include "measure/firmware.h"
#include "measure/launch.h"

#define MAX_BYTES (8 * PAGE_BYTES)

static void check(const struct firmware *firmware, size_t size)
{
    bool hashes = false;

    REQUIRE(firmware->size == size && firmware->gpa + size == FIRMWARE_END_GPA);
    REQUIRE(firmware->section_count <= FIRMWARE_MAX_SECTIONS);
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

/* The same image in every mode and under every VMM: a digest, or a sentence. */
static void measure(const struct firmware_file *file)
{
    struct kernel_hashes hashes = { .kernel = { 1 } };
    uint8_t with[LAUNCH_DIGEST_BYTES], without[LAUNCH_DIGEST_BYTES];
    const struct firmware *tables = &file->tables;
    struct launch_inputs inputs = { .firmware = file, .vcpus = 2, .cpu_signature = 0xa00f11, .features = 1 };
    struct reason why = { "" };
    int r;

    for (int vmm = 0; vmm < VMM_COUNT; vmm++) {
        inputs.vmm = (enum vmm)vmm;
        inputs.hashes = NULL;
        REQUIRE(launch_digest(&inputs, without, &why) == 0);
        inputs.hashes = &hashes;
        r = launch_digest(&inputs, with, &why);
        REQUIRE((r == 0) == (firmware_has_kernel_hashes(tables) && tables->hash_table_size >= KERNEL_HASHES_BYTES));
        REQUIRE(r == 0 ? memcmp(with, without, sizeof(with)) != 0 : r == -EINVAL && why.text[0]);
    }
    inputs.mode = LAUNCH_SEV_ES;
    r = launch_digest(&inputs, with, &why);
    REQUIRE((r == 0) == (tables->hash_table_gpa && tables->hash_table_size >= KERNEL_HASHES_BYTES));
}

static void check_as(enum firmware_kind kind, const uint8_t *image, size_t size)
{
    struct firmware_file file = FIRMWARE_FILE_NONE;
    struct reason why = { "" };
    uint64_t pages = 0;

    if (firmware_file_from_memory(image, size, kind, FIRMWARE_END_GPA, &file, &why) < 0) {
        REQUIRE(why.text[0]);
        return;
    }
    check(&file.tables, size);
    REQUIRE(file.tables.reset_eip || kind == FIRMWARE_SEV);
    for (size_t i = 0; i < file.tables.section_count; i++)
        pages += file.tables.sections[i].size / PAGE_BYTES;
    if (pages <= 64 && kind == FIRMWARE_SNP) /* more takes long and shows nothing else */
        measure(&file);
    firmware_file_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum firmware_kind kinds[] = { FIRMWARE_SNP, FIRMWARE_SEV_ES, FIRMWARE_SEV, FIRMWARE_SVSM };
    size_t whole = (size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    uint8_t *image;

    if (size > MAX_BYTES)
        return 0;
    image = fuzz_copy("", 0, whole);
    if (size)
        memcpy(image + whole - size, data, size);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        check_as(kinds[i], image, whole);
    free(image);
    return 0;
}
