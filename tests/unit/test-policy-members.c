/* attest/policy: a document with every member, what each of them denies, and that documents survive being written. */
#include "unit.h"

#include "attest/bits.h"
#include "attest/policy.h"
#include "base/buffer.h"

#define X8(byte) byte byte byte byte byte byte byte byte
#define X16(byte) X8(byte) X8(byte)
#define X32(byte) X16(byte) X16(byte)
#define X48(byte) X32(byte) X16(byte)
#define X64(byte) X32(byte) X32(byte)

/* Every member, none at its default. */
static const char everything[] =
    "{\"measurements\":[\"" X48("22") "\",\"" X48("11") "\"],\"manifests\":{\"signers\":[\"AAECAw==\",\"BAU=\"],"
    "\"threshold\":2},\"coverage\":\"firmware+vtpm\",\"least_coverage\":\"firmware-only\",\"allow_debug\":true,"
    "\"allow_migration_agent\":true,\"vmpl\":2,\"allow_vlek\":true,\"require_revocation_list\":true,"
    "\"guest_policy\":{\"required\":[\"smt\",\"ciphertext_hiding\"],\"forbidden\":[\"cxl_allow\"]},"
    "\"platform_info\":{\"required\":[\"ecc\",\"alias_check_complete\"],\"forbidden\":[\"smt\",\"tio\"]},"
    "\"family_id\":\"" X16("33") "\",\"image_id\":\"" X16("44") "\",\"host_data\":\"" X32("55") "\","
    "\"report_data\":\"" X64("66") "\",\"id_keys\":[{\"digest\":\"" X48("77") "\",\"minimum_guest_svn\":3},"
    "{\"digest\":\"" X48("78") "\",\"minimum_guest_svn\":0}],"
    "\"author_keys\":[{\"digest\":\"" X48("88") "\",\"minimum_guest_svn\":5}],"
    "\"minimum_tcb\":{\"fmc\":1,\"bootloader\":2,\"tee\":3,\"snp\":4,\"microcode\":5},"
    "\"minimum_tcb_by_product\":{\"Milan\":{},\"Turin\":{"
    "\"reported\":{\"fmc\":1,\"bootloader\":2,\"tee\":3,\"snp\":4,\"microcode\":5},"
    "\"committed\":{\"fmc\":0,\"bootloader\":1,\"tee\":0,\"snp\":0,\"microcode\":0},"
    "\"launch\":{\"fmc\":0,\"bootloader\":0,\"tee\":0,\"snp\":2,\"microcode\":0}}},"
    "\"minimum_firmware\":{\"current\":\"1.58.3\",\"committed\":\"1.57.255\"},"
    "\"mitigations\":{\"launch\":5,\"current\":9223372036854775808},\"products\":[\"Genoa\",\"Turin\"],"
    "\"chip_ids\":{\"allowed\":[\"" X64("98") "\",\"" X8("99") X32("00") X16("00") X8("00") "\"],"
    "\"denied\":[\"" X64("aa") "\"]}}";

static struct policy parse_right(const char *text)
{
    struct policy policy;
    struct reason why = { "" };

    if (policy_parse(text, strlen(text), &policy, &why) != 0)
        fail_msg("%s: %s", text, why.text);
    return policy;
}

/* A launch on Turin that is what `everything` asks for. */
static struct report right_report(void)
{
    struct report report = { .version = 5,
                             .guest_svn = 5,
                             .policy = UINT64_C(1) << 16 | UINT64_C(1) << 17 | UINT64_C(1) << 24,
                             .vmpl = 2,
                             .platform_info = 1u << 2 | 1u << 5 | 1u << 6, /* bit 6 has no name */
                             .key_info = 1u | SIGNING_KEY_VLEK << 2,
                             .reported_tcb = UINT64_C(0x0500000004030201),
                             .committed_tcb = UINT64_C(0x0000000000000100),
                             .launch_tcb = UINT64_C(0x0000000002000000),
                             .current = { .major = 1, .minor = 58, .build = 3 },
                             .committed = { .major = 1, .minor = 58, .build = 0 },
                             .launch_mit_vector = 7,
                             .current_mit_vector = UINT64_C(1) << 63 };

