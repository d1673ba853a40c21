/* Verification of reports; report and certificates are hostile until this file is through with them. */
#include "attest/verify.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/cursor.h"

#define SIGNATURE_ALGORITHM_P384 1
#define P384_SCALAR_BYTES 48

static int check_tcb(const struct tcb *reported, const struct tcb *certified, struct reason *why)
{
    if (tcb_equal(reported, certified))
        return 0;
    return reason_set(why, -EKEYREJECTED,
                      "reported TCB fmc %u bootloader %u tee %u snp %u microcode %u, the certificate is for "
                      "%u %u %u %u %u",
                      reported->fmc, reported->bootloader, reported->tee, reported->snp, reported->microcode,
                      certified->fmc, certified->bootloader, certified->tee, certified->snp, certified->microcode);
}

/* What the certificate says about the chip against what the report says. */
static int check_chip(const struct report *report, const struct vek *vek, struct reason *why)
{
    enum product product = report_product(report);

    /*
     * Version 2 does not tell Milan from Genoa, and nothing at all when the chip id is masked: the certificate, whose
     * chain holds, does.
     */
    if (report->version == 2 &&
        (product == PRODUCT_UNKNOWN || (product == PRODUCT_MILAN && vek->product == PRODUCT_GENOA)))
        product = vek->product;
    if (product != vek->product)
        return reason_set(why, -EKEYREJECTED, "report for a processor of product %s, certificate for %s",
                          product_name(product), product_name(vek->product));
    if (vek->kind == SIGNING_KEY_VCEK && memcmp(report->chip_id, vek->hwid, CHIP_ID_BYTES) != 0)
        return reason_set(why, -EKEYREJECTED, "the report's chip id is %s the certificate's",
                          all_zero(report->chip_id, CHIP_ID_BYTES) ? "masked, it cannot be compared with" : "not");
    return 0;
}

/* A little-endian number of 72 bytes; P-384 has 48, the rest must be zero. */
static BIGNUM *scalar(const uint8_t bytes[SIGNATURE_PART_BYTES])
{
    if (!all_zero(bytes + P384_SCALAR_BYTES, SIGNATURE_PART_BYTES - P384_SCALAR_BYTES))
        return NULL;
    return BN_lebin2bn(bytes, P384_SCALAR_BYTES, NULL);
}

