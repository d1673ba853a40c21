/* The processor for tests. Nothing here is hostile; failures end the test. */
#include "tests/broker/chain.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/reason.h"

#define ARC "1.3.6.1.4.1.3704.1."
#define VALID_SECONDS (7L * 365 * 24 * 3600)
#define P384_BYTES 48

static const struct tcb tcb = { .fmc = 0, .bootloader = 10, .tee = 0, .snp = 23, .microcode = 213 };
static const struct tcb turin_tcb = { .fmc = 1, .bootloader = 1, .tee = 1, .snp = 4, .microcode = 76 };

static const struct tcb *tcb_of(enum product product)
{
    return product == PRODUCT_TURIN ? &turin_tcb : &tcb;
}

uint64_t chain_tcb(enum product product)
{
    return tcb_encode(product, tcb_of(product));
}

void chain_chip_id(enum product product, uint8_t ret_chip_id[CHIP_ID_BYTES])
{
    memset(ret_chip_id, 0, CHIP_ID_BYTES);
    for (size_t i = 0; i < (product == PRODUCT_TURIN ? 8 : CHIP_ID_BYTES); i++)
        ret_chip_id[i] = (uint8_t)(0x40 + i);
}

static bool add_name(X509_NAME *name, const char *common_name)
{
    static const char *const parts[][2] = { { "OU", "Engineering" }, { "C", "US" }, { "L", "Santa Clara" },
                                            { "ST", "CA" }, { "O", "Advanced Micro Devices" } };

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (X509_NAME_add_entry_by_txt(name, parts[i][0], MBSTRING_ASC, (const unsigned char *)parts[i][1], -1, -1,
                                       0) != 1)
            return false;
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0) == 1;
}

static bool add_raw(X509 *certificate, const char *number, const void *data, int size)
{
    char text[64];
    ASN1_OBJECT *oid;
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension;
    bool ok;

    (void)snprintf(text, sizeof(text), ARC "%s", number);
    oid = OBJ_txt2obj(text, 1);
    ok = value && oid && ASN1_OCTET_STRING_set(value, data, size) == 1;
    extension = ok ? X509_EXTENSION_create_by_OBJ(NULL, oid, 0, value) : NULL;
    ok = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
    return ok;
}

static bool add_integer(X509 *certificate, const char *number, uint8_t value)
{
    const uint8_t small[] = { 2, 1, value }, large[] = { 2, 2, 0, value };

    return value < 0x80 ? add_raw(certificate, number, small, sizeof(small))
                        : add_raw(certificate, number, large, sizeof(large));
}

static bool add_vek_extensions(X509 *certificate, enum product product)
{
    const struct tcb *level = tcb_of(product);
    uint8_t name[18] = { 0x16 }, hwid[CHIP_ID_BYTES];
    const char *text = product == PRODUCT_MILAN ? "Milan-B0" : product_name(product);

    name[1] = (uint8_t)strlen(text);
    memcpy(name + 2, text, strlen(text));
    chain_chip_id(product, hwid);
    return add_integer(certificate, "1", product == PRODUCT_TURIN) &&
           add_raw(certificate, "2", name, 2 + (int)strlen(text)) &&
           add_integer(certificate, "3.1", level->bootloader) && add_integer(certificate, "3.2", level->tee) &&
           add_integer(certificate, "3.3", level->snp) && add_integer(certificate, "3.8", level->microcode) &&
           (product != PRODUCT_TURIN || add_integer(certificate, "3.9", level->fmc)) &&
           add_raw(certificate, "4", hwid, product == PRODUCT_TURIN ? 8 : CHIP_ID_BYTES);
}

static bool add_ca(X509 *certificate)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
    bool ok = extension && X509_add_ext(certificate, extension, -1) == 1;

    X509_EXTENSION_free(extension);
    return ok;
}