    memset(report.measurement, 0x11, sizeof(report.measurement));
    memset(report.family_id, 0x33, sizeof(report.family_id));
    memset(report.image_id, 0x44, sizeof(report.image_id));
    memset(report.host_data, 0x55, sizeof(report.host_data));
    memset(report.report_data, 0x66, sizeof(report.report_data));
    memset(report.id_key_digest, 0x77, sizeof(report.id_key_digest));
    memset(report.author_key_digest, 0x88, sizeof(report.author_key_digest));
    memset(report.chip_id, 0x99, 8);
    return report;
}

static struct policy_facts right_facts(const struct report *report)
{
    return (struct policy_facts){ .report = report, .product = PRODUCT_TURIN, .revocation_checked = true };
}

static void allows_what_is_right(void **state UNUSED)
{
    static const char *const names[] = {
        "guest_policy.debug", "guest_policy.migrate_ma", "guest_policy.required", "guest_policy.forbidden", "vmpl",
        "signing_key", "revocation_list", "product", "chip_id.allowed", "chip_id.denied", "platform_info.required",
        "platform_info.forbidden", "minimum_tcb", "minimum_tcb.reported", "minimum_tcb.committed",
        "minimum_tcb.launch", "minimum_firmware.current", "minimum_firmware.committed", "mitigations.launch",
        "mitigations.current", "family_id", "image_id", "host_data", "report_data", "id_key", "author_key",
        "measurement", "coverage",
    };
    struct policy policy = parse_right(everything);
    struct report report = right_report();
    struct policy_facts facts = right_facts(&report);
    struct policy_decision decision;

    policy_evaluate(&policy, &facts, &decision);
    if (decision.failed)
        fail_msg("%s: wanted %s, found %s", decision.failed->name, decision.failed->wanted, decision.failed->found);
    assert_int_equal(decision.count, ARRAY_SIZE(names));
    assert_true(decision.count <= POLICY_MAX_CHECKS);
    for (size_t i = 0; i < decision.count; i++) {
        assert_string_equal(decision.checks[i].name, names[i]);
        assert_true(decision.checks[i].wanted[0] && decision.checks[i].found[0]);
    }
    assert_int_equal(decision.coverage, COVERAGE_FIRMWARE_VTPM);
    policy_free(&policy);
}

/* One change to report or facts, and the one check that it fails. */
struct change {
    const char *name, *wanted, *found;
    void (*make)(struct report *report, struct policy_facts *facts);
};

#define CHANGE(function, statement)                                                                                    \
    static void function(struct report *report UNUSED, struct policy_facts *facts UNUSED)                              \
    {                                                                                                                  \
        statement;                                                                                                     \
    }

CHANGE(drop_a_policy_bit, report->policy &= ~(UINT64_C(1) << 24))
CHANGE(set_a_policy_bit, report->policy |= UINT64_C(1) << 21)
CHANGE(change_vmpl, report->vmpl = 3)
CHANGE(check_no_list, facts->revocation_checked = false)
CHANGE(change_a_chip, report->chip_id[7] ^= 1)
CHANGE(drop_a_platform_bit, report->platform_info &= ~(UINT64_C(1) << 5))
CHANGE(set_a_platform_bit, report->platform_info |= 1u << 7 | 1u << 0)
CHANGE(lower_committed, report->committed_tcb = 0)
CHANGE(lower_launch, report->launch_tcb -= UINT64_C(1) << 24)
CHANGE(lower_current_build, report->current.build--)
CHANGE(lower_current_minor, report->current.minor--; report->current.build = 255)
CHANGE(lower_committed_version, report->committed.minor = 57; report->committed.build = 254)
CHANGE(lower_committed_major, report->committed.major = 0; report->committed.minor = 255)
CHANGE(drop_a_mitigation, report->launch_mit_vector = 6)
CHANGE(drop_the_mitigation, report->current_mit_vector >>= 1)
CHANGE(change_family, report->family_id[15] ^= 1)
CHANGE(change_image, report->image_id[0] ^= 1)
CHANGE(change_host_data, report->host_data[31] ^= 1)
CHANGE(change_report_data, report->report_data[63] ^= 1)
CHANGE(change_id_key, report->id_key_digest[47] ^= 1)
CHANGE(change_author_key, report->author_key_digest[0] ^= 1)
CHANGE(drop_author_key, report->key_info &= ~1u)
CHANGE(lower_svn, report->guest_svn = 4)
CHANGE(change_measurement, report->measurement[47] ^= 1)

