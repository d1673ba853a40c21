/* measure/manifest: what is read is written as the same bytes; each member that is not as it should be is named. */
#include "unit.h"

#include "base/buffer.h"
#include "measure/manifest.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_X "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" /* of "x" */
#define DIGEST(d) d d d d d d
#define ROW(n, d)                                                                                                      \
    "{\"digest\":\"" DIGEST(d) "\",\"guest_features\":1,\"vcpu_sig\":8392466,\"vcpu_type\":\"EPYC-v4\",\"vcpus\":" n  \
    ",\"vmm\":\"QEMU\"}"
#define ROW_1 ROW("1", "1111111111111111")
#define ROW_2 ROW("2", "2222222222222222")
#define ROW_4 ROW("4", "4444444444444444")
#define SUBJECT(name, hash) "{\"annotations\":{\"size\":1},\"digest\":{\"sha256\":\"" hash "\"},\"name\":\"" name "\"}"
#define INPUTS "\"inputs\":{\"cmdline\":\"x\",\"firmware\":\"firmware.fd\",\"initrd\":\"initrd\",\"kernel\":\"kernel\"}"
#define CPUS "\"cpus\":[{\"signature\":8392466,\"type\":\"EPYC-v4\"}]"
#define VCPUS "\"vcpus\":[{\"from\":1,\"to\":2},{\"from\":4,\"to\":4}]"
#define MATRIX "\"matrix\":{" CPUS ",\"guest_features\":[1]," VCPUS ",\"vmms\":[\"QEMU\"]}"
#define ROWS "\"rows\":[" ROW_1 "," ROW_2 "," ROW_4 "]"
#define TOOLS "\"tools\":[{\"name\":\"gcc\",\"version\":\"4:14.2\"},{\"name\":\"mkosi\",\"version\":\"25\"}]"
#define SUBJECTS                                                                                                       \
    "\"subject\":[" SUBJECT("cmdline", HASH_X) "," SUBJECT("firmware.fd", HASH_A) "," SUBJECT("initrd", HASH_A) ","    \
    SUBJECT("kernel", HASH_A) "]"
#define STATEMENT(inputs, matrix, rows, tools, subjects)                                                               \
    "{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicate\":{" inputs "," matrix "," rows "," tools              \
    "},\"predicateType\":\"urn:postern:launch-table:v1\"," subjects "}"

static const char right[] = STATEMENT(INPUTS, MATRIX, ROWS, TOOLS, SUBJECTS);

static struct manifest *parse_right(const char *text)
{
    struct manifest *m = NULL;
    struct reason why = { "" };

    if (manifest_parse(text, strlen(text), &m, &why) != 0)
        fail_msg("%s: %s", text, why.text);
    return m;
}

static void assert_refused(const char *text, const char *words)
{
    struct manifest *m = NULL;
    struct reason why = { "" };
    char *copy = exact_copy(text, strlen(text));
    int r = manifest_parse(copy, strlen(text), &m, &why);

    free(copy);
    if (r != -EBADMSG || !strstr(why.text, words))
        fail_msg("%s gave %d \"%s\", expected \"%s\"", text, r, why.text, words);
    assert_null(m);
}

/* `right` with the first `from` replaced. */
static void assert_changed_refused(const char *from, const char *to, const char *words)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    const char *at = strstr(right, from);

    assert_non_null(at);
    buffer_add(&text, right, (size_t)(at - right));
    buffer_add_text(&text, to);
    buffer_add_text(&text, at + strlen(from));
    assert_refused(buffer_text(&text), words);
}

static void reads_and_writes_the_same(void **state UNUSED)
{
    CLEANUP_MANIFEST struct manifest *m = parse_right(right);
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    uint8_t digest[LAUNCH_DIGEST_BYTES];
    struct manifest_row row;

    assert_int_equal(m->artefact_count, 4);
    assert_string_equal(m->artefacts[m->roles[MANIFEST_FIRMWARE]].name, "firmware.fd");
    assert_string_equal(m->artefacts[m->roles[MANIFEST_KERNEL]].name, "kernel");
    assert_string_equal(m->artefacts[m->roles[MANIFEST_INITRD]].name, "initrd");
    assert_true(m->roles[MANIFEST_LOCK] == MANIFEST_NO_ARTEFACT);
    assert_string_equal(m->cmdline, "x");
    assert_int_equal(m->row_count, 3);
    assert_int_equal(m->tool_count, 2);
    memset(digest, 0x44, sizeof(digest));
    assert_int_equal(manifest_find(m, digest), 2);
    row = manifest_plan_row(&m->plan, 2);
    assert_int_equal(row.vcpus, 4);
    assert_int_equal(row.cpu->signature, 8392466);
    digest[47] = 0;
    assert_true(manifest_find(m, digest) == MANIFEST_NO_ARTEFACT);
    manifest_encode(m, &text);
    assert_string_equal(buffer_text(&text), right);
}

