/* attest/report and attest/product: every field at its place, every reserved byte, every size. */
#include "unit.h"

#include "attest/report.h"
#include "base/cursor.h"
#include "base/encode.h"
#include "base/file.h"

/* Fields of the report by offset (ABI specification, table 23); the rest is reserved. `from` is the first version. */
static const struct {
    size_t offset, size;
    uint32_t from;
} fields[] = {
    { 0x000, 0x04c, 2 }, /* version to key info */
    { 0x050, 0x138, 2 }, /* report data to reported TCB */
    { 0x188, 3, 3 },     /* family, model, stepping */
    { 0x1a0, 0x48, 2 },  /* chip id, committed TCB */
    { 0x1e8, 3, 2 },     /* current version */
    { 0x1ec, 3, 2 },     /* committed version */
    { 0x1f0, 8, 2 },     /* launch TCB */
    { 0x1f8, 16, 5 },    /* mitigation vectors */
    { 0x2a0, 0x90, 2 },  /* signature */
};

static bool is_reserved(size_t offset, uint32_t version)
{
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (offset >= fields[i].offset && offset < fields[i].offset + fields[i].size)
            return version < fields[i].from;
    return true;
}

/* Random in every field, zero in every reserved byte. */
static void make_report(uint32_t version, uint8_t ret_data[REPORT_BYTES])
{
    random_fill(ret_data, REPORT_BYTES);
    put_u32le(ret_data, version);
    for (size_t i = 0; i < REPORT_BYTES; i++)
        if (is_reserved(i, version))
            ret_data[i] = 0;
}

static void goes_there_and_back(void **state UNUSED)
{
    for (uint32_t version = 2; version <= 5; version++) {
        for (int round = 0; round < 200; round++) {
            uint8_t data[REPORT_BYTES], again[REPORT_BYTES];
            struct reason why = { "" };
            struct report report;

            make_report(version, data);
            assert_int_equal(report_parse(data, sizeof(data), &report, &why), 0);
            assert_int_equal(report.reserved_offset, 0);
            memset(again, 0xff, sizeof(again));
            report_encode(&report, again);
            assert_memory_equal(again, data, sizeof(data));
        }
    }
}

/* Neighbouring bytes differ, so that a field read one byte off has another value. */
static void reads_each_field_at_its_place(void **state UNUSED)
{
    uint8_t data[REPORT_BYTES];
    struct reason why = { "" };
    struct report r;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = is_reserved(i, 5) ? 0 : (uint8_t)(i * 7 + (i >> 8) * 31 + 1);
    put_u32le(data, 5);
    assert_int_equal(report_parse(data, sizeof(data), &r, &why), 0);
    assert_int_equal(r.version, 5);
    assert_int_equal(r.guest_svn, get_u32le(data + 0x04));
    assert_true(r.policy == get_u64le(data + 0x08));
    assert_memory_equal(r.family_id, data + 0x10, 16);
    assert_memory_equal(r.image_id, data + 0x20, 16);
    assert_int_equal(r.vmpl, get_u32le(data + 0x30));
    assert_int_equal(r.signature_algorithm, get_u32le(data + 0x34));
    assert_true(r.current_tcb == get_u64le(data + 0x38));
    assert_true(r.platform_info == get_u64le(data + 0x40));
    assert_int_equal(r.key_info, get_u32le(data + 0x48));
    assert_memory_equal(r.report_data, data + 0x50, 64);
    assert_memory_equal(r.measurement, data + 0x90, 48);
    assert_memory_equal(r.host_data, data + 0xc0, 32);
    assert_memory_equal(r.id_key_digest, data + 0xe0, 48);
    assert_memory_equal(r.author_key_digest, data + 0x110, 48);
    assert_memory_equal(r.report_id, data + 0x140, 32);
    assert_memory_equal(r.report_id_ma, data + 0x160, 32);
    assert_true(r.reported_tcb == get_u64le(data + 0x180));
    assert_int_equal(r.cpuid_family, data[0x188]);
    assert_int_equal(r.cpuid_model, data[0x189]);
    assert_int_equal(r.cpuid_stepping, data[0x18a]);
    assert_memory_equal(r.chip_id, data + 0x1a0, 64);
    assert_true(r.committed_tcb == get_u64le(data + 0x1e0));
    assert_int_equal(r.current.build, data[0x1e8]);
    assert_int_equal(r.current.minor, data[0x1e9]);
    assert_int_equal(r.current.major, data[0x1ea]);
    assert_int_equal(r.committed.build, data[0x1ec]);
    assert_int_equal(r.committed.minor, data[0x1ed]);
    assert_int_equal(r.committed.major, data[0x1ee]);
    assert_true(r.launch_tcb == get_u64le(data + 0x1f0));
    assert_true(r.launch_mit_vector == get_u64le(data + 0x1f8));
    assert_true(r.current_mit_vector == get_u64le(data + 0x200));
    assert_memory_equal(r.signature_r, data + 0x2a0, 72);
    assert_memory_equal(r.signature_s, data + 0x2e8, 72);
}