static const struct change changes[] = {
    { "guest_policy.required", "smt ciphertext_hiding", "smt", drop_a_policy_bit },
    { "guest_policy.forbidden", "none", "cxl_allow", set_a_policy_bit },
    { "vmpl", "2", "3", change_vmpl },
    { "revocation_list", "checked", "none was given", check_no_list },
    { "chip_id.allowed", "one of 2", "9999999999999998" X32("00") X16("00") X8("00"), change_a_chip },
    { "platform_info.required", "ecc alias_check_complete", "ecc", drop_a_platform_bit },
    { "platform_info.forbidden", "none", "smt tio", set_a_platform_bit },
    { "minimum_tcb.committed", "fmc 0 bootloader 1 tee 0 snp 0 microcode 0",
      "fmc 0 bootloader 0 tee 0 snp 0 microcode 0", lower_committed },
    { "minimum_tcb.launch", "fmc 0 bootloader 0 tee 0 snp 2 microcode 0",
      "fmc 0 bootloader 0 tee 0 snp 1 microcode 0", lower_launch },
    { "minimum_firmware.current", "at least 1.58.3", "1.58.2", lower_current_build },
    { "minimum_firmware.current", "at least 1.58.3", "1.57.255", lower_current_minor },
    { "minimum_firmware.committed", "at least 1.57.255", "1.57.254", lower_committed_version },
    { "minimum_firmware.committed", "at least 1.57.255", "0.255.0", lower_committed_major },
    { "mitigations.launch", "all of 0x5", "0x6", drop_a_mitigation },
    { "mitigations.current", "all of 0x8000000000000000", "0x4000000000000000", drop_the_mitigation },
    { "family_id", X16("33"), X8("33") "33333333333333" "32", change_family },
    { "image_id", X16("44"), "45" "44444444444444" X8("44"), change_image },
    { "host_data", X32("55"), X16("55") X8("55") "55555555555555" "54", change_host_data },
    { "report_data", X64("66"), X48("66") X8("66") "66666666666666" "67", change_report_data },
    { "id_key", "one of 2 keys", X32("77") X8("77") "77777777777777" "76, guest SVN 5", change_id_key },
    { "author_key", X48("88") ", guest SVN at least 5", "89" "88888888888888" X8("88") X32("88") ", guest SVN 5",
      change_author_key },
    { "author_key", X48("88") ", guest SVN at least 5", "no key; " X48("88") ", guest SVN 5", drop_author_key },
    { "author_key", X48("88") ", guest SVN at least 5", X48("88") ", guest SVN 4", lower_svn },
    { "measurement", "one of 2, or in a manifest that 2 of 2 signers signed",
      X32("11") X8("11") "11111111111111" "10", change_measurement },
};

static void denies_each_change(void **state UNUSED)
{
    struct policy policy = parse_right(everything);

    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        struct report report = right_report();
        struct policy_facts facts = right_facts(&report);
        struct policy_decision decision;
        size_t failed = 0;

        changes[i].make(&report, &facts);
        policy_evaluate(&policy, &facts, &decision);
        assert_non_null(decision.failed);
        assert_string_equal(decision.failed->name, changes[i].name);
        assert_string_equal(decision.failed->wanted, changes[i].wanted);
        assert_string_equal(decision.failed->found, changes[i].found);
        for (size_t k = 0; k < decision.count; k++)
            failed += !decision.checks[k].passed;
        assert_int_equal(failed, 1);
    }
    policy_free(&policy);
}

static void deny(const char *text, struct report *report, struct policy_facts *facts, const char *name,
                 const char *wanted, const char *found)
{
    struct policy policy = parse_right(text);
    struct policy_decision decision;

    facts->report = report;
    policy_evaluate(&policy, facts, &decision);
    policy_free(&policy);
    if (!decision.failed)
        fail_msg("allowed, expected %s to deny it", name);
    assert_string_equal(decision.failed->name, name);
    assert_string_equal(decision.failed->wanted, wanted);
    assert_string_equal(decision.failed->found, found);
}

