/* attest/verify: genuine reports, and everything about one that can be wrong. */
#include "unit.h"

#include "amd-chain.h"
#include "attest/verify.h"
#include "base/file.h"

/* A revocation list: made right, damaged by a test. */
struct list {
    const char *issuer;
    EVP_PKEY *signer;
    time_t from, to; /* `to` 0: it does not say */
    long revoked;    /* serial number; intermediates have 0; -1: none */
    bool critical;
    bool trailing;
};

/* A report with its chain: made right, damaged by a test, then put to the question. */
struct scene {
    struct report report;
    struct amd_plan plan;
    const char *ark_name, *ask_name;
    EVP_PKEY *ask_signer;         /* who signs the intermediate */
    EVP_PKEY *vek_signer;         /* who signs the endorsement key's certificate */
    EVP_PKEY *report_signer;
    time_t ark_from, ark_to, ask_from, ask_to;
    bool ask_is_authority, with_ask, with_ark, vek_by_ark;
    enum certificate_kind vek_slot;
    time_t at;
    const struct list *lists; /* revocation lists that come along */
    size_t list_count;
    bool pkcs1, ask_pkcs1; /* the endorsement key's, the intermediate's certificate is signed the old way */
    void (*edit)(uint8_t report[REPORT_BYTES]); /* before the signature */
    void (*spoil)(uint8_t report[REPORT_BYTES]); /* after it */
};

static const struct {
    enum product product;
    uint8_t family, model;
    struct tcb tcb;
} products[] = {
    { PRODUCT_MILAN, 0x19, 0x01, { 0, 4, 0, 24, 219 } },
    { PRODUCT_GENOA, 0x19, 0x11, { 0, 10, 1, 23, 84 } },
    { PRODUCT_TURIN, 0x1a, 0x02, { 1, 2, 3, 4, 128 } },
};

static struct scene scene_for(size_t product, enum signing_key kind)
{
    struct scene s = { .ask_signer = amd_keys.ark, .vek_signer = amd_keys.ask, .report_signer = amd_keys.vek,
                       .ark_from = AMD_PRESENT - 5 * AMD_YEAR, .ark_to = AMD_PRESENT + 20 * AMD_YEAR,
                       .ask_from = AMD_PRESENT - 5 * AMD_YEAR, .ask_to = AMD_PRESENT + 20 * AMD_YEAR,
                       .ask_is_authority = true, .with_ask = true, .at = AMD_PRESENT };
    static char ark_names[3][16], ask_names[3][2][24];
    bool vlek = kind == SIGNING_KEY_VLEK;

    (void)snprintf(ark_names[product], 16, "ARK-%s", product_name(products[product].product));
    (void)snprintf(ask_names[product][vlek], 24, "SEV-%s%s", vlek ? "VLEK-" : "",
                   product_name(products[product].product));
    s.ark_name = ark_names[product];
    s.ask_name = ask_names[product][vlek];
    s.report = (struct report){ .version = 3, .policy = 0x30000, .signature_algorithm = 1,
                                .key_info = (uint32_t)kind << 2, .cpuid_family = products[product].family,
                                .cpuid_model = products[product].model };
    random_fill(s.report.measurement, sizeof(s.report.measurement));
    random_fill(s.report.report_data, sizeof(s.report.report_data));
    if (!vlek)
        random_fill(s.report.chip_id, products[product].product == PRODUCT_TURIN ? 8 : 64);
    s.report.reported_tcb = tcb_encode(products[product].product, &products[product].tcb);
    s.plan = amd_plan_vek(kind, products[product].product, &products[product].tcb, s.report.chip_id);
    s.vek_slot = vlek ? CERTIFICATE_VLEK : CERTIFICATE_VCEK;
    return s;
}

static struct scene usual(void)
{
    return scene_for(0, SIGNING_KEY_VCEK);
}

