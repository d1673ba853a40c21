/* attest/verify: genuine reports, and everything about one that can be wrong. */
#include "unit.h"

#include "verify-scene.h"

static void verifies_every_product_and_key(void **state UNUSED)
{
    static const enum signing_key kinds[] = { SIGNING_KEY_VCEK, SIGNING_KEY_VLEK };

    for (size_t p = 0; p < ARRAY_SIZE(products); p++) {
        for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
            struct scene s = scene_for(p, kinds[k]);

            for (uint32_t version = 3; version <= 5; version++) {
                s.report.version = version;
                assert_good(&s);
                assert_int_equal(verified.report.version, version);
                assert_memory_equal(verified.report.measurement, s.report.measurement, MEASUREMENT_BYTES);
                assert_int_equal(verified.product, products[p].product);
                assert_true(tcb_equal(&verified.reported_tcb, &products[p].tcb));
                assert_int_equal(verified.vek.kind, kinds[k]);
                assert_true(verified.software); /* not AMD's root */
            }
        }
    }
}

/* Version 2 has no model: the certificate tells Milan from Genoa. */
static void verifies_version_2(void **state UNUSED)
{
    for (size_t p = 0; p < ARRAY_SIZE(products); p++) {
        struct scene s = scene_for(p, SIGNING_KEY_VCEK);

        s.report.version = 2;
        assert_good(&s);
        assert_int_equal(verified.product, products[p].product);
    }
}

/* A VLEK does not belong to a chip: where it is in use, hosts mask the chip id, and version 2 has no model. */
static void verifies_version_2_without_a_chip_id(void **state UNUSED)
{
    for (size_t p = 0; p < ARRAY_SIZE(products); p++) {
        struct scene s = scene_for(p, SIGNING_KEY_VLEK);

        s.report.version = 2;
        assert_good(&s);
        assert_int_equal(verified.product, products[p].product);
        s = scene_for(p, SIGNING_KEY_VCEK);
        s.report.version = 2;
        memset(s.report.chip_id, 0, sizeof(s.report.chip_id));
        assert_bad(&s, -EKEYREJECTED, "the report's chip id is masked");
    }
}

/* What version 2 does tell, the shape of a chip id, must agree with the certificate. */
static void compares_the_shape_of_chip_ids(void **state UNUSED)
{
    for (size_t p = 0; p < ARRAY_SIZE(products); p++) {
        struct scene s = scene_for(p, SIGNING_KEY_VLEK);
        bool turin = products[p].product == PRODUCT_TURIN;

        s.report.version = 2;
        memset(s.report.chip_id, 1, turin ? 64 : 8);
        assert_bad(&s, -EKEYREJECTED, turin ? "product Milan, certificate for Turin" : "product Turin, cert");
        memset(s.report.chip_id + 8, turin ? 0 : 1, 56);
        assert_good(&s);
    }
}

static void demands_the_certified_tcb(void **state UNUSED)
{
    for (size_t p = 0; p < ARRAY_SIZE(products); p++) {
        for (size_t component = p == 2 ? 0 : 1; component < 5; component++) {
            for (int off = -1; off <= 1; off += 2) {
                struct scene s = scene_for(p, SIGNING_KEY_VCEK);
                struct tcb tcb = products[p].tcb;

                ((uint8_t *)&tcb)[component] = (uint8_t)(((uint8_t *)&tcb)[component] + off);
                s.report.reported_tcb = tcb_encode(products[p].product, &tcb);
                assert_bad(&s, -EKEYREJECTED, "reported TCB fmc ");
            }
        }
    }
    {
        struct scene s = usual();

        s.report.reported_tcb++;
        assert_bad(&s, -EKEYREJECTED, "reported TCB fmc 0 bootloader 5 tee 0 snp 24 microcode 219, the certificate is "
                                      "for 0 4 0 24 219");
        s = usual(); /* the others are not the reported one */
        s.report.current_tcb = s.report.committed_tcb = s.report.launch_tcb = s.report.reported_tcb + 1;
        assert_good(&s);
    }
}

static void demands_the_certified_chip(void **state UNUSED)
{
    for (size_t p = 0; p < ARRAY_SIZE(products); p++) {
        struct scene s = scene_for(p, SIGNING_KEY_VCEK);

        for (size_t i = 0; i < CHIP_ID_BYTES; i += 7) {
            s.report.chip_id[i] ^= 1;
            assert_bad(&s, -EKEYREJECTED, "the report's chip id is not the certificate's");
            s.report.chip_id[i] ^= 1;
        }
        memset(s.report.chip_id, 0, sizeof(s.report.chip_id));
        assert_bad(&s, -EKEYREJECTED, "the report's chip id is masked, it cannot be compared with the certificate's");
    }
}

