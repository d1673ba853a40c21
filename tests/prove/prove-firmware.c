/*
 * measure/firmware-parse.c: no table in an image makes the parser read or write where it may not, overflow, or run on.
 *
 * proof_entry is the step of the walk over the footer table, for an image's tail of any size: it moves towards the start
 * by at least an entry's tail and never beyond it. So the walk ends, for tables of any length. proof_section is the step
 * of the metadata, for any sections before it. proof_image runs the whole parser over one page of any bytes, for as
 * many table entries and sections as tests/prove/run says; images with more are not looked at by that proof.
 */
#include "prove.h"

#include "measure/firmware-parse.c"

static struct walk any_walk(struct firmware *firmware)
{
    struct walk walk = { .firmware = firmware };

    walk.size = nondet_size();
    ASSUME(walk.size <= FIRMWARE_TAIL_BYTES);
    walk.data = any_bytes(walk.size);
    walk.offset = nondet_u64();
    ASSUME(walk.offset <= FIRMWARE_MAX_BYTES);
    walk.have_reset = nondet_bool();
    walk.have_hashes = nondet_bool();
    walk.have_metadata = nondet_bool();
    walk.have_svsm = nondet_bool();
    return walk;
}

void proof_entry(void)
{
    struct firmware firmware;
    struct walk walk = any_walk(&firmware);
    size_t start = nondet_size(), end = nondet_size(), before = end;
    int r;

    ASSUME(start < end && end <= walk.size);
    r = walk_entry(&walk, start, &end);
    PROVE(r <= 0, "an error or none");
    PROVE(end >= start && end <= before, "the walk stays inside the table");
    PROVE(r < 0 || before - end >= ENTRY_TAIL_BYTES, "the walk goes on");
}

void proof_metadata_place(void)
{
    struct firmware firmware;
    struct walk walk = any_walk(&firmware);
    size_t at = 0;

    walk.metadata_from_end = nondet_u32();
    ASSUME(firmware.size == walk.offset + walk.size);
    if (find_metadata(&walk, &at) == 0)
        PROVE(at <= walk.size && walk.size - at >= METADATA_HEADER_BYTES, "the metadata's head is in the tail");
}

void proof_section(void)
{
    struct firmware firmware;
    struct firmware_section section = { (enum section_kind)nondet_u32(), nondet_u32(), nondet_u32() };
    size_t count = firmware.section_count;

    ASSUME(count <= FIRMWARE_MAX_SECTIONS && firmware.gpa < FIRMWARE_END_GPA);
    for (size_t i = 0; i < FIRMWARE_MAX_SECTIONS; i++)
        ASSUME(firmware.sections[i].gpa <= UINT32_MAX && firmware.sections[i].size <= UINT32_MAX);
    if (firmware_add_section(&firmware, &section, "", NULL) < 0) {
        PROVE(firmware.section_count == count, "a section that is refused is not there");
        return;
    }
    PROVE(firmware.section_count == count + 1 && count < FIRMWARE_MAX_SECTIONS, "there is room for it");
    PROVE(section.size && section.gpa % PAGE_BYTES == 0 && section.size % PAGE_BYTES == 0, "it is whole pages");
    PROVE(section.gpa + section.size <= firmware.gpa, "it lies below the firmware");
}

void proof_image(void)
{
    struct firmware firmware;
    struct firmware_tail tail = { (enum firmware_kind)(nondet_u8() & 3), FIRMWARE_END_GPA, PAGE_BYTES, NULL };

    tail.data = any_bytes(PAGE_BYTES);
    if (firmware_parse_tail(&tail, &firmware, NULL) < 0)
        return;
    PROVE(firmware.size == PAGE_BYTES && firmware.gpa == FIRMWARE_END_GPA - PAGE_BYTES, "the image is where it ends");
    PROVE(firmware.section_count <= FIRMWARE_MAX_SECTIONS, "as many sections as there is room for");
    PROVE(tail.kind == FIRMWARE_SEV || firmware.reset_eip, "processors have somewhere to start");
}

void proof_hash_section(void)
{
    struct firmware firmware;

    ASSUME(firmware.section_count <= FIRMWARE_MAX_SECTIONS);
    (void)firmware_has_kernel_hashes(&firmware);
}
