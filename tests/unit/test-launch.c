/* measure/: kernel hashes, save areas, CPU types, launch digests. tests/measure/ compares many more digests. */
#include "unit.h"

#include <openssl/evp.h>
#include <sys/stat.h>

#include "base/encode.h"
#include "base/file.h"
#include "firmware-image.h"
#include "measure/cpu.h"
#include "measure/kernel-hashes.h"
#include "measure/launch.h"
#include "measure/vmsa.h"

static char directory[] = "/tmp/postern-test-launch.XXXXXX";

static int make_directory(void **state UNUSED)
{
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state UNUSED)
{
    return rmdir(directory);
}

static const char *file_with(const char *name, const void *data, size_t size)
{
    static char paths[4][128];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    struct reason why = { "" };

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    if (file_write(path, 0600, data, size, &why) < 0)
        fail_msg("%s", why.text);
    return path;
}

static void assert_hex(const void *data, size_t size, const char *wanted)
{
    char text[HEX_TEXT_BYTES(256)];

    hex_encode(data, size, text);
    assert_string_equal(text, wanted);
}

/* ---------------------------------------------------------------------------------------------------- kernel hashes */

static void hashes_files(void **state UNUSED)
{
    static uint8_t big[700000];
    uint8_t hash[SHA256_BYTES], wanted[SHA256_BYTES];
    struct reason why = { "" };
    const char *path = file_with("f", "abc", 3);

    assert_int_equal(kernel_hashes_file(path, hash, &why), 0);
    assert_hex(hash, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    path = file_with("f", "", 0);
    assert_int_equal(kernel_hashes_file(path, hash, &why), 0);
    assert_hex(hash, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    random_fill(big, sizeof(big));
    path = file_with("f", big, sizeof(big));
    assert_int_equal(kernel_hashes_file(path, hash, &why), 0);
    assert_int_equal(EVP_Digest(big, sizeof(big), wanted, NULL, EVP_sha256(), NULL), 1);
    assert_memory_equal(hash, wanted, sizeof(hash));
    assert_int_equal(unlink(path), 0);
}

static void names_files_that_cannot_be_hashed(void **state UNUSED)
{
    uint8_t hash[SHA256_BYTES] = { 1 };
    struct kernel_hashes hashes;
    struct reason why = { "" };
    char path[160];

    (void)snprintf(path, sizeof(path), "%s/absent", directory);
    assert_int_equal(kernel_hashes_file(path, hash, &why), -ENOENT);
    assert_reason(&why, "absent: cannot be opened: No such file or directory");
    assert_int_equal(kernel_hashes_file(directory, hash, &why), -EINVAL);
    assert_reason(&why, ": not a regular file");
    assert_int_equal(kernel_hashes_file("/dev/null", hash, &why), -EINVAL);
    assert_reason(&why, "/dev/null: not a regular file");
    assert_int_equal(kernel_hashes_file("/proc/self/status", hash, &why), -EBUSY);
    assert_reason(&why, "/proc/self/status: changed while it was read");
    assert_int_equal(kernel_hashes_file("/proc/self/mem", hash, &why), -EIO);
    assert_reason(&why, "/proc/self/mem: cannot be read");
    {
        char fifo[160];

        (void)snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
        assert_int_equal(mkfifo(fifo, 0600), 0);
        (void)alarm(5); /* nobody ever writes to it */
        assert_int_equal(kernel_hashes_file(fifo, hash, &why), -EINVAL);
        (void)alarm(0);
        assert_reason(&why, "fifo: not a regular file");
        assert_int_equal(unlink(fifo), 0);
    }
    assert_int_equal(hash[0], 1);
    assert_int_equal(kernel_hashes_compute(path, NULL, NULL, &hashes, &why), -ENOENT);
    assert_int_equal(kernel_hashes_compute("/etc/passwd", path, NULL, &hashes, &why), -ENOENT);
    assert_reason(&why, "absent: cannot be opened");
}

static void hashes_a_direct_boot(void **state UNUSED)
{
    const char *kernel = file_with("kernel", "abc", 3), *initrd = file_with("initrd", "", 0);
    struct kernel_hashes with, without;
    struct reason why = { "" };

    assert_int_equal(kernel_hashes_compute(kernel, initrd, "a", &with, &why), 0);
    assert_hex(with.kernel, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    /* of "a" and its NUL */
    assert_hex(with.cmdline, 32, "ffe9aaeaa2a2d5048174df0b80599ef0197ec024c4b051bc9860cff58ef7f9f3");
    assert_int_equal(kernel_hashes_compute(kernel, NULL, NULL, &without, &why), 0);
    assert_hex(without.initrd, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_memory_equal(with.initrd, without.initrd, 32);
    assert_hex(without.cmdline, 32, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    assert_int_equal(unlink(kernel), 0);
    assert_int_equal(unlink(initrd), 0);
}

static void writes_the_hash_table(void **state UNUSED)
{
    struct kernel_hashes hashes;
    uint8_t table[KERNEL_HASHES_BYTES + 1];

    memset(hashes.kernel, 0x11, 32);
    memset(hashes.initrd, 0x22, 32);
    memset(hashes.cmdline, 0x33, 32);
    memset(table, 0xff, sizeof(table));
    kernel_hashes_encode(&hashes, table);
    assert_hex(table, KERNEL_HASHES_BYTES,
               "06d63894224fc94cb479a793d411fd21a800"
               "d82dd09720bd944caa78e7714d36ab2a3200"
               "3333333333333333333333333333333333333333333333333333333333333333"
               "31f7ba442f3ad74b9af141e29169781d3200"
               "2222222222222222222222222222222222222222222222222222222222222222"
               "3794e74dd2ab7f42b835d5b172d2045b3200"
               "1111111111111111111111111111111111111111111111111111111111111111"
               "0000000000000000");
    assert_int_equal(table[KERNEL_HASHES_BYTES], 0xff);
}

/* ---------------------------------------------------------------------------------------------- CPUs and save areas */

static void knows_cpu_types(void **state UNUSED)
{
    static const struct {
        const char *name;
        uint32_t signature;
    } wanted[] = {
        { "EPYC", 0x800f12 },       { "EPYC-v4", 0x800f12 },       { "EPYC-IBPB", 0x800f12 },
        { "EPYC-Rome", 0x830f10 },  { "EPYC-Rome-v4", 0x830f10 },  { "EPYC-Milan", 0xa00f11 },
        { "EPYC-Genoa", 0xa10f10 }, { "EPYC-Milan-v2", 0xa00f11 }, { "EPYC-Genoa-v2", 0xa10f10 },
        { "EPYC-Turin", 0xb00f00 }, { "EPYC-Turin-v1", 0xb00f00 },
    };
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        const struct cpu_type *type = cpu_type_find(wanted[i].name);

        assert_non_null(type);
        assert_int_equal(cpu_signature(type->family, type->model, type->stepping), wanted[i].signature);
    }
    assert_null(cpu_type_find(""));
    assert_null(cpu_type_find("epyc"));
    assert_null(cpu_type_find("EPYC-Milan-v99"));
    for (const struct cpu_type *type = cpu_type_all(); type->name; type++, count++) {
        /* A name and its versions have one signature. */
        char base[32];
        const struct cpu_type *first;

        (void)snprintf(base, sizeof(base), "%s", type->name);
        if (strstr(base, "-v"))
            *strstr(base, "-v") = '\0';
        first = cpu_type_find(base);
        assert_non_null(first);
        assert_int_equal(cpu_signature(first->family, first->model, first->stepping),
                         cpu_signature(type->family, type->model, type->stepping));
        assert_ptr_equal(cpu_type_find(type->name), type); /* no name twice */
    }
    assert_true(count > 20);
}

static void works_signatures_out(void **state UNUSED)
{
    assert_int_equal(cpu_signature(6, 15, 11), 0x6fb);
    assert_int_equal(cpu_signature(15, 0x6b, 2), 0x60fb2);
    assert_int_equal(cpu_signature(16, 0, 0), 0x100f00);
    assert_int_equal(cpu_signature(270, 255, 15), 0xfff0fff);
}

static void writes_save_areas(void **state UNUSED)
{
    const struct vmsa_inputs inputs = { 0x12345678, 0xa00f11, UINT64_C(0x8000000000000021), VMM_QEMU, false };
    uint8_t page[PAGE_BYTES + 1], wanted[PAGE_BYTES] = { 0 };
    static const uint16_t data_segments[] = { 0x00, 0x20, 0x30, 0x40, 0x50 };

    /* Field by field out of snp_launch_finish()'s inputs: Linux sev_es_sync_vmsa(), QEMU's reset values. */
    for (size_t i = 0; i < ARRAY_SIZE(data_segments); i++) {
        put_u16le(wanted + data_segments[i] + 2, 0x93);
        put_u32le(wanted + data_segments[i] + 4, 0xffff);
    }
    put_u16le(wanted + 0x10, 0xf000);
    put_u16le(wanted + 0x12, 0x9b);
    put_u32le(wanted + 0x14, 0xffff);
    put_u64le(wanted + 0x18, 0x12340000);
    put_u32le(wanted + 0x64, 0xffff);
    put_u16le(wanted + 0x72, 0x82);
    put_u32le(wanted + 0x74, 0xffff);
    put_u32le(wanted + 0x84, 0xffff);
    put_u16le(wanted + 0x92, 0x8b);
    put_u32le(wanted + 0x94, 0xffff);
    put_u64le(wanted + 0xd0, 0x1000);
    put_u64le(wanted + 0x148, 0x40);
    put_u64le(wanted + 0x158, 0x10);
    put_u64le(wanted + 0x160, 0x400);
    put_u64le(wanted + 0x168, 0xffff0ff0);
    put_u64le(wanted + 0x170, 2);
    put_u64le(wanted + 0x178, 0x5678);
    put_u64le(wanted + 0x268, UINT64_C(0x0007040600070406));
    put_u64le(wanted + 0x310, 0xa00f11);
    put_u64le(wanted + 0x3b0, UINT64_C(0x8000000000000021));
    put_u64le(wanted + 0x3e8, 1);
    put_u32le(wanted + 0x408, 0x1f80);
    put_u16le(wanted + 0x410, 0x37f);
    memset(page, 0xff, sizeof(page));
    vmsa_encode(&inputs, page);
    for (size_t i = 0; i < PAGE_BYTES; i++)
        if (page[i] != wanted[i])
            fail_msg("offset 0x%zx holds 0x%x, expected 0x%x", i, page[i], wanted[i]);
    assert_int_equal(page[PAGE_BYTES], 0xff);
}

/* ---------------------------------------------------------------------------------------------------------- digests */

static struct image image;
static struct firmware_file firmware;

static void read_image(void)
{
    struct reason why = { "" };

    firmware_file_free(&firmware);
    if (firmware_file_from_memory(image.data, image.size, FIRMWARE_SNP, FIRMWARE_END_GPA, &firmware, &why) < 0)
        fail_msg("%s", why.text);
}

static void parse_image(const struct image_plan *plan)
{
    image_build(plan, &image);
    read_image();
}

static void digest_of(const struct launch_inputs *inputs, uint8_t ret_digest[LAUNCH_DIGEST_BYTES])
{
    struct reason why = { "" };

    if (launch_digest(inputs, ret_digest, &why) < 0)
        fail_msg("%s", why.text);
}

/* Each input moves the digest, and the same inputs give the same one. */
static void depends_on_every_input(void **state UNUSED)
{
    struct kernel_hashes hashes = { .kernel = { 1 } }, other = { .kernel = { 2 } };
    struct image_plan plan = image_plan_usual();
    struct launch_inputs variants[10];
    uint8_t digests[ARRAY_SIZE(variants)][LAUNCH_DIGEST_BYTES], again[LAUNCH_DIGEST_BYTES];
    struct firmware_file other_eip, other_order;

    parse_image(&plan);
    other_eip = other_order = firmware;
    other_eip.tables.reset_eip ^= 0x10000;
    other_order.tables.sections[2] = firmware.tables.sections[3];
    other_order.tables.sections[3] = firmware.tables.sections[2];
    for (size_t i = 0; i < ARRAY_SIZE(variants); i++)
        variants[i] = (struct launch_inputs){ &firmware, NULL, &hashes, 2, 0xa00f11, 1, LAUNCH_SNP, VMM_QEMU };
    variants[1].hashes = &other;
    variants[2].hashes = NULL;
    variants[3].vcpus = 1;
    variants[4].vcpus = 3;
    variants[5].cpu_signature = 0xa10f10;
    variants[6].features = 0x21;
    variants[7].firmware = &other_eip;
    variants[8].firmware = &other_order;
    variants[9].vcpus = VCPUS_MAX;
    for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
        digest_of(&variants[i], digests[i]);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(digests[i], digests[k], LAUNCH_DIGEST_BYTES);
    }
    digest_of(&variants[0], again);
    assert_memory_equal(again, digests[0], LAUNCH_DIGEST_BYTES);
    image.data[1000] ^= 1;
    read_image();
    digest_of(&variants[0], again);
    assert_memory_not_equal(again, digests[0], LAUNCH_DIGEST_BYTES);
}

/* QEMU puts the table into every section of the kind, each at its own address. */
static void measures_each_hash_section_where_it_lies(void **state UNUSED)
{
    struct kernel_hashes hashes = { .kernel = { 1 } };
    struct launch_inputs inputs = { &firmware, NULL, &hashes, 1, 0xa00f11, 1, LAUNCH_SNP, VMM_QEMU };
    struct image_plan plan = image_plan_usual();
    uint8_t digests[2][LAUNCH_DIGEST_BYTES];

    image_plan_section(&plan, 0x830000, 0x1000, SECTION_KERNEL_HASHES);
    parse_image(&plan);
    for (size_t i = 0; i < 2; i++) {
        firmware.tables.sections[6].gpa += i * PAGE_BYTES;
        digest_of(&inputs, digests[i]);
    }
    assert_memory_not_equal(digests[0], digests[1], LAUNCH_DIGEST_BYTES);
}
static void assert_no_launch(const struct launch_inputs *inputs, const char *words)
{
    uint8_t digest[LAUNCH_DIGEST_BYTES] = { 77 };
    struct reason why = { "" };

    assert_int_equal(launch_digest(inputs, digest, &why), -EINVAL);
    assert_reason(&why, words);
    assert_int_equal(digest[0], 77);
}

static void refuses_what_cannot_be_launched(void **state UNUSED)
{
    struct kernel_hashes hashes = { .kernel = { 1 } };
    struct image_plan plan = image_plan_usual();
    struct launch_inputs inputs = { &firmware, NULL, &hashes, 1, 0xa00f11, 1, LAUNCH_SNP, VMM_QEMU };
    uint8_t digest[LAUNCH_DIGEST_BYTES];

    parse_image(&plan);
    inputs.vcpus = 0;
    assert_no_launch(&inputs, "0 virtual CPUs, expected 1 to 512");
    inputs.vcpus = VCPUS_MAX + 1;
    assert_no_launch(&inputs, "513 virtual CPUs, expected 1 to 512");
    inputs.vcpus = 1;
    plan.section_count--;
    parse_image(&plan);
    assert_no_launch(&inputs, "the firmware has no section for kernel hashes");
    inputs.hashes = NULL; /* without a kernel that is fine */
    digest_of(&inputs, digest);
    inputs.hashes = &hashes;
    plan = image_plan_usual();
    put_u32le(plan.entries[2].data, 0x810f51);
    put_u32le(plan.entries[2].data + 4, 0xaf);
    parse_image(&plan);
    assert_no_launch(&inputs, "hash table at 0x810f51 has 175 bytes, the hashes need 176");
    put_u32le(plan.entries[2].data, 0x810c00); /* QEMU looks at the size, not at what is behind it */
    parse_image(&plan);
    assert_no_launch(&inputs, "hash table at 0x810c00 has 175 bytes, the hashes need 176");
    put_u32le(plan.entries[2].data + 4, 0xb0);
    parse_image(&plan);
    digest_of(&inputs, digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_files),
        cmocka_unit_test(names_files_that_cannot_be_hashed),
        cmocka_unit_test(hashes_a_direct_boot),
        cmocka_unit_test(writes_the_hash_table),
        cmocka_unit_test(knows_cpu_types),
        cmocka_unit_test(works_signatures_out),
        cmocka_unit_test(writes_save_areas),
        cmocka_unit_test(depends_on_every_input),
        cmocka_unit_test(measures_each_hash_section_where_it_lies),
        cmocka_unit_test(refuses_what_cannot_be_launched),
    };

    return cmocka_run_group_tests_name("launch", tests, make_directory, remove_directory);
}
