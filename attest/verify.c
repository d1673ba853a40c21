/* Verification of reports; report and certificates are hostile until this file is through with them. */
#include "attest/verify.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"

#define SIGNATURE_ALGORITHM_P384 1
#define P384_SCALAR_BYTES 48

static void certificate_free(X509 **certificate)
{
    X509_free(*certificate);
    *certificate = NULL;
}

#define CLEANUP_CERTIFICATE CLEANUP(certificate_free)

/* Exactly one DER certificate. */
static X509 *decode(const struct certificate_entry *entry)
{
    const unsigned char *at = entry->data;
    X509 *certificate;

    if (entry->size > VERIFY_MAX_CERTIFICATE_BYTES)
        return NULL;
    certificate = d2i_X509(NULL, &at, (long)entry->size);
    if (certificate && at != entry->data + entry->size)
        certificate_free(&certificate);
    ERR_clear_error();
    return certificate;
}

static const struct certificate_entry *find_entry(const struct cert_table *table, enum certificate_kind kind)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->entries[i].kind == kind)
            return &table->entries[i];
    return NULL;
}

/* The endorsement key's certificate of the kind that the report names. */
static int take_vek(const struct cert_table *table, const struct report *report, X509 **ret_certificate,
                    struct reason *why)
{
    enum signing_key kind = report_signing_key(report);
    const struct certificate_entry *entry;
    X509 *certificate;

    if (kind != SIGNING_KEY_VCEK && kind != SIGNING_KEY_VLEK)
        return reason_set(why, -EKEYREJECTED, "report names the signing key %u, expected VCEK (0) or VLEK (1)",
                          (unsigned)kind);
    entry = find_entry(table, kind == SIGNING_KEY_VCEK ? CERTIFICATE_VCEK : CERTIFICATE_VLEK);
    if (!entry)
        return reason_set(why, -ENOKEY, "no %s certificate came with the report",
                          kind == SIGNING_KEY_VCEK ? "VCEK" : "VLEK");
    certificate = decode(entry);
    if (!certificate)
        return reason_set(why, -EBADMSG, "the endorsement key's certificate is not one DER certificate");
    *ret_certificate = certificate;
    return 0;
}

/* ASK or ASVK: the built-in one where there is one, else what came along. A new reference in either case. */
static int take_intermediate(const struct cert_table *table, const struct trust_roots *roots, const struct vek *vek,
                             X509 **ret_certificate, struct reason *why)
{
    const struct certificate_entry *entry = find_entry(table, CERTIFICATE_ASK);
    char wanted[64], found[64] = "none";
    X509 *certificate;

    (void)snprintf(wanted, sizeof(wanted), "SEV-%s%s", vek->kind == SIGNING_KEY_VLEK ? "VLEK-" : "",
                   product_name(vek->product));
    certificate = trust_roots_intermediate(roots, wanted);
    if (certificate) {
        X509_up_ref(certificate);
    } else {
        certificate = entry ? decode(entry) : NULL;
        if (certificate)
            certificate_common_name(certificate, found);
        if (!certificate || strcmp(found, wanted) != 0) {
            certificate_free(&certificate);
            return reason_set(why, -ENOKEY, "no certificate \"%s\" for the endorsement key, found \"%s\"", wanted,
                              found);
        }
    }
    *ret_certificate = certificate;
    return 0;
}

/* Which certificate OpenSSL found wanting, and why. */
static void explain_chain(X509_STORE_CTX *context, struct reason *why)
{
    X509 *current = X509_STORE_CTX_get_current_cert(context);
    char name[64] = "";

    if (current)
        certificate_common_name(current, name);
    (void)reason_set(why, 0, "certificate \"%s\": %s", name,
                     X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
}

/* OpenSSL builds and checks the chain: signatures, names, CA flags, critical extensions, validity at `at`. */
static int check_chain(X509 *ark, X509 *intermediate, X509 *vek, time_t at, struct reason *why)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    int r = -ENOMEM;

    if (store && context && untrusted && X509_STORE_add_cert(store, ark) == 1 &&
        sk_X509_push(untrusted, intermediate) > 0 && X509_STORE_CTX_init(context, store, vek, untrusted) == 1) {
        X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context), at);
        r = X509_verify_cert(context) == 1 ? 0 : -EKEYREJECTED;
        if (r < 0)
            explain_chain(context, why);
        else if (sk_X509_num(X509_STORE_CTX_get0_chain(context)) != 3) /* it went past the intermediate */
            r = reason_set(why, -EKEYREJECTED, "the endorsement key's certificate is not signed by the intermediate");
    }
    sk_X509_free(untrusted);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    ERR_clear_error();
    return r;
}

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

/* Everything that needs the chain; fills what the certificate says. */
static int check_with(const uint8_t *data, X509 *certificate, const struct cert_table *table,
                      const struct trust_roots *roots, time_t at, struct verified *verified, enum verify_step *step,
                      struct reason *why)
{
    CLEANUP_CERTIFICATE X509 *intermediate = NULL;
    X509 *ark;
    int r = vek_parse(certificate, &verified->vek, why);

    if (r < 0)
        return r;
    ark = trust_roots_ark(roots, verified->vek.product);
    if (!ark)
        return reason_set(why, -ENOKEY, "no trusted root for %s", product_name(verified->vek.product));
    r = take_intermediate(table, roots, &verified->vek, &intermediate, why);
    if (r < 0)
        return r;
    *step = VERIFY_CHAIN;
    r = check_chain(ark, intermediate, certificate, at, why);
    if (r < 0)
        return r;
    *step = VERIFY_CHIP;
    if (verified->vek.kind != report_signing_key(&verified->report))
        return reason_set(why, -EKEYREJECTED, "the certificate is of another kind than the report's signing key");
    r = check_chip(&verified->report, &verified->vek, why);
    if (r < 0)
        return r;
    verified->product = verified->vek.product;
    verified->reported_tcb = tcb_decode(verified->product, verified->report.reported_tcb);
    verified->software = trust_roots_software(roots);
    r = check_tcb(&verified->reported_tcb, &verified->vek.tcb, why);
    if (r < 0)
        return r;
    *step = VERIFY_SIGNATURE;
    return check_signature(data, &verified->report, certificate, why);
}

int verify_report_step(const void *data, size_t size, const struct cert_table *table, const struct trust_roots *roots,
                       time_t at, struct verified *ret_verified, enum verify_step *ret_step, struct reason *why)
{
    CLEANUP_CERTIFICATE X509 *certificate = NULL;
    struct verified verified;
    int r;

    *ret_step = VERIFY_LAYOUT;
    memset(&verified, 0, sizeof(verified));
    r = report_parse(data, size, &verified.report, why);
    if (r < 0)
        return r;
    if (verified.report.reserved_offset)
        return reason_set(why, -EBADMSG, "reserved byte at offset 0x%zx of the report is not zero",
                          verified.report.reserved_offset);
    *ret_step = VERIFY_CERTIFICATE;
    r = take_vek(table, &verified.report, &certificate, why);
    if (r == 0)
        r = check_with(data, certificate, table, roots, at, &verified, ret_step, why);
    if (r == -EBADMSG)
        *ret_step = VERIFY_LAYOUT;
    if (r < 0)
        return r;
    *ret_step = VERIFY_DONE;
    *ret_verified = verified;
    return 0;
}

int verify_report(const void *data, size_t size, const struct cert_table *table, const struct trust_roots *roots,
                  time_t at, struct verified *ret_verified, struct reason *why)
{
    enum verify_step step;

    return verify_report_step(data, size, table, roots, at, ret_verified, &step, why);
}