/* RSASSA-PSS with SHA-384 and 48 bytes of salt, as AMD signs. */
static bool sign_certificate(X509 *certificate, EVP_PKEY *issuer)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *parameters = NULL;
    bool ok = context && EVP_DigestSignInit(context, &parameters, EVP_sha384(), NULL, issuer) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
              EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, 48) == 1 && X509_sign_ctx(certificate, context) > 0;

    EVP_MD_CTX_free(context);
    return ok;
}

static X509 *make_certificate(const char *common_name, EVP_PKEY *key, const X509 *issuer, EVP_PKEY *issuer_key,
                              enum product vek_of)
{
    X509 *certificate = X509_new();
    bool ok = certificate && X509_set_version(certificate, X509_VERSION_3) == 1 &&
              ASN1_INTEGER_set(X509_get_serialNumber(certificate), vek_of ? 0 : 0x10000) == 1 &&
              X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
              X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_SECONDS) &&
              add_name(X509_get_subject_name(certificate), common_name) &&
              X509_set_issuer_name(certificate, X509_get_subject_name(issuer ? issuer : certificate)) == 1 &&
              X509_set_pubkey(certificate, key) == 1 &&
              (vek_of ? add_vek_extensions(certificate, vek_of) : add_ca(certificate)) &&
              sign_certificate(certificate, issuer_key);

    if (ok)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static FILE *open_in(const char *directory, const char *name, const char *mode)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return fopen(path, mode);
}

static bool write_pem(const char *directory, const char *name, X509 *certificate, EVP_PKEY *key)
{
    FILE *file = open_in(directory, name, "w");
    bool ok = file && (certificate ? PEM_write_X509(file, certificate)
                                   : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL)) == 1;

    return file && fclose(file) == 0 && ok;
}

static bool write_der(const char *directory, const char *name, X509 *certificate)
{
    FILE *file = open_in(directory, name, "w");
    bool ok = file && i2d_X509_fp(file, certificate) == 1;

    return file && fclose(file) == 0 && ok;
}

int chain_create(const char *directory, enum product product)
{
    EVP_PKEY *ark_key = EVP_RSA_gen(4096), *ask_key = EVP_RSA_gen(4096), *vek_key = EVP_EC_gen("P-384");
    X509 *ark = NULL, *ask = NULL, *vek = NULL;
    char name[32];
    bool ok;

    (void)snprintf(name, sizeof(name), "ARK-%s", product_name(product));
    ark = make_certificate(name, ark_key, NULL, ark_key, PRODUCT_UNKNOWN);
    (void)snprintf(name, sizeof(name), "SEV-%s", product_name(product));
    ask = ark ? make_certificate(name, ask_key, ark, ark_key, PRODUCT_UNKNOWN) : NULL;
    vek = ask ? make_certificate("SEV-VCEK", vek_key, ask, ask_key, product) : NULL;
    ok = vek && write_pem(directory, "ark.pem", ark, NULL) && write_der(directory, "ask.der", ask) &&
         write_der(directory, "vek.der", vek) && write_pem(directory, "vek.key", NULL, vek_key);
    X509_free(ark);
    X509_free(ask);
    X509_free(vek);
    EVP_PKEY_free(ark_key);
    EVP_PKEY_free(ask_key);
    EVP_PKEY_free(vek_key);
    if (!ok)
        (void)fprintf(stderr, "%s: the test chain cannot be made\n", directory);
    return ok ? 0 : -1;
}

static int load_der(const char *directory, const char *name, uint8_t **ret_data, size_t *ret_size)
{
    struct reason why = { "" };
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (file_read(path, 8192, ret_data, ret_size, &why) == 0)
        return 0;
    (void)fprintf(stderr, "%s\n", why.text);
    return -1;
}

/* "SEV-Genoa" → Genoa. */
static enum product product_of(const uint8_t *der, size_t size)
{
    const unsigned char *at = der;
    X509 *ask = d2i_X509(NULL, &at, (long)size);
    char name[64] = "";

