/* Chips: made whole or not at all, in AMD's shape, accepted by our own verifier, loaded strictly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "attest/verify.h"
#include "base/file.h"
#include "psp/chip.h"
#include "psp/firmware.h"

static char base[] = "/tmp/test-psp-chip.XXXXXX";
static const enum product products[] = { PRODUCT_MILAN, PRODUCT_GENOA, PRODUCT_TURIN };
static char text[512];

/* base/name, until the next call. */
static const char *path_of(const char *name)
{
    (void)snprintf(text, sizeof(text), "%s/%s", base, name);
    return text;
}

static const char *chip_path(enum product product, const char *file)
{
    (void)snprintf(text, sizeof(text), "%s/%s%s", base, product_name(product), file);
    return text;
}

static int make_chips(void **state)
{
    (void)state;
    if (!mkdtemp(base))
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(products); i++)
        if (chip_make(chip_path(products[i], ""), products[i], NULL) < 0)
            return -1;
    return 0;
}

static int remove_tree(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    char name[600];

    if (!directory)
        return unlink(path);
    while ((entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        (void)remove_tree(name);
    }
    (void)closedir(directory);
    return rmdir(path);
}

static int remove_chips(void **state)
{
    (void)state;
    return remove_tree(base);
}

static size_t count_entries(const char *path)
{
    DIR *directory = opendir(path);
    size_t count = 0;

    assert_non_null(directory);
    while (readdir(directory))
        count++;
    (void)closedir(directory);
    return count - 2;
}

static void files_and_modes(void **state)
{
    static const struct {
        const char *name;
        unsigned mode;
    } files[] = { { "/ark.pem", 0644 }, { "/ask.pem", 0644 },  { "/vcek.pem", 0644 }, { "/chip.json", 0644 },
                  { "/ark.key", 0600 }, { "/ask.key", 0600 },  { "/vcek.key", 0600 }, { "/chip.key", 0600 },
                  { "/asvk.pem", 0644 }, { "/vlek.pem", 0644 }, { "/asvk.key", 0600 }, { "/vlek.key", 0600 } };
    struct stat st;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        assert_int_equal(stat(chip_path(PRODUCT_GENOA, files[i].name), &st), 0);
        assert_int_equal(st.st_mode & 07777, files[i].mode);
    }
    assert_int_equal(count_entries(chip_path(PRODUCT_GENOA, "")), ARRAY_SIZE(files));
    assert_int_equal(stat(chip_path(PRODUCT_GENOA, ""), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    /* Nothing is left beside the chips. */
    assert_int_equal(count_entries(base), ARRAY_SIZE(products));
}

static X509 *read_certificate(const char *path, const char *common_name)
{
    BIO *bio = BIO_new_file(path, "r");
    X509 *certificate;
    char name[64];

    assert_non_null(bio);
    while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        certificate_common_name(certificate, name);
        if (strcmp(name, common_name) == 0)
            break;
        X509_free(certificate);
    }
    BIO_free(bio);
    assert_non_null(certificate);
    return certificate;
}

/* Same names, algorithms, key, lifetime, and extensions with their order and criticality. */
static void assert_same_shape(X509 *made, X509 *genuine)
{
    const ASN1_TIME *times[4] = { X509_get0_notBefore(made), X509_get0_notAfter(made), X509_get0_notBefore(genuine),
                                  X509_get0_notAfter(genuine) };
    struct tm parts[4];

    assert_int_equal(X509_NAME_cmp(X509_get_subject_name(made), X509_get_subject_name(genuine)), 0);
    assert_int_equal(X509_NAME_cmp(X509_get_issuer_name(made), X509_get_issuer_name(genuine)), 0);
    assert_int_equal(X509_get_version(made), X509_get_version(genuine));
    assert_int_equal(X509_get_signature_nid(made), X509_get_signature_nid(genuine));
    assert_int_equal(EVP_PKEY_get_bits(X509_get0_pubkey(made)), EVP_PKEY_get_bits(X509_get0_pubkey(genuine)));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(ASN1_TIME_to_tm(times[i], &parts[i]), 1);
    assert_int_equal(parts[1].tm_year - parts[0].tm_year, parts[3].tm_year - parts[2].tm_year);
    assert_int_equal(X509_get_ext_count(made), X509_get_ext_count(genuine));
    for (int i = 0; i < X509_get_ext_count(made); i++) {
        X509_EXTENSION *a = X509_get_ext(made, i), *b = X509_get_ext(genuine, i);

        assert_int_equal(OBJ_cmp(X509_EXTENSION_get_object(a), X509_EXTENSION_get_object(b)), 0);
        assert_int_equal(X509_EXTENSION_get_critical(a), X509_EXTENSION_get_critical(b));
        assert_int_equal(ASN1_STRING_length(X509_EXTENSION_get_data(a)),
                         ASN1_STRING_length(X509_EXTENSION_get_data(b)));
    }
    assert_int_equal(X509_get_key_usage(made), X509_get_key_usage(genuine));
    assert_int_equal(X509_get_pathlen(made), X509_get_pathlen(genuine));
}

static void roots_have_amds_shape(void **state)
{
    static const char *const files[] = { "attest/roots/milan.pem", "attest/roots/genoa.pem", "attest/roots/turin.pem" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(products); i++) {
        char name[32];
        X509 *made, *genuine;

        (void)snprintf(name, sizeof(name), "ARK-%s", product_name(products[i]));
        made = read_certificate(chip_path(products[i], "/ark.pem"), name);
        genuine = read_certificate(files[i], name);
        assert_same_shape(made, genuine);
        assert_int_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(made), X509_get0_serialNumber(genuine)), 0);
        X509_free(made);
        X509_free(genuine);
        (void)snprintf(name, sizeof(name), "SEV-%s", product_name(products[i]));
        made = read_certificate(chip_path(products[i], "/ask.pem"), name);
        genuine = read_certificate(files[i], name);
        assert_same_shape(made, genuine);
        X509_free(made);
        X509_free(genuine);
    }
}

