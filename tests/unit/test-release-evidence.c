/* release/evidence: reports as JSON and back, for every version and product, and nothing lost on the way. */
#include "unit.h"

#include "attest/report.h"
#include "base/cursor.h"
#include "base/file.h"
#include "release-vectors.h"
#include "release/evidence.h"

static struct json_object *vectors;
static struct evidence evidence;

static int load(void **state UNUSED)
{
    vectors = vectors_load();
    return 0;
}

static int unload(void **state UNUSED)
{
    (void)json_object_put(vectors);
    return 0;
}

static int parse(const char *text, struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    int r = json_parse(text, strlen(text), 256 * 1024, &root, why);

    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    evidence_read(&reader, &evidence);
    return status.error;
}

/* Versions and products: 0, 1: 2 Milan, Turin; 2, 3: 3 Milan, Genoa; 4: 4 Genoa; 5, 6: 5 Turin, Genoa. */
static const char *good(size_t number)
{
    char pointer[64];

    (void)snprintf(pointer, sizeof(pointer), "/evidence/%zu/json", number);
    return text_at(vectors, pointer);
}

static size_t count(void)
{
    return json_object_array_length(node_at(vectors, "/evidence"));
}

static void agrees_with_another_implementation(void **state UNUSED)
{
    for (size_t i = 0; i < count(); i++) {
        struct json_object *vector = json_object_array_get_idx(node_at(vectors, "/evidence"), i);
        CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
        struct reason why = { "" };
        uint8_t report[REPORT_BYTES];

        assert_int_equal(bytes_at(vector, "/report", report, sizeof(report)), REPORT_BYTES);
        if (parse(good(i), &why) < 0)
            fail_msg("vector %zu: %s", i, why.text);
        assert_memory_equal(evidence.report, report, REPORT_BYTES);
        assert_int_equal(evidence_write(report, &evidence.table, &text, &why), 0);
        assert_string_equal(buffer_text(&text), good(i));
    }
}

/* What Trustee's own test data holds; its signature is checked in tests of attest. */
static void agrees_with_the_recorded_evidence(void **state UNUSED)
{
    CLEANUP_FREE uint8_t *text = NULL, *report = NULL;
    struct reason why = { "" };
    size_t size = 0;
    char path[256];

    if (!vector_path("kbs/genoa-evidence.json", path, sizeof(path)))
        skip();
    assert_int_equal(file_read(path, 65536, &text, &size, &why), 0);
    assert_int_equal(parse((char *)text, &why), 0);
    assert_true(vector_path("kbs/genoa-evidence.report.bin", path, sizeof(path)));
    assert_int_equal(file_read(path, 65536, &report, &size, &why), 0);
    assert_int_equal(size, REPORT_BYTES);
    assert_memory_equal(evidence.report, report, REPORT_BYTES);
    assert_int_equal(evidence.table.count, 1);
    assert_int_equal(evidence.table.entries[0].kind, CERTIFICATE_VCEK);
}

static void randomise(uint32_t version, uint8_t family, uint8_t model, struct report *ret_report)
{
    struct tcb tcb;
    enum product product;

    random_fill(ret_report, sizeof(*ret_report));
    ret_report->reserved_offset = 0;
    ret_report->version = version;
    ret_report->cpuid_family = version >= 3 ? family : 0;
    ret_report->cpuid_model = version >= 3 ? model : 0;
    ret_report->cpuid_stepping = version >= 3 ? ret_report->cpuid_stepping : 0;
    if (version < 5)
        ret_report->launch_mit_vector = ret_report->current_mit_vector = 0;
    if (version < 3 && family == 0x1a)
        memset(ret_report->chip_id + 8, 0, 56);
    product = report_product(ret_report);
    for (size_t i = 0; i < 4; i++) {
        uint64_t *const levels[] = { &ret_report->current_tcb, &ret_report->reported_tcb, &ret_report->committed_tcb,
                                     &ret_report->launch_tcb };

        random_fill(&tcb, sizeof(tcb));
        *levels[i] = tcb_encode(product, &tcb);
    }
}