/* EC2 and GCE measure no signature: one group of rows each, whatever CPUs there are. */
static void rows_without_a_signature(void **state UNUSED)
{
    struct matrix_plan plan;
    struct manifest_row row;

    matrix_plan_default(&plan);
    assert_int_equal(manifest_plan_rows(&plan), plan.cpu_count * 512);
    plan.vmms[1] = VMM_EC2;
    plan.vmm_count = 2;
    assert_int_equal(manifest_plan_rows(&plan), plan.cpu_count * 512 + 512);
    row = manifest_plan_row(&plan, plan.cpu_count * 512 - 1);
    assert_true(row.vmm == VMM_QEMU && row.cpu == &plan.cpus[plan.cpu_count - 1] && row.vcpus == 512);
    row = manifest_plan_row(&plan, plan.cpu_count * 512 + 6);
    assert_true(row.vmm == VMM_EC2 && !row.cpu && row.vcpus == 7);
    plan.features[1] = 0x21;
    plan.feature_count = 2;
    row = manifest_plan_row(&plan, 512);
    assert_true(row.features == 0x21 && row.cpu == &plan.cpus[0] && row.vcpus == 1);
    plan.feature_count = 0;
    assert_int_equal(manifest_plan_rows(&plan), 0);
}

struct taken {
    const struct matrix_plan *plan;
    size_t count;
};

static int compare_row(void *context, const struct matrix_row *row)
{
    struct taken *taken = context;
    struct manifest_row expected = manifest_plan_row(taken->plan, taken->count++);

    assert_true(row->vmm == expected.vmm && row->vcpus == expected.vcpus && row->features == expected.features);
    assert_true((row->cpu != NULL) == (expected.cpu != NULL));
    assert_true(!row->cpu || row->cpu->signature == expected.cpu->signature);
    return 0;
}

/* The order that manifests have is the one in which matrix.h gives rows. */
static void has_the_order_of_the_matrix(void **state UNUSED)
{
    static const uint8_t digest[LAUNCH_DIGEST_BYTES] = { 1 };
    struct firmware tables = { .gpa = 0xffc00000, .size = 4 << 20, .reset_eip = 0x80b004 };
    struct firmware_file firmware;
    struct launch_inputs inputs = { .firmware = &firmware };
    struct matrix_plan plan;
    struct taken taken = { .plan = &plan };

    firmware_file_from_digest(&tables, digest, &firmware);
    matrix_plan_default(&plan);
    for (uint32_t n = 9; n <= VCPUS_MAX; n++)
        plan.vcpus[n] = n % 100 == 0;
    plan.features[1] = 0x21;
    plan.feature_count = 2;
    plan.vmms[1] = VMM_EC2;
    plan.vmms[2] = VMM_QEMU_OLD;
    plan.vmm_count = 3;
    assert_int_equal(matrix_compute(&inputs, &plan, compare_row, &taken, NULL), 0);
    assert_int_equal(taken.count, manifest_plan_rows(&plan));
    firmware_file_free(&firmware);
}

static void knows_names_from_paths(void **state UNUSED)
{
    static const char *const wrong[] = { "", ".", "..", ".hidden", "-rf", "a/b", "/etc/passwd", "../x", "a\\b", "a b",
                                         "a\nb", "\xc3\xa9", "a:b", "a*" };
    char long_name[MANIFEST_NAME_BYTES + 1];

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        if (manifest_name_ok(wrong[i]))
            fail_msg("\"%s\" was taken for a name", wrong[i]);
    assert_true(manifest_name_ok("a") && manifest_name_ok("a..b") && manifest_name_ok("Firmware_1.2+3-4.fd"));
    memset(long_name, 'a', sizeof(long_name));
    long_name[MANIFEST_NAME_BYTES] = '\0';
    assert_false(manifest_name_ok(long_name));
    long_name[MANIFEST_NAME_BYTES - 1] = '\0';
    assert_true(manifest_name_ok(long_name));
}