/* The extensions of real VCEKs in their order; Turin's as 57230 lists them. */
static void vceks_have_amds_extensions(void **state)
{
    static const char *const older[] = { "1", "2", "3.1", "3.2", "3.4", "3.5", "3.6", "3.7", "3.3", "3.8", "4" };
    static const char *const turin[] = { "1", "2", "3.9", "3.1", "3.2", "3.3", "3.5", "3.6", "3.7", "3.8", "4" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(products); i++) {
        X509 *vcek = read_certificate(chip_path(products[i], "/vcek.pem"), "SEV-VCEK");
        bool is_turin = products[i] == PRODUCT_TURIN;
        char oid[64], expected[64];

        assert_int_equal(ASN1_INTEGER_get(X509_get0_serialNumber(vcek)), 0);
        assert_int_equal(X509_get_ext_count(vcek), ARRAY_SIZE(older));
        for (int k = 0; k < X509_get_ext_count(vcek); k++) {
            X509_EXTENSION *extension = X509_get_ext(vcek, k);

            (void)snprintf(expected, sizeof(expected), "1.3.6.1.4.1.3704.1.%s", is_turin ? turin[k] : older[k]);
            assert_true(OBJ_obj2txt(oid, sizeof(oid), X509_EXTENSION_get_object(extension), 1) > 0);
            assert_string_equal(oid, expected);
            assert_int_equal(X509_EXTENSION_get_critical(extension), 0);
        }
        assert_int_equal(ASN1_STRING_length(X509_EXTENSION_get_data(X509_get_ext(vcek, 10))), is_turin ? 8 : 64);
        X509_free(vcek);
    }
}

struct evidence {
    struct chip *chip;
    struct launch launch;
    struct cert_table table;
    struct trust_roots *roots;
    uint8_t report[REPORT_BYTES];
};

static void make_evidence(enum product product, uint32_t version, struct evidence *e)
{
    const struct report_request request = { .report_data = "data", .reserved_zero = true };

    memset(e, 0, sizeof(*e));
    e->launch.report_version = version;
    e->launch.policy = 0x30000;
    memset(e->launch.measurement, 0x77, sizeof(e->launch.measurement));
    assert_int_equal(chip_load(chip_path(product, ""), false, &e->chip, NULL), 0);
    assert_int_equal(trust_roots_file(chip_path(product, "/ark.pem"), &e->roots, NULL), 0);
    assert_int_equal(cert_table_parse(e->chip->certificates, e->chip->certificates_size, &e->table, NULL), 0);
    assert_int_equal(firmware_sign_report(e->chip, &e->launch, &request, e->report, NULL), 0);
}