static void every_version_and_product_survives(void **state UNUSED)
{
    static const uint8_t products[][2] = { { 0x19, 0x01 }, { 0x19, 0x11 }, { 0x19, 0xa0 }, { 0x1a, 0x02 },
                                           { 0x33, 0x00 } };

    for (uint32_t version = 2; version <= 5; version++) {
        for (size_t i = 0; i < ARRAY_SIZE(products) * 20; i++) {
            const uint8_t *product = products[i % ARRAY_SIZE(products)];
            CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
            const struct cert_table none = { .count = 0 };
            struct reason why = { "" };
            struct report report;
            uint8_t bytes[REPORT_BYTES];

            randomise(version, product[0], product[1], &report);
            report_encode(&report, bytes);
            assert_int_equal(evidence_write(bytes, &none, &text, &why), 0);
            if (parse(buffer_text(&text), &why) < 0)
                fail_msg("version %u: %s", version, why.text);
            assert_memory_equal(evidence.report, bytes, REPORT_BYTES);
            assert_int_equal(evidence.table.count, 0);
        }
    }
}

/* Every byte of a report either comes back as it was or keeps the report from being written. */
static void nothing_is_lost_in_writing(void **state UNUSED)
{
    for (size_t vector = 0; vector < count(); vector++) {
        const struct cert_table none = { .count = 0 };
        uint8_t report[REPORT_BYTES];
        size_t written = 0;

        memcpy(report, (parse(good(vector), NULL), evidence.report), REPORT_BYTES);
        for (size_t i = 0; i < REPORT_BYTES; i++) {
            CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
            struct reason why = { "" };

            report[i] ^= 0x55;
            if (evidence_write(report, &none, &text, &why) == 0) {
                if (parse(buffer_text(&text), &why) < 0)
                    fail_msg("vector %zu, byte %zu: %s", vector, i, why.text);
                assert_memory_equal(evidence.report, report, REPORT_BYTES);
                written++;
            } else {
                assert_true(why.text[0]);
            }
            report[i] ^= 0x55;
        }
        assert_in_range(written, 500, 850);
    }
}

static void names_what_would_be_lost(void **state UNUSED)
{
    const struct cert_table none = { .count = 0 };
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct reason why = { "" };
    uint8_t report[REPORT_BYTES];

    assert_int_equal(parse(good(3), &why), 0);
    memcpy(report, evidence.report, sizeof(report));
    report[0x38 + 3] = 1; /* between the components of a TCB */
    assert_int_equal(evidence_write(report, &none, &text, &why), -EBADMSG);
    assert_reason(&why, "reserved");
    assert_int_equal(text.size, 0);
}

/* The other way round: members that the report's version or product has no bytes for. */
static void nothing_is_lost_in_reading(void **state UNUSED)
{
    static const struct {
        size_t vector;
        const char *member, *value;
    } lost[] = {
        { 3, "/attestation_report/current_tcb/fmc", "7" },  { 3, "/attestation_report/reported_tcb/fmc", "0" },
        { 3, "/attestation_report/launch_tcb/fmc", "1" },   { 3, "/attestation_report/committed_tcb/fmc", "1" },
        { 0, "/attestation_report/cpuid_fam_id", "25" },    { 0, "/attestation_report/cpuid_mod_id", "0" },
        { 0, "/attestation_report/cpuid_step", "1" },       { 3, "/attestation_report/launch_mit_vector", "1" },
        { 4, "/attestation_report/current_mit_vector", "0" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(lost); i++)
        assert_refused(parse, json_with(good(lost[i].vector), lost[i].member, lost[i].value), lost[i].member);
}

static void members_are_required(void **state UNUSED)
{
    static const char *const members[] = {
        "version", "guest_svn", "policy", "family_id", "image_id", "vmpl", "sig_algo", "plat_info", "key_info",
        "report_data", "measurement", "host_data", "id_key_digest", "author_key_digest", "report_id", "report_id_ma",
        "current_tcb", "reported_tcb", "committed_tcb", "launch_tcb", "cpuid_fam_id", "cpuid_mod_id", "cpuid_step",
        "chip_id", "current", "committed", "signature", "current_tcb/fmc", "current_tcb/bootloader", "current_tcb/tee",
        "current_tcb/snp", "current_tcb/microcode", "current/major", "current/minor", "current/build", "signature/r",
        "signature/s",
    };
    char pointer[128];

    assert_required(parse, good(5), "/attestation_report");
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        (void)snprintf(pointer, sizeof(pointer), "/attestation_report/%s", members[i]);
        assert_required(parse, good(5), pointer);
    }
}

