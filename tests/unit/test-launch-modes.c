/*
 * measure/: what has to hold between the ways to a digest: recorded rows in every mode, tables, explanations, the
 * firmware by its digest alone. tests/measure/ does the same with random launches.
 */
#include "unit.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/json.h"
#include "firmware-image.h"
#include "measure/explain.h"
#include "measure/firmware-metadata.h"
#include "measure/matrix.h"
#include "measure/reader.h"
#include "measure/vmsa.h"

static struct image image;
static struct firmware_file firmware, svsm;
static struct kernel_hashes hashes = { .kernel = { 1 }, .initrd = { 2 }, .cmdline = { 3 } };

static void parse_as(const struct image_plan *plan, enum firmware_kind kind, uint64_t end, struct firmware_file *to)
{
    struct reason why = { "" };

    image_build(plan, &image);
    firmware_file_free(to);
    if (firmware_file_from_memory(image.data, image.size, kind, end, to, &why) < 0)
        fail_msg("%s", why.text);
}

static int set_up(void **state UNUSED)
{
    static const struct guid guid_svsm =
        GUID(0xa789a612, 0x0597, 0x4c4b, 0xa4, 0x9f, 0xcb, 0xb1, 0xfe, 0x9d, 0x1d, 0xdd);
    struct image_plan plan = image_plan_usual();

    parse_as(&plan, FIRMWARE_SNP, FIRMWARE_END_GPA, &firmware);
    plan.entries[0].guid = &guid_svsm;
    put_u32le(plan.entries[0].data, 0x123);
    parse_as(&plan, FIRMWARE_SVSM, firmware.tables.gpa - 0x84000, &svsm);
    return 0;
}

static int tear_down(void **state UNUSED)
{
    firmware_file_free(&firmware);
    firmware_file_free(&svsm);
    return 0;
}

/* A launch of each kind; false when there are no more. */
static bool variant(size_t index, struct launch_inputs *ret_inputs)
{
    struct launch_inputs inputs = { &firmware, NULL, &hashes, 3, 0xa00f11, 0x21, LAUNCH_SNP, VMM_QEMU };

    if (index < VMM_COUNT) {
        inputs.vmm = (enum vmm)index;
    } else if (index < 2 * VMM_COUNT) {
        inputs.vmm = (enum vmm)(index - VMM_COUNT);
        inputs.mode = LAUNCH_SEV_ES;
    } else if (index == 2 * VMM_COUNT) {
        inputs.hashes = NULL;
    } else if (index == 2 * VMM_COUNT + 1) {
        inputs.mode = LAUNCH_SNP_SVSM;
        inputs.svsm = &svsm;
        inputs.hashes = NULL;
    } else if (index == 2 * VMM_COUNT + 2) {
        inputs.mode = LAUNCH_SEV;
    } else {
        return false;
    }
    *ret_inputs = inputs;
    return true;
}

static void digest_of(const struct launch_inputs *inputs, uint8_t digest[LAUNCH_DIGEST_BYTES])
{
    struct reason why = { "" };

    memset(digest, 0, LAUNCH_DIGEST_BYTES);
    if (launch_digest(inputs, digest, &why) < 0)
        fail_msg("%s", why.text);
}

/* ------------------------------------------------------------------------------------------------- recorded digests */

struct recorded {
    const char *mode, *vmm, *initrd, *append;
    uint64_t vcpus, signature, features;
    uint8_t digest[LAUNCH_DIGEST_BYTES];
    enum launch_mode as;
};

static void read_recorded(struct json_reader *cases, size_t index, struct recorded *to)
{
    struct json_reader row;

    memset(to, 0, sizeof(*to));
    assert_true(json_element_object(cases, index, &row));
    assert_true(json_read_string(&row, "mode", JSON_REQUIRED, 16, &to->mode));
    assert_true(json_read_string(&row, "vmm_type", JSON_REQUIRED, 16, &to->vmm));
    assert_true(json_read_u64(&row, "vcpus", JSON_REQUIRED, 1, VCPUS_MAX, &to->vcpus));
    assert_true(json_read_u64(&row, "vcpu_sig", JSON_REQUIRED, 0, UINT32_MAX, &to->signature));
    assert_true(json_read_u64(&row, "guest_features", JSON_REQUIRED, 0, UINT64_MAX, &to->features));
    (void)json_read_string(&row, "initrd", JSON_OPTIONAL, 64, &to->initrd);
    (void)json_read_string(&row, "append", JSON_OPTIONAL, 256, &to->append);
    to->as = strcmp(to->mode, "sev") == 0 ? LAUNCH_SEV : strcmp(to->mode, "seves") == 0 ? LAUNCH_SEV_ES : LAUNCH_SNP;
    assert_true(json_read_hex(&row, "digest", JSON_REQUIRED, to->digest, launch_digest_size(to->as)));
}

