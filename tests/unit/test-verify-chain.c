/* attest/chain, through attest/verify: everything about a report's chain that can be wrong. */
#include "unit.h"

#include "verify-scene.h"

static void needs_a_certificate_for_the_key(void **state UNUSED)
{
    struct scene s = usual();

    s.vek_slot = CERTIFICATE_OTHER;
    assert_bad(&s, -ENOKEY, "no VCEK certificate came with the report");
    s.vek_slot = CERTIFICATE_VLEK;
    assert_bad(&s, -ENOKEY, "no VCEK certificate came with the report");
    s = scene_for(0, SIGNING_KEY_VLEK);
    s.vek_slot = CERTIFICATE_VCEK;
    assert_bad(&s, -ENOKEY, "no VLEK certificate came with the report");
    for (uint32_t key = 2; key < 8; key++) {
        char words[64];

        s = usual();
        s.report.key_info = key << 2;
        (void)snprintf(words, sizeof(words), "report names the signing key %u, expected VCEK (0) or VLEK (1)", key);
        assert_bad(&s, -EKEYREJECTED, words);
    }
}

static void refuses_a_certificate_of_the_other_kind(void **state UNUSED)
{
    struct scene s = scene_for(0, SIGNING_KEY_VLEK);
    struct scene vcek = usual();

    s.plan = vcek.plan; /* a VCEK where the report names a VLEK */
    s.ask_name = vcek.ask_name;
    assert_bad(&s, -EKEYREJECTED, "the certificate is of another kind than the report's signing key");
    s = usual();
    s.plan = scene_for(0, SIGNING_KEY_VLEK).plan;
    s.ask_name = "SEV-VLEK-Milan";
    assert_bad(&s, -EKEYREJECTED, "the certificate is of another kind than the report's signing key");
}

static void needs_the_right_intermediate(void **state UNUSED)
{
    struct scene s = usual();

    s.with_ask = false;
    assert_bad(&s, -ENOKEY, "no certificate \"SEV-Milan\" for the endorsement key, found \"none\"");
    s.with_ask = true;
    s.ask_name = "SEV-Genoa";
    assert_bad(&s, -ENOKEY, "no certificate \"SEV-Milan\" for the endorsement key, found \"SEV-Genoa\"");
    s.ask_name = "SEV-VLEK-Milan";
    assert_bad(&s, -ENOKEY, "found \"SEV-VLEK-Milan\"");
    s = usual();
    s.ask_is_authority = false;
    assert_bad(&s, -EKEYREJECTED, "certificate \"SEV-Milan\": ");
    s = usual();
    s.ask_signer = amd_keys.other_rsa;
    assert_bad(&s, -EKEYREJECTED, "certificate \"SEV-Milan\": certificate signature failure");
    s = usual();
    s.vek_signer = amd_keys.other_rsa;
    assert_bad(&s, -EKEYREJECTED, "certificate \"SEV-VCEK\": certificate signature failure");
    s = usual();
    s.vek_signer = amd_keys.vek; /* vouches for itself */
    assert_bad(&s, -EKEYREJECTED, "certificate \"SEV-VCEK\": ");
}

/* AMD may issue another intermediate of the same name; the one that signed is taken, wherever it stands. */
static void takes_the_intermediate_that_signed(void **state UNUSED)
{
    struct scene s = usual();

    s.more_ask_key = amd_keys.other_rsa;
    assert_good(&s);
    s.ask_signer = amd_keys.other_rsa; /* it signed, and the root did not sign it */
    assert_bad(&s, -EKEYREJECTED, "certificate \"SEV-Milan\": certificate signature failure");
    s = usual();
    s.more_ask_key = amd_keys.other_rsa;
    s.with_ask = false; /* the root signed one that did not sign */
    assert_bad(&s, -EKEYREJECTED, "certificate \"SEV-VCEK\": certificate signature failure");
}