static void allow(const char *text, struct report *report, struct policy_facts *facts)
{
    struct policy policy = parse_right(text);
    struct policy_decision decision;

    facts->report = report;
    policy_evaluate(&policy, facts, &decision);
    policy_free(&policy);
    if (decision.failed)
        fail_msg("%s: wanted %s, found %s", decision.failed->name, decision.failed->wanted, decision.failed->found);
}

#define PLAIN "{\"vmpl\":2,\"allow_vlek\":true,\"measurements\":[\"" X48("11") "\"]"

static void denies_vlek_unless_allowed(void **state UNUSED)
{
    struct report report = right_report();
    struct policy_facts facts = right_facts(&report);

    deny("{\"vmpl\":2,\"measurements\":[\"" X48("11") "\"]}", &report, &facts, "signing_key", "VCEK", "VLEK");
    report.key_info = 0;
    allow("{\"vmpl\":2,\"measurements\":[\"" X48("11") "\"]}", &report, &facts);
}

static void denies_products_that_are_not_named(void **state UNUSED)
{
    struct report report = right_report();
    struct policy_facts facts = right_facts(&report);

    deny(PLAIN ",\"products\":[\"Milan\",\"Genoa\"]}", &report, &facts, "product", "Milan or Genoa", "Turin");
    deny(PLAIN ",\"minimum_tcb_by_product\":{\"Genoa\":{}}}", &report, &facts, "minimum_tcb.product",
         "a product with a minimum", "Turin");
    allow(PLAIN ",\"minimum_tcb_by_product\":{\"Turin\":{}}}", &report, &facts);
    facts.product = PRODUCT_UNKNOWN;
    deny(PLAIN ",\"products\":[\"Milan\"]}", &report, &facts, "product", "Milan", "unknown");
    deny(PLAIN ",\"minimum_tcb_by_product\":{\"Turin\":{}}}", &report, &facts, "minimum_tcb.product",
         "a product with a minimum", "unknown");
}

static void minds_chips(void **state UNUSED)
{
    struct report report = right_report();
    struct policy_facts facts = right_facts(&report);
    char id[2 * CHIP_ID_BYTES + 1];

    (void)snprintf(id, sizeof(id), "%s", X8("99") X32("00") X16("00") X8("00"));
    allow(PLAIN ",\"chip_ids\":{\"allowed\":[\"" X8("99") "\"]}}", &report, &facts); /* Turin's short form */
    deny(PLAIN ",\"chip_ids\":{\"denied\":[\"" X64("aa") "\",\"" X8("99") "\"]}}", &report, &facts, "chip_id.denied",
         "none of 2", id);
    memset(report.chip_id, 0, sizeof(report.chip_id));
    deny(PLAIN ",\"chip_ids\":{\"denied\":[\"" X64("aa") "\"]}}", &report, &facts, "chip_id.denied", "none of 1",
         X64("00"));
    deny(PLAIN ",\"chip_ids\":{\"allowed\":[\"" X64("00") "\"]}}", &report, &facts, "chip_id.allowed", "one of 1",
         X64("00"));
}

static void wants_mitigation_vectors_to_be_there(void **state UNUSED)
{
    struct report report = right_report();
    struct policy_facts facts = right_facts(&report);

    report.version = 4;
    deny(PLAIN ",\"mitigations\":{\"launch\":1}}", &report, &facts, "mitigations.launch", "all of 0x1",
         "nothing: reports of version 4 have no mitigation vectors");
}