static void free_evidence(struct evidence *e)
{
    chip_free(&e->chip);
    trust_roots_free(&e->roots);
}

static void every_product_verifies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(products); i++)
        for (uint32_t version = 2; version <= 5; version++) {
            struct verified verified;
            struct evidence e;
            struct reason why = { "" };

            make_evidence(products[i], version, &e);
            if (verify_report(e.report, sizeof(e.report), &e.table, e.roots, time(NULL), &verified, &why) < 0)
                fail_msg("%s version %u: %s", product_name(products[i]), version, why.text);
            assert_true(verified.software);
            assert_int_equal(verified.product, products[i]);
            assert_int_equal(verified.report.version, version);
            assert_true(tcb_equal(&verified.reported_tcb, &e.chip->identity.tcb));
            assert_memory_equal(verified.report.chip_id, e.chip->identity.chip_id, CHIP_ID_BYTES);
            free_evidence(&e);
        }
}

static void assert_refused(const struct evidence *e, const struct trust_roots *roots, time_t at, int error)
{
    struct verified verified;

    assert_int_equal(verify_report(e->report, sizeof(e->report), &e->table, roots, at, &verified, NULL), error);
}

static void nobody_else_accepts_it(void **state)
{
    struct trust_roots *amd, *other;
    struct evidence e;

    (void)state;
    make_evidence(PRODUCT_GENOA, 3, &e);
    assert_int_equal(trust_roots_amd(&amd), 0);
    assert_int_equal(trust_roots_file(chip_path(PRODUCT_MILAN, "/ark.pem"), &other, NULL), 0);
    assert_refused(&e, amd, time(NULL), -EKEYREJECTED);
    assert_refused(&e, other, time(NULL), -ENOKEY);
    assert_refused(&e, e.roots, time(NULL), 0);
    assert_refused(&e, e.roots, time(NULL) - 3 * 24 * 3600, -EKEYREJECTED);
    assert_refused(&e, e.roots, time(NULL) + (time_t)8 * 365 * 24 * 3600, -EKEYREJECTED);
    e.report[0x90] ^= 1; /* the measurement */
    assert_refused(&e, e.roots, time(NULL), -EKEYREJECTED);
    trust_roots_free(&amd);
    trust_roots_free(&other);
    free_evidence(&e);
}

static void assert_not_made(const char *path, int error, const char *sentence)
{
    struct reason why = { "" };
    size_t before = count_entries(base);

    assert_int_equal(chip_make(path, PRODUCT_GENOA, &why), error);
    assert_non_null(strstr(why.text, sentence));
    assert_int_equal(count_entries(base), before);
}

