/* attest/policy and attest/purpose: documents, decisions, and what a report may be used for. */
#include "unit.h"

#include <openssl/evp.h>

#include "attest/policy.h"
#include "attest/purpose.h"
#include "base/buffer.h"

/* A launch digest in hexadecimal: 48 times one byte. */
#define DIGEST_11                                                                                                      \
    "11111111111111111111111111111111" "11111111111111111111111111111111" "11111111111111111111111111111111"
#define DIGEST_22                                                                                                      \
    "22222222222222222222222222222222" "22222222222222222222222222222222" "22222222222222222222222222222222"
#define HOST_DATA_33 "33333333333333333333333333333333" "33333333333333333333333333333333"

static void evaluate(const struct policy *policy, const struct report *report, enum product product,
                     struct policy_decision *ret_decision)
{
    const struct policy_facts facts = { .report = report, .product = product };

    policy_evaluate(policy, &facts, ret_decision);
}

static struct policy parse_right(const char *text)
{
    struct policy policy;
    struct reason why = { "" };

    if (policy_parse(text, strlen(text), &policy, &why) != 0)
        fail_msg("%s: %s", text, why.text);
    return policy;
}

static void assert_refused(const char *text, const char *words)
{
    struct policy policy = { .vmpl = 77 };
    struct reason why = { "" };
    char *copy = exact_copy(text, strlen(text));
    int r = policy_parse(copy, strlen(text), &policy, &why);

    free(copy);
    if (r != -EBADMSG || !strstr(why.text, words))
        fail_msg("%s gave %d \"%s\", expected \"%s\"", text, r, why.text, words);
    assert_int_equal(policy.vmpl, 77);
}

static void reads_a_whole_document(void **state UNUSED)
{
    struct policy policy = parse_right("{\"measurements\":[\"" DIGEST_11 "\",\"" DIGEST_22 "\"],\"allow_debug\":true,"
                                       "\"allow_migration_agent\":true,\"vmpl\":3,\"host_data\":\"" HOST_DATA_33 "\","
                                       "\"minimum_tcb\":{\"fmc\":1,\"bootloader\":2,\"tee\":3,\"snp\":4,"
                                       "\"microcode\":255}}");

    assert_int_equal(policy.measurement_count, 2);
    assert_int_equal(policy.measurements[0][47], 0x11);
    assert_int_equal(policy.measurements[1][0], 0x22);
    assert_true(policy.allow_debug);
    assert_true(policy.allow_migration_agent);
    assert_int_equal(policy.vmpl, 3);
    assert_true(policy.has_host_data);
    assert_int_equal(policy.host_data[31], 0x33);
    assert_true(policy.has_minimum_tcb);
    assert_int_equal(policy.minimum_tcb.fmc, 1);
    assert_int_equal(policy.minimum_tcb.bootloader, 2);
    assert_int_equal(policy.minimum_tcb.tee, 3);
    assert_int_equal(policy.minimum_tcb.snp, 4);
    assert_int_equal(policy.minimum_tcb.microcode, 255);
    policy_free(&policy);
    assert_null(policy.measurements);
    assert_int_equal(policy.measurement_count, 0);
    policy_free(&policy); /* twice */
}

static void denies_by_default(void **state UNUSED)
{
    struct policy policy = parse_right("{\"measurements\":[\"" DIGEST_11 "\"]}");

    assert_false(policy.allow_debug);
    assert_false(policy.allow_migration_agent);
    assert_int_equal(policy.vmpl, 0);
    assert_false(policy.has_host_data);
    assert_false(policy.has_minimum_tcb);
    policy_free(&policy);
}