static int signature_der(const struct report *report, unsigned char **ret_der)
{
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = scalar(report->signature_r), *s = scalar(report->signature_s);
    int size = -1;

    if (signature && r && s && ECDSA_SIG_set0(signature, r, s) == 1) {
        r = s = NULL; /* the signature owns them */
        size = i2d_ECDSA_SIG(signature, ret_der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(signature);
    return size;
}

static bool key_is_p384(EVP_PKEY *key)
{
    char group[32] = "";

    return key && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 && strcmp(group, SN_secp384r1) == 0;
}

static int check_signature(const uint8_t *data, const struct report *report, X509 *vek, struct reason *why)
{
    EVP_PKEY *key = X509_get0_pubkey(vek);
    EVP_MD_CTX *context = NULL;
    unsigned char *der = NULL;
    int size, ok;

    if (report->signature_algorithm != SIGNATURE_ALGORITHM_P384)
        return reason_set(why, -EKEYREJECTED, "signature algorithm %u, expected 1 (ECDSA P-384 with SHA-384)",
                          report->signature_algorithm);
    if (!key_is_p384(key))
        return reason_set(why, -EKEYREJECTED, "the endorsement key is not on P-384");
    size = signature_der(report, &der);
    context = size > 0 ? EVP_MD_CTX_new() : NULL;
    ok = context && EVP_DigestVerifyInit(context, NULL, EVP_sha384(), NULL, key) == 1 &&
         EVP_DigestVerify(context, der, (size_t)size, data, REPORT_SIGNED_BYTES) == 1;
    EVP_MD_CTX_free(context);
    OPENSSL_free(der);
    ERR_clear_error();
    return ok ? 0 : reason_set(why, -EKEYREJECTED, "the report's signature does not verify");
}

/* Bytes of TCB versions that the product's layout has no meaning for are reserved like others. */
static int check_tcb_layout(const struct report *report, enum product product, struct reason *why)
{
    const struct {
        const char *name;
        uint64_t raw;
    } tcbs[] = {
        { "current", report->current_tcb },
        { "reported", report->reported_tcb },
        { "committed", report->committed_tcb },
        { "launch", report->launch_tcb },
    };

    for (size_t i = 0; i < ARRAY_SIZE(tcbs); i++) {
        struct tcb tcb = tcb_decode(product, tcbs[i].raw);

        if (tcb_encode(product, &tcb) != tcbs[i].raw)
            return reason_set(why, -EBADMSG, "the %s TCB 0x%016llx has a reserved byte of %s that is not zero",
                              tcbs[i].name, (unsigned long long)tcbs[i].raw, product_name(product));
    }
    return 0;
}

/* What the chain is for, held against what the report says. */
static int check_report(const uint8_t *data, const struct trust_chain *chain, const struct verify_options *options,
                        struct verified *verified, enum verify_step *step, struct reason *why)
{
    int r;

    *step = VERIFY_CHIP;
    if (chain->vek.kind != report_signing_key(&verified->report))
        return reason_set(why, -EKEYREJECTED, "the certificate is of another kind than the report's signing key");
    r = check_chip(&verified->report, &chain->vek, why);
    if (r < 0)
        return r;
    verified->vek = chain->vek;
    verified->product = chain->vek.product;
    verified->reported_tcb = tcb_decode(verified->product, verified->report.reported_tcb);
    if (!options->allow_reserved) {
        *step = VERIFY_LAYOUT;
        r = check_tcb_layout(&verified->report, verified->product, why);
        if (r < 0)
            return r;
        *step = VERIFY_CHIP;
    }
    r = check_tcb(&verified->reported_tcb, &chain->vek.tcb, why);
    if (r < 0)
        return r;
    *step = VERIFY_SIGNATURE;
    return check_signature(data, &verified->report, chain->certificate, why);
}

/* Whose keys sign its reports: unknown generations are told by their number. */
static int check_known(const struct report *report, struct reason *why)
{
    enum signing_key kind = report_signing_key(report);

    if (kind != SIGNING_KEY_VCEK && kind != SIGNING_KEY_VLEK)
        return reason_set(why, -EKEYREJECTED, "report names the signing key %u, expected VCEK (0) or VLEK (1)",
                          (unsigned)kind);
    if (report->version >= 3 && report_product(report) == PRODUCT_UNKNOWN)
        return reason_set(why, -ENOKEY, "no root known for processors of family 0x%x, model 0x%x (%s)",
                          report->cpuid_family, report->cpuid_model, report_generation(report));
    return 0;
}

time_t verify_time_of(time_t clock)
{
    return clock < VERIFY_TIME_FLOOR ? VERIFY_TIME_FLOOR : clock;
}

time_t verify_time_now(void)
{
    return verify_time_of(time(NULL));
}

static int find_chain(const struct cert_table *table, enum signing_key kind, const struct trust_roots *roots,
                      const struct verify_options *options, struct trust_chain *ret_chain, enum verify_step *ret_step,
                      struct reason *why)
{
    if (options->cache)
        return chain_cache_verify(options->cache, table, kind, roots, options->at, ret_chain, ret_step, why);
    return trust_chain_verify(table, kind, roots, options->at, ret_chain, ret_step, why);
}

int verify_report_with(const void *data, size_t size, const struct cert_table *table, const struct trust_roots *roots,
                       const struct verify_options *options, struct verified *ret_verified, enum verify_step *ret_step,
                       struct reason *why)
{
    CLEANUP(trust_chain_free) struct trust_chain chain = { .certificate = NULL };
    struct verified verified;
    int r;

    *ret_step = VERIFY_LAYOUT;
    memset(&verified, 0, sizeof(verified));
    r = report_parse(data, size, &verified.report, why);
    if (r < 0)
        return r;
    if (verified.report.reserved_offset && !options->allow_reserved)
        return reason_set(why, -EBADMSG, "reserved byte at offset 0x%zx of the report is not zero",
                          verified.report.reserved_offset);
    *ret_step = VERIFY_CERTIFICATE;
    r = check_known(&verified.report, why);
    if (r == 0)
        r = find_chain(table, report_signing_key(&verified.report), roots, options, &chain, ret_step, why);
    if (r < 0)
        return r;
    verified.revocation_checked = chain.revocation_checked;
    verified.software = trust_roots_software(roots);
    r = check_report(data, &chain, options, &verified, ret_step, why);
    if (r < 0)
        return r;
    *ret_step = VERIFY_DONE;
    *ret_verified = verified;
    return 0;
}

int verify_report_step(const void *data, size_t size, const struct cert_table *table, const struct trust_roots *roots,
                       time_t at, struct verified *ret_verified, enum verify_step *ret_step, struct reason *why)
{
    const struct verify_options options = { .at = at };

    return verify_report_with(data, size, table, roots, &options, ret_verified, ret_step, why);
}

int verify_report(const void *data, size_t size, const struct cert_table *table, const struct trust_roots *roots,
                  time_t at, struct verified *ret_verified, struct reason *why)
{
    enum verify_step step;

    return verify_report_step(data, size, table, roots, at, ret_verified, &step, why);
}
