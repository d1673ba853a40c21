/*
 * Memory runs out at the n-th allocation, for every n, in our code and in the libraries below: nothing crashes, nothing
 * leaks, outputs stay untouched, and what is refused with memory is never accepted without.
 *
 * The allocator's functions go through this file. Under a sanitizer, which has an allocator of its own, nothing fails
 * and each scenario runs once.
 */
#include "unit.h"

#include "amd-chain.h"
#include "attest/policy.h"
#include "attest/purpose.h"
#include "attest/verify.h"
#include "base/file.h"
#include "base/json.h"
#include "firmware-image.h"
#include "init/config-read.h"
#include "measure/launch.h"

/* The allocation that fails, counted from 1; 0: none. Afterwards, what is left to count: 0 when it came to pass. */
static size_t fail_at;
static long live;

#ifndef __SANITIZE_ADDRESS__

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void __libc_free(void *old);

static bool fails(void)
{
    return fail_at && --fail_at == 0;
}

static void *counted(void *allocation)
{
    live += allocation != NULL;
    return allocation;
}

void *malloc(size_t size)
{
    return fails() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size)
{
    if (fails())
        return NULL;
    return old ? __libc_realloc(old, size) : counted(__libc_realloc(old, size));
}

void free(void *old)
{
    live -= old != NULL;
    __libc_free(old);
}

#endif

enum leaks { NO_LEAKS, LIBRARY_LEAKS };

/* With each allocation of `scenario` failing in turn: what it returns is `good` or an error. */
static void fail_each(int (*scenario)(void), int good, enum leaks leaks)
{
    bool failed = true;

    for (size_t at = 1; failed; at++) {
        long before = live;
        int r;

        fail_at = at;
        r = scenario();
        failed = !fail_at;
        fail_at = 0;
        ERR_clear_error();
        /* A library may do without what it could not have; but then the outcome is the right one. */
        if (r != good && (r >= 0 || !failed))
            fail_msg("allocation %zu: result %d, expected %d or an error", at, r, good);
        if (leaks == NO_LEAKS && live > before)
            fail_msg("allocation %zu: %ld allocations leak", at, live - before);
    }
}

/* Twice: at first libraries set themselves up, and OpenSSL makes room for the texts of its errors, which stays. */
static void torture(int (*scenario)(void), int good, enum leaks leaks)
{
    assert_int_equal(scenario(), good);
    fail_each(scenario, good, LIBRARY_LEAKS);
    fail_each(scenario, good, leaks);
}

static const char policy_text[] =
    "{\"measurements\":[\"111111111111111111111111111111111111111111111111"
    "111111111111111111111111111111111111111111111111\"],\"vmpl\":1,\"minimum_tcb\":{\"snp\":1}}";

static int parse_policy(void)
{
    struct policy policy = { .vmpl = 77 };
    struct reason why = { "" };
    int r = policy_parse(policy_text, strlen(policy_text), &policy, &why);

    if (r < 0) {
        assert_int_equal(policy.vmpl, 77);
        assert_int_equal(r, -ENOMEM); /* nothing is wrong with the text */
    } else {
        policy_free(&policy);
    }
    return r;
}

static int parse_a_bad_policy(void)
{
    static const char text[] = "{\"measurements\":[\"00\"],\"x\":{\"a\":1,\"\\u0061\":2}}";
    struct policy policy;

    return policy_parse(text, strlen(text), &policy, NULL) == 0 ? 0 : -EBADMSG;
}

static void parses_policies(void **state UNUSED)
{
    /* json-c 0.18 loses the value when it has no memory for a copy of the member's name. */
    torture(parse_policy, 0, LIBRARY_LEAKS);
    torture(parse_a_bad_policy, -EBADMSG, LIBRARY_LEAKS);
}

/* A threshold that both signers reach: one that could not be taken is the fault, and is said to be. */
static int parse_manifest_signers(void)
{
    static const char text[] =
        "{\"manifest\":{\"device\":\"m\",\"signers\":[\"MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\","
        "\"MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\"],\"threshold\":2}}";
    struct config_manifest manifest = { .threshold = 0 };
    CLEANUP_JSON struct json_object *root = NULL;
    struct reason why = { "" };
    struct json_status status = { 0, &why };
    struct json_reader reader;
    int r = json_parse(text, strlen(text), sizeof(text), &root, &why);

    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    config_read_manifest(&reader, &manifest);
    dsse_keys_free(&manifest.signers);
    assert_null(strstr(why.text, "threshold"));
    if (status.error)
        assert_reason(&why, "manifest.signers: element ");
    else
        assert_int_equal(manifest.threshold, 2);
    return status.error;
}

