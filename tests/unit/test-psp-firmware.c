/* What the firmware and the host answer: fields as launched, statuses, certificates, and keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/ec.h>

#include "base/cursor.h"
#include "psp/firmware.h"

#define TABLE_BYTES 5000u

static struct chip chip;
static struct psp_answer answer;

/* A chip without certificates of worth: whether they verify is tests/unit/test-psp-chip.c's business. */
static int make_chip(void **state)
{
    uint8_t chip_id[CHIP_ID_BYTES];

    (void)state;
    memset(chip_id, 0xc1, sizeof(chip_id));
    chip.identity = chip_identity_of(PRODUCT_GENOA, chip_id);
    chip.vcek_key = EVP_EC_gen("P-384");
    chip.certificates_size = TABLE_BYTES;
    memset(chip.certificates, 0xee, TABLE_BYTES);
    return chip.vcek_key && secret_random(CHIP_SECRET_BYTES, &chip.secret) == 0 ? 0 : -1;
}

static int free_chip(void **state)
{
    (void)state;
    EVP_PKEY_free(chip.vcek_key);
    secret_free(&chip.secret);
    return 0;
}

static struct launch make_launch(void)
{
    struct launch launch = { .policy = 0x3b0000, .guest_svn = 7, .report_version = 3, .certificates = true };

    memset(launch.measurement, 1, sizeof(launch.measurement));
    memset(launch.host_data, 2, sizeof(launch.host_data));
    memset(launch.family_id, 3, sizeof(launch.family_id));
    memset(launch.image_id, 4, sizeof(launch.image_id));
    memset(launch.id_key_digest, 5, sizeof(launch.id_key_digest));
    memset(launch.report_id, 6, sizeof(launch.report_id));
    return launch;
}

static struct psp_request make_report_request(enum wire_kind kind, uint32_t vmpl)
{
    struct psp_request request = { .kind = kind, .message_version = 1, .message_size = REPORT_REQUEST_BYTES };

    memset(request.message, 0xda, REPORT_DATA_BYTES);
    put_u32le(request.message + 64, vmpl);
    return request;
}

static struct report ask_for_report(const struct launch *launch, uint32_t vmpl)
{
    struct psp_request request = make_report_request(WIRE_REPORT, vmpl);
    struct report report;

    assert_int_equal(firmware_answer(&chip, launch, &request, &answer, NULL), 0);
    assert_int_equal(answer.firmware_error, 0);
    assert_int_equal(answer.host_error, 0);
    assert_int_equal(answer.certificates_size, 0);
    assert_int_equal(answer.message_size, REPORT_RESPONSE_BYTES);
    assert_int_equal(get_u32le(answer.message), 0);
    assert_int_equal(get_u32le(answer.message + 4), REPORT_BYTES);
    assert_true(all_zero(answer.message + 8, 24));
    assert_int_equal(report_parse(answer.message + 32, REPORT_BYTES, &report, NULL), 0);
    assert_int_equal(report.reserved_offset, 0);
    return report;
}

static void fields_as_launched(void **state)
{
    struct launch launch = make_launch();
    struct report report = ask_for_report(&launch, 2);
    uint64_t tcb = tcb_encode(PRODUCT_GENOA, &chip.identity.tcb);
    uint8_t ones[REPORT_ID_BYTES], data[REPORT_DATA_BYTES];

    (void)state;
    memset(ones, 0xff, sizeof(ones));
    memset(data, 0xda, sizeof(data));
    assert_int_equal(report.version, 3);
    assert_int_equal(report.guest_svn, 7);
    assert_int_equal(report.policy, 0x3b0000);
    assert_int_equal(report.vmpl, 2);
    assert_int_equal(report.signature_algorithm, 1);
    assert_int_equal(report.key_info, 0);
    assert_int_equal(report.platform_info, chip.identity.platform_info);
    assert_memory_equal(report.report_data, data, sizeof(data));
    assert_memory_equal(report.measurement, launch.measurement, MEASUREMENT_BYTES);
    assert_memory_equal(report.host_data, launch.host_data, HOST_DATA_BYTES);
    assert_memory_equal(report.family_id, launch.family_id, 16);
    assert_memory_equal(report.image_id, launch.image_id, 16);
    assert_memory_equal(report.id_key_digest, launch.id_key_digest, KEY_DIGEST_BYTES);
    assert_true(all_zero(report.author_key_digest, KEY_DIGEST_BYTES));
    assert_memory_equal(report.report_id, launch.report_id, REPORT_ID_BYTES);
    assert_memory_equal(report.report_id_ma, ones, REPORT_ID_BYTES);
    assert_memory_equal(report.chip_id, chip.identity.chip_id, CHIP_ID_BYTES);
    assert_int_equal(report.current_tcb, tcb);
    assert_int_equal(report.reported_tcb, tcb);
    assert_int_equal(report.committed_tcb, tcb);
    assert_int_equal(report.launch_tcb, tcb);
    assert_memory_equal(&report.current, &chip.identity.firmware, sizeof(report.current));
    assert_memory_equal(&report.committed, &chip.identity.firmware, sizeof(report.committed));
}