static struct trust_roots *roots_with(X509 *ark)
{
    char path[] = "/tmp/postern-test-root.XXXXXX";
    struct trust_roots *roots = NULL;
    struct reason why = { "" };
    int fd = mkstemp(path);
    FILE *file;

    assert_true(fd >= 0);
    file = fdopen(fd, "w");
    assert_true(file && PEM_write_X509(file, ark) == 1);
    assert_int_equal(fclose(file), 0);
    if (trust_roots_file(path, &roots, &why) < 0)
        fail_msg("%s", why.text);
    assert_int_equal(unlink(path), 0);
    return roots;
}

static size_t add_certificate(struct cert_table *table, enum certificate_kind kind, X509 *certificate, uint8_t *room)
{
    uint8_t *at = room;
    int size = i2d_X509(certificate, &at);

    assert_true(size > 0);
    table->entries[table->count++] = (struct certificate_entry){ kind, room, (size_t)size };
    return (size_t)size;
}

/* DER of a list; `room` holds it. */
static size_t make_list(const struct list *plan, uint8_t *room)
{
    X509_CRL *list = X509_CRL_new();
    X509_NAME *issuer = amd_name(plan->issuer);
    ASN1_TIME *time = ASN1_TIME_set(NULL, plan->from);
    uint8_t *at = room;
    int size;

    assert_true(list && time && X509_CRL_set_version(list, 1) == 1 && X509_CRL_set_issuer_name(list, issuer) == 1);
    assert_int_equal(X509_CRL_set1_lastUpdate(list, time), 1);
    if (plan->to)
        assert_true(ASN1_TIME_set(time, plan->to) && X509_CRL_set1_nextUpdate(list, time) == 1);
    if (plan->revoked >= 0) {
        X509_REVOKED *entry = X509_REVOKED_new();
        ASN1_INTEGER *serial = ASN1_INTEGER_new();

        assert_true(entry && ASN1_INTEGER_set(serial, plan->revoked) == 1 && ASN1_TIME_set(time, plan->from) &&
                    X509_REVOKED_set_serialNumber(entry, serial) == 1 &&
                    X509_REVOKED_set_revocationDate(entry, time) == 1 && X509_CRL_add0_revoked(list, entry) == 1);
        ASN1_INTEGER_free(serial);
    }
    if (plan->critical) {
        ASN1_INTEGER *base = ASN1_INTEGER_new();

        assert_true(base && X509_CRL_add1_ext_i2d(list, NID_delta_crl, base, 1, 0) == 1);
        ASN1_INTEGER_free(base);
    }
    assert_true(X509_CRL_sign(list, plan->signer, EVP_sha384()) > 0);
    size = i2d_X509_CRL(list, &at);
    assert_true(size > 0);
    room[size] = 0;
    ASN1_TIME_free(time);
    X509_NAME_free(issuer);
    X509_CRL_free(list);
    return (size_t)size + plan->trailing;
}

static struct verified verified;
static struct reason why;
static struct verify_options how;