/* Every row that others have computed, where they are at hand. */
static void agrees_with_recorded_digests(void **state UNUSED)
{
    CLEANUP_FIRMWARE_FILE struct firmware_file real = FIRMWARE_FILE_NONE;
    CLEANUP_JSON struct json_object *root = NULL;
    CLEANUP_FREE uint8_t *known = NULL;
    char path[256], kernel[256], initrd[256];
    struct file_job job = { .path = path, .firmware = true, .streams = true, .end_gpa = FIRMWARE_END_GPA };
    struct json_reader top, cases;
    struct reason why = { "" };
    struct json_status status = { 0, &why };
    size_t size = 0, count = 0;

    if (!vector_path("measure/known.json", path, sizeof(path)))
        skip();
    assert_int_equal(file_read(path, 65536, &known, &size, &why), 0);
    assert_int_equal(json_parse(known, size, 65536, &root, &why), 0);
    assert_true(vector_path("measure/kernel.bin", kernel, sizeof(kernel)));
    assert_true(vector_path("measure/initrd.bin", initrd, sizeof(initrd)));
    assert_true(vector_path("measure/ovmf_AmdSev_suffix.bin", path, sizeof(path)));
    assert_int_equal(files_read(&job, 1, &why), 0);
    real = job.file;
    json_read_root(root, &status, &top);
    assert_true(json_read_array(&top, "cases", JSON_REQUIRED, 1000, &cases, &count));
    assert_true(count >= 12);
    for (size_t i = 0; i < count; i++) {
        struct recorded row;
        struct kernel_hashes boot;
        struct launch_inputs inputs = { .firmware = &real, .hashes = &boot };
        uint8_t digest[LAUNCH_DIGEST_BYTES];

        read_recorded(&cases, i, &row);
        inputs.mode = row.as;
        inputs.vcpus = (uint32_t)row.vcpus;
        inputs.cpu_signature = (uint32_t)row.signature;
        inputs.features = row.features;
        assert_int_equal(vmm_find(row.vmm, &inputs.vmm), 0);
        assert_int_equal(kernel_hashes_compute(kernel, row.initrd ? initrd : NULL, row.append, &boot, &why), 0);
        digest_of(&inputs, digest);
        if (memcmp(digest, row.digest, launch_digest_size(row.as)) != 0)
            fail_msg("row %zu differs: %s under %s", i, row.mode, row.vmm);
    }
    assert_int_equal(status.error, 0);
}

/* ----------------------------------------------------------------------------------------------------------- tables */

struct collected {
    struct matrix_row rows[600];
    size_t count, stop_at;
};

static int collect(void *context, const struct matrix_row *row)
{
    struct collected *to = context;

    if (to->count == to->stop_at)
        return -ECANCELED;
    to->rows[to->count++] = *row;
    return 0;
}

static struct collected table;

static void rows_are_single_digests(void **state UNUSED)
{
    struct matrix_plan plan = { .cpus = { { "a", 0xa00f11 }, { "b", 0xb00f00 } }, .cpu_count = 2,
                                .features = { 1, 0x21, UINT64_MAX }, .feature_count = 3, .vmm_count = VMM_COUNT };
    struct launch_inputs inputs;
    struct reason why;

    plan.vcpus[1] = plan.vcpus[2] = plan.vcpus[7] = plan.vcpus[VCPUS_MAX] = true;
    for (int i = 0; i < VMM_COUNT; i++)
        plan.vmms[i] = (enum vmm)(VMM_COUNT - 1 - i);
    for (size_t i = 0; variant(i, &inputs); i++) {
        if (inputs.mode == LAUNCH_SEV)
            continue;
        plan.vmm_count = inputs.mode == LAUNCH_SNP_SVSM ? 1 : VMM_COUNT;
        plan.vmms[0] = inputs.mode == LAUNCH_SNP_SVSM ? VMM_QEMU : VMM_GCE;
        table = (struct collected){ .stop_at = ARRAY_SIZE(table.rows) };
        assert_int_equal(matrix_compute(&inputs, &plan, collect, &table, &why), 0);
        assert_int_equal(table.count, inputs.mode == LAUNCH_SNP_SVSM ? 24 : (3 * 1 + 2 * 2) * 3 * 4);
        for (size_t k = 0; k < table.count; k++) {
            const struct matrix_row *row = &table.rows[k];
            uint8_t digest[LAUNCH_DIGEST_BYTES];

            inputs.vmm = row->vmm;
            inputs.vcpus = row->vcpus;
            inputs.features = row->features;
            assert_int_equal(!!row->cpu, vmm_measures_signature(row->vmm));
            inputs.cpu_signature = row->cpu ? row->cpu->signature : 0xdeadbeef;
            digest_of(&inputs, digest);
            assert_memory_equal(digest, row->digest, launch_digest_size(inputs.mode));
        }
    }
}