static void author_key(void **state)
{
    struct launch launch = make_launch();
    struct report report;

    (void)state;
    launch.has_author_key = true;
    memset(launch.author_key_digest, 8, sizeof(launch.author_key_digest));
    report = ask_for_report(&launch, 0);
    assert_int_equal(report.key_info, 1);
    assert_memory_equal(report.author_key_digest, launch.author_key_digest, KEY_DIGEST_BYTES);
}

static void versions(void **state)
{
    struct launch launch = make_launch();

    (void)state;
    for (uint32_t version = 2; version <= 5; version++) {
        struct report report;

        launch.report_version = version;
        report = ask_for_report(&launch, 0);
        assert_int_equal(report.version, version);
        assert_int_equal(report.cpuid_family, version >= 3 ? 0x19 : 0);
        assert_int_equal(report.cpuid_model, version >= 3 ? 0x11 : 0);
        assert_int_equal(report.launch_mit_vector, version >= 5 ? chip.identity.mitigation_vector : 0);
        assert_int_equal(report.current_mit_vector, version >= 5 ? chip.identity.mitigation_vector : 0);
    }
}

static void assert_status(const struct psp_request *request, uint32_t status)
{
    struct launch launch = make_launch();

    assert_int_equal(firmware_answer(&chip, &launch, request, &answer, NULL), 0);
    assert_int_equal(answer.firmware_error, 0);
    assert_int_equal(get_u32le(answer.message), status);
    if (status)
        assert_true(all_zero(answer.message + 4, answer.message_size - 4));
}

static void report_statuses(void **state)
{
    struct psp_request request;

    (void)state;
    for (uint32_t vmpl = 0; vmpl < 6; vmpl++) {
        request = make_report_request(WIRE_REPORT, vmpl);
        assert_status(&request, vmpl < 4 ? 0 : FIRMWARE_INVALID_PARAM);
    }
    request = make_report_request(WIRE_REPORT, 0);
    request.message[68] = 1; /* VCEK */
    assert_status(&request, 0);
    request.message[68] = 2; /* VLEK, of which there is none */
    assert_status(&request, FIRMWARE_INVALID_KEY);
    request.message[68] = 3;
    assert_status(&request, FIRMWARE_INVALID_PARAM);
    request = make_report_request(WIRE_EXTENDED_REPORT, 0);
    request.certificates_room = 8192;
    request.message[95] = 1; /* reserved */
    assert_status(&request, FIRMWARE_INVALID_PARAM);
}

static void message_version(void **state)
{
    struct launch launch = make_launch();
    struct psp_request request = make_report_request(WIRE_REPORT, 0);

    (void)state;
    for (uint32_t version = 0; version < 4; version++) {
        request.message_version = version;
        assert_int_equal(firmware_answer(&chip, &launch, &request, &answer, NULL), 0);
        assert_int_equal(answer.firmware_error, version == 1 ? 0 : FIRMWARE_INVALID_PARAM);
        assert_int_equal(answer.message_size, version == 1 ? REPORT_RESPONSE_BYTES : 0);
    }
}