/* Builds the scene and verifies it, under `roots` or under its own root when that is NULL. */
static int play(const struct scene *s, const struct trust_roots *roots)
{
    X509 *ark = amd_make_authority(s->ark_name, amd_keys.ark, NULL, amd_keys.ark, s->ark_from, s->ark_to, true);
    X509 *ask = amd_make_authority(s->ask_name, amd_keys.ask, ark, s->ask_signer, s->ask_from, s->ask_to,
                                   s->ask_is_authority);
    X509 *vek = amd_make_vek(&s->plan, s->vek_by_ark ? ark : ask, s->vek_signer);
    struct trust_roots *own = roots ? NULL : roots_with(ark);
    struct cert_table table = { .count = 0 };
    uint8_t report[REPORT_BYTES], ders[3][4096], lists[2][2048];
    enum verify_step step;
    int r;

    if (s->ask_pkcs1)
        assert_true(X509_sign(ask, s->ask_signer, EVP_sha384()) > 0);
    if (s->pkcs1)
        assert_true(X509_sign(vek, s->vek_signer, EVP_sha384()) > 0);
    report_encode(&s->report, report);
    if (s->edit)
        s->edit(report);
    amd_sign_report(report, s->report_signer);
    if (s->spoil)
        s->spoil(report);
    if (s->with_ark)
        (void)add_certificate(&table, CERTIFICATE_ARK, ark, ders[0]);
    if (s->with_ask)
        (void)add_certificate(&table, CERTIFICATE_ASK, ask, ders[1]);
    if (s->vek_slot != CERTIFICATE_OTHER)
        (void)add_certificate(&table, s->vek_slot, vek, ders[2]);
    for (size_t i = 0; i < s->list_count; i++)
        table.entries[table.count++] =
            (struct certificate_entry){ CERTIFICATE_CRL, lists[i], make_list(&s->lists[i], lists[i]) };
    how.at = s->at;
    memset(&verified, 0x5a, sizeof(verified));
    why.text[0] = '\0';
    r = verify_report_with(report, sizeof(report), &table, roots ? roots : own, &how, &verified, &step, &why);
    assert_int_equal(r == 0, step == VERIFY_DONE);
    if (r < 0) {
        struct verified untouched;

        memset(&untouched, 0x5a, sizeof(untouched));
        assert_memory_equal(&verified, &untouched, sizeof(verified));
        assert_true(why.text[0]);
    }
    assert_int_equal(ERR_peek_error(), 0);
    trust_roots_free(&own);
    X509_free(vek);
    X509_free(ask);
    X509_free(ark);
    return r;
}

static void assert_good(const struct scene *s)
{
    int r = play(s, NULL);

    if (r != 0 || why.text[0])
        fail_msg("%d: %s", r, why.text);
}

static void assert_bad(const struct scene *s, int expected, const char *words)
{
    int r = play(s, NULL);

    if (r != expected || !strstr(why.text, words))
        fail_msg("%d \"%s\", expected %d \"%s\"", r, why.text, expected, words);
}

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
            assert_reason(&why, s.plan.common_name);
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
    struct scene s = usual();

    s.pkcs1 = true;
    assert_bad(&s, -EKEYREJECTED, "certificate \"SEV-VCEK\" is signed with rsaEncryption and SHA384, expected RSASSA-PSS");
    s = usual();
    s.ask_pkcs1 = true;
    assert_bad(&s, -EKEYREJECTED, "certificate \"SEV-Milan\" is signed with rsaEncryption and SHA384, expected RSASSA");
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
        cmocka_unit_test(wants_three_certificates),
        cmocka_unit_test(compares_the_shape_of_chip_ids),
        cmocka_unit_test(needs_a_certificate_for_the_key),
        cmocka_unit_test(refuses_a_certificate_of_the_other_kind),
        cmocka_unit_test(needs_the_right_intermediate),
        cmocka_unit_test(trusts_no_root_but_the_given),
        cmocka_unit_test(refuses_forged_chains_under_amds_names),
        cmocka_unit_test(minds_validity),
        cmocka_unit_test(minds_revocation_lists),
        cmocka_unit_test(trusts_revocation_lists_of_the_root_alone),
        cmocka_unit_test(demands_amds_algorithms),
        cmocka_unit_test(demands_the_certified_tcb),
        cmocka_unit_test(demands_the_certified_chip),
        cmocka_unit_test(demands_the_certified_product),
        cmocka_unit_test(refuses_unknown_critical_extensions),
        cmocka_unit_test(needs_a_p384_key),
        cmocka_unit_test(refuses_other_signature_algorithms),
        cmocka_unit_test(refuses_bad_signatures),
        cmocka_unit_test(refuses_reserved_bytes),
        cmocka_unit_test(refuses_malformed_input),
    };

    return cmocka_run_group_tests_name("verify", tests, amd_make_keys, amd_free_keys);
}
