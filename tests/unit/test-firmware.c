/* measure/firmware: images that are understood, and every reason for which one is not. */
#include "unit.h"

#include "base/file.h"
#include "firmware-image.h"

static struct image image;
static struct firmware firmware;
static struct reason why;

/* Parses an exact copy, which stays until the next call: the result points into it. */
static int parse_bytes(const uint8_t *data, size_t size)
{
    static uint8_t *copy;

    free(copy);
    copy = exact_copy(data, size);
    memset(&firmware, 0x5a, sizeof(firmware));
    why.text[0] = '\0';
    return firmware_parse(copy, size, &firmware, &why);
}

static void assert_understood(void)
{
    if (parse_bytes(image.data, image.size) != 0)
        fail_msg("refused: %s", why.text);
}

static void assert_refused(const char *words)
{
    struct firmware untouched;

    memset(&untouched, 0x5a, sizeof(untouched));
    if (parse_bytes(image.data, image.size) != -EBADMSG || !strstr(why.text, words))
        fail_msg("gave \"%s\", expected \"%s\"", why.text, words);
    assert_memory_equal(&firmware, &untouched, sizeof(firmware));
}

/* The last line of defence, for what was understood. */
static void assert_sound(void)
{
    for (size_t i = 0; i < firmware.section_count; i++) {
        const struct firmware_section *a = &firmware.sections[i];

        assert_true(a->size && a->size % PAGE_BYTES == 0 && a->gpa % PAGE_BYTES == 0);
        assert_true(a->gpa + a->size <= firmware.gpa);
        for (size_t k = 0; k < i; k++)
            assert_true(firmware.sections[k].gpa + firmware.sections[k].size <= a->gpa ||
                        a->gpa + a->size <= firmware.sections[k].gpa);
    }
}

static void understands_the_usual_image(void **state UNUSED)
{
    struct image_plan plan = image_plan_usual();

    image_build(&plan, &image);
    assert_understood();
    assert_int_equal(firmware.size, plan.size);
    assert_true(firmware.gpa == UINT64_C(0x100000000) - plan.size);
    assert_int_equal(firmware.reset_eip, IMAGE_RESET_EIP);
    assert_int_equal(firmware.hash_table_gpa, IMAGE_HASH_GPA);
    assert_int_equal(firmware.hash_table_size, IMAGE_HASH_SIZE);
    assert_int_equal(firmware.section_count, plan.section_count);
    for (size_t i = 0; i < plan.section_count; i++) {
        assert_int_equal(firmware.sections[i].gpa, plan.sections[i].gpa);
        assert_int_equal(firmware.sections[i].size, plan.sections[i].size);
        assert_int_equal(firmware.sections[i].kind, plan.sections[i].kind);
    }
    assert_true(firmware_has_kernel_hashes(&firmware));
    assert_sound();
}

static void understands_images_without_kernel_hashes(void **state UNUSED)
{
    struct image_plan plan = image_plan_usual();

    plan.entries[2].guid = &image_guid_other; /* no table entry, the section stays */
    image_build(&plan, &image);
    assert_understood();
    assert_false(firmware_has_kernel_hashes(&firmware));
    plan = image_plan_usual();
    put_u32le(plan.entries[2].data, 0); /* address 0: not supported */
    image_build(&plan, &image);
    assert_understood();
    assert_false(firmware_has_kernel_hashes(&firmware));
    plan = image_plan_usual();
    plan.section_count--; /* no section around the table */
    image_build(&plan, &image);
    assert_understood();
    assert_false(firmware_has_kernel_hashes(&firmware));
    plan = image_plan_usual();
    plan.sections[5].gpa = 0x820000; /* a section elsewhere */
    image_build(&plan, &image);
    assert_understood();
    assert_false(firmware_has_kernel_hashes(&firmware));
}