static void never_overwritten(void **state)
{
    struct stat before, after;

    (void)state;
    assert_int_equal(stat(chip_path(PRODUCT_GENOA, "/ark.key"), &before), 0);
    assert_not_made(chip_path(PRODUCT_GENOA, ""), -EEXIST, "a chip is never overwritten");
    assert_int_equal(stat(chip_path(PRODUCT_GENOA, "/ark.key"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_not_made(chip_path(PRODUCT_GENOA, "/chip.json"), -EEXIST, "a chip is never overwritten");
    assert_not_made("", -EINVAL, "expected the name of a directory");
    assert_not_made(path_of("nowhere/chip"), -ENOENT, "cannot be made: No such file or directory");
}

static void empty_directory_is_replaced(void **state)
{
    struct chip *chip;

    (void)state;
    assert_int_equal(mkdir(path_of("empty"), 0700), 0);
    assert_int_equal(chip_make(path_of("empty"), PRODUCT_TURIN, NULL), 0);
    assert_int_equal(chip_load(path_of("empty"), false, &chip, NULL), 0);
    chip_free(&chip);
    assert_int_equal(remove_tree(path_of("empty")), 0);
}

static void assert_json_refused(const char *from, const char *to, const char *sentence)
{
    struct buffer json = BUFFER_EMPTY;
    struct chip_identity identity;
    struct reason why = { "" };
    const uint8_t chip_id[CHIP_ID_BYTES] = { 1, 2, 3 };
    char changed[2048], *at;

    identity = chip_identity_of(PRODUCT_MILAN, chip_id);
    chip_write_json(&identity, &json);
    assert_int_equal(buffer_error(&json), 0);
    at = strstr((char *)json.data, from);
    assert_non_null(at);
    (void)snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - (char *)json.data), (char *)json.data, to,
                   at + strlen(from));
    buffer_free(&json);
    assert_int_equal(chip_read_json(changed, strlen(changed), &identity, &why), -EBADMSG);
    assert_non_null(strstr(why.text, sentence));
}

static void json_refusals(void **state)
{
    (void)state;
    assert_json_refused("\"Milan\"", "\"Rome\"", "product: is \"Rome\", expected Milan, Genoa or Turin");
    assert_json_refused("\"chip_id\": \"01", "\"chip_id\": \"", "chip_id: expected 128 hexadecimal digits");
    assert_json_refused("\"microcode\": 219", "\"microcode\": 256", "tcb.microcode: expected a number from 0 to 255");
    assert_json_refused("\"tee\": 0, ", "", "tcb.tee: missing");
    assert_json_refused("\"stepping\"", "\"extra\": 1, \"stepping\"", "cpuid.extra: unknown member");
    assert_json_refused("\"platform_info\"", "\"colour\": 1, \"platform_info\"", "colour: unknown member");
}

static void json_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(products); i++) {
        const uint8_t chip_id[CHIP_ID_BYTES] = { 9, 8, 7, 6, 5, 4, 3, 2, 1 };
        struct chip_identity identity = chip_identity_of(products[i], chip_id), read;
        struct buffer json = BUFFER_EMPTY, again = BUFFER_EMPTY;

        chip_write_json(&identity, &json);
        assert_int_equal(chip_read_json(json.data, json.size, &read, NULL), 0);
        assert_int_equal(read.product, products[i]);
        assert_int_equal(read.chip_id_size, products[i] == PRODUCT_TURIN ? 8 : CHIP_ID_BYTES);
        assert_memory_equal(read.chip_id, identity.chip_id, CHIP_ID_BYTES);
        chip_write_json(&read, &again);
        assert_string_equal(buffer_text(&again), buffer_text(&json));
        buffer_free(&json);
        buffer_free(&again);
    }
}

/* Puts `data` in the place of a file of a chip, tries to load it, and puts the file back. */
static void assert_not_loaded(const char *file, const char *data, int error, const char *sentence)
{
    struct reason why = { "" };
    struct chip *chip;
    uint8_t *before;
    size_t size;

    assert_int_equal(file_read(chip_path(PRODUCT_TURIN, file), 10000, &before, &size, NULL), 0);
    if (data)
        assert_int_equal(file_write(chip_path(PRODUCT_TURIN, file), 0600, data, strlen(data), NULL), 0);
    else
        assert_int_equal(unlink(chip_path(PRODUCT_TURIN, file)), 0);
    assert_int_equal(chip_load(chip_path(PRODUCT_TURIN, ""), false, &chip, &why), error);
    assert_non_null(strstr(why.text, sentence));
    assert_non_null(strstr(why.text, file));
    assert_int_equal(file_write(chip_path(PRODUCT_TURIN, file), 0600, before, size, NULL), 0);
    free(before);
}

static void load_refusals(void **state)
{
    (void)state;
    assert_not_loaded("/chip.json", NULL, -ENOENT, "cannot be opened: No such file");
    assert_not_loaded("/chip.json", "{}", -EBADMSG, "product: missing");
    assert_not_loaded("/vcek.key", "garbage", -EBADMSG, "not a private key in PEM");
    assert_not_loaded("/chip.key", "0123456789", -EBADMSG, "has 10 bytes, expected 32");
    assert_not_loaded("/ark.pem", "garbage", -EBADMSG, "not a certificate in PEM");
    assert_not_loaded("/ask.pem", NULL, -ENOENT, "cannot be opened");
    assert_not_loaded("/vcek.pem", "", -EBADMSG, "not a certificate in PEM");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_modes),           cmocka_unit_test(roots_have_amds_shape),
        cmocka_unit_test(vceks_have_amds_extensions), cmocka_unit_test(every_product_verifies),
        cmocka_unit_test(nobody_else_accepts_it),    cmocka_unit_test(never_overwritten),
        cmocka_unit_test(empty_directory_is_replaced), cmocka_unit_test(json_refusals),
        cmocka_unit_test(json_round_trip),           cmocka_unit_test(load_refusals),
    };

    return cmocka_run_group_tests(tests, make_chips, remove_chips);
}