static void trusts_no_root_but_the_given(void **state UNUSED)
{
    X509 *other = amd_make_authority("ARK-Milan", amd_keys.other_rsa, NULL, amd_keys.other_rsa,
                                     AMD_PRESENT - AMD_YEAR, AMD_PRESENT + AMD_YEAR, true);
    X509 *genoa = amd_make_authority("ARK-Genoa", amd_keys.ark, NULL, amd_keys.ark, AMD_PRESENT - AMD_YEAR,
                                     AMD_PRESENT + AMD_YEAR, true);
    struct trust_roots *wrong = roots_with(other), *for_genoa = roots_with(genoa);
    struct scene s = usual();

    s.with_ark = true; /* the one that came along changes nothing */
    assert_good(&s);
    assert_int_equal(play(&s, wrong), -EKEYREJECTED);
    assert_reason(&why, "certificate \"SEV-Milan\": ");
    assert_int_equal(play(&s, for_genoa), -ENOKEY);
    assert_reason(&why, "no trusted root for Milan");
    trust_roots_free(&wrong);
    trust_roots_free(&for_genoa);
    X509_free(other);
    X509_free(genoa);
}

/* All names are AMD's, and the whole chain came along; the keys are not AMD's. */
static void refuses_forged_chains_under_amds_names(void **state UNUSED)
{
    static const enum signing_key kinds[] = { SIGNING_KEY_VCEK, SIGNING_KEY_VLEK };
    struct trust_roots *roots = NULL;

    assert_int_equal(trust_roots_amd(&roots), 0);
    for (size_t p = 0; p < ARRAY_SIZE(products); p++) {
        for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
            struct scene s = scene_for(p, kinds[k]);

            s.with_ark = true;
            assert_int_equal(play(&s, roots), -EKEYREJECTED);
            assert_reason(&why, s.ask_name);
            assert_reason(&why, "\": certificate signature failure");
        }
    }
    trust_roots_free(&roots);
}

static void minds_validity(void **state UNUSED)
{
    struct scene s = usual();

    s.plan.to = AMD_PRESENT + 1;
    assert_good(&s);
    s.plan.to = AMD_PRESENT - 1;
    assert_bad(&s, -EKEYREJECTED, "certificate \"SEV-VCEK\": certificate has expired");
    s.plan.from = AMD_PRESENT + 1;
    s.plan.to = AMD_PRESENT + AMD_YEAR;
    assert_bad(&s, -EKEYREJECTED, "certificate \"SEV-VCEK\": certificate is not yet valid");
    s = usual();
    s.ask_to = AMD_PRESENT - 1;
    assert_bad(&s, -EKEYREJECTED, "certificate \"SEV-Milan\": certificate has expired");
    s = usual();
    s.ask_from = AMD_PRESENT + 1;
    assert_bad(&s, -EKEYREJECTED, "certificate \"SEV-Milan\": certificate is not yet valid");
    s = usual();
    s.ark_to = AMD_PRESENT - 1;
    assert_bad(&s, -EKEYREJECTED, "certificate \"ARK-Milan\": certificate has expired");
    s = usual();
    s.at = 0; /* a machine without a clock */
    assert_bad(&s, -EKEYREJECTED, "certificate is not yet valid");
}

static struct list good_list(void)
{
    return (struct list){ .issuer = "ARK-Milan", .signer = amd_keys.ark, .from = AMD_PRESENT - 1000,
                          .to = AMD_PRESENT + 1000, .revoked = 65539 };
}

/* With `list` besides the certificates. */
static struct scene with_list(const struct list *list)
{
    struct scene s = usual();

    s.lists = list;
    s.list_count = 1;
    return s;
}