static void understands_as_many_sections_as_fit(void **state UNUSED)
{
    struct image_plan plan = image_plan_usual();

    plan.section_count = 0;
    for (uint32_t i = 0; i < FIRMWARE_MAX_SECTIONS; i++)
        image_plan_section(&plan, 0x900000 + i * PAGE_BYTES, PAGE_BYTES, i % 4 + 1);
    image_build(&plan, &image);
    assert_understood();
    assert_int_equal(firmware.section_count, FIRMWARE_MAX_SECTIONS);
    assert_sound();
    plan.section_count = 0;
    image_build(&plan, &image);
    assert_understood();
    assert_int_equal(firmware.section_count, 0);
}

static void finds_the_hash_section_anywhere(void **state UNUSED)
{
    for (size_t i = 0; i < 6; i++) {
        struct image_plan plan = image_plan_usual();
        struct image_section section = plan.sections[i];

        plan.sections[i] = plan.sections[5];
        plan.sections[5] = section;
        image_build(&plan, &image);
        assert_understood();
        assert_true(firmware_has_kernel_hashes(&firmware));
    }
}

static void understands_the_largest_image(void **state UNUSED)
{
    struct image_plan plan = image_plan_usual();
    uint8_t *large = calloc(1, FIRMWARE_MAX_BYTES);

    assert_non_null(large);
    image_build(&plan, &image);
    memcpy(large + FIRMWARE_MAX_BYTES - image.size, image.data, image.size);
    assert_int_equal(firmware_parse(large, FIRMWARE_MAX_BYTES, &firmware, &why), 0);
    assert_int_equal(firmware.gpa, 0xfc000000);
    free(large);
}

static void refuses_odd_sizes(void **state UNUSED)
{
    static const uint8_t nothing[1];
    struct image_plan plan = image_plan_usual();

    image_build(&plan, &image);
    assert_int_equal(parse_bytes(nothing, 0), -EBADMSG);
    assert_reason(&why, "0 bytes, expected a multiple of 4096 up to 67108864");
    for (size_t size = 1; size < image.size; size += size < PAGE_BYTES - 70 ? 61 : 1)
        if (size % PAGE_BYTES)
            assert_int_equal(parse_bytes(image.data + image.size - size, size), -EBADMSG);
    assert_int_equal(firmware_parse(image.data, FIRMWARE_MAX_BYTES + PAGE_BYTES, &firmware, &why), -EBADMSG);
    assert_reason(&why, "67112960 bytes, expected a multiple of 4096");
    assert_int_equal(firmware_parse(image.data, SIZE_MAX - PAGE_BYTES + 1, &firmware, &why), -EBADMSG);
}

static void refuses_a_missing_footer(void **state UNUSED)
{
    struct image_plan plan = image_plan_usual();

    for (size_t i = 0; i < GUID_BYTES; i++) {
        image_build(&plan, &image);
        image.data[image.footer + 2 + i] ^= 0x10;
        assert_refused("no OVMF footer GUID at offset 0x1fd0");
    }
}

static void refuses_a_footer_of_the_wrong_length(void **state UNUSED)
{
    struct image_plan plan = image_plan_usual();
    static const uint16_t lengths[] = { 0, 17, 2 * PAGE_BYTES - 31, 0xffff };

    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        image_build(&plan, &image);
        put_u16le(image.data + image.footer, lengths[i]);
        assert_refused("footer table at offset 0x1fce says");
    }
    image_build(&plan, &image);
    put_u16le(image.data + image.footer, 18); /* nothing in it */
    assert_refused("no SEV-ES reset block");
    /* One byte less or more than the entries need. */
    for (int off = -1; off <= 1; off += 2) {
        image_build(&plan, &image);
        put_u16le(image.data + image.footer, (uint16_t)(get_u16le(image.data + image.footer) + off));
        assert_refused(off < 0 ? "footer entry ending at" : "footer table: 1 bytes left");
    }
}

static void refuses_entries_of_the_wrong_length(void **state UNUSED)
{
    struct image_plan plan = image_plan_usual();
    static const uint16_t lengths[] = { 0, 1, 17, 200, 0x8000, 0xffff };

    for (size_t entry = 0; entry < plan.entry_count; entry++) {
        for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
            image_build(&plan, &image);
            put_u16le(image.data + image.entry_tail[entry], lengths[i]);
            assert_refused("footer entry ending at offset");
        }
    }
    image_build(&plan, &image);
    put_u16le(image.data + image.entry_tail[1], 200); /* the second one ends 18 + 18 + 4 bytes below the footer's end */
    assert_refused("footer entry ending at offset 0x1fb8 says 200 bytes, expected 18 to 74");
}