static void parses_signers_of_manifests(void **state UNUSED)
{
    torture(parse_manifest_signers, 0, LIBRARY_LEAKS); /* json-c, as above */
}

static int write_text(void)
{
    CLEANUP_BUFFER struct buffer b = BUFFER_EMPTY;

    for (int i = 0; i < 300; i++)
        buffer_printf(&b, "%d,", i);
    buffer_add_json_string(&b, "a\n");
    if (!buffer_error(&b))
        assert_int_equal(b.size, 10 + 2 * 90 + 3 * 200 + 300 + 5);
    return buffer_error(&b);
}

static void writes_buffers(void **state UNUSED)
{
    torture(write_text, 0, NO_LEAKS);
}

static int read_a_file(void)
{
    uint8_t *data = NULL;
    size_t size = 77;
    int r = file_read("/proc/self/exe", 1 << 24, &data, &size, NULL);

    if (r < 0)
        assert_true(!data && size == 77);
    free(data);
    return r;
}

static int write_a_file(void)
{
    int r = file_write("/tmp/postern-test-memory", 0600, "x", 1, NULL);

    (void)unlink("/tmp/postern-test-memory");
    return r;
}

static void reads_and_writes_files(void **state UNUSED)
{
    torture(read_a_file, 0, NO_LEAKS);
    torture(write_a_file, 0, NO_LEAKS);
}

static struct image image;
static uint8_t first_digest[LAUNCH_DIGEST_BYTES];

static int measure_a_launch(void)
{
    CLEANUP_FIRMWARE_FILE struct firmware_file firmware = FIRMWARE_FILE_NONE;
    struct launch_inputs inputs = { &firmware, NULL, NULL, 2, 0xa00f11, 1, LAUNCH_SNP, VMM_QEMU };
    uint8_t digest[LAUNCH_DIGEST_BYTES] = { 77 }, untouched[LAUNCH_DIGEST_BYTES] = { 77 };
    struct kernel_hashes hashes;
    int r = kernel_hashes_compute("/proc/self/exe", NULL, "quiet", &hashes, NULL);

    if (r == 0)
        r = firmware_file_from_memory(image.data, image.size, FIRMWARE_SNP, FIRMWARE_END_GPA, &firmware, NULL);
    if (r < 0)
        return r;
    inputs.hashes = &hashes;
    r = launch_digest(&inputs, digest, NULL);
    if (r < 0)
        assert_memory_equal(digest, untouched, sizeof(digest));
    else if (all_zero(first_digest, sizeof(first_digest)))
        memcpy(first_digest, digest, sizeof(digest));
    else
        assert_memory_equal(digest, first_digest, sizeof(digest));
    return r;
}

static void measures_launches(void **state UNUSED)
{
    struct image_plan plan = image_plan_usual();

    image_build(&plan, &image);
    torture(measure_a_launch, 0, NO_LEAKS);
}

static int tag_report_data(void)
{
    uint8_t report_data[REPORT_DATA_BYTES];

    return purpose_report_data(PURPOSE_SELF, "boot", "data", 4, report_data, NULL);
}

static void tags_reports(void **state UNUSED)
{
    torture(tag_report_data, 0, NO_LEAKS);
}

/* ----------------------------------------------------------------------------------------------------- verification */

static uint8_t report[REPORT_BYTES], vek_der[4096], ask_der[4096];
static struct cert_table table;
static struct trust_roots *roots;
static X509 *vek_certificate;
static char root_path[] = "/tmp/postern-test-memory-root.XXXXXX";

