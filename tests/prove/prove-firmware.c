/*
 * measure/firmware-parse.c: no table in an image makes the parser read or write where it may not, overflow, or run on.
 * Each step is proved for the tail of an image of any size that there can be, and for any state that the steps before
 * it can leave; where a proof calls a step that another one proves, that one's promise stands in its place (the promise_
 * functions, put there by tests/prove/run).
 *
 * proof_entry is the step of the walk over the footer table: towards the start by at least an entry's tail, and never
 * beyond. So the walk ends, whatever the table's length. proof_section is the step of the metadata, for any sections
 * before it. The bounds on loops are those of the code itself, FIRMWARE_MAX_SECTIONS, but for proof_metadata, which
 * looks at the first four sections.
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

/* What proof_section proves. */
int promise_section(struct firmware *firmware, const struct firmware_section *section, const char *where,
                    struct reason *why)
{
    (void)where;
    (void)why;
    PROVE(firmware->section_count <= FIRMWARE_MAX_SECTIONS, "sections are added to a sound list");
    PROVE(section->gpa <= UINT32_MAX && section->size <= UINT32_MAX, "sections have 32 bits");
    if (nondet_bool())
        return -EBADMSG;
    ASSUME(firmware->section_count < FIRMWARE_MAX_SECTIONS);
    firmware->section_count++;
    return 0;
}

/* prove-cursor.c proves that a sound cursor stays sound; here that it is when it starts. Numbers may be any. */
struct cursor promise_over(const void *data, size_t size)
{
    PROVE(size == 0 || __CPROVER_r_ok(data, size), "the bytes under a cursor can be read");
    return (struct cursor){ .p = data, .left = size };
}

uint32_t promise_u32le(struct cursor *c)
{
    return c->failed ? 0 : nondet_u32();
}

void proof_metadata(void)
{
    struct firmware firmware = { .size = 0 };
    struct walk walk = any_walk(&firmware);

    walk.metadata_from_end = nondet_u32();
    firmware.size = walk.offset + walk.size;
    if (parse_metadata(&walk) == 0)
        PROVE(firmware.section_count <= FIRMWARE_MAX_SECTIONS, "as many sections as there is room for");
}

/* What proof_entry proves, and with it that the walk ends. */
int promise_walk(struct walk *walk, size_t start, size_t end)
{
    PROVE(start <= end && end <= walk->size, "the table is in the image's tail");
    return nondet_bool() ? -EBADMSG : 0;
}

void proof_footer(void)
{
    struct firmware firmware;
    struct walk walk = any_walk(&firmware);

    ASSUME(walk.size >= PAGE_BYTES);
    (void)parse_footer(&walk);
}

int promise_footer(struct walk *walk)
{
    struct walk after = any_walk(walk->firmware);

    walk->have_reset = after.have_reset;
    walk->have_metadata = after.have_metadata;
    walk->have_svsm = after.have_svsm;
    walk->reset_eip = nondet_u32();
    walk->svsm_offset = nondet_u32();
    walk->firmware->hash_table_gpa = nondet_u32();
    walk->firmware->hash_table_size = nondet_u32();
    return nondet_bool() ? -EBADMSG : 0;
}

int promise_metadata(struct walk *walk)
{
    PROVE(walk->have_metadata && walk->firmware->section_count == 0, "metadata is looked at when there is some");
    return nondet_bool() ? -EBADMSG : 0;
}

void proof_image(void)
{
    struct firmware firmware;
    struct firmware_tail tail = { (enum firmware_kind)(nondet_u8() & 3), nondet_u64(), nondet_u64(), NULL };

    ASSUME(tail.end_gpa <= FIRMWARE_END_GPA && tail.end_gpa > FIRMWARE_MAX_BYTES);
    tail.data = any_bytes(firmware_tail_size(tail.size));
    if (firmware_parse_tail(&tail, &firmware, NULL) < 0)
        return;
    PROVE(firmware.size == tail.size && firmware.gpa + firmware.size == tail.end_gpa, "the image is where it ends");
    PROVE(tail.kind == FIRMWARE_SEV || firmware.reset_eip, "processors have somewhere to start");
    PROVE(!firmware.hash_table_gpa || firmware.hash_table_gpa % PAGE_BYTES + firmware.hash_table_size <= PAGE_BYTES,
          "the hash table is in one page");
}

void proof_hash_section(void)
{
    struct firmware firmware;

    ASSUME(firmware.section_count <= FIRMWARE_MAX_SECTIONS);
    (void)firmware_has_kernel_hashes(&firmware);
}