static void the_default_table_is_whole(void **state UNUSED)
{
    struct launch_inputs inputs;
    struct matrix_plan plan;
    struct reason why;

    assert_true(variant(0, &inputs));
    matrix_plan_default(&plan);
    assert_int_equal(plan.cpu_count, 5);
    plan.cpu_count = 1;
    table = (struct collected){ .stop_at = ARRAY_SIZE(table.rows) };
    assert_int_equal(matrix_compute(&inputs, &plan, collect, &table, &why), 0);
    assert_int_equal(table.count, VCPUS_MAX);
    for (size_t i = 0; i < table.count; i++)
        assert_int_equal(table.rows[i].vcpus, i + 1);
    table = (struct collected){ .stop_at = 5 };
    assert_int_equal(matrix_compute(&inputs, &plan, collect, &table, &why), -ECANCELED);
    assert_int_equal(table.count, 5);
}

static void refuses_tables_that_cannot_be(void **state UNUSED)
{
    struct launch_inputs inputs;
    struct matrix_plan plan;
    struct reason why;

    assert_true(variant(0, &inputs));
    matrix_plan_default(&plan);
    inputs.mode = LAUNCH_SEV;
    assert_int_equal(matrix_compute(&inputs, &plan, collect, &table, &why), -EINVAL);
    assert_reason(&why, "SEV measures no virtual CPUs");
    inputs.mode = LAUNCH_SNP;
    memset(plan.vcpus, 0, sizeof(plan.vcpus));
    assert_int_equal(matrix_compute(&inputs, &plan, collect, &table, &why), -EINVAL);
    assert_reason(&why, "0 virtual CPUs, expected 1 to 512");
    plan.vcpus[1] = true;
    inputs.mode = LAUNCH_SNP_SVSM;
    inputs.hashes = NULL;
    assert_int_equal(matrix_compute(&inputs, &plan, collect, &table, &why), -EINVAL);
    assert_reason(&why, "no SVSM image given");
    inputs.svsm = &svsm;
    plan.vmms[plan.vmm_count++] = VMM_EC2;
    assert_int_equal(matrix_compute(&inputs, &plan, collect, &table, &why), -EINVAL);
    assert_reason(&why, "ec2 launches no SVSM, QEMU does");
    inputs.hashes = &hashes;
    plan.vmm_count = 1;
    assert_int_equal(matrix_compute(&inputs, &plan, collect, &table, &why), -EINVAL);
    assert_reason(&why, "an SVSM cannot be launched with a kernel");
}

/* ----------------------------------------------------------------------------------------------------- explanations */

struct story {
    struct contribution last;
    size_t count;
    uint64_t pages;
    char names[512];
};

static int hear(void *context, const struct contribution *contribution)
{
    struct story *story = context;

    assert_memory_not_equal(story->last.digest, contribution->digest, SHA256_BYTES);
    story->last = *contribution;
    story->count++;
    story->pages += contribution->pages;
    (void)snprintf(story->names + strlen(story->names), sizeof(story->names) - strlen(story->names), "%s%s/%s",
                   story->names[0] ? ", " : "", contribution->name,
                   contribution->page_type ? contribution->page_type : "-");
    return 0;
}

static void explanations_end_with_the_digest(void **state UNUSED)
{
    struct launch_inputs inputs;

    for (size_t i = 0; variant(i, &inputs); i++) {
        uint8_t digest[LAUNCH_DIGEST_BYTES], told[LAUNCH_DIGEST_BYTES];
        struct story story = { .count = 0 };

        digest_of(&inputs, digest);
        assert_int_equal(launch_explain(&inputs, hear, &story, told, NULL), 0);
        assert_memory_equal(told, digest, launch_digest_size(inputs.mode));
        assert_memory_equal(story.last.digest, digest, launch_digest_size(inputs.mode));
    }
}