/* The holder of a key may be all that is asked for. */
static void accepts_the_holder_of_a_key(void **state UNUSED)
{
    struct report report = right_report();
    struct policy_facts facts = right_facts(&report);
    static const char id_key[] = "{\"vmpl\":2,\"allow_vlek\":true,\"id_keys\":[{\"digest\":\"" X48("77") "\"}]}";
    static const char author[] = "{\"vmpl\":2,\"allow_vlek\":true,\"author_keys\":[{\"digest\":\"" X48("88") "\"}]}";

    report.measurement[0] = 0xee;
    allow(id_key, &report, &facts);
    allow(author, &report, &facts);
    deny("{\"vmpl\":2,\"allow_vlek\":true,\"measurements\":[\"" X48("11") "\"],\"id_keys\":[{\"digest\":\"" X48("77")
         "\"}]}", &report, &facts, "measurement", X48("11"), "ee" X32("11") X8("11") "11111111111111");
    memset(report.id_key_digest, 0, sizeof(report.id_key_digest)); /* launched without an ID block */
    deny("{\"vmpl\":2,\"allow_vlek\":true,\"id_keys\":[{\"digest\":\"" X48("00") "\"}]}", &report, &facts, "id_key",
         X48("00") ", guest SVN at least 0", "no key; " X48("00") ", guest SVN 5");
}

/* A key that is listed twice has the lower of its numbers. */
static void takes_the_least_of_several_svns(void **state UNUSED)
{
    struct report report = right_report();
    struct policy_facts facts = right_facts(&report);
    static const char twice[] = "{\"vmpl\":2,\"allow_vlek\":true,\"id_keys\":["
                                "{\"digest\":\"" X48("77") "\",\"minimum_guest_svn\":9},"
                                "{\"digest\":\"" X48("77") "\",\"minimum_guest_svn\":5},"
                                "{\"digest\":\"" X48("77") "\",\"minimum_guest_svn\":7}]}";

    allow(twice, &report, &facts);
    report.guest_svn = 4;
    deny(twice, &report, &facts, "id_key", X48("77") ", guest SVN at least 5", X48("77") ", guest SVN 4");
}

static void accepts_rows_of_signed_manifests(void **state UNUSED)
{
    static const char signers[] = "{\"vmpl\":2,\"allow_vlek\":true,\"manifests\":{\"signers\":[\"AAEC\"]},"
                                  "\"least_coverage\":\"image\"}";
    static const char none[] = "{\"vmpl\":2,\"allow_vlek\":true,\"measurements\":[\"" X48("22") "\"]}";
    struct report report = right_report();
    struct policy_facts facts = right_facts(&report);

    deny(signers, &report, &facts, "measurement", "one of 0, or in a manifest that 1 of 1 signers signed", X48("11"));
    facts.in_manifest = true;
    deny(signers, &report, &facts, "coverage", "at least image", "not stated");
    facts.manifest_coverage = COVERAGE_FIRMWARE_VTPM;
    deny(signers, &report, &facts, "coverage", "at least image", "firmware+vtpm");
    facts.manifest_coverage = COVERAGE_IMAGE;
    allow(signers, &report, &facts);
    deny(none, &report, &facts, "measurement", X48("22"), X48("11")); /* whose signers nobody named */
}

/* What the digest covers is stated or worked out, never assumed. */
static void assumes_no_coverage(void **state UNUSED)
{
    struct report report = right_report();
    struct policy_facts facts = right_facts(&report);

    deny(PLAIN ",\"least_coverage\":\"firmware-only\"}", &report, &facts, "coverage", "at least firmware-only",
         "not stated");
    deny(PLAIN ",\"least_coverage\":\"image\",\"coverage\":\"firmware+vtpm\"}", &report, &facts, "coverage",
         "at least image", "firmware+vtpm");
    allow(PLAIN ",\"least_coverage\":\"image\",\"coverage\":\"image\"}", &report, &facts);
}

static void writes_what_it_read(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer first = BUFFER_EMPTY, second = BUFFER_EMPTY;
    struct policy policy = parse_right(everything), again;

    policy_write(&policy, &first);
    again = parse_right(buffer_text(&first));
    policy_write(&again, &second);
    assert_string_equal(buffer_text(&first), buffer_text(&second));
    assert_string_equal(buffer_text(&first), everything); /* which is in the order and the spelling of the writer */
    policy_free(&again);
    policy_free(&policy);
}

static void assert_refused(const char *members, const char *words)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct policy policy = { .vmpl = 77 };
    struct reason why = { "" };
    int r;

    buffer_printf(&text, "{\"measurements\":[\"%s\"],%s}", X48("11"), members);
    r = policy_parse(text.data, text.size, &policy, &why);
    if (r != -EBADMSG || !strstr(why.text, words))
        fail_msg("%s gave %d \"%s\", expected \"%s\"", members, r, why.text, words);
    assert_int_equal(policy.vmpl, 77);
}