/* What a version does not have stays zero, whatever the structure holds. */
static void writes_no_fields_that_the_version_lacks(void **state UNUSED)
{
    for (uint32_t version = 2; version <= 5; version++) {
        uint8_t data[REPORT_BYTES];
        struct reason why = { "" };
        struct report report;

        make_report(5, data);
        memset(data + 0x188, 0xff, 3);
        memset(data + 0x1f8, 0xff, 16);
        assert_int_equal(report_parse(data, sizeof(data), &report, &why), 0);
        report.version = version;
        report_encode(&report, data);
        assert_int_equal(report_parse(data, sizeof(data), &report, &why), 0);
        assert_int_equal(report.reserved_offset, 0);
    }
}
static void notes_every_reserved_byte(void **state UNUSED)
{
    for (uint32_t version = 2; version <= 5; version++) {
        uint8_t data[REPORT_BYTES];

        make_report(version, data);
        for (size_t i = 4; i < REPORT_BYTES; i++) {
            struct reason why = { "" };
            struct report report;

            data[i] ^= 0x80;
            assert_int_equal(report_parse(data, sizeof(data), &report, &why), 0);
            assert_int_equal(report.reserved_offset, is_reserved(i, version) ? i : 0);
            data[i] ^= 0x80;
        }
    }
}

static void notes_the_first_reserved_byte(void **state UNUSED)
{
    uint8_t data[REPORT_BYTES];
    struct reason why = { "" };
    struct report report;

    make_report(3, data);
    data[0x4a0 - 1] = 1;
    data[0x29f] = 1;
    data[0x1eb] = 1;
    assert_int_equal(report_parse(data, sizeof(data), &report, &why), 0);
    assert_int_equal(report.reserved_offset, 0x1eb);
    data[0x4f] = 1;
    assert_int_equal(report_parse(data, sizeof(data), &report, &why), 0);
    assert_int_equal(report.reserved_offset, 0x4f);
}

static void refuses_every_other_size(void **state UNUSED)
{
    static uint8_t data[1301];

    make_report(3, data);
    for (size_t size = 0; size <= 1300; size++) {
        uint8_t *copy = exact_copy(data, size);
        struct report report = { .version = 77 };
        struct reason why = { "" };
        int r = report_parse(copy, size, &report, &why);

        free(copy);
        if (size == REPORT_BYTES) {
            assert_int_equal(r, 0);
            continue;
        }
        assert_int_equal(r, -EBADMSG);
        assert_int_equal(report.version, 77);
        assert_reason(&why, "expected 1184");
    }
}