static void demands_the_certified_product(void **state UNUSED)
{
    for (size_t p = 0; p < ARRAY_SIZE(products); p++) {
        for (size_t other = 0; other < ARRAY_SIZE(products); other++) {
            struct scene s = scene_for(p, SIGNING_KEY_VLEK);
            char words[80];

            if (p == other)
                continue;
            s.report.cpuid_family = products[other].family;
            s.report.cpuid_model = products[other].model;
            (void)snprintf(words, sizeof(words), "report for a processor of product %s, certificate for %s",
                           product_name(products[other].product), product_name(products[p].product));
            assert_bad(&s, -EKEYREJECTED, words);
        }
    }
    {
        struct scene s = usual();

        s.report.cpuid_model = 0x20;
        assert_bad(&s, -ENOKEY, "no root known for processors of family 0x19, model 0x20 (unknown)");
        s.report.cpuid_family = 0x1a;
        s.report.cpuid_model = 0x50;
        assert_bad(&s, -ENOKEY, "no root known for processors of family 0x1a, model 0x50 (Venice)");
    }
}

static void needs_a_p384_key(void **state UNUSED)
{
    struct scene s = usual();

    s.plan.key = s.report_signer = amd_keys.p256;
    assert_bad(&s, -EKEYREJECTED, "the endorsement key is not on P-384");
    s.plan.key = amd_keys.other_rsa;
    s.report_signer = amd_keys.vek;
    assert_bad(&s, -EKEYREJECTED, "the endorsement key is not on P-384");
}

static void refuses_other_signature_algorithms(void **state UNUSED)
{
    static const uint32_t others[] = { 0, 2, 0x101, 0xffffffff };

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        struct scene s = usual();

        s.report.signature_algorithm = others[i];
        assert_bad(&s, -EKEYREJECTED, "expected 1 (ECDSA P-384 with SHA-384)");
    }
}

static size_t spoil_at;

static void flip_a_byte(uint8_t report[REPORT_BYTES])
{
    report[spoil_at] ^= 1;
}

static void clear_r(uint8_t report[REPORT_BYTES])
{
    memset(report + 0x2a0, 0, 72);
}

static void clear_s(uint8_t report[REPORT_BYTES])
{
    memset(report + 0x2e8, 0, 72);
}

static void clear_both(uint8_t report[REPORT_BYTES])
{
    memset(report + 0x2a0, 0, 144);
}

static void swap_r_and_s(uint8_t report[REPORT_BYTES])
{
    uint8_t r[72];

    memcpy(r, report + 0x2a0, 72);
    memcpy(report + 0x2a0, report + 0x2e8, 72);
    memcpy(report + 0x2e8, r, 72);
}

/* The same number modulo the order of P-384, spelled with more bits. */
static void add_the_order_to_r(uint8_t report[REPORT_BYTES])
{
    BIGNUM *order = NULL, *r = BN_lebin2bn(report + 0x2a0, 72, NULL);
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_secp384r1);

    order = BN_dup(EC_GROUP_get0_order(group));
    assert_int_equal(BN_add(r, r, order), 1);
    amd_put_scalar(report + 0x2a0, r);
    BN_free(r);
    BN_free(order);
    EC_GROUP_free(group);
}

static void refuses_bad_signatures(void **state UNUSED)
{
    void (*const spoil[])(uint8_t *) = { clear_r, clear_s, clear_both, swap_r_and_s, add_the_order_to_r };
    struct scene s = usual();

    for (size_t i = 0; i < ARRAY_SIZE(spoil); i++) {
        s.spoil = spoil[i];
        assert_bad(&s, -EKEYREJECTED, "the report's signature does not verify");
    }
    s.spoil = flip_a_byte;
    for (spoil_at = 0x2a0; spoil_at < 0x330; spoil_at++) /* r and s, the 24 bytes above each of them included */
        assert_bad(&s, -EKEYREJECTED, "the report's signature does not verify");
    s = usual();
    s.report_signer = amd_keys.other_p384;
    assert_bad(&s, -EKEYREJECTED, "the report's signature does not verify");
}

static void set_a_byte(uint8_t report[REPORT_BYTES])
{
    report[spoil_at] = 1;
}

/* Signed or not: nobody knows what a byte means that has no meaning. */
static void refuses_reserved_bytes(void **state UNUSED)
{
    static const size_t offsets[] = { 0x4c, 0x18b, 0x19f, 0x1eb, 0x1ef, 0x1f8, 0x208, 0x29f, 0x330, 0x49f };

    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
        struct scene s = usual();
        char words[64];

        spoil_at = offsets[i];
        if (spoil_at < REPORT_SIGNED_BYTES)
            s.edit = set_a_byte;
        else
            s.spoil = set_a_byte;
        (void)snprintf(words, sizeof(words), "reserved byte at offset 0x%zx of the report is not zero", offsets[i]);
        assert_bad(&s, -EBADMSG, words);
        how.allow_reserved = true; /* shown to the caller instead; everything else holds */
        assert_good(&s);
        assert_int_equal(verified.report.reserved_offset, offsets[i]);
        s.report_signer = amd_keys.other_p384;
        assert_bad(&s, -EKEYREJECTED, "the report's signature does not verify");
        how.allow_reserved = false;
    }
}

