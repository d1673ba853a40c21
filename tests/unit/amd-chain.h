/*
 * Certificates and reports in AMD's shape under keys of our own: ARK, ASK or ASVK, VCEK or VLEK, and what they sign.
 * The RSA keys, which take seconds to make, are in amd-rsa-keys.pem: anybody has them, nothing but tests uses them.
 */
#pragma once

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "attest/report.h"
#include "attest/vek.h"
#include "base/cursor.h"

/* The time at which everything is valid unless a plan says otherwise. */
#define AMD_PRESENT ((time_t)1750000000)
#define AMD_YEAR ((time_t)365 * 24 * 3600)

struct amd_keys {
    EVP_PKEY *ark, *ask, *vek, *other_rsa, *other_p384, *p256;
};

static struct amd_keys amd_keys;

static inline int amd_make_keys(void **state UNUSED)
{
    FILE *file = fopen("tests/unit/amd-rsa-keys.pem", "r");
    EVP_PKEY *rsa[3];

    assert_non_null(file);
    for (size_t i = 0; i < ARRAY_SIZE(rsa); i++)
        rsa[i] = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    (void)fclose(file);
    amd_keys = (struct amd_keys){ rsa[0], rsa[1], EVP_EC_gen("P-384"), rsa[2], EVP_EC_gen("P-384"), EVP_EC_gen("P-256") };
    return amd_keys.ark && amd_keys.ask && amd_keys.vek && amd_keys.other_rsa && amd_keys.other_p384 && amd_keys.p256
               ? 0
               : -1;
}

static inline int amd_free_keys(void **state UNUSED)
{
    EVP_PKEY_free(amd_keys.ark);
    EVP_PKEY_free(amd_keys.ask);
    EVP_PKEY_free(amd_keys.vek);
    EVP_PKEY_free(amd_keys.other_rsa);
    EVP_PKEY_free(amd_keys.other_p384);
    EVP_PKEY_free(amd_keys.p256);
    return 0;
}

struct amd_extension {
    char oid[40];
    uint8_t der[80];
    size_t size;
    bool critical;
};

#define AMD_MAX_EXTENSIONS 16

/* Everything that a test may want to have otherwise. */
struct amd_plan {
    const char *common_name;
    struct amd_extension extensions[AMD_MAX_EXTENSIONS];
    size_t extension_count;
    EVP_PKEY *key;
    time_t from, to;
};

static inline struct amd_extension *amd_plan_add(struct amd_plan *plan, const char *number, const void *der,
                                                 size_t size)
{
    struct amd_extension *extension = &plan->extensions[plan->extension_count++];

    assert_true(plan->extension_count <= AMD_MAX_EXTENSIONS && size <= sizeof(extension->der));
    (void)snprintf(extension->oid, sizeof(extension->oid), "1.3.6.1.4.1.3704.1.%s", number);
    memcpy(extension->der, der, size);
    extension->size = size;
    extension->critical = false;
    return extension;
}

static inline struct amd_extension *amd_plan_find(struct amd_plan *plan, const char *number)
{
    char oid[40];

    (void)snprintf(oid, sizeof(oid), "1.3.6.1.4.1.3704.1.%s", number);
    for (size_t i = 0; i < plan->extension_count; i++)
        if (strcmp(plan->extensions[i].oid, oid) == 0)
            return &plan->extensions[i];
    fail_msg("the plan has no extension %s", number);
    return NULL;
}

static inline void amd_plan_drop(struct amd_plan *plan, const char *number)
{
    struct amd_extension *extension = amd_plan_find(plan, number);

    *extension = plan->extensions[--plan->extension_count];
}

static inline void amd_plan_replace(struct amd_plan *plan, const char *number, const void *der, size_t size)
{
    struct amd_extension *extension = amd_plan_find(plan, number);

    assert_true(size <= sizeof(extension->der));
    memcpy(extension->der, der, size);
    extension->size = size;
}

static inline void amd_plan_number(struct amd_plan *plan, const char *number, uint8_t value)
{
    const uint8_t der[] = { 2, value < 128 ? 1 : 2, value < 128 ? value : 0, value };

    (void)amd_plan_add(plan, number, der, value < 128 ? 3 : 4);
}

/* What AMD puts into a VCEK or VLEK of a product ("Milan-B0" and a chip id of 64 or 8 bytes in a VCEK). */
static inline struct amd_plan amd_plan_vek(enum signing_key kind, enum product product, const struct tcb *tcb,
                                           const uint8_t *hwid)
{
    struct amd_plan plan = { .common_name = kind == SIGNING_KEY_VLEK ? "SEV-VLEK" : "SEV-VCEK",
                             .key = amd_keys.vek,
                             .from = AMD_PRESENT - AMD_YEAR,
                             .to = AMD_PRESENT + AMD_YEAR };
    uint8_t name[32] = { 0x16 };

    (void)snprintf((char *)name + 2, sizeof(name) - 2, "%s%s", product_name(product),
                   kind == SIGNING_KEY_VCEK && product == PRODUCT_MILAN ? "-B0" : "");
    name[1] = (uint8_t)strlen((char *)name + 2);
    amd_plan_number(&plan, "1", product == PRODUCT_TURIN);
    (void)amd_plan_add(&plan, "2", name, 2u + name[1]);
    amd_plan_number(&plan, "3.1", tcb->bootloader);
    amd_plan_number(&plan, "3.2", tcb->tee);
    amd_plan_number(&plan, "3.3", tcb->snp);
    amd_plan_number(&plan, "3.8", tcb->microcode);
    if (product == PRODUCT_TURIN)
        amd_plan_number(&plan, "3.9", tcb->fmc);
    else
        amd_plan_number(&plan, "3.4", 0);
    if (kind == SIGNING_KEY_VCEK)
        (void)amd_plan_add(&plan, "4", hwid, product == PRODUCT_TURIN ? 8 : 64);
    else
        (void)amd_plan_add(&plan, "5", "\x16\x0c" "CN=postern.x", 14);
    return plan;
}