static void unknown_members_are_refused(void **state UNUSED)
{
    static const char *const places[] = { "/x", "/attestation_report/x", "/attestation_report/current_tcb/x",
                                          "/attestation_report/current/x", "/attestation_report/signature/x",
                                          "/cert_chain/0/x" };

    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        assert_refused(parse, json_with(good(5), places[i], "1"), places[i]);
}

static void older_guests_leave_members_out(void **state UNUSED)
{
    struct reason why = { "" };
    char *text = json_without(good(3), "/attestation_report/launch_mit_vector");
    char *less = json_without(text, "/attestation_report/current_mit_vector");

    assert_int_equal(parse(less, &why), 0);
    free(text);
    text = json_without(less, "/cert_chain");
    assert_int_equal(parse(text, &why), 0);
    assert_int_equal(evidence.table.count, 0);
    free(text);
    free(less);
}

static void numbers_have_bounds(void **state UNUSED)
{
    static const char *const wrong[][2] = {
        { "version", "4294967296" }, { "vmpl", "4294967296" }, { "key_info", "4294967296" }, { "vmpl", "-1" },
        { "policy", "18446744073709551616" }, { "policy", "1e3" }, { "vmpl", "0.5" }, { "cpuid_fam_id", "256" },
        { "current_tcb/snp", "256" }, { "current/major", "-1" }, { "report_data/3", "256" }, { "report_data/3", "-1" },
        { "report_data/3", "\"1\"" }, { "report_data/3", "null" }, { "signature/r/71", "1000" },
        { "launch_mit_vector", "-1" },
    };
    char pointer[128], *text;
    struct reason why = { "" };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        (void)snprintf(pointer, sizeof(pointer), "/attestation_report/%s", wrong[i][0]);
        assert_refused(parse, json_with_raw(good(5), pointer, wrong[i][1]), pointer);
    }
    text = json_with_raw(good(5), "/attestation_report/policy", "18446744073709551615");
    assert_int_equal(parse(text, &why), 0);
    assert_int_equal(get_u64le(evidence.report + 8), UINT64_MAX);
    free(text);
}

static void arrays_have_one_length(void **state UNUSED)
{
    static const char *const arrays[] = { "family_id", "report_data", "measurement", "host_data", "chip_id",
                                          "signature/r", "signature/s" };
    char pointer[128];

    for (size_t i = 0; i < ARRAY_SIZE(arrays); i++) {
        struct json_object *root = parse_good(good(5)), *array;

        (void)snprintf(pointer, sizeof(pointer), "/attestation_report/%s", arrays[i]);
        array = node_at(root, pointer);
        assert_int_equal(json_object_array_add(array, json_object_new_int(0)), 0);
        assert_refused(parse, print_and_free(root), "one number more");
        root = parse_good(good(5));
        array = node_at(root, pointer);
        assert_int_equal(json_object_array_del_idx(array, 0, 1), 0);
        assert_refused(parse, print_and_free(root), "one number less");
        assert_refused(parse, json_with(good(5), pointer, "[]"), "no number");
    }
}

/* A chain of `count` certificates of `size` bytes. */
static char *with_chain(size_t number, size_t size)
{
    struct json_object *chain = json_object_new_array();
    char *text, *out;

    for (size_t i = 0; i < number; i++) {
        struct json_object *entry = json_object_new_object(), *data = json_object_new_array();

        for (size_t k = 0; k < size; k++)
            assert_int_equal(json_object_array_add(data, json_object_new_int(48)), 0);
        assert_int_equal(json_object_object_add(entry, "cert_type", json_object_new_string("VCEK")), 0);
        assert_int_equal(json_object_object_add(entry, "data", data), 0);
        assert_int_equal(json_object_array_add(chain, entry), 0);
    }
    text = print_and_free(chain);
    out = json_with(good(3), "/cert_chain", text);
    free(text);
    return out;
}