/* The bytes that TCB versions do not use: 2 to 5, on Turin 4 to 6. */
static void refuses_reserved_bytes_of_tcbs(void **state UNUSED)
{
    static const struct {
        const char *name;
        size_t offset;
    } tcbs[] = {
        { "current", offsetof(struct report, current_tcb) }, { "reported", offsetof(struct report, reported_tcb) },
        { "committed", offsetof(struct report, committed_tcb) }, { "launch", offsetof(struct report, launch_tcb) },
    };

    for (size_t p = 0; p < ARRAY_SIZE(products); p++) {
        bool turin = products[p].product == PRODUCT_TURIN;

        for (size_t i = 0; i < ARRAY_SIZE(tcbs); i++) {
            for (unsigned byte = turin ? 4 : 2; byte <= (turin ? 6 : 5); byte++) {
                struct scene s = scene_for(p, SIGNING_KEY_VCEK);
                char words[64];

                *(uint64_t *)((char *)&s.report + tcbs[i].offset) |= UINT64_C(1) << (8 * byte);
                (void)snprintf(words, sizeof(words), "the %s TCB 0x", tcbs[i].name);
                assert_bad(&s, -EBADMSG, words);
                assert_reason(&why, " has a reserved byte of ");
                how.allow_reserved = true;
                assert_good(&s);
                how.allow_reserved = false;
            }
        }
    }
}

static void refuses_malformed_input(void **state UNUSED)
{
    struct scene s = usual();
    X509 *ark = amd_make_authority(s.ark_name, amd_keys.ark, NULL, amd_keys.ark, s.ark_from, s.ark_to, true);
    X509 *ask = amd_make_authority(s.ask_name, amd_keys.ask, ark, amd_keys.ark, s.ask_from, s.ask_to, true);
    X509 *vek = amd_make_vek(&s.plan, ask, amd_keys.ask);
    struct trust_roots *roots = roots_with(ark);
    struct cert_table table = { .count = 0 };
    static uint8_t report[REPORT_BYTES], ders[2][CHAIN_MAX_CERTIFICATE_BYTES + 1];
    size_t size;

    report_encode(&s.report, report);
    amd_sign_report(report, amd_keys.vek);
    size = add_certificate(&table, CERTIFICATE_VCEK, vek, ders[0]);
    (void)add_certificate(&table, CERTIFICATE_ASK, ask, ders[1]);
    assert_int_equal(verify_report(report, sizeof(report), &table, roots, AMD_PRESENT, &verified, &why), 0);
    assert_int_equal(verify_report(report, sizeof(report) - 1, &table, roots, AMD_PRESENT, &verified, &why), -EBADMSG);
    assert_reason(&why, "report of 1183 bytes");
    for (size_t cut = 0; cut < size; cut += 13) {
        uint8_t *copy = exact_copy(ders[0], cut);

        table.entries[0].data = copy;
        table.entries[0].size = cut;
        assert_int_equal(verify_report(report, sizeof(report), &table, roots, AMD_PRESENT, &verified, &why), -EBADMSG);
        assert_reason(&why, "the endorsement key's certificate is not one DER certificate");
        free(copy);
    }
    table.entries[0].data = ders[0];
    table.entries[0].size = size + 1; /* something behind it */
    assert_int_equal(verify_report(report, sizeof(report), &table, roots, AMD_PRESENT, &verified, &why), -EBADMSG);
    table.entries[0].size = sizeof(ders[0]);
    assert_int_equal(verify_report(report, sizeof(report), &table, roots, AMD_PRESENT, &verified, &why), -EBADMSG);
    table.entries[0].size = size;
    table.entries[1].size--;
    assert_int_equal(verify_report(report, sizeof(report), &table, roots, AMD_PRESENT, &verified, &why), -ENOKEY);
    assert_reason(&why, "found \"none\"");
    assert_int_equal(ERR_peek_error(), 0);
    trust_roots_free(&roots);
    X509_free(vek);
    X509_free(ask);
    X509_free(ark);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_every_product_and_key),
        cmocka_unit_test(verifies_version_2),
        cmocka_unit_test(verifies_version_2_without_a_chip_id),
        cmocka_unit_test(compares_the_shape_of_chip_ids),
        cmocka_unit_test(demands_the_certified_tcb),
        cmocka_unit_test(demands_the_certified_chip),
        cmocka_unit_test(demands_the_certified_product),
        cmocka_unit_test(needs_a_p384_key),
        cmocka_unit_test(refuses_other_signature_algorithms),
        cmocka_unit_test(refuses_bad_signatures),
        cmocka_unit_test(refuses_reserved_bytes),
        cmocka_unit_test(refuses_reserved_bytes_of_tcbs),
        cmocka_unit_test(refuses_malformed_input),
    };

    return cmocka_run_group_tests_name("verify", tests, amd_make_keys, amd_free_keys);
}