static void refuses_other_statements(void **state UNUSED)
{
    assert_refused("[]", "top level: expected an object");
    assert_refused("{}", "_type: missing");
    assert_changed_refused("Statement/v1", "Statement/v0.1", "_type: \"https://in-toto.io/Statement/v0.1\", expected");
    assert_changed_refused("launch-table:v1", "launch-table:v2", "predicateType: \"urn:postern:launch-table:v2\"");
    assert_changed_refused("\"subject\":", "\"subjects\":", "subject: missing");
    assert_changed_refused("\"inputs\":", "\"input\":", "predicate.inputs: missing");
    assert_changed_refused("\"tools\":", "\"more\":1,\"tools\":", "predicate.more: unknown member");
    assert_changed_refused("{\"_type\"", "{\"a\":1,\"_type\"", "a: unknown member");
    assert_changed_refused("{\"_type\"", "{\"subject\":[],\"_type\"", "stands twice");
    assert_changed_refused("{\"_type\"", " x{\"_type\"", "not");
}

static void refuses_other_artefacts(void **state UNUSED)
{
    static const char *const names[] = { "../kernel", "/kernel", ".kernel", "a/b", "", "-k" };
    char to[64];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        (void)snprintf(to, sizeof(to), "\"name\":\"%s\"", names[i]);
        assert_changed_refused("\"name\":\"initrd\"", to, "subject[2].name: ");
        assert_changed_refused("\"name\":\"initrd\"", to, "is no file name of an artefact");
    }
    assert_changed_refused("\"name\":\"initrd\"", "\"name\":\"firmware.fd\"",
                           "subject[2].name: \"firmware.fd\" stands twice or not in order");
    assert_changed_refused("\"name\":\"initrd\"", "\"name\":\"aaa\"", "\"aaa\" stands twice or not in order");
    assert_changed_refused(HASH_A, "aa", "subject[1].digest.sha256: expected 64 hexadecimal digits");
    assert_changed_refused("\"sha256\"", "\"sha512\"", "subject[0].digest.sha256: missing");
    assert_changed_refused("\"size\":1", "\"size\":-1", "subject[0].annotations.size: expected a number");
    assert_changed_refused("\"size\":1", "\"size\":9007199254740992", "annotations.size: expected a number");
    assert_changed_refused("\"size\":1", "\"size\":1,\"a\":1", "annotations.a: unknown member");
    assert_changed_refused("{\"annotations\":{\"size\":1},", "{", "subject[0].annotations: missing");
    assert_changed_refused(HASH_X, HASH_A, "predicate.inputs.cmdline: is not what the artefact \"cmdline\" holds");
}

static void refuses_other_inputs(void **state UNUSED)
{
    assert_changed_refused("\"firmware\":\"firmware.fd\",", "", "predicate.inputs.firmware: missing");
    assert_changed_refused("\"firmware\":\"firmware.fd\"", "\"firmware\":\"other\"",
                           "predicate.inputs.firmware: \"other\" is none of the artefacts");
    assert_changed_refused(",\"kernel\":\"kernel\"}", "}", "kernel: missing, but there is an initrd or a command line");
    assert_changed_refused("\"initrd\":\"initrd\",\"kernel\":\"kernel\"", "\"kernel\":\"none\"", "none of the artefacts");
    assert_changed_refused("\"cmdline\":\"x\"", "\"append\":\"x\"", "predicate.inputs.append: unknown member");
}

static void refuses_other_tools(void **state UNUSED)
{
    assert_changed_refused("\"name\":\"mkosi\"", "\"name\":\"gcc\"", "tools[1].name: \"gcc\" stands twice");
    assert_changed_refused("\"name\":\"mkosi\"", "\"name\":\"a b\"", "\"a b\" is no name of a tool");
    assert_changed_refused("\"version\":\"25\"", "\"release\":\"25\"", "tools[1].version: missing");
}

static void refuses_other_matrices(void **state UNUSED)
{
    assert_changed_refused("\"from\":4,\"to\":4", "\"from\":2,\"to\":4", "vcpus[1].from: expected a number from 4");
    assert_changed_refused("\"from\":4,\"to\":4", "\"from\":3,\"to\":4", "vcpus[1].from: expected a number from 4");
    assert_changed_refused("\"from\":4,\"to\":4", "\"from\":4,\"to\":3", "vcpus[1].to: expected a number from 4");
    assert_changed_refused("\"from\":4,\"to\":4", "\"from\":4,\"to\":513", "vcpus[1].to: expected a number from 4 to 512");
    assert_changed_refused("\"from\":1,\"to\":2", "\"from\":0,\"to\":2", "vcpus[0].from: expected a number from 1");
    assert_changed_refused("[\"QEMU\"]", "[\"qemu\"]", "\"qemu\" is no VMM that is known here");
    assert_changed_refused("[\"QEMU\"]", "[\"QEMU\",\"QEMU\"]", "\"QEMU\" stands twice");
    assert_changed_refused("[\"QEMU\"]", "[]", "predicate.matrix: gives no row");
    assert_changed_refused("\"guest_features\":[1]", "\"guest_features\":[1,1]", "guest_features: 1 stands twice");
    assert_changed_refused("\"guest_features\":[1]", "\"guest_features\":[]", "gives no row");
    assert_changed_refused("{\"signature\":8392466,\"type\":\"EPYC-v4\"}",
                           "{\"signature\":8392466,\"type\":\"a\"},{\"signature\":8392466,\"type\":\"b\"}",
                           "cpus[1].signature: 8392466 stands twice");
    assert_changed_refused("\"type\":\"EPYC-v4\"", "\"type\":\"<b>\"", "\"<b>\" is no name of a CPU type");
    assert_changed_refused("\"signature\":8392466", "\"signature\":4294967296", "expected a number from 0 to 4294967295");
}

