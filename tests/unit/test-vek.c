/* attest/vek: what a VCEK or VLEK certificate says, and what is missing or misshapen in one. */
#include "unit.h"

#include "amd-chain.h"

static uint8_t chip_id[CHIP_ID_BYTES];
static struct vek vek;
static struct reason why;

static int parse(const struct amd_plan *plan)
{
    /* Any issuer will do: signatures are not looked at here. */
    X509 *certificate = amd_make_vek(plan, NULL, amd_keys.other_p384);
    int r;

    memset(&vek, 0x5a, sizeof(vek));
    why.text[0] = '\0';
    r = vek_parse(certificate, &vek, &why);
    if (r < 0) {
        struct vek untouched;

        memset(&untouched, 0x5a, sizeof(untouched));
        assert_memory_equal(&vek, &untouched, sizeof(vek));
    }
    X509_free(certificate);
    return r;
}

static void assert_read(const struct amd_plan *plan)
{
    if (parse(plan) != 0 || why.text[0])
        fail_msg("%s", why.text);
}

static void assert_refused(const struct amd_plan *plan, const char *words)
{
    int r = parse(plan);

    if (r != -EBADMSG || !strstr(why.text, words))
        fail_msg("%d \"%s\", expected \"%s\"", r, why.text, words);
}

static const struct tcb some_tcb = { 1, 2, 127, 128, 255 };

static struct amd_plan plan_for(enum signing_key kind, enum product product)
{
    random_fill(chip_id, sizeof(chip_id));
    return amd_plan_vek(kind, product, &some_tcb, chip_id);
}

static struct amd_plan milan(void)
{
    return plan_for(SIGNING_KEY_VCEK, PRODUCT_MILAN);
}

static void reads_every_product_and_kind(void **state UNUSED)
{
    static const uint8_t zeros[CHIP_ID_BYTES];

    for (enum product product = PRODUCT_MILAN; product <= PRODUCT_TURIN; product++) {
        struct amd_plan plan = plan_for(SIGNING_KEY_VCEK, product);

        assert_read(&plan);
        assert_int_equal(vek.kind, SIGNING_KEY_VCEK);
        assert_int_equal(vek.product, product);
        assert_int_equal(vek.tcb.fmc, product == PRODUCT_TURIN ? 1 : 0);
        assert_int_equal(vek.tcb.bootloader, 2);
        assert_int_equal(vek.tcb.tee, 127);
        assert_int_equal(vek.tcb.snp, 128);
        assert_int_equal(vek.tcb.microcode, 255);
        assert_memory_equal(vek.hwid, chip_id, product == PRODUCT_TURIN ? 8 : 64);
        if (product == PRODUCT_TURIN)
            assert_memory_equal(vek.hwid + 8, zeros, 56);
        plan = plan_for(SIGNING_KEY_VLEK, product);
        assert_read(&plan);
        assert_int_equal(vek.kind, SIGNING_KEY_VLEK);
        assert_int_equal(vek.product, product);
        assert_memory_equal(vek.hwid, zeros, 64);
    }
}

/* A VLEK is made for a cloud provider and says for whom. */
static void reads_the_provider(void **state UNUSED)
{
    static const struct {
        const char *der;
        size_t size;
    } wrong[] = {
        { "", 0 }, { "\x16", 1 }, { "\x16\x02" "a", 3 }, { "\x16\x01" "ab", 4 }, { "\x0c\x01" "a", 3 },
        { "\x16\x01\n", 3 }, { "\x16\x02" "a\x7f", 4 }, { "\x16\x81\x01" "a", 4 },
    };
    struct amd_plan plan = plan_for(SIGNING_KEY_VLEK, PRODUCT_GENOA);

    assert_read(&plan);
    assert_string_equal(vek.csp_id, "CN=postern.x");
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        amd_plan_replace(&plan, "5", wrong[i].der, wrong[i].size);
        assert_refused(&plan, "extension 1.3.6.1.4.1.3704.1.5 is not the name of a provider");
    }
    amd_plan_drop(&plan, "5");
    assert_refused(&plan, "extension 1.3.6.1.4.1.3704.1.5 is missing");
    plan = milan();
    assert_read(&plan);
    assert_string_equal(vek.csp_id, "");
}