static inline X509_NAME *amd_name(const char *common_name)
{
    X509_NAME *name = X509_NAME_new();
    static const char *const parts[][2] = {
        { "OU", "Engineering" }, { "C", "US" }, { "L", "Santa Clara" }, { "ST", "CA" },
        { "O", "Advanced Micro Devices" },
    };

    assert_non_null(name);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        assert_int_equal(X509_NAME_add_entry_by_txt(name, parts[i][0], MBSTRING_ASC,
                                                    (const unsigned char *)parts[i][1], -1, -1, 0),
                         1);
    if (common_name)
        assert_int_equal(
            X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0), 1);
    return name;
}

/* How an RSA key signs. */
struct amd_algorithm {
    int padding, salt;
    const char *digest, *mgf1;
};

static const struct amd_algorithm amd_algorithm = { RSA_PKCS1_PSS_PADDING, 48, "SHA384", "SHA384" };

static inline EVP_MD_CTX *amd_begin_signature(const struct amd_algorithm *algorithm, EVP_PKEY *key)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *parameters = NULL;

    assert_int_equal(EVP_DigestSignInit(context, &parameters, EVP_get_digestbyname(algorithm->digest), NULL, key), 1);
    if (!EVP_PKEY_is_a(key, "RSA"))
        return context;
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(parameters, algorithm->padding), 1);
    if (algorithm->padding == RSA_PKCS1_PSS_PADDING)
        assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, algorithm->salt) == 1 &&
                    EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, EVP_get_digestbyname(algorithm->mgf1)) == 1);
    return context;
}

static inline void amd_sign_certificate_as(X509 *certificate, const struct amd_algorithm *algorithm, EVP_PKEY *key)
{
    EVP_MD_CTX *context = amd_begin_signature(algorithm, key);

    assert_true(X509_sign_ctx(certificate, context) > 0);
    EVP_MD_CTX_free(context);
}

/* As AMD signs; ECDSA with SHA-384 for keys that are not RSA. */
static inline void amd_sign_certificate(X509 *certificate, EVP_PKEY *key)
{
    amd_sign_certificate_as(certificate, &amd_algorithm, key);
}

static inline X509 *amd_begin_certificate(const char *common_name, EVP_PKEY *key, X509 *issuer, time_t from, time_t to)
{
    X509 *certificate = X509_new();
    X509_NAME *name = amd_name(common_name);

    assert_true(certificate && X509_set_version(certificate, X509_VERSION_3) == 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 0), 1);
    assert_int_equal(X509_set_subject_name(certificate, name), 1);
    assert_int_equal(X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : name), 1);
    X509_NAME_free(name);
    assert_true(ASN1_TIME_set(X509_getm_notBefore(certificate), from) &&
                ASN1_TIME_set(X509_getm_notAfter(certificate), to));
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    return certificate;
}

static inline void amd_add_standard(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_true(extension && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

/* An ARK (issuer NULL: signs itself), ASK or ASVK. */
static inline X509 *amd_make_authority(const char *common_name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
                                       time_t from, time_t to, bool authority)
{
    X509 *certificate = amd_begin_certificate(common_name, key, issuer, from, to);

    amd_add_standard(certificate, NID_basic_constraints, authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (authority)
        amd_add_standard(certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    amd_sign_certificate(certificate, issuer_key);
    return certificate;
}

static inline X509 *amd_make_vek(const struct amd_plan *plan, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *certificate = amd_begin_certificate(plan->common_name, plan->key, issuer, plan->from, plan->to);

    for (size_t i = 0; i < plan->extension_count; i++) {
        const struct amd_extension *from = &plan->extensions[i];
        ASN1_OBJECT *oid = OBJ_txt2obj(from->oid, 1);
        ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
        X509_EXTENSION *extension;

        assert_true(oid && value && ASN1_OCTET_STRING_set(value, from->der, (int)from->size) == 1);
        extension = X509_EXTENSION_create_by_OBJ(NULL, oid, from->critical, value);
        assert_true(extension && X509_add_ext(certificate, extension, -1) == 1);
        X509_EXTENSION_free(extension);
        ASN1_OCTET_STRING_free(value);
        ASN1_OBJECT_free(oid);
    }
    amd_sign_certificate(certificate, issuer_key);
    return certificate;
}

/* Writes a scalar little-endian into 72 bytes. */
static inline void amd_put_scalar(uint8_t to[SIGNATURE_PART_BYTES], const BIGNUM *scalar)
{
    assert_int_equal(BN_bn2lebinpad(scalar, to, SIGNATURE_PART_BYTES), SIGNATURE_PART_BYTES);
}

/* Signs the first part of a report in place. */
static inline void amd_sign_report(uint8_t report[REPORT_BYTES], EVP_PKEY *key)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char der[128];
    const unsigned char *at = der;
    size_t size = sizeof(der);
    ECDSA_SIG *signature;

    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, der, &size, report, REPORT_SIGNED_BYTES), 1);
    signature = d2i_ECDSA_SIG(NULL, &at, (long)size);
    assert_non_null(signature);
    amd_put_scalar(report + 0x2a0, ECDSA_SIG_get0_r(signature));
    amd_put_scalar(report + 0x2e8, ECDSA_SIG_get0_s(signature));
    ECDSA_SIG_free(signature);
    EVP_MD_CTX_free(context);
}