static void refuses_other_versions(void **state UNUSED)
{
    static const uint32_t versions[] = { 0, 1, 6, 7, 0x102, 0x02000000, 0xffffffff };
    uint8_t data[REPORT_BYTES];

    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        struct report report = { .version = 77 };
        struct reason why = { "" };

        make_report(versions[i], data);
        assert_int_equal(report_parse(data, sizeof(data), &report, &why), -EBADMSG);
        assert_reason(&why, ", expected 2 to 5");
        assert_int_equal(report.version, 77);
    }
}

static void knows_the_signing_key(void **state UNUSED)
{
    struct report report = { .version = 3 };

    report.key_info = 0;
    assert_int_equal(report_signing_key(&report), SIGNING_KEY_VCEK);
    report.key_info = 0x4 | 0x3 | 0xffffffe0;
    assert_int_equal(report_signing_key(&report), SIGNING_KEY_VLEK);
    report.key_info = 0x1c;
    assert_int_equal(report_signing_key(&report), SIGNING_KEY_NONE);
}

static void knows_products(void **state UNUSED)
{
    for (unsigned family = 0; family < 256; family++) {
        for (unsigned model = 0; model < 256; model++) {
            enum product wanted = PRODUCT_UNKNOWN;

            if (family == 0x19 && model <= 0x0f)
                wanted = PRODUCT_MILAN;
            if (family == 0x19 && (model >> 4 == 1 || model >> 4 == 0xa))
                wanted = PRODUCT_GENOA;
            if (family == 0x1a && model <= 0x11)
                wanted = PRODUCT_TURIN;
            assert_int_equal(product_from_cpuid((uint8_t)family, (uint8_t)model), wanted);
        }
    }
    assert_int_equal(product_from_name("Milan"), PRODUCT_MILAN);
    assert_int_equal(product_from_name("Genoa"), PRODUCT_GENOA);
    assert_int_equal(product_from_name("Turin"), PRODUCT_TURIN);
    assert_int_equal(product_from_name("unknown"), PRODUCT_UNKNOWN);
    assert_int_equal(product_from_name("milan"), PRODUCT_UNKNOWN);
    assert_int_equal(product_from_name(""), PRODUCT_UNKNOWN);
    assert_string_equal(product_name(PRODUCT_UNKNOWN), "unknown");
    assert_string_equal(product_name(PRODUCT_TURIN), "Turin");
}

static void works_the_product_out(void **state UNUSED)
{
    struct report report = { .version = 3, .cpuid_family = 0x19, .cpuid_model = 0xaf };

    assert_int_equal(report_product(&report), PRODUCT_GENOA);
    report.committed_tcb = UINT64_MAX; /* stands behind the chip id */
    report.version = 2; /* has no model, and here no chip id either */
    assert_int_equal(report_product(&report), PRODUCT_UNKNOWN);
    report.chip_id[7] = 1;
    assert_int_equal(report_product(&report), PRODUCT_TURIN);
    report.chip_id[8] = 1;
    assert_int_equal(report_product(&report), PRODUCT_MILAN);
    report.chip_id[7] = report.chip_id[8] = 0;
    report.chip_id[63] = 1;
    assert_int_equal(report_product(&report), PRODUCT_MILAN);
}

static void reads_tcb_versions(void **state UNUSED)
{
    const uint64_t raw = UINT64_C(0x8877665544332211);
    struct tcb old = tcb_decode(PRODUCT_GENOA, raw), turin = tcb_decode(PRODUCT_TURIN, raw);

    assert_int_equal(old.fmc, 0);
    assert_int_equal(old.bootloader, 0x11);
    assert_int_equal(old.tee, 0x22);
    assert_int_equal(old.snp, 0x77);
    assert_int_equal(old.microcode, 0x88);
    assert_int_equal(turin.fmc, 0x11);
    assert_int_equal(turin.bootloader, 0x22);
    assert_int_equal(turin.tee, 0x33);
    assert_int_equal(turin.snp, 0x44);
    assert_int_equal(turin.microcode, 0x88);
    assert_true(tcb_encode(PRODUCT_MILAN, &old) == UINT64_C(0x8877000000002211));
    assert_true(tcb_encode(PRODUCT_TURIN, &turin) == UINT64_C(0x8800000044332211));
}