static void refuses_bad_documents(void **state UNUSED)
{
    assert_refused("", "JSON");
    assert_refused("[]", "top level: expected an object");
    assert_refused("{}", "measurements: missing, and neither manifests, id_keys nor author_keys instead");
    assert_refused("{\"measurements\":[]}", "measurements: empty: nothing could ever be allowed");
    assert_refused("{\"measurements\":null}", "measurements: missing, and neither");
    assert_refused("{\"measurements\":\"" DIGEST_11 "\"}", "measurements: expected an array, found string");
    assert_refused("{\"measurements\":[1]}", "measurements[0]: expected a string, found int");
    assert_refused("{\"measurements\":[\"" DIGEST_11 "\",null]}", "measurements[1]: expected a string, found null");
    assert_refused("{\"measurements\":[\"" DIGEST_11 "0\"]}", "measurements[0]: 97 bytes, at most 96 are accepted");
    assert_refused("{\"measurements\":[\"" DIGEST_11 "\",\"" DIGEST_11 "\",\"11\"]}",
                   "measurements[2]: expected 96 hexadecimal digits");
    assert_refused("{\"measurements\":[\"" DIGEST_11 "\"],\"measurements\":[\"" DIGEST_22 "\"]}", "stands twice");
    assert_refused("{\"measurements\":[\"" DIGEST_11 "\"],\"any_measurement\":true}", "any_measurement: unknown");
    assert_refused("{\"measurements\":[\"" DIGEST_11 "\"],\"allow_debug\":1}", "allow_debug: expected true or false");
    assert_refused("{\"measurements\":[\"" DIGEST_11 "\"],\"allow_debug\":\"true\"}", "allow_debug: expected true");
    assert_refused("{\"measurements\":[\"" DIGEST_11 "\"],\"allow_migration_agent\":{}}", "allow_migration_agent: exp");
    assert_refused("{\"measurements\":[\"" DIGEST_11 "\"],\"vmpl\":4}", "vmpl: expected a number from 0 to 3, found 4");
    assert_refused("{\"measurements\":[\"" DIGEST_11 "\"],\"vmpl\":-1}", "vmpl: expected a number from 0 to 3");
    assert_refused("{\"measurements\":[\"" DIGEST_11 "\"],\"host_data\":\"33\"}", "host_data: expected 64 hexadecimal");
    assert_refused("{\"measurements\":[\"" DIGEST_11 "\"],\"minimum_tcb\":5}", "minimum_tcb: expected an object");
    assert_refused("{\"measurements\":[\"" DIGEST_11 "\"],\"minimum_tcb\":{\"snp\":256}}",
                   "minimum_tcb.snp: expected a number from 0 to 255, found 256");
    assert_refused("{\"measurements\":[\"" DIGEST_11 "\"],\"minimum_tcb\":{\"ucode\":1}}",
                   "minimum_tcb.ucode: unknown member");
}

static void bounds_documents(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct policy policy;
    struct reason why = { "" };

    buffer_add_text(&text, "{\"measurements\":[\"\"");
    for (int i = 0; i < POLICY_MAX_MEASUREMENTS; i++)
        buffer_add_text(&text, ",\"\"");
    buffer_add_text(&text, "]}");
    assert_refused(buffer_text(&text), "measurements: 4097 elements, at most 4096 are accepted");
    while (text.size <= POLICY_MAX_BYTES)
        buffer_add_text(&text, " ");
    assert_int_equal(policy_parse(text.data, text.size, &policy, &why), -EMSGSIZE);
}

static struct report report_that_passes(void)
{
    struct report report = { .version = 3, .policy = GUEST_POLICY_RESERVED_ONE | GUEST_POLICY_SMT };

    memset(report.measurement, 0x11, sizeof(report.measurement));
    memset(report.host_data, 0x33, sizeof(report.host_data));
    report.reported_tcb = UINT64_C(0x0504000000000302); /* bootloader 2, tee 3, snp 4, microcode 5 */
    return report;
}

static const char whole[] = "{\"measurements\":[\"" DIGEST_22 "\",\"" DIGEST_11 "\"],"
                            "\"host_data\":\"" HOST_DATA_33 "\","
                            "\"minimum_tcb\":{\"bootloader\":2,\"tee\":3,\"snp\":4,\"microcode\":5}}";