static void refuses_other_rows(void **state UNUSED)
{
    assert_changed_refused("," ROW_4 "]", "]", "predicate.rows: has 2 rows, but the matrix gives 3");
    assert_changed_refused(ROW_1 ",", "", "rows[0]: the row before it is missing: QEMU, EPYC-v4, 1 vCPUs");
    assert_changed_refused(ROW_2 ",", "", "rows[1]: the row before it is missing: QEMU, EPYC-v4, 2 vCPUs");
    assert_changed_refused(ROW_4 "]", ROW_4 "," ROW_4 "]", "rows[3]: QEMU, EPYC-v4, 4 vCPUs, features 0x1 stands twice");
    assert_changed_refused(ROW_2 ",", ROW_1 ",", "rows[1]: QEMU, EPYC-v4, 1 vCPUs, features 0x1 stands twice");
    assert_changed_refused(ROW_4, ROW("3", "3333333333333333"), "rows[2]: QEMU, EPYC-v4, 3 vCPUs, features 0x1 is no row");
    assert_changed_refused("\"guest_features\":1,", "\"guest_features\":33,", "features 0x21 is no row of the matrix");
    assert_changed_refused("\"vcpu_sig\":8392466,", "\"vcpu_sig\":1,", "is no row of the matrix");
    assert_changed_refused("\"vcpu_sig\":8392466,", "", "is no row of the matrix");
    assert_changed_refused("\"vcpu_type\":\"EPYC-v4\",", "\"vcpu_type\":\"EPYC-v3\",", "EPYC-v3, 1 vCPUs");
    assert_changed_refused(",\"vmm\":\"QEMU\"}", ",\"vmm\":\"ec2\"}", "ec2, EPYC-v4, 1 vCPUs");
    assert_changed_refused("\"digest\":\"11", "\"digest\":\"", "rows[0].digest: expected 96 hexadecimal digits");
    assert_changed_refused("\"vcpus\":1,", "\"vcpus\":0,", "rows[0].vcpus: expected a number from 1 to 512");
    assert_changed_refused("\"vcpus\":1,", "\"vcpus\":1,\"a\":0,", "rows[0].a: unknown member");
}

static void refuses_too_much(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct manifest *m = NULL;
    struct reason why;

    while (text.size <= 8u << 20)
        buffer_add_text(&text, "                                                                ");
    assert_int_equal(manifest_parse(text.data, text.size, &m, &why), -EMSGSIZE);
    buffer_free(&text);
    for (int i = 0; i < 33; i++)
        buffer_printf(&text, "%s{\"signature\":%d,\"type\":\"t\"}", i ? "," : "\"cpus\":[", i);
    buffer_add_text(&text, "]");
    assert_changed_refused(CPUS, buffer_text(&text), "matrix.cpus: 33 elements, at most 32");
    /* 32 signatures, 3 masks, 512 counts. */
    buffer_free(&text);
    for (int i = 0; i < 32; i++)
        buffer_printf(&text, "%s{\"signature\":%d,\"type\":\"t\"}", i ? "," : "\"cpus\":[", i);
    buffer_add_text(&text, "],\"guest_features\":[1,33,3],\"vcpus\":[{\"from\":1,\"to\":512}]");
    assert_changed_refused(CPUS ",\"guest_features\":[1]," VCPUS, buffer_text(&text), "or more than 32768");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_the_same),   cmocka_unit_test(rows_without_a_signature),
        cmocka_unit_test(has_the_order_of_the_matrix), cmocka_unit_test(knows_names_from_paths),
        cmocka_unit_test(refuses_other_statements),    cmocka_unit_test(refuses_other_artefacts),
        cmocka_unit_test(refuses_other_inputs),        cmocka_unit_test(refuses_other_tools),
        cmocka_unit_test(refuses_other_matrices),      cmocka_unit_test(refuses_other_rows),
        cmocka_unit_test(refuses_too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