static void refuses_entries_with_the_wrong_data(void **state UNUSED)
{
    static const size_t known[] = { 0, 2, 3 };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        for (size_t size = 0; size <= 12; size++) {
            struct image_plan plan = image_plan_usual();

            if (size == plan.entries[known[i]].size)
                continue;
            plan.entries[known[i]].size = size;
            image_build(&plan, &image);
            assert_refused("bytes of data, which is not its size");
        }
    }
    {
        struct image_plan plan = image_plan_usual();

        plan.entries[0].size = 5;
        image_build(&plan, &image);
        assert_refused("footer entry at offset 0x1fb7 has 5 bytes of data, which is not its size");
    }
}

static void refuses_entries_that_stand_twice(void **state UNUSED)
{
    static const size_t known[] = { 0, 2, 3 };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        struct image_plan plan = image_plan_usual();

        plan.entries[plan.entry_count++] = plan.entries[known[i]];
        image_build(&plan, &image);
        assert_refused("stands there twice");
    }
    {
        struct image_plan plan = image_plan_usual();

        plan.entries[plan.entry_count++] = plan.entries[1]; /* those of others are their business */
        image_build(&plan, &image);
        assert_understood();
    }
}

static void refuses_images_that_are_not_for_snp(void **state UNUSED)
{
    struct image_plan plan = image_plan_usual();

    plan.entries[0].guid = &image_guid_other;
    image_build(&plan, &image);
    assert_refused("no SEV-ES reset block in the footer table: not built for SEV");
    plan = image_plan_usual();
    put_u32le(plan.entries[0].data, 0);
    image_build(&plan, &image);
    assert_refused("no SEV-ES reset block");
    plan = image_plan_usual();
    plan.entries[3].guid = &image_guid_other;
    image_build(&plan, &image);
    assert_refused("no SEV metadata in the footer table: not built for SEV-SNP");
}

static void refuses_metadata_in_the_wrong_place(void **state UNUSED)
{
    static const uint32_t from_end[] = { 1, 15, 2 * PAGE_BYTES + 1, 0x80000000, 0xffffffff };

    for (size_t i = 0; i < ARRAY_SIZE(from_end); i++) {
        struct image_plan plan = image_plan_usual();

        put_u32le(plan.entries[3].data, from_end[i]);
        image_build(&plan, &image);
        assert_refused("SEV metadata is said to start 0x");
    }
    {
        struct image_plan plan = image_plan_usual();

        put_u32le(plan.entries[3].data, 16); /* the reset vector */
        image_build(&plan, &image);
        assert_refused("no SEV metadata of version 1 at offset 0x1ff0");
        image_build(&plan, &image);
        put_u32le(image.data + image.entry_tail[3] - 4, 0);
        assert_refused("SEV metadata is said to start 0x0 bytes");
    }
}

static void refuses_metadata_with_a_wrong_head(void **state UNUSED)
{
    struct image_plan plan = image_plan_usual();
    static const uint32_t versions[] = { 0, 2, 0x100, 0x01000000, 0xffffffff };
    static const uint32_t counts[] = { 0, 5, 7, 64, 65, 0x10000000, 0x15555556, 0xffffffff };
    static const uint32_t lengths[] = { 0, 15, 16, 87, 89, 100, 0xffffffff };

    for (size_t i = 0; i < 4; i++) {
        image_build(&plan, &image);
        image.data[image.metadata + i] ^= 0x20;
        assert_refused("no SEV metadata of version 1 at offset 0x40");
    }
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        image_build(&plan, &image);
        put_u32le(image.data + image.metadata + 8, versions[i]);
        assert_refused("no SEV metadata of version 1 at offset 0x40");
    }
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        image_build(&plan, &image);
        put_u32le(image.data + image.metadata + 12, counts[i]);
        assert_refused("SEV metadata at offset 0x40 has");
    }
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        image_build(&plan, &image);
        put_u32le(image.data + image.metadata + 4, lengths[i]);
        assert_refused("SEV metadata at offset 0x40 has");
    }
    /* More sections than lie between the metadata and the end of the file. */
    image_build(&plan, &image);
    memcpy(image.data + image.size - 28, image.data + image.metadata, 28);
    put_u32le(image.data + image.entry_tail[3] - 4, 28);
    assert_refused("has 6 sections in 88 bytes");
}