static void allows_what_passes_every_check(void **state UNUSED)
{
    static const char *const names[] = { "guest_policy.debug", "guest_policy.migrate_ma", "vmpl", "signing_key",
                                         "minimum_tcb", "host_data", "measurement" };
    struct policy policy = parse_right(whole);
    struct report report = report_that_passes();
    struct policy_decision decision;

    evaluate(&policy, &report, PRODUCT_MILAN, &decision);
    assert_null(decision.failed);
    assert_int_equal(decision.count, ARRAY_SIZE(names));
    for (size_t i = 0; i < decision.count; i++) {
        assert_string_equal(decision.checks[i].name, names[i]);
        assert_true(decision.checks[i].passed);
        assert_true(decision.checks[i].wanted[0] && decision.checks[i].found[0]);
    }
    policy_free(&policy);
}

static void assert_denied(const struct policy *policy, const struct report *report, enum product product,
                          const char *name, const char *wanted, const char *found)
{
    struct policy_decision decision;
    size_t passed = 0;

    evaluate(policy, report, product, &decision);
    assert_non_null(decision.failed);
    assert_string_equal(decision.failed->name, name);
    assert_string_equal(decision.failed->wanted, wanted);
    assert_string_equal(decision.failed->found, found);
    for (size_t i = 0; i < decision.count; i++)
        passed += decision.checks[i].passed;
    assert_int_equal(passed, decision.count - 1); /* this one alone, and the list is complete */
}

static void denies_for_each_reason(void **state UNUSED)
{
    struct policy policy = parse_right(whole);
    struct report report = report_that_passes();
    static const uint64_t components[] = { 1, 1 << 8, UINT64_C(1) << 48, UINT64_C(1) << 56 };
    static const char *const found[] = {
        "fmc 0 bootloader 1 tee 3 snp 4 microcode 5", "fmc 0 bootloader 2 tee 2 snp 4 microcode 5",
        "fmc 0 bootloader 2 tee 3 snp 3 microcode 5", "fmc 0 bootloader 2 tee 3 snp 4 microcode 4",
    };

    report.policy |= GUEST_POLICY_DEBUG;
    assert_denied(&policy, &report, PRODUCT_MILAN, "guest_policy.debug", "0", "1");
    report = report_that_passes();
    report.policy |= GUEST_POLICY_MIGRATE_MA;
    assert_denied(&policy, &report, PRODUCT_MILAN, "guest_policy.migrate_ma", "0", "1");
    report = report_that_passes();
    report.vmpl = 1;
    assert_denied(&policy, &report, PRODUCT_MILAN, "vmpl", "0", "1");
    report.vmpl = 0xffffffff; /* what the host asks for without a guest */
    assert_denied(&policy, &report, PRODUCT_MILAN, "vmpl", "0", "4294967295");
    for (size_t i = 0; i < ARRAY_SIZE(components); i++) {
        report = report_that_passes();
        report.reported_tcb -= components[i];
        assert_denied(&policy, &report, PRODUCT_MILAN, "minimum_tcb", "fmc 0 bootloader 2 tee 3 snp 4 microcode 5",
                      found[i]);
    }
    report = report_that_passes();
    report.host_data[31] ^= 1;
    assert_denied(&policy, &report, PRODUCT_MILAN, "host_data", HOST_DATA_33,
                  "3333333333333333333333333333333333333333333333333333333333333332");
    report = report_that_passes();
    report.measurement[47] ^= 1;
    assert_denied(&policy, &report, PRODUCT_MILAN, "measurement", "one of 2",
                  "111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111110");
    policy_free(&policy);
}

static void names_the_only_measurement(void **state UNUSED)
{
    struct policy policy = parse_right("{\"measurements\":[\"" DIGEST_22 "\"]}");
    struct report report = report_that_passes();

    assert_denied(&policy, &report, PRODUCT_MILAN, "measurement", DIGEST_22, DIGEST_11);
    policy_free(&policy);
}

static void compares_tcb_by_the_product(void **state UNUSED)
{
    struct policy policy = parse_right("{\"measurements\":[\"" DIGEST_11 "\"],\"minimum_tcb\":{\"fmc\":1}}");
    struct report report = report_that_passes();
    struct policy_decision decision;

    report.reported_tcb = UINT64_C(0x0500000004030201);
    evaluate(&policy, &report, PRODUCT_TURIN, &decision);
    assert_null(decision.failed);
    evaluate(&policy, &report, PRODUCT_GENOA, &decision); /* has no FMC */
    assert_string_equal(decision.failed->name, "minimum_tcb");
    memset(&policy.minimum_tcb, 0, sizeof(policy.minimum_tcb));
    evaluate(&policy, &report, PRODUCT_UNKNOWN, &decision); /* its layout is not known */
    assert_string_equal(decision.failed->name, "minimum_tcb");
    policy_free(&policy);
}