static void refuses_bad_members(void **state UNUSED)
{
    assert_refused("\"family_id\":\"00\"", "family_id: expected 32 hexadecimal digits");
    assert_refused("\"report_data\":\"00\"", "report_data: expected 128 hexadecimal digits");
    assert_refused("\"guest_policy\":{\"required\":[\"fast\"]}", "guest_policy.required: \"fast\" is no bit");
    assert_refused("\"guest_policy\":{\"required\":[\"tsme\"]}", "\"tsme\" is no bit"); /* the platform's */
    assert_refused("\"guest_policy\":{\"wanted\":[]}", "guest_policy.wanted: unknown member");
    assert_refused("\"platform_info\":{\"required\":[\"smt\"],\"forbidden\":[\"smt\"]}",
                   "platform_info: a bit is both required and forbidden");
    assert_refused("\"minimum_tcb_by_product\":{\"Rome\":{}}", "minimum_tcb_by_product.Rome: unknown member");
    assert_refused("\"minimum_tcb_by_product\":{\"Milan\":{\"current\":{}}}", "Milan.current: unknown member");
    assert_refused("\"minimum_tcb_by_product\":{\"Milan\":{\"launch\":{\"snp\":256}}}", "Milan.launch.snp: expected");
    assert_refused("\"products\":[]", "products: empty: nothing could ever be allowed");
    assert_refused("\"products\":[\"Bergamo\"]", "products: \"Bergamo\" is no product");
    assert_refused("\"mitigations\":{\"launch\":-1}", "mitigations.launch: expected a number");
    assert_refused("\"mitigations\":{\"lunch\":1}", "mitigations.lunch: unknown member");
    assert_refused("\"chip_ids\":{\"allowed\":[]}", "chip_ids.allowed: empty: nothing could ever be allowed");
    assert_refused("\"chip_ids\":{\"denied\":[\"00112233445566\"]}", "element 0: expected a chip id of 128 or");
    assert_refused("\"chip_ids\":{\"denied\":[\"zz11223344556677\"]}", "element 0: expected a chip id of 128 or");
    assert_refused("\"id_keys\":[]", "id_keys: empty");
    assert_refused("\"id_keys\":[{}]", "id_keys[0].digest: missing");
    assert_refused("\"id_keys\":[{\"digest\":\"" X48("00") "\",\"minimum_guest_svn\":4294967296}]",
                   "id_keys[0].minimum_guest_svn: expected a number from 0 to 4294967295");
    assert_refused("\"author_keys\":[{\"digest\":\"" X48("00") "\",\"svn\":1}]", "author_keys[0].svn: unknown member");
    assert_refused("\"manifests\":{}", "manifests.signers: missing: a manifest is trusted by its signers alone");
    assert_refused("\"manifests\":{\"signers\":[\"\"]}", "element 0: expected a public key");
    assert_refused("\"manifests\":{\"signers\":[\"A\"]}", "element 0: expected a public key");
    assert_refused("\"manifests\":{\"signers\":[\"AAEC\"],\"threshold\":2}", "threshold: expected a number from 1 to 1");
    assert_refused("\"manifests\":{\"signers\":[\"AAEC\"],\"threshold\":0}", "threshold: expected a number from 1 to 1");
    assert_refused("\"coverage\":\"all\"", "coverage: \"all\": expected image, firmware+vtpm or firmware-only");
    assert_refused("\"least_coverage\":\"not stated\"", "least_coverage: \"not stated\": expected image");
    assert_refused("\"allow_vlek\":1", "allow_vlek: expected true or false");
    assert_refused("\"require_revocation_list\":\"yes\"", "require_revocation_list: expected true or false");
}

static void refuses_bad_versions(void **state UNUSED)
{
    static const char *const wrong[] = { "", "1", "1.2", "1.2.", "1.2.3.", "1.2.3.4", ".1.2", "1..2", "1.2.256", "256.0.0",
                                         "1.2.x", " 1.2.3", "1.2.3 ", "-1.2.3", "0001.2.3" };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        char members[96];

        (void)snprintf(members, sizeof(members), "\"minimum_firmware\":{\"current\":\"%s\"}", wrong[i]);
        assert_refused(members, "minimum_firmware.current: expected MAJOR.MINOR.BUILD");
    }
    assert_refused("\"minimum_firmware\":{\"launch\":\"1.2.3\"}", "minimum_firmware.launch: unknown member");
}