static void needs_each_extension_once(void **state UNUSED)
{
    static const char *const numbers[] = { "1", "2", "3.1", "3.2", "3.3", "3.8", "3.9", "4" };

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        struct amd_plan plan = plan_for(SIGNING_KEY_VCEK, PRODUCT_TURIN);
        struct amd_extension copy = *amd_plan_find(&plan, numbers[i]);
        char words[64];

        amd_plan_drop(&plan, numbers[i]);
        (void)snprintf(words, sizeof(words), "extension 1.3.6.1.4.1.3704.1.%s is missing", numbers[i]);
        assert_refused(&plan, words);
        plan = plan_for(SIGNING_KEY_VCEK, PRODUCT_TURIN);
        plan.extensions[plan.extension_count++] = copy;
        (void)snprintf(words, sizeof(words), "extension 1.3.6.1.4.1.3704.1.%s stands there twice", numbers[i]);
        assert_refused(&plan, words);
    }
    {
        struct amd_plan plan = milan();

        (void)amd_plan_add(&plan, "4", chip_id, sizeof(chip_id));
        assert_refused(&plan, "extension 1.3.6.1.4.1.3704.1.4 stands there twice");
        plan = milan();
        amd_plan_drop(&plan, "3.4"); /* reserved: the chip id stands in its place */
        assert_read(&plan);
    }
}

static void refuses_numbers_that_are_not_der(void **state UNUSED)
{
    static const struct {
        uint8_t der[6];
        size_t size;
    } wrong[] = {
        { { 0 }, 0 },          { { 2 }, 1 },          { { 2, 1 }, 2 },          { { 2, 0 }, 2 },
        { { 2, 1, 0x80 }, 3 }, { { 2, 1, 0xff }, 3 }, { { 2, 2, 0, 0x7f }, 4 }, { { 2, 2, 0, 0 }, 4 },
        { { 2, 2, 1, 0 }, 4 }, { { 2, 2, 0, }, 3 },   { { 2, 1, 5, 0 }, 4 },    { { 2, 2, 0, 0x80, 0 }, 5 },
        { { 4, 1, 5 }, 3 },    { { 2, 0x81, 1, 5 }, 4 }, { { 2, 3, 0, 0, 0x80 }, 5 }, { { 0x22, 1, 5 }, 3 },
        { { 1, 1, 5 }, 3 },    { { 2, 2, 0xff, 0x80 }, 4 },
    };
    static const char *const numbers[] = { "3.1", "3.2", "3.3", "3.8", "3.9" };

    for (size_t n = 0; n < ARRAY_SIZE(numbers); n++) {
        char words[80];

        (void)snprintf(words, sizeof(words), "extension 1.3.6.1.4.1.3704.1.%s is not a number from 0 to 255",
                       numbers[n]);
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
            struct amd_plan plan = plan_for(SIGNING_KEY_VLEK, PRODUCT_TURIN);

            amd_plan_replace(&plan, numbers[n], wrong[i].der, wrong[i].size);
            assert_refused(&plan, words);
        }
    }
}

static void reads_every_number(void **state UNUSED)
{
    for (unsigned value = 0; value < 256; value++) {
        struct amd_plan plan = milan();
        const uint8_t der[] = { 2, value < 128 ? 1 : 2, value < 128 ? (uint8_t)value : 0, (uint8_t)value };

        amd_plan_replace(&plan, "3.8", der, value < 128 ? 3 : 4);
        assert_read(&plan);
        assert_int_equal(vek.tcb.microcode, value);
    }
}