/* GHCB: too little room is an error that names the pages needed, and gives neither report nor certificates. */
static void certificates_room(void **state)
{
    static const uint32_t rooms[] = { 0, 4096, 8191, 8192, 16384 };
    struct launch launch = make_launch();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rooms); i++) {
        struct psp_request request = make_report_request(WIRE_EXTENDED_REPORT, 0);
        bool enough = rooms[i] >= 8192;

        request.certificates_room = rooms[i];
        assert_int_equal(firmware_answer(&chip, &launch, &request, &answer, NULL), 0);
        assert_int_equal(answer.host_error, enough ? 0 : HOST_INVALID_LENGTH);
        assert_int_equal(answer.certificates_needed, enough ? 0 : 8192);
        assert_int_equal(answer.certificates_size, enough ? TABLE_BYTES : 0);
        assert_int_equal(answer.message_size, enough ? REPORT_RESPONSE_BYTES : 0);
        if (enough)
            assert_memory_equal(answer.certificates, chip.certificates, TABLE_BYTES);
        launch.certificates = false;
        assert_int_equal(firmware_answer(&chip, &launch, &request, &answer, NULL), 0);
        assert_int_equal(answer.host_error, 0);
        assert_int_equal(answer.certificates_size, 0);
        assert_int_equal(answer.message_size, REPORT_RESPONSE_BYTES);
        launch.certificates = true;
    }
}

struct key {
    uint8_t bytes[DERIVED_KEY_BYTES];
};

static struct key derive(const struct launch *launch, const struct key_request *request)
{
    struct key key;

    assert_int_equal(firmware_derive_key(&chip, launch, request, key.bytes, NULL), 0);
    return key;
}

