/* attest/verify with reports that were recorded on real processors, under AMD's own roots; and its clock. */
#include "unit.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "attest/verify.h"
#include "base/file.h"

#define YEAR ((time_t)365 * 24 * 60 * 60)
#define PRESENT ((time_t)1750000000) /* June 2025: both certificates are valid */

static struct reason why;
static struct verified verified;

/* The first certificate of a PEM file, or one in DER, as DER. The caller frees with OPENSSL_free(). */
static size_t load_certificate(const char *name, uint8_t **ret_der)
{
    char path[256];
    FILE *file;
    X509 *certificate;
    int size;

    assert_true(vector_path(name, path, sizeof(path)));
    file = fopen(path, "r");
    assert_non_null(file);
    certificate = strstr(name, ".pem") ? PEM_read_X509(file, NULL, NULL, NULL) : d2i_X509_fp(file, NULL);
    assert_int_equal(fclose(file), 0);
    assert_non_null(certificate);
    *ret_der = NULL;
    size = i2d_X509(certificate, ret_der);
    assert_true(size > 0);
    X509_free(certificate);
    return (size_t)size;
}

/* Real ones verify under AMD's roots; with any byte of their signed part or signature changed they do not. */
static void verify_recorded(const char *report_name, const char *certificate_name, enum certificate_kind kind,
                            time_t good, time_t late)
{
    CLEANUP_FREE uint8_t *report = NULL;
    struct cert_table table = { .count = 1 };
    struct trust_roots *roots = NULL;
    uint8_t *der = NULL;
    char path[256];
    size_t size = 0;

    if (!vector_path(report_name, path, sizeof(path)))
        skip();
    assert_int_equal(file_read(path, 4096, &report, &size, &why), 0);
    assert_int_equal(trust_roots_amd(&roots), 0);
    table.entries[0].size = load_certificate(certificate_name, &der);
    table.entries[0].data = der;
    table.entries[0].kind = kind;
    if (verify_report(report, size, &table, roots, good, &verified, &why) < 0)
        fail_msg("%s", why.text);
    assert_false(verified.software);
    assert_int_equal(verify_report(report, size, &table, roots, late, &verified, &why), -EKEYREJECTED);
    assert_reason(&why, "certificate has expired");
    for (size_t i = 0; i < REPORT_BYTES; i++) {
        report[i] ^= (uint8_t)(1u << i % 8);
        if (verify_report(report, size, &table, roots, good, &verified, &why) == 0)
            fail_msg("verified with byte 0x%zx changed", i);
        report[i] ^= (uint8_t)(1u << i % 8);
    }
    OPENSSL_free(der);
    trust_roots_free(&roots);
}

static void verifies_a_recorded_vcek_report(void **state UNUSED)
{
    verify_recorded("reports/genoa-v3.bin", "reports/genoa-v3.vcek.pem", CERTIFICATE_VCEK,
                    PRESENT + YEAR, PRESENT + 9 * YEAR);
}

static void verifies_a_recorded_vlek_report(void **state UNUSED)
{
    verify_recorded("reports/milan-v3-vlek.bin", "reports/milan-v3-vlek.vlek.der", CERTIFICATE_VLEK, PRESENT,
                    PRESENT + YEAR);
}

static void a_clock_that_is_behind_counts_as_this_versions_date(void **state UNUSED)
{
    assert_true(verify_time_of(0) == VERIFY_TIME_FLOOR);
    assert_true(verify_time_of(-1) == VERIFY_TIME_FLOOR);
    assert_true(verify_time_of(VERIFY_TIME_FLOOR - 1) == VERIFY_TIME_FLOOR);
    assert_true(verify_time_of(VERIFY_TIME_FLOOR + 1) == VERIFY_TIME_FLOOR + 1);
    assert_true(verify_time_now() >= VERIFY_TIME_FLOOR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_that_is_behind_counts_as_this_versions_date),
        cmocka_unit_test(verifies_a_recorded_vcek_report),
        cmocka_unit_test(verifies_a_recorded_vlek_report),
    };

    return cmocka_run_group_tests_name("verify-recorded", tests, NULL, NULL);
}