static void tells_what_is_measured_how(void **state UNUSED)
{
    static const char *const wanted[] = {
        "firmware/normal, SEC_MEM/zero, SEC_MEM/zero, SECRETS/secrets, CPUID/CPUID, SEC_MEM/zero, "
        "KERNEL_HASHES/normal, VMSA, first CPU/VMSA, VMSA, other CPUs/VMSA",
        NULL,
        "firmware/normal, SEC_MEM/zero, SEC_MEM/zero, SECRETS/secrets, SEC_MEM/zero, KERNEL_HASHES/normal, "
        "CPUID/CPUID, VMSA, first CPU/VMSA, VMSA, other CPUs/VMSA",
        NULL,
        "firmware/normal, SEC_MEM/unmeasured, SEC_MEM/unmeasured, SECRETS/secrets, CPUID/CPUID, SEC_MEM/unmeasured, "
        "KERNEL_HASHES/normal, VMSA, first CPU/VMSA, VMSA, other CPUs/VMSA",
        "firmware/-, kernel hashes/-, VMSA, first CPU/-, VMSA, other CPUs/-",
        NULL, NULL, NULL, NULL,
        "firmware/normal, SEC_MEM/zero, SEC_MEM/zero, SECRETS/secrets, CPUID/CPUID, SEC_MEM/zero, "
        "KERNEL_HASHES/zero, VMSA, first CPU/VMSA, VMSA, other CPUs/VMSA",
        "firmware/normal, SVSM/normal, SEC_MEM/zero, SEC_MEM/zero, SECRETS/secrets, CPUID/CPUID, SEC_MEM/zero, "
        "KERNEL_HASHES/zero, VMSA, first CPU/VMSA, VMSA, other CPUs/VMSA",
        "firmware/-, kernel hashes/-",
    };
    struct launch_inputs inputs;

    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        struct story story = { .count = 0 };
        uint8_t digest[LAUNCH_DIGEST_BYTES];

        assert_true(variant(i, &inputs));
        assert_int_equal(launch_explain(&inputs, hear, &story, digest, NULL), 0);
        if (wanted[i])
            assert_string_equal(story.names, wanted[i]);
        if (inputs.mode == LAUNCH_SNP)
            assert_int_equal(story.pages, 2 + 9 + 3 + 1 + 1 + 15 + 1 + 3);
    }
}

static void order_of_sections_counts(void **state UNUSED)
{
    struct launch_inputs inputs;
    uint8_t usual[LAUNCH_DIGEST_BYTES], digest[LAUNCH_DIGEST_BYTES];
    struct firmware_file permuted = firmware;

    assert_true(variant(0, &inputs));
    digest_of(&inputs, usual);
    inputs.firmware = &permuted;
    for (size_t i = 1; i < firmware.tables.section_count; i++) {
        permuted.tables = firmware.tables;
        permuted.tables.sections[i] = firmware.tables.sections[i - 1];
        permuted.tables.sections[i - 1] = firmware.tables.sections[i];
        digest_of(&inputs, digest);
        assert_memory_not_equal(digest, usual, sizeof(digest));
    }
}

/* ----------------------------------------------------------------------------------- the firmware without its pages */

/* Tables through JSON and back, and the digest after the pages, stand for the whole file. */
static void a_digest_and_tables_stand_for_the_firmware(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct firmware_file alone;
    struct firmware tables;
    struct launch_inputs inputs;
    struct reason why = { "" };

    firmware_metadata_encode(&firmware.tables, &text);
    if (firmware_metadata_decode(text.data, text.size, &tables, &why) < 0)
        fail_msg("%s", why.text);
    firmware_file_from_digest(&tables, firmware.digest, &alone);
    for (size_t i = 0; variant(i, &inputs); i++) {
        uint8_t whole[LAUNCH_DIGEST_BYTES], digest[LAUNCH_DIGEST_BYTES];

        digest_of(&inputs, whole);
        inputs.firmware = &alone;
        if (launch_digest_size(inputs.mode) == SHA256_BYTES) {
            assert_int_equal(launch_digest(&inputs, digest, &why), -EINVAL);
            assert_reason(&why, "SEV and SEV-ES need the firmware image itself");
            continue;
        }
        digest_of(&inputs, digest);
        assert_memory_equal(digest, whole, sizeof(digest));
    }
}