static bool same(struct key a, struct key b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

/* Changes what `field` stands for. */
static void change(uint64_t field, struct launch *launch, struct key_request *request)
{
    switch (field) {
    case KEY_FIELD_POLICY:
        launch->policy ^= GUEST_POLICY_DEBUG;
        break;
    case KEY_FIELD_IMAGE_ID:
        launch->image_id[15] ^= 1;
        break;
    case KEY_FIELD_FAMILY_ID:
        launch->family_id[0] ^= 1;
        break;
    case KEY_FIELD_MEASUREMENT:
        launch->measurement[47] ^= 1;
        break;
    case KEY_FIELD_GUEST_SVN:
        request->guest_svn ^= 1;
        break;
    default:
        request->tcb_version ^= 1;
        break;
    }
}

/* For every selection and every field: the key changes exactly when the field is selected. */
static void selected_fields_alone_matter(void **state)
{
    (void)state;
    for (uint64_t select = 0; select <= KEY_FIELD_ALL_BITS; select++)
        for (uint64_t field = 1; field <= KEY_FIELD_TCB_VERSION; field <<= 1) {
            struct launch launch = make_launch(), other = make_launch();
            struct key_request request = { .field_select = select, .reserved_zero = true, .guest_svn = 4 };
            struct key_request again = request;

            change(field, &other, &again);
            assert_true(same(derive(&launch, &request), derive(&launch, &request)));
            assert_int_equal(same(derive(&launch, &request), derive(&other, &again)), !(select & field));
        }
}

static void selections_differ(void **state)
{
    struct launch launch;
    struct key keys[KEY_FIELD_ALL_BITS + 1];

    (void)state;
    memset(&launch, 0, sizeof(launch)); /* all fields zero: only the selection itself differs */
    for (uint64_t select = 0; select <= KEY_FIELD_ALL_BITS; select++) {
        struct key_request request = { .field_select = select };

        keys[select] = derive(&launch, &request);
        for (uint64_t before = 0; before < select; before++)
            assert_false(same(keys[before], keys[select]));
    }
}

static void root_vmpl_chip_and_launch(void **state)
{
    struct launch launch = make_launch(), other = make_launch();
    struct key_request request = { .field_select = KEY_FIELD_MEASUREMENT }, vmrk = request, lower = request;
    struct key key = derive(&launch, &request), before;

    (void)state;
    vmrk.root_key_select = KEY_ROOT_VMRK;
    lower.vmpl = 1;
    other.report_id[0] ^= 1;
    assert_false(same(key, derive(&launch, &vmrk)));
    assert_false(same(key, derive(&launch, &lower)));
    assert_true(same(key, derive(&other, &request)));
    assert_false(same(derive(&launch, &vmrk), derive(&other, &vmrk)));
    before = derive(&launch, &vmrk);
    chip.secret.bytes[31] ^= 1;
    assert_false(same(key, derive(&launch, &request)));
    assert_false(same(before, derive(&launch, &vmrk)));
    chip.secret.bytes[31] ^= 1;
    assert_true(same(key, derive(&launch, &request)));
}

static struct psp_request make_key_request(uint32_t root, uint64_t fields, uint32_t vmpl, uint32_t svn, uint64_t tcb)
{
    struct psp_request request = { .kind = WIRE_DERIVED_KEY, .message_version = 1, .message_size = KEY_REQUEST_BYTES };

    put_u32le(request.message, root);
    put_u64le(request.message + 8, fields);
    put_u32le(request.message + 16, vmpl);
    put_u32le(request.message + 20, svn);
    put_u64le(request.message + 24, tcb);
    return request;
}

static void assert_key_status(struct psp_request request, uint32_t status)
{
    assert_status(&request, status);
    assert_int_equal(answer.message_size, KEY_RESPONSE_BYTES);
    assert_true(all_zero(answer.message + 4, 28));
    assert_int_equal(all_zero(answer.message + 32, 32), status != 0);
}

static void key_statuses(void **state)
{
    uint64_t tcb = tcb_encode(PRODUCT_GENOA, &chip.identity.tcb);
    struct psp_request request = make_key_request(0, 0, 0, 0, 0);

    (void)state;
    assert_key_status(make_key_request(0, 0x3f, 3, 7, tcb), 0);
    assert_key_status(make_key_request(1, 0x3f, 3, 7, tcb), 0);
    assert_key_status(make_key_request(2, 0, 0, 0, 0), 0); /* VCEK, said outright */
    assert_key_status(make_key_request(4, 0, 0, 0, 0), FIRMWARE_INVALID_KEY);
    assert_key_status(make_key_request(6, 0, 0, 0, 0), FIRMWARE_INVALID_PARAM);
    assert_key_status(make_key_request(8, 0, 0, 0, 0), FIRMWARE_INVALID_PARAM);
    assert_key_status(make_key_request(0, 0x40, 0, 0, 0), FIRMWARE_INVALID_PARAM);
    assert_key_status(make_key_request(0, UINT64_C(1) << 63, 0, 0, 0), FIRMWARE_INVALID_PARAM);
    assert_key_status(make_key_request(0, 0, 4, 0, 0), FIRMWARE_INVALID_PARAM);
    assert_key_status(make_key_request(0, 0, 0, 8, 0), FIRMWARE_INVALID_PARAM);
    assert_key_status(make_key_request(0, 0, 0, 0, tcb + 1), FIRMWARE_INVALID_PARAM);
    assert_key_status(make_key_request(0, 0, 0, 0, tcb + (UINT64_C(1) << 56)), FIRMWARE_INVALID_PARAM);
    assert_key_status(make_key_request(0, 0, 0, 0, UINT64_C(1) << 16), FIRMWARE_INVALID_PARAM);
    request.message[4] = 1; /* reserved */
    assert_key_status(request, FIRMWARE_INVALID_PARAM);
}

static void policies(void **state)
{
    struct reason why = { "" };

    (void)state;
    assert_int_equal(firmware_check_policy(0x30000, NULL), 0);
    assert_int_equal(firmware_check_policy(0x3ff0000 | 0xffff, NULL), 0);
    assert_int_equal(firmware_check_policy(0x10000, &why), -EINVAL);
    assert_string_equal(why.text, "policy 0x10000: bit 17 must be one, or no firmware launches the guest");
    assert_int_equal(firmware_check_policy(0x4030000, &why), -EINVAL);
    assert_string_equal(why.text, "policy 0x4030000: bits from 26 on must be zero");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_as_launched),          cmocka_unit_test(author_key),
        cmocka_unit_test(versions),                    cmocka_unit_test(report_statuses),
        cmocka_unit_test(message_version),             cmocka_unit_test(certificates_room),
        cmocka_unit_test(selected_fields_alone_matter), cmocka_unit_test(selections_differ),
        cmocka_unit_test(root_vmpl_chip_and_launch),   cmocka_unit_test(key_statuses),
        cmocka_unit_test(policies),
    };

    return cmocka_run_group_tests(tests, make_chip, free_chip);
}