static void refuse_section(struct image_section section, const char *words)
{
    struct image_plan plan = image_plan_usual();

    plan.sections[2] = section;
    image_build(&plan, &image);
    assert_refused(words);
}

static void refuses_bad_sections(void **state UNUSED)
{
    static const uint32_t kinds[] = { 0, 5, 0xf, 0x11, 0x101, 0x80000001, 0xffffffff };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        refuse_section((struct image_section){ 0x80d000, 0x1000, kinds[i] }, "at offset 0x68 has the unknown kind");
    refuse_section((struct image_section){ 0x80d000, 0, 1 }, "SEC_MEM at offset 0x68 covers 0x0 bytes at 0x80d000");
    refuse_section((struct image_section){ 0x80d000, 0, 2 }, "SECRETS at offset 0x68 covers 0x0 bytes");
    refuse_section((struct image_section){ 0x80d001, 0x1000, 2 }, "expected whole pages");
    refuse_section((struct image_section){ 0x80dff0, 0x1000, 3 }, "expected whole pages");
    refuse_section((struct image_section){ 0x80d000, 0x1001, 1 }, "expected whole pages");
    refuse_section((struct image_section){ 0x80d000, 0xfff, 4 }, "SVSM_CAA at offset 0x68 covers 0xfff bytes");
    refuse_section((struct image_section){ 0x830000, 0x2000, 2 }, "SECRETS at offset 0x68 covers 0x2000 bytes");
    refuse_section((struct image_section){ 0x830000, 0x2000, 3 }, "CPUID at offset 0x68 covers 0x2000 bytes");
    refuse_section((struct image_section){ 0x830000, 0x2000, 0x10 }, "HASHES at offset 0x68 covers 0x2000 bytes");
    refuse_section((struct image_section){ 0xffffd000, 0x2000, 1 }, "reaches into the firmware");
    refuse_section((struct image_section){ 0xffffe000, 0x1000, 1 }, "reaches into the firmware");
    refuse_section((struct image_section){ 0xfffff000, 0xfffff000, 1 }, "reaches into the firmware");
    refuse_section((struct image_section){ 0x800000, 0x1000, 2 }, "SECRETS at offset 0x68 overlaps section 0");
    refuse_section((struct image_section){ 0x808000, 0x1000, 2 }, "overlaps section 0");
    refuse_section((struct image_section){ 0x7ff000, 0x2000, 1 }, "overlaps section 0");
    refuse_section((struct image_section){ 0x1000, 0x80a000, 4 }, "overlaps section 0");
    refuse_section((struct image_section){ 0x80c000, 0x1000, 1 }, "overlaps section 1");
    refuse_section((struct image_section){ 0x80e000, 0x1000, 1 }, "CPUID at offset 0x74 overlaps section 2");
    {
        struct image_plan plan = image_plan_usual();

        plan.sections[2] = (struct image_section){ 0xffffd000, 0x1000, 4 }; /* right below the firmware */
        image_build(&plan, &image);
        assert_understood();
        assert_sound();
    }
}

static void refuses_a_hash_table_across_pages(void **state UNUSED)
{
    static const uint32_t tables[][2] = { { 0x810c01, 0x400 }, { 0x810c00, 0x401 }, { 0x810000, 0x1001 },
                                          { 0x810fff, 2 },     { 0x810c00, 0xffffffff } };

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        struct image_plan plan = image_plan_usual();

        put_u32le(plan.entries[2].data, tables[i][0]);
        put_u32le(plan.entries[2].data + 4, tables[i][1]);
        image_build(&plan, &image);
        assert_refused("crosses a page");
    }
}