static void refuse_metadata(const char *from, const char *to, const char *words)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY, changed = BUFFER_EMPTY;
    struct firmware tables = { .size = 77 };
    struct reason why = { "" };
    const char *at;

    firmware_metadata_encode(&firmware.tables, &text);
    at = strstr(buffer_text(&text), from);
    assert_non_null(at);
    buffer_add(&changed, text.data, (size_t)(at - buffer_text(&text)));
    buffer_add_text(&changed, to);
    buffer_add_text(&changed, at + strlen(from));
    assert_int_equal(firmware_metadata_decode(changed.data, changed.size, &tables, &why), -EBADMSG);
    assert_reason(&why, words);
    assert_int_equal(tables.size, 77);
}

static void metadata_is_held_to_the_rules(void **state UNUSED)
{
    refuse_metadata("metadata:v1", "metadata:v2", "type: \"urn:postern:firmware-metadata:v2\", expected");
    refuse_metadata("8192", "8193", "size: 8193 bytes, expected a multiple of 4096");
    refuse_metadata("8192", "0", "size: 0 bytes, expected a multiple of 4096");
    refuse_metadata("\"reset_eip\": 8433668", "\"reset_eip\": 0", "reset_eip: ");
    refuse_metadata("\"gpa\": 8457216", "\"gpa\": 8457217", "hash_table: hash table of 0x400 bytes at 0x810c01");
    refuse_metadata("SEC_MEM", "SEC_MAM", "sections[0].kind: \"SEC_MAM\" is no kind of section");
    refuse_metadata("36864", "36863", "sections[0]: metadata section SEC_MEM number 0 covers 0x8fff bytes");
    refuse_metadata("36864", "0", "sections[0]: metadata section SEC_MEM number 0 covers 0x0 bytes");
    refuse_metadata("36864", "45056", "sections[1]: metadata section SEC_MEM number 1 overlaps section 0");
    refuse_metadata("36864", "4294959104", "sections[0]: metadata section SEC_MEM number 0 reaches into the firmware");
    refuse_metadata("36864", "36864, \"more\": 1", "more: ");
}

/* -------------------------------------------------------------------------------------------------------- VMSA, VMM */

/* What an explanation shows of a save area leaves no byte out. */
static void fields_cover_save_areas(void **state UNUSED)
{
    struct launch_inputs inputs;

    for (size_t i = 0; variant(i, &inputs); i++)
        for (int first = 0; first < 2; first++) {
            uint8_t page[PAGE_BYTES];
            const struct vmsa_field *field;
            size_t behind = 0;

            inputs.features = UINT64_MAX;
            launch_vmsa(&inputs, first, page);
            for (size_t k = 0; (field = vmsa_field(k)); k++) {
                assert_true(field->offset >= behind);
                behind = (size_t)field->offset + field->size;
                memset(page + field->offset, 0, field->size);
            }
            assert_true(all_zero(page, sizeof(page)));
        }
}

static void knows_vmms(void **state UNUSED)
{
    enum vmm vmm = VMM_GCE;

    for (int i = 0; i < VMM_COUNT; i++) {
        assert_int_equal(vmm_find(vmm_name((enum vmm)i), &vmm), 0);
        assert_int_equal(vmm, i);
    }
    assert_int_equal(vmm_find("qemu", &vmm), 0);
    assert_int_equal(vmm, VMM_QEMU);
    assert_int_equal(vmm_find("EC2", &vmm), 0);
    assert_int_equal(vmm, VMM_EC2);
    assert_int_equal(vmm_find("", &vmm), -ENOENT);
    assert_int_equal(vmm_find("krun", &vmm), -ENOENT);
    assert_int_equal(vmm, VMM_EC2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_recorded_digests),
        cmocka_unit_test(rows_are_single_digests),
        cmocka_unit_test(the_default_table_is_whole),
        cmocka_unit_test(refuses_tables_that_cannot_be),
        cmocka_unit_test(explanations_end_with_the_digest),
        cmocka_unit_test(tells_what_is_measured_how),
        cmocka_unit_test(order_of_sections_counts),
        cmocka_unit_test(a_digest_and_tables_stand_for_the_firmware),
        cmocka_unit_test(metadata_is_held_to_the_rules),
        cmocka_unit_test(fields_cover_save_areas),
        cmocka_unit_test(knows_vmms),
    };

    return cmocka_run_group_tests_name("launch-modes", tests, set_up, tear_down);
}