static void allows_what_the_document_allows(void **state UNUSED)
{
    struct policy policy = parse_right("{\"measurements\":[\"" DIGEST_11 "\"],\"allow_debug\":true,"
                                       "\"allow_migration_agent\":true,\"vmpl\":2}");
    struct report report = report_that_passes();
    struct policy_decision decision;

    report.policy |= GUEST_POLICY_DEBUG | GUEST_POLICY_MIGRATE_MA;
    report.vmpl = 2;
    evaluate(&policy, &report, PRODUCT_MILAN, &decision);
    assert_null(decision.failed);
    assert_string_equal(decision.checks[0].wanted, "any");
    report.policy = 0; /* allowed is not demanded */
    evaluate(&policy, &report, PRODUCT_MILAN, &decision);
    assert_null(decision.failed);
    report.vmpl = 0;
    evaluate(&policy, &report, PRODUCT_MILAN, &decision);
    assert_string_equal(decision.failed->name, "vmpl");
    policy_free(&policy);
}

static void allows_nothing_by_an_empty_policy(void **state UNUSED)
{
    struct policy policy = { .measurements = NULL };
    struct report report = report_that_passes();
    struct policy_decision decision;

    evaluate(&policy, &report, PRODUCT_MILAN, &decision);
    assert_string_equal(decision.failed->name, "measurement");
    assert_string_equal(decision.failed->wanted, "one of 0");
}

static void read_expectations(const char *text, struct policy *ret_policy, struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;

    why->text[0] = '\0';
    assert_int_equal(json_parse(text, strlen(text), 4096, &root, why), 0);
    json_read_root(root, &status, &reader);
    policy_read_expectations(&reader, ret_policy);
}

static void reads_a_guests_expectations(void **state UNUSED)
{
    struct report report = report_that_passes();
    const struct policy_facts facts = { .report = &report, .product = PRODUCT_MILAN };
    struct policy_decision decision;
    struct policy policy;
    struct reason why;

    read_expectations("{}", &policy, &why);
    assert_string_equal(why.text, "");
    memset(report.measurement, 0x99, sizeof(report.measurement)); /* its own, which it cannot know */
    policy_evaluate_expectations(&policy, &facts, &decision);
    assert_null(decision.failed);
    policy_evaluate(&policy, &facts, &decision); /* which accept no launch of another's */
    assert_string_equal(decision.failed->name, "measurement");
    report.policy |= GUEST_POLICY_DEBUG;
    policy_evaluate_expectations(&policy, &facts, &decision);
    assert_string_equal(decision.failed->name, "guest_policy.debug");
    read_expectations("{\"measurements\":[\"" DIGEST_11 "\"]}", &policy, &why);
    assert_string_equal(why.text, "measurements: unknown member");
    read_expectations("{\"vmpl\":7}", &policy, &why);
    assert_string_equal(why.text, "vmpl: expected a number from 0 to 3, found 7");
}

/* --------------------------------------------------------------------------------------------------------- purposes */