    if (ask)
        (void)X509_NAME_get_text_by_NID(X509_get_subject_name(ask), NID_commonName, name, sizeof(name));
    X509_free(ask);
    return product_from_name(strncmp(name, "SEV-", 4) == 0 ? name + 4 : name);
}

int chain_load(const char *directory, struct chain *ret_chain)
{
    struct chain chain = { .product = PRODUCT_UNKNOWN };
    FILE *file;

    if (load_der(directory, "ask.der", &chain.ask, &chain.ask_size) < 0 ||
        load_der(directory, "vek.der", &chain.vek, &chain.vek_size) < 0)
        return -1;
    file = open_in(directory, "vek.key", "r");
    chain.key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    if (file)
        (void)fclose(file);
    chain.product = product_of(chain.ask, chain.ask_size);
    *ret_chain = chain;
    return chain.key && chain.product ? 0 : -1;
}

void chain_free(struct chain *chain)
{
    free(chain->ask);
    free(chain->vek);
    EVP_PKEY_free(chain->key);
    *chain = (struct chain){ .product = PRODUCT_UNKNOWN };
}

void chain_report(const struct chain *chain, struct report *ret_report)
{
    static const struct {
        uint8_t family, model;
    } cpus[] = { [PRODUCT_MILAN] = { 0x19, 0x01 }, [PRODUCT_GENOA] = { 0x19, 0x11 }, [PRODUCT_TURIN] = { 0x1a, 0x02 } };
    uint64_t level = chain_tcb(chain->product);

    *ret_report = (struct report){
        .version = 3,
        .policy = 0x30000,
        .signature_algorithm = 1,
        .platform_info = 0x25,
        .current_tcb = level,
        .reported_tcb = level,
        .committed_tcb = level,
        .launch_tcb = level,
        .cpuid_family = cpus[chain->product].family,
        .cpuid_model = cpus[chain->product].model,
        .cpuid_stepping = 1,
        .current = { .build = 40, .minor = 55, .major = 1 },
        .committed = { .build = 40, .minor = 55, .major = 1 },
    };
    memset(ret_report->measurement, 0xa5, sizeof(ret_report->measurement));
    memset(ret_report->report_id, 0x1d, sizeof(ret_report->report_id));
    memset(ret_report->report_id_ma, 0xff, sizeof(ret_report->report_id_ma));
    chain_chip_id(chain->product, ret_report->chip_id);
}

int chain_sign(const struct chain *chain, struct report *report, uint8_t ret_bytes[REPORT_BYTES])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t der[128];
    const unsigned char *at = der;
    size_t size = sizeof(der);
    ECDSA_SIG *signature = NULL;
    bool ok;

    memset(report->signature_r, 0, sizeof(report->signature_r));
    memset(report->signature_s, 0, sizeof(report->signature_s));
    report_encode(report, ret_bytes);
    ok = context && EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL, chain->key) == 1 &&
         EVP_DigestSign(context, der, &size, ret_bytes, REPORT_SIGNED_BYTES) == 1;
    EVP_MD_CTX_free(context);
    signature = ok ? d2i_ECDSA_SIG(NULL, &at, (long)size) : NULL;
    ok = signature && BN_bn2lebinpad(ECDSA_SIG_get0_r(signature), report->signature_r, P384_BYTES) == P384_BYTES &&
         BN_bn2lebinpad(ECDSA_SIG_get0_s(signature), report->signature_s, P384_BYTES) == P384_BYTES;
    ECDSA_SIG_free(signature);
    report_encode(report, ret_bytes);
    return ok ? 0 : -1;
}

void chain_table(const struct chain *chain, struct cert_table *ret_table)
{
    *ret_table = (struct cert_table){ .count = 2 };
    ret_table->entries[0] = (struct certificate_entry){ CERTIFICATE_VCEK, chain->vek, chain->vek_size };
    ret_table->entries[1] = (struct certificate_entry){ CERTIFICATE_ASK, chain->ask, chain->ask_size };
}