/* Whatever byte of the tables is changed: refused or sound. */
static void survives_every_changed_byte(void **state UNUSED)
{
    struct image_plan plan = image_plan_usual();
    static const uint8_t changes[] = { 0x01, 0x10, 0x80, 0xff };

    image_build(&plan, &image);
    for (size_t at = 0; at < image.size; at++) {
        if (at == image.metadata + 16 + 12 * plan.section_count)
            at = image.entry_tail[3] - 4;
        for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
            image.data[at] ^= changes[i];
            if (parse_bytes(image.data, image.size) == 0)
                assert_sound();
            else
                assert_true(why.text[0]);
            image.data[at] ^= changes[i];
        }
    }
}

static void names_kinds(void **state UNUSED)
{
    assert_string_equal(section_kind_name(SECTION_SVSM_CAA), "SVSM_CAA");
    assert_null(section_kind_name((enum section_kind)0x101));
}

/* Debian's package ovmf-amdsev, where it is at hand. */
static void understands_the_real_image(void **state UNUSED)
{
    static const char *const places[] = { "/builder/firmware/OVMF.amdsev.fd", "/usr/share/ovmf/OVMF.amdsev.fd" };
    const char *path = getenv("POSTERN_TEST_FIRMWARE");
    uint8_t *data = NULL;
    size_t size = 0, hashes = 0, last_sec_mem = 0;

    for (size_t i = 0; i < ARRAY_SIZE(places) && !path; i++)
        path = access(places[i], R_OK) == 0 ? places[i] : NULL;
    if (!path)
        skip();
    assert_int_equal(file_read(path, FIRMWARE_MAX_BYTES, &data, &size, &why), 0);
    if (firmware_parse(data, size, &firmware, &why) < 0)
        fail_msg("%s: %s", path, why.text);
    assert_sound();
    assert_true(firmware_has_kernel_hashes(&firmware));
    assert_int_equal(firmware.reset_eip, 0x80b004);
    for (size_t i = 0; i < firmware.section_count; i++) {
        if (firmware.sections[i].kind == SECTION_KERNEL_HASHES)
            hashes = i;
        if (firmware.sections[i].gpa == 0x811000)
            last_sec_mem = i;
    }
    assert_int_equal(firmware.sections[hashes].gpa, 0x810000);
    assert_true(last_sec_mem && hashes > last_sec_mem); /* the file's order is not that of the addresses */
    free(data);
}

static void compares_guids(void **state UNUSED)
{
    struct guid other = image_guid_footer;
    static const uint8_t bytes[] = { 0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                     0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d };

    assert_memory_equal(image_guid_footer.bytes, bytes, GUID_BYTES);
    assert_true(guid_equal(&other, &image_guid_footer));
    for (size_t i = 0; i < GUID_BYTES; i++) {
        other.bytes[i] ^= 1;
        assert_false(guid_equal(&other, &image_guid_footer));
        other.bytes[i] ^= 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understands_the_usual_image),
        cmocka_unit_test(understands_images_without_kernel_hashes),
        cmocka_unit_test(understands_as_many_sections_as_fit),
        cmocka_unit_test(finds_the_hash_section_anywhere),
        cmocka_unit_test(understands_the_largest_image),
        cmocka_unit_test(refuses_odd_sizes),
        cmocka_unit_test(refuses_a_missing_footer),
        cmocka_unit_test(refuses_a_footer_of_the_wrong_length),
        cmocka_unit_test(refuses_entries_of_the_wrong_length),
        cmocka_unit_test(refuses_entries_with_the_wrong_data),
        cmocka_unit_test(refuses_entries_that_stand_twice),
        cmocka_unit_test(refuses_images_that_are_not_for_snp),
        cmocka_unit_test(refuses_metadata_in_the_wrong_place),
        cmocka_unit_test(refuses_metadata_with_a_wrong_head),
        cmocka_unit_test(refuses_bad_sections),
        cmocka_unit_test(refuses_a_hash_table_across_pages),
        cmocka_unit_test(survives_every_changed_byte),
        cmocka_unit_test(names_kinds),
        cmocka_unit_test(understands_the_real_image),
        cmocka_unit_test(compares_guids),
    };

    return cmocka_run_group_tests_name("firmware", tests, NULL, NULL);
}