static void chains_have_bounds(void **state UNUSED)
{
    struct reason why = { "" };
    char *text = with_chain(EVIDENCE_MAX_CERTIFICATES, EVIDENCE_MAX_CERTIFICATE_BYTES);

    assert_int_equal(parse(text, &why), 0);
    assert_int_equal(evidence.table.count, EVIDENCE_MAX_CERTIFICATES);
    for (size_t i = 0; i < evidence.table.count; i++)
        assert_int_equal(evidence.table.entries[i].size, EVIDENCE_MAX_CERTIFICATE_BYTES);
    free(text);
    assert_refused(parse, with_chain(EVIDENCE_MAX_CERTIFICATES + 1, 1), "one certificate more");
    assert_refused(parse, with_chain(1, EVIDENCE_MAX_CERTIFICATE_BYTES + 1), "one byte more");
}

static void certificates_have_a_kind_and_data(void **state UNUSED)
{
    static const char *const kinds[] = { "\"vcek\"", "\"\"", "7", "null", "[]", "\"VCEKVCEKVCEKVCEKVCEK\"" };
    struct reason why = { "" };
    char *text;

    assert_required(parse, good(5), "/cert_chain/0/data");
    assert_refused(parse, json_without(good(5), "/cert_chain/0/cert_type"), "no kind");
    assert_refused(parse, json_twice(good(5), "/cert_chain/0/cert_type"), "two kinds");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        assert_refused(parse, json_with(good(5), "/cert_chain/0/cert_type", kinds[i]), kinds[i]);
    assert_refused(parse, json_with(good(5), "/cert_chain/0", "[]"), "an array");
    assert_refused(parse, json_with(good(5), "/cert_chain/0/data/0", "256"), "a large number");
    assert_refused(parse, json_with(good(5), "/cert_chain", "{}"), "an object");
    text = json_with(good(5), "/cert_chain/0/cert_type", "{\"OTHER\":\"ecae0c0f-9502-43b1-afa2-0ae2e0d565b6\"}");
    assert_int_equal(parse(text, &why), 0);
    assert_int_equal(evidence.table.entries[0].kind, CERTIFICATE_OTHER);
    assert_int_equal(evidence.table.entries[1].kind, CERTIFICATE_ASK);
    free(text);
}

/* Trustee fails on an empty list, and on one without an endorsement key's certificate. */
static void no_useful_certificate_is_null(void **state UNUSED)
{
    static const uint8_t der[] = { 0x30, 0x00 };
    const struct cert_table tables[] = {
        { .count = 0 },
        { .count = 1, .entries = { { CERTIFICATE_ASK, der, sizeof(der) } } },
        { .count = 2, .entries = { { CERTIFICATE_OTHER, der, sizeof(der) }, { CERTIFICATE_ARK, der, sizeof(der) } } },
    };

    assert_int_equal(parse(good(3), NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
        struct reason why = { "" };

        assert_int_equal(evidence_write(evidence.report, &tables[i], &text, &why), 0);
        assert_non_null(strstr(buffer_text(&text), "\"cert_chain\":null}"));
    }
}

static void certificates_without_a_name_are_left_out(void **state UNUSED)
{
    static const uint8_t der[] = { 0x30, 0x00 };
    const struct cert_table table = {
        .count = 2,
        .entries = { { CERTIFICATE_OTHER, der, 2 }, { CERTIFICATE_VLEK, der, 2 } },
    };
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct reason why = { "" };

    assert_int_equal(parse(good(3), NULL), 0);
    assert_int_equal(evidence_write(evidence.report, &table, &text, &why), 0);
    assert_non_null(strstr(buffer_text(&text), "\"cert_chain\":[{\"cert_type\":\"VLEK\",\"data\":[48,0]}]}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_another_implementation),
        cmocka_unit_test(agrees_with_the_recorded_evidence),
        cmocka_unit_test(every_version_and_product_survives),
        cmocka_unit_test(nothing_is_lost_in_writing),
        cmocka_unit_test(names_what_would_be_lost),
        cmocka_unit_test(nothing_is_lost_in_reading),
        cmocka_unit_test(members_are_required),
        cmocka_unit_test(unknown_members_are_refused),
        cmocka_unit_test(older_guests_leave_members_out),
        cmocka_unit_test(numbers_have_bounds),
        cmocka_unit_test(arrays_have_one_length),
        cmocka_unit_test(chains_have_bounds),
        cmocka_unit_test(certificates_have_a_kind_and_data),
        cmocka_unit_test(no_useful_certificate_is_null),
        cmocka_unit_test(certificates_without_a_name_are_left_out),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