static void compares_tcb_versions_by_component(void **state UNUSED)
{
    const struct tcb base = { 3, 3, 3, 3, 3 };

    assert_true(tcb_equal(&base, &base));
    assert_true(tcb_at_least(&base, &base));
    for (size_t i = 0; i < 5; i++) {
        struct tcb more = base, less = base;

        ((uint8_t *)&more)[i]++;
        ((uint8_t *)&less)[i]--;
        assert_true(tcb_at_least(&more, &base));
        assert_false(tcb_at_least(&less, &base));
        assert_false(tcb_equal(&more, &base));
        assert_false(tcb_equal(&base, &more));
        for (size_t k = 0; k < 5; k++) { /* one component cannot make up for another */
            struct tcb mixed = less;

            ((uint8_t *)&mixed)[k] = k == i ? 2 : 255;
            assert_false(tcb_at_least(&mixed, &base));
        }
    }
}

/* Recorded reports, where they are at hand. */
static void reads_recorded_reports(void **state UNUSED)
{
    static const struct {
        const char *file;
        uint32_t version, vmpl;
        uint64_t policy, reported_tcb;
        enum product product;
        enum signing_key key;
        const char *report_id;
    } known[] = {
        { "reports/genoa-v3.bin", 3, 0, 0x3001f, UINT64_C(0x541700000000000a), PRODUCT_GENOA, SIGNING_KEY_VCEK,
          "c840e4fc01bec5121388abbf2e850c5b1d482adab7a4b06c4d93028c56599429" },
        { "reports/milan-v3-vlek.bin", 3, 1, 0x30000, UINT64_C(0xd918000000000004), PRODUCT_MILAN, SIGNING_KEY_VLEK,
          "62e04fba700afd93b3a0cc0649b633ee36587fa8a8c2eb5d9b7cd7bc5f4bb057" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        char path[256], id[HEX_TEXT_BYTES(REPORT_ID_BYTES)];
        CLEANUP_FREE uint8_t *data = NULL;
        struct reason why = { "" };
        struct report report;
        uint8_t again[REPORT_BYTES];
        size_t size = 0;

        if (!vector_path(known[i].file, path, sizeof(path)))
            skip();
        assert_int_equal(file_read(path, 4096, &data, &size, &why), 0);
        assert_int_equal(report_parse(data, size, &report, &why), 0);
        assert_int_equal(report.version, known[i].version);
        assert_int_equal(report.vmpl, known[i].vmpl);
        assert_true(report.policy == known[i].policy);
        assert_true(report.reported_tcb == known[i].reported_tcb);
        assert_int_equal(report_product(&report), known[i].product);
        assert_int_equal(report_signing_key(&report), known[i].key);
        hex_encode(report.report_id, REPORT_ID_BYTES, id);
        assert_string_equal(id, known[i].report_id);
        assert_int_equal(report.reserved_offset, 0);
        report_encode(&report, again);
        assert_memory_equal(again, data, REPORT_BYTES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_there_and_back),
        cmocka_unit_test(reads_each_field_at_its_place),
        cmocka_unit_test(writes_no_fields_that_the_version_lacks),
        cmocka_unit_test(notes_every_reserved_byte),
        cmocka_unit_test(notes_the_first_reserved_byte),
        cmocka_unit_test(refuses_every_other_size),
        cmocka_unit_test(refuses_other_versions),
        cmocka_unit_test(knows_the_signing_key),
        cmocka_unit_test(knows_products),
        cmocka_unit_test(works_the_product_out),
        cmocka_unit_test(reads_tcb_versions),
        cmocka_unit_test(compares_tcb_versions_by_component),
        cmocka_unit_test(reads_recorded_reports),
    };

    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