static void minds_revocation_lists(void **state UNUSED)
{
    struct list list = good_list();
    struct scene s = usual();

    assert_good(&s);
    assert_false(verified.revocation_checked);
    s = with_list(&list);
    assert_good(&s);
    assert_true(verified.revocation_checked);
    list.revoked = -1;
    assert_good(&s);
    assert_true(verified.revocation_checked);
    list.revoked = 0;
    assert_bad(&s, -EKEYREVOKED, "certificate \"SEV-Milan\" has been revoked");
    list.to = AMD_PRESENT - 1; /* an old list revokes as well */
    assert_bad(&s, -EKEYREVOKED, "certificate \"SEV-Milan\" has been revoked");
    list = good_list();
    list.to = AMD_PRESENT;
    assert_bad(&s, -EKEYREJECTED, "revocation list of \"ARK-Milan\" has expired");
    list.to = 0;
    assert_bad(&s, -EKEYREJECTED, "revocation list of \"ARK-Milan\" has expired");
    list = good_list();
    list.from = AMD_PRESENT + 1;
    assert_bad(&s, -EKEYREJECTED, "revocation list of \"ARK-Milan\" is not yet valid");
    list = good_list();
    list.critical = true;
    assert_bad(&s, -EKEYREJECTED, "it has an unknown critical extension");
    list = good_list();
    list.trailing = true;
    assert_bad(&s, -EBADMSG, "not one DER list");
}

static void trusts_revocation_lists_of_the_root_alone(void **state UNUSED)
{
    struct list list = good_list(), two[2];
    struct scene s = with_list(&list);

    list.signer = amd_keys.other_rsa;
    assert_bad(&s, -EKEYREJECTED, "revocation list of \"ARK-Milan\": its signature does not verify");
    list.signer = amd_keys.ask;
    assert_bad(&s, -EKEYREJECTED, "revocation list of \"ARK-Milan\": its signature does not verify");
    list.issuer = "ARK-Genoa"; /* about others: neither good nor bad */
    list.revoked = 0;
    assert_good(&s);
    assert_false(verified.revocation_checked);
    two[0] = list;
    two[1] = good_list();
    s.lists = two;
    s.list_count = 2;
    assert_good(&s);
    assert_true(verified.revocation_checked);
    two[1].revoked = 0;
    assert_bad(&s, -EKEYREVOKED, "revoked");
}

static void demands_amds_algorithms(void **state UNUSED)
{
    static const struct {
        struct amd_algorithm algorithm;
        const char *words;
    } others[] = {
        { { RSA_PKCS1_PADDING, 0, "SHA384", NULL }, "is signed with rsaEncryption and SHA384, expected RSASSA-PSS" },
        { { RSA_PKCS1_PSS_PADDING, 32, "SHA256", "SHA256" }, "is signed with RSASSA-PSS and SHA256, expected RSASSA-PSS" },
        { { RSA_PKCS1_PSS_PADDING, 64, "SHA512", "SHA512" }, "is signed with RSASSA-PSS and SHA512, expected RSASSA-PSS" },
        { { RSA_PKCS1_PSS_PADDING, 32, "SHA384", "SHA384" }, "in another way than with MGF1-SHA384 and a salt of 48" },
        { { RSA_PKCS1_PSS_PADDING, 0, "SHA384", "SHA384" }, "in another way than with MGF1-SHA384 and a salt of 48" },
        { { RSA_PKCS1_PSS_PADDING, 48, "SHA384", "SHA256" }, "in another way than with MGF1-SHA384 and a salt of 48" },
    };
    struct list list = good_list();
    struct scene s;

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        s = usual();
        s.vek_algorithm = &others[i].algorithm;
        assert_bad(&s, -EKEYREJECTED, others[i].words);
        assert_reason(&why, "certificate \"SEV-VCEK\" is signed with ");
        s = usual();
        s.ask_algorithm = &others[i].algorithm;
        assert_bad(&s, -EKEYREJECTED, others[i].words);
        assert_reason(&why, "certificate \"SEV-Milan\" is signed with ");
    }
    s = with_list(&list);
    list.algorithm = &others[0].algorithm;
    assert_bad(&s, -EKEYREJECTED, "revocation list of \"ARK-Milan\" is not signed with RSASSA-PSS");
}

static void demands_keys_of_amds_size(void **state UNUSED)
{
    EVP_PKEY *small = EVP_RSA_gen(2048);
    struct scene s = usual();

    s.ask_key = s.vek_signer = small;
    assert_bad(&s, -EKEYREJECTED, "the key of certificate \"SEV-Milan\" is not RSA with 4096 bits");
    EVP_PKEY_free(small);
}