static int make_chain(void **state)
{
    struct tcb tcb = { 0, 4, 0, 24, 219 };
    struct report plain = { .version = 3, .policy = 0x30000, .signature_algorithm = 1, .cpuid_family = 0x19,
                            .cpuid_model = 1 };
    struct amd_plan plan;
    X509 *ark, *ask;
    uint8_t *at;
    FILE *file;

    if (amd_make_keys(state) < 0)
        return -1;
    random_fill(plain.chip_id, sizeof(plain.chip_id));
    plain.reported_tcb = tcb_encode(PRODUCT_MILAN, &tcb);
    plan = amd_plan_vek(SIGNING_KEY_VCEK, PRODUCT_MILAN, &tcb, plain.chip_id);
    ark = amd_make_authority("ARK-Milan", amd_keys.ark, NULL, amd_keys.ark, AMD_PRESENT - AMD_YEAR,
                             AMD_PRESENT + AMD_YEAR, true);
    ask = amd_make_authority("SEV-Milan", amd_keys.ask, ark, amd_keys.ark, AMD_PRESENT - AMD_YEAR,
                             AMD_PRESENT + AMD_YEAR, true);
    vek_certificate = amd_make_vek(&plan, ask, amd_keys.ask);
    at = vek_der;
    table.entries[0] = (struct certificate_entry){ CERTIFICATE_VCEK, vek_der, (size_t)i2d_X509(vek_certificate, &at) };
    at = ask_der;
    table.entries[1] = (struct certificate_entry){ CERTIFICATE_ASK, ask_der, (size_t)i2d_X509(ask, &at) };
    table.count = 2;
    file = fdopen(mkstemp(root_path), "w");
    if (!file || PEM_write_X509(file, ark) != 1 || fclose(file) != 0)
        return -1;
    X509_free(ark);
    X509_free(ask);
    report_encode(&plain, report);
    amd_sign_report(report, amd_keys.vek);
    return trust_roots_file(root_path, &roots, NULL);
}

static int free_chain(void **state)
{
    X509_free(vek_certificate);
    trust_roots_free(&roots);
    (void)unlink(root_path);
    return amd_free_keys(state);
}

static int verify(void)
{
    struct verified verified = { .software = true }, untouched = verified;
    int r = verify_report(report, sizeof(report), &table, roots, AMD_PRESENT, &verified, NULL);

    if (r < 0)
        assert_memory_equal(&verified, &untouched, sizeof(verified));
    return r;
}

static int verify_what_is_wrong(void)
{
    return verify() == 0 ? 0 : -EKEYREJECTED;
}

/* With each thing wrong by itself, no lack of memory makes it right. */
static void verifies_reports(void **state UNUSED)
{
    static const size_t places[] = { 0x90, 0x1a0, 0x180, 0x34, 0x2a0, 0x2e8 };

    torture(verify, 0, NO_LEAKS);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        report[places[i]] ^= 1;
        fail_each(verify_what_is_wrong, -EKEYREJECTED, LIBRARY_LEAKS);
        report[places[i]] ^= 1;
    }
    vek_der[table.entries[0].size - 5] ^= 1; /* the signature by the ASK */
    fail_each(verify_what_is_wrong, -EKEYREJECTED, LIBRARY_LEAKS);
    vek_der[table.entries[0].size - 5] ^= 1;
    ask_der[table.entries[1].size - 5] ^= 1; /* the signature by the ARK */
    fail_each(verify_what_is_wrong, -EKEYREJECTED, LIBRARY_LEAKS);
    ask_der[table.entries[1].size - 5] ^= 1;
}

static int read_a_vek(void)
{
    struct vek vek;

    return vek_parse(vek_certificate, &vek, NULL);
}

static int load_a_root(void)
{
    struct trust_roots *loaded = NULL;
    int r = trust_roots_file(root_path, &loaded, NULL);

    assert_int_equal(r == 0, loaded != NULL);
    trust_roots_free(&loaded);
    return r;
}

static int load_amds_roots(void)
{
    struct trust_roots *loaded = NULL;
    int r = trust_roots_amd(&loaded);

    assert_int_equal(r == 0, loaded != NULL);
    for (enum product product = PRODUCT_MILAN; r == 0 && product <= PRODUCT_TURIN; product++)
        if (!trust_roots_ark(loaded, product)) /* decoded when asked for */
            r = -ENOMEM;
    trust_roots_free(&loaded);
    return r;
}

static void reads_certificates(void **state UNUSED)
{
    torture(read_a_vek, 0, NO_LEAKS);
    torture(load_a_root, 0, NO_LEAKS);
    torture(load_amds_roots, 0, NO_LEAKS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_policies),
        cmocka_unit_test(parses_signers_of_manifests),
        cmocka_unit_test(writes_buffers),
        cmocka_unit_test(reads_and_writes_files),
        cmocka_unit_test(measures_launches),
        cmocka_unit_test(tags_reports),
        cmocka_unit_test(verifies_reports),
        cmocka_unit_test(reads_certificates),
    };

    return cmocka_run_group_tests_name("memory", tests, make_chain, free_chain);
}