static void names_bits(void **state UNUSED)
{
    char text[64];

    bit_describe(&platform_info_bits, 0, text, sizeof(text));
    assert_string_equal(text, "none");
    bit_describe(&platform_info_bits, 0x65, text, sizeof(text)); /* what a real Turin reports */
    assert_string_equal(text, "smt ecc alias_check_complete bit-6");
    bit_describe(&guest_policy_bits, UINT64_C(1) << 63 | 0xb0000, text, sizeof(text));
    assert_string_equal(text, "smt reserved-one debug bit-63");
    bit_describe(&guest_policy_bits, UINT64_MAX, text, sizeof(text)); /* cut, not overrun */
    assert_int_equal(strlen(text), 63);
    for (unsigned i = 0; i < 64; i++)
        if (guest_policy_bits.names[i])
            assert_true(bit_find(&guest_policy_bits, guest_policy_bits.names[i]) == UINT64_C(1) << i);
    assert_true(bit_find(&platform_info_bits, "debug") == 0);
}

/* What a guest may ask of its own launch: no accepted digests, nothing that only a verifier knows. */
static void limits_what_guests_ask(void **state UNUSED)
{
    static const char *const verifiers[] = { "\"manifests\":{}", "\"coverage\":\"image\"", "\"report_data\":\"\"",
                                             "\"least_coverage\":\"image\"", "\"allow_vlek\":true",
                                             "\"require_revocation_list\":true" };
    static const char good[] = "{\"platform_info\":{\"required\":[\"ecc\"]},\"vmpl\":2,\"products\":[\"Turin\"],"
                               "\"author_keys\":[{\"digest\":\"" X48("88") "\"}]}";
    struct report report = right_report();
    struct policy_facts facts = right_facts(&report);
    struct policy_decision decision;
    struct policy policy;

    for (size_t i = 0; i <= ARRAY_SIZE(verifiers); i++) {
        CLEANUP_JSON struct json_object *root = NULL;
        struct reason why = { "" };
        struct json_status status = { 0, &why };
        struct json_reader reader;
        char text[320];

        if (i < ARRAY_SIZE(verifiers))
            (void)snprintf(text, sizeof(text), "{%s}", verifiers[i]);
        else
            (void)snprintf(text, sizeof(text), "%s", good);
        assert_int_equal(json_parse(text, strlen(text), 4096, &root, &why), 0);
        json_read_root(root, &status, &reader);
        policy_read_expectations(&reader, &policy);
        if (i < ARRAY_SIZE(verifiers)) {
            assert_int_equal(status.error, -EBADMSG);
            assert_reason(&why, "unknown member");
        }
        if (i < ARRAY_SIZE(verifiers))
            policy_free(&policy);
    }
    policy_evaluate_expectations(&policy, &facts, &decision);
    assert_null(decision.failed);
    report.platform_info = 0;
    policy_evaluate_expectations(&policy, &facts, &decision);
    assert_string_equal(decision.failed->name, "platform_info.required");
    policy_free(&policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allows_what_is_right),
        cmocka_unit_test(denies_each_change),
        cmocka_unit_test(denies_vlek_unless_allowed),
        cmocka_unit_test(denies_products_that_are_not_named),
        cmocka_unit_test(minds_chips),
        cmocka_unit_test(wants_mitigation_vectors_to_be_there),
        cmocka_unit_test(accepts_the_holder_of_a_key),
        cmocka_unit_test(takes_the_least_of_several_svns),
        cmocka_unit_test(accepts_rows_of_signed_manifests),
        cmocka_unit_test(assumes_no_coverage),
        cmocka_unit_test(writes_what_it_read),
        cmocka_unit_test(refuses_bad_members),
        cmocka_unit_test(refuses_bad_versions),
        cmocka_unit_test(names_bits),
        cmocka_unit_test(limits_what_guests_ask),
    };

    return cmocka_run_group_tests_name("policy-members", tests, NULL, NULL);
}