static void refuses_other_products(void **state UNUSED)
{
    static const struct {
        const char *der;
        size_t size;
        const char *words;
    } wrong[] = {
        { "\x16\x04Rome", 6, "certificate is for the product \"Rome\", which has no known root" },
        { "\x16\x06Venice", 8, "product \"Venice\"" },
        { "\x16\x00", 2, "product \"\"" },
        { "\x16\x01-", 3, "product \"\"" },
        { "\x16\x07unknown", 9, "product \"unknown\"" },
        { "\x16\x05milan", 7, "product \"milan\"" },
        { "\x0c\x05Milan", 7, "extension 1.3.6.1.4.1.3704.1.2 is not a product name" },
        { "\x16\x06Milan", 7, "is not a product name" },
        { "\x16\x04Milan", 7, "is not a product name" },
        { "\x16\x10Milan-B0-B0-B0xx", 18, "is not a product name" },
        { "\x16\xffMilan", 7, "is not a product name" },
        { "\x16", 1, "is not a product name" },
        { "", 0, "is not a product name" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct amd_plan plan = milan();

        amd_plan_replace(&plan, "2", wrong[i].der, wrong[i].size);
        assert_refused(&plan, wrong[i].words);
    }
    {
        struct amd_plan plan = milan();

        amd_plan_replace(&plan, "2", "\x16\x0fMilan-B0-B0-B0x", 17);
        assert_read(&plan);
        assert_int_equal(vek.product, PRODUCT_MILAN);
    }
}

static void reads_chip_ids_raw_and_wrapped(void **state UNUSED)
{
    for (enum product product = PRODUCT_MILAN; product <= PRODUCT_TURIN; product++) {
        size_t wanted = product == PRODUCT_TURIN ? 8 : 64;
        struct amd_plan plan = plan_for(SIGNING_KEY_VCEK, product);
        uint8_t der[80] = { 4, (uint8_t)wanted };

        memcpy(der + 2, chip_id, wanted);
        amd_plan_replace(&plan, "4", der, wanted + 2);
        assert_read(&plan);
        assert_memory_equal(vek.hwid, chip_id, wanted);
        der[0] = 2; /* raw bytes that look like an INTEGER are still raw bytes */
        der[1] = (uint8_t)(wanted - 2);
        amd_plan_replace(&plan, "4", der, wanted);
        assert_read(&plan);
        assert_memory_equal(vek.hwid, der, wanted);
        for (size_t size = 0; size <= 70; size++) {
            if (size == wanted)
                continue;
            amd_plan_replace(&plan, "4", der, size);
            assert_refused(&plan, "extension 1.3.6.1.4.1.3704.1.4 is not a chip id of ");
        }
        der[0] = 3; /* not an OCTET STRING */
        der[1] = (uint8_t)wanted;
        amd_plan_replace(&plan, "4", der, wanted + 2);
        assert_refused(&plan, "is not a chip id");
        der[0] = 4;
        der[1] = (uint8_t)(wanted - 1);
        amd_plan_replace(&plan, "4", der, wanted + 2);
        assert_refused(&plan, "is not a chip id");
    }
}

static void refuses_other_names(void **state UNUSED)
{
    static const char *const names[] = { "SEV-VCEK ", "sev-vcek", "SEV", "VCEK", "SEV-Milan", "SEV-VCEK.example" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct amd_plan plan = milan();
        char words[128];

        plan.common_name = names[i];
        (void)snprintf(words, sizeof(words), "common name is \"%s\", expected SEV-VCEK or SEV-VLEK", names[i]);
        assert_refused(&plan, words);
    }
    {
        struct amd_plan plan = milan();

        plan.common_name = NULL;
        assert_refused(&plan, "common name is \"\", expected SEV-VCEK or SEV-VLEK");
    }
}

/* The common name of a subject made of these entries. */
static void assert_common_name(const char *const *values, const int *sizes, int type, const char *wanted)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_NAME_new();
    char found[64];

    for (; *values; values++, sizes++)
        assert_int_equal(
            X509_NAME_add_entry_by_txt(name, "CN", type, (const unsigned char *)*values, *sizes, -1, 0), 1);
    assert_int_equal(X509_set_subject_name(certificate, name), 1);
    memset(found, 'x', sizeof(found));
    certificate_common_name(certificate, found);
    assert_string_equal(found, wanted);
    X509_NAME_free(name);
    X509_free(certificate);
}

static void reads_common_names(void **state UNUSED)
{
    static const char long_name[] = "123456789012345678901234567890123456789012345678901234567890123";

    assert_common_name((const char *[]){ NULL }, (int[]){ 0 }, MBSTRING_ASC, "");
    assert_common_name((const char *[]){ "SEV-VCEK", NULL }, (int[]){ -1 }, MBSTRING_ASC, "SEV-VCEK");
    assert_common_name((const char *[]){ "a", "b", NULL }, (int[]){ -1, -1 }, MBSTRING_ASC, "");
    assert_common_name((const char *[]){ "a\0b", NULL }, (int[]){ 3 }, V_ASN1_UTF8STRING, "");
    assert_common_name((const char *[]){ "", NULL }, (int[]){ 0 }, V_ASN1_UTF8STRING, "");
    assert_common_name((const char *[]){ long_name, NULL }, (int[]){ 63 }, V_ASN1_UTF8STRING, long_name);
    assert_common_name((const char *[]){ "1234567890123456789012345678901234567890123456789012345678901234", NULL },
                       (int[]){ 64 }, V_ASN1_UTF8STRING, "");
    assert_common_name((const char *[]){ "\0S\0E\0V", NULL }, (int[]){ 6 }, V_ASN1_BMPSTRING, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_product_and_kind),
        cmocka_unit_test(reads_the_provider),
        cmocka_unit_test(needs_each_extension_once),
        cmocka_unit_test(refuses_numbers_that_are_not_der),
        cmocka_unit_test(reads_every_number),
        cmocka_unit_test(refuses_other_products),
        cmocka_unit_test(reads_chip_ids_raw_and_wrapped),
        cmocka_unit_test(refuses_other_names),
        cmocka_unit_test(reads_common_names),
    };

    return cmocka_run_group_tests_name("vek", tests, amd_make_keys, amd_free_keys);
}