/* Puts something else in the place of one part of a subject. */
static void rename_part(X509 *certificate, int part, const char *type, const char *text)
{
    X509_NAME *name = X509_NAME_dup(X509_get_subject_name(certificate));

    if (part < X509_NAME_entry_count(name))
        X509_NAME_ENTRY_free(X509_NAME_delete_entry(name, part));
    if (type)
        assert_int_equal(X509_NAME_add_entry_by_txt(name, type, MBSTRING_ASC, (const unsigned char *)text, -1, part, 0), 1);
    assert_int_equal(X509_set_subject_name(certificate, name), 1);
    X509_NAME_free(name);
}

#define RENAME(function, ...)                                                                                          \
    static void function(X509 *certificate)                                                                            \
    {                                                                                                                  \
        rename_part(certificate, __VA_ARGS__);                                                                         \
    }

RENAME(rename_unit, 0, "OU", "Engineerinq")
RENAME(rename_country, 1, "C", "UK")
RENAME(rename_locality, 2, "L", "Santa Clara ")
RENAME(rename_state, 3, "ST", "C")
RENAME(rename_organization, 4, "O", "Advanced Micro Device")
RENAME(drop_unit, 0, NULL, NULL)
RENAME(add_serial_number, 6, "serialNumber", "1")
RENAME(swap_type, 0, "O", "Engineering")

/* AMD's names have six parts, and all of them count. */
static void demands_amds_names(void **state UNUSED)
{
    void (*const renames[])(X509 *) = { rename_unit,         rename_country, rename_locality,   rename_state,
                                        rename_organization, drop_unit,      add_serial_number, swap_type };

    for (size_t i = 0; i < ARRAY_SIZE(renames); i++) {
        struct scene s = usual();

        s.rename_vek = renames[i];
        assert_bad(&s, -EKEYREJECTED, "the subject of certificate \"SEV-VCEK\" is not of AMD's form: OU Engineering");
        s = usual();
        s.rename_ask = renames[i];
        assert_bad(&s, -EKEYREJECTED, "the subject of certificate \"SEV-Milan\" is not of AMD's form: OU Engineering");
    }
}

/* The root signs intermediates, never endorsement keys. */
static void wants_three_certificates(void **state UNUSED)
{
    struct scene s = usual();

    s.vek_by_ark = true;
    s.vek_signer = amd_keys.ark;
    assert_bad(&s, -EKEYREJECTED, "the endorsement key's certificate is not signed by the intermediate");
}

static void refuses_unknown_critical_extensions(void **state UNUSED)
{
    struct scene s = usual();
    struct amd_extension *extension = amd_plan_add(&s.plan, "99", "\x05\x00", 2);

    assert_good(&s); /* not critical */
    extension->critical = true;
    assert_bad(&s, -EKEYREJECTED, "certificate \"SEV-VCEK\": unhandled critical extension");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(needs_a_certificate_for_the_key),
        cmocka_unit_test(refuses_a_certificate_of_the_other_kind),
        cmocka_unit_test(needs_the_right_intermediate),
        cmocka_unit_test(takes_the_intermediate_that_signed),
        cmocka_unit_test(trusts_no_root_but_the_given),
        cmocka_unit_test(refuses_forged_chains_under_amds_names),
        cmocka_unit_test(minds_validity),
        cmocka_unit_test(minds_revocation_lists),
        cmocka_unit_test(trusts_revocation_lists_of_the_root_alone),
        cmocka_unit_test(demands_amds_algorithms),
        cmocka_unit_test(demands_keys_of_amds_size),
        cmocka_unit_test(demands_amds_names),
        cmocka_unit_test(wants_three_certificates),
        cmocka_unit_test(refuses_unknown_critical_extensions),
    };

    return cmocka_run_group_tests_name("verify-chain", tests, amd_make_keys, amd_free_keys);
}
