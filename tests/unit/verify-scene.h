/*
 * Scenes for tests of attest/verify and attest/chain: a report with its chain, made right, damaged by a test, then put
 * to the question.
 */
#pragma once

#include "amd-chain.h"
#include "attest/verify.h"

/* A revocation list: made right, damaged by a test. */
struct list {
    const char *issuer;
    EVP_PKEY *signer;
    time_t from, to; /* `to` 0: it does not say */
    long revoked;    /* serial number; intermediates have 0; -1: none */
    bool critical;
    bool trailing;
    const struct amd_algorithm *algorithm; /* NULL: AMD's */
};

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
    const struct amd_algorithm *ask_algorithm, *vek_algorithm; /* how they are signed, when not as AMD does */
    EVP_PKEY *ask_key;                                         /* the intermediate's, when another */
    EVP_PKEY *more_ask_key; /* another intermediate of the same name comes first, signed by the root */
    void (*rename_ask)(X509 *ask), (*rename_vek)(X509 *vek);
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

static inline struct scene scene_for(size_t product, enum signing_key kind)
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

static inline struct scene usual(void)
{
    return scene_for(0, SIGNING_KEY_VCEK);
}

static inline struct trust_roots *roots_with(X509 *ark)
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

static inline size_t add_certificate(struct cert_table *table, enum certificate_kind kind, X509 *certificate, uint8_t *room)
{
    uint8_t *at = room;
    int size = i2d_X509(certificate, &at);

    assert_true(size > 0);
    table->entries[table->count++] = (struct certificate_entry){ kind, room, (size_t)size };
    return (size_t)size;
}

/* DER of a list; `room` holds it. */
static inline size_t make_list(const struct list *plan, uint8_t *room)
{
    X509_CRL *list = X509_CRL_new();
    X509_NAME *issuer = amd_name(plan->issuer);
    ASN1_TIME *time = ASN1_TIME_set(NULL, plan->from);
    EVP_MD_CTX *context;
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
    context = amd_begin_signature(plan->algorithm ? plan->algorithm : &amd_algorithm, plan->signer);
    assert_true(X509_CRL_sign_ctx(list, context) > 0);
    EVP_MD_CTX_free(context);
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

/* The intermediate, and the endorsement key's certificate, with what the scene wants otherwise. */
static inline X509 *make_ask(const struct scene *s, X509 *ark)
{
    X509 *ask = amd_make_authority(s->ask_name, s->ask_key ? s->ask_key : amd_keys.ask, ark, s->ask_signer, s->ask_from,
                                   s->ask_to, s->ask_is_authority);

    if (s->rename_ask)
        s->rename_ask(ask);
    if (s->rename_ask || s->ask_algorithm)
        amd_sign_certificate_as(ask, s->ask_algorithm ? s->ask_algorithm : &amd_algorithm, s->ask_signer);
    return ask;
}

static inline X509 *make_vek(const struct scene *s, X509 *issuer)
{
    X509 *vek = amd_make_vek(&s->plan, issuer, s->vek_signer);

    if (s->rename_vek)
        s->rename_vek(vek);
    if (s->rename_vek || s->vek_algorithm)
        amd_sign_certificate_as(vek, s->vek_algorithm ? s->vek_algorithm : &amd_algorithm, s->vek_signer);
    return vek;
}

/* Builds the scene and verifies it, under `roots` or under its own root when that is NULL. */
static inline int play(const struct scene *s, const struct trust_roots *roots)
{
    X509 *ark = amd_make_authority(s->ark_name, amd_keys.ark, NULL, amd_keys.ark, s->ark_from, s->ark_to, true);
    X509 *ask = make_ask(s, ark);
    X509 *vek = make_vek(s, s->vek_by_ark ? ark : ask);
    struct trust_roots *own = roots ? NULL : roots_with(ark);
    struct cert_table table = { .count = 0 };
    uint8_t report[REPORT_BYTES], ders[4][4096], lists[2][2048];
    enum verify_step step;
    int r;

    report_encode(&s->report, report);
    if (s->edit)
        s->edit(report);
    amd_sign_report(report, s->report_signer);
    if (s->spoil)
        s->spoil(report);
    if (s->with_ark)
        (void)add_certificate(&table, CERTIFICATE_ARK, ark, ders[0]);
    if (s->more_ask_key) {
        X509 *more = amd_make_authority(s->ask_name, s->more_ask_key, ark, amd_keys.ark, s->ask_from, s->ask_to, true);

        (void)add_certificate(&table, CERTIFICATE_ASK, more, ders[3]);
        X509_free(more);
    }
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

static inline void assert_good(const struct scene *s)
{
    int r = play(s, NULL);

    if (r != 0 || why.text[0])
        fail_msg("%d: %s", r, why.text);
}

static inline void assert_bad(const struct scene *s, int expected, const char *words)
{
    int r = play(s, NULL);

    if (r != expected || !strstr(why.text, words))
        fail_msg("%d \"%s\", expected %d \"%s\"", r, why.text, expected, words);
}