static void tags_report_data(void **state UNUSED)
{
    static const struct {
        enum purpose purpose;
        const char *label, *hashed;
        size_t hashed_size;
        const char tag[17];
    } cases[] = {
        { PURPOSE_RELEASE, NULL, "data", 4, "" },
        { PURPOSE_RELEASE, "ignored", "data", 4, "" },
        { PURPOSE_SELF, "boot", "postern:boot\0data", 17, "postern/self" },
        { PURPOSE_WORKLOAD, "peer", "postern:peer\0data", 17, "postern/workload" },
        { PURPOSE_WORKLOAD, "", "postern:\0data", 13, "postern/workload" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t report_data[REPORT_DATA_BYTES], hash[48], tag[16] = { 0 };

        memset(report_data, 0xff, sizeof(report_data));
        assert_int_equal(purpose_report_data(cases[i].purpose, cases[i].label, "data", 4, report_data, NULL), 0);
        assert_int_equal(EVP_Digest(cases[i].hashed, cases[i].hashed_size, hash, NULL, EVP_sha384(), NULL), 1);
        assert_memory_equal(report_data, hash, 48);
        memcpy(tag, cases[i].tag, strlen(cases[i].tag));
        assert_memory_equal(report_data + 48, tag, 16);
        assert_int_equal(purpose_is_release(report_data), cases[i].purpose == PURPOSE_RELEASE);
    }
}

/* Bytes that somebody chose are taken as they are, unless they would pass for a purpose. */
static void keeps_chosen_bytes_apart(void **state UNUSED)
{
    uint8_t chosen[REPORT_DATA_BYTES + 1], report_data[REPORT_DATA_BYTES] = { 77 };
    struct reason why = { "" };

    random_fill(chosen, sizeof(chosen));
    for (size_t size = 63; size <= 65; size += 2)
        assert_int_equal(purpose_report_data(PURPOSE_CHOSEN, NULL, chosen, size, report_data, &why), -EINVAL);
    assert_reason(&why, "65 bytes of request data, expected 64");
    memset(chosen + 48, 0, 16);
    assert_int_equal(purpose_report_data(PURPOSE_CHOSEN, NULL, chosen, 64, report_data, &why), -EPERM);
    assert_reason(&why, "ends in 16 zero bytes");
    for (enum purpose purpose = PURPOSE_SELF; purpose < PURPOSE_CHOSEN; purpose++) {
        uint8_t tagged[REPORT_DATA_BYTES];

        assert_int_equal(purpose_report_data(purpose, "x", "data", 4, tagged, NULL), 0);
        assert_int_equal(purpose_report_data(PURPOSE_CHOSEN, NULL, tagged, 64, report_data, &why), -EPERM);
        assert_reason(&why, "\"postern/\" at byte 48");
    }
    assert_int_equal(report_data[0], 77);
    chosen[63] = 1;
    assert_int_equal(purpose_report_data(PURPOSE_CHOSEN, NULL, chosen, 64, report_data, &why), 0);
    assert_memory_equal(report_data, chosen, 64);
}

/* Without a label the hash would be the same in every domain, and that of bare data. */
static void demands_a_label(void **state UNUSED)
{
    uint8_t report_data[REPORT_DATA_BYTES] = { 77 };

    assert_int_equal(purpose_report_data(PURPOSE_SELF, NULL, "data", 4, report_data, NULL), -EINVAL);
    assert_int_equal(purpose_report_data(PURPOSE_WORKLOAD, NULL, "data", 4, report_data, NULL), -EINVAL);
    assert_int_equal(report_data[0], 77);
}
static void takes_any_tag_byte_for_another_purpose(void **state UNUSED)
{
    uint8_t report_data[REPORT_DATA_BYTES];

    memset(report_data, 0xff, sizeof(report_data));
    memset(report_data + 48, 0, 16);
    assert_true(purpose_is_release(report_data));
    for (size_t i = 48; i < 64; i++) {
        report_data[i] = 1;
        assert_false(purpose_is_release(report_data));
        report_data[i] = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_whole_document),
        cmocka_unit_test(denies_by_default),
        cmocka_unit_test(refuses_bad_documents),
        cmocka_unit_test(bounds_documents),
        cmocka_unit_test(allows_what_passes_every_check),
        cmocka_unit_test(denies_for_each_reason),
        cmocka_unit_test(names_the_only_measurement),
        cmocka_unit_test(compares_tcb_by_the_product),
        cmocka_unit_test(allows_what_the_document_allows),
        cmocka_unit_test(allows_nothing_by_an_empty_policy),
        cmocka_unit_test(reads_a_guests_expectations),
        cmocka_unit_test(tags_report_data),
        cmocka_unit_test(demands_a_label), cmocka_unit_test(keeps_chosen_bytes_apart),
        cmocka_unit_test(takes_any_tag_byte_for_another_purpose),
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
