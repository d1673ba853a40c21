/* Making certificates; every input is our own. */
#include "psp/certificate.h"

#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>


#define AMD_ARC "1.3.6.1.4.1.3704.1."
#define CA_YEARS 25
#define VCEK_YEARS 7
#define VLEK_YEARS 1
#define CRL_YEARS 1
#define SALT_BYTES 48
#define DER_INTEGER 0x02
#define DER_IA5_STRING 0x16

/* What differs between the generations' certificates. */
struct shape {
    const char *vcek_product; /* extension .2: a stepping stands behind Milan alone */
    uint32_t serial;          /* of the ARK; the ASK has the next one */
    uint8_t struct_version;   /* extension .1 */
};

static const struct shape shapes[] = {
    [PRODUCT_MILAN] = { "Milan-B0", 0x10000, 0 },
    [PRODUCT_GENOA] = { "Genoa", 0x20000, 0 },
    [PRODUCT_TURIN] = { "Turin", 0x30000, 1 },
};

/* AMD's names start with the unit and end with the common name; the country alone is a PrintableString. */
static bool set_name(X509_NAME *name, const char *common_name)
{
    const struct {
        int nid, type;
        const char *text;
    } parts[] = {
        { NID_organizationalUnitName, V_ASN1_UTF8STRING, "Engineering" },
        { NID_countryName, V_ASN1_PRINTABLESTRING, "US" },
        { NID_localityName, V_ASN1_UTF8STRING, "Santa Clara" },
        { NID_stateOrProvinceName, V_ASN1_UTF8STRING, "CA" },
        { NID_organizationName, V_ASN1_UTF8STRING, "Advanced Micro Devices" },
        { NID_commonName, V_ASN1_UTF8STRING, common_name },
    };

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (X509_NAME_add_entry_by_NID(name, parts[i].nid, parts[i].type, (const unsigned char *)parts[i].text, -1, -1,
                                       0) != 1)
            return false;
    return true;
}

/* The same day and second some years on. */
static time_t years_after(time_t from, int years)
{
    struct tm parts;

    if (!gmtime_r(&from, &parts))
        return from;
    parts.tm_year += years;
    return timegm(&parts);
}

/* Everything but extensions and signature. */
static X509 *start(const char *subject, const char *issuer, uint32_t serial, time_t from, int years, EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    time_t until = years_after(from, years);

    if (certificate && X509_set_version(certificate, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial) == 1 &&
        set_name(X509_get_subject_name(certificate), subject) && set_name(X509_get_issuer_name(certificate), issuer) &&
        ASN1_TIME_set(X509_getm_notBefore(certificate), from) &&
        ASN1_TIME_set(X509_getm_notAfter(certificate), until) && X509_set_pubkey(certificate, key) == 1)
        return certificate;
    X509_free(certificate);
    return NULL;
}

/* RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes; for a certificate or a list. */
static bool sign(X509 *certificate, X509_CRL *crl, EVP_PKEY *key)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *parameters = NULL;
    bool ok = context && EVP_DigestSignInit(context, &parameters, EVP_sha384(), NULL, key) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
              EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, EVP_sha384()) == 1 &&
              EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, SALT_BYTES) == 1 &&
              (crl ? X509_CRL_sign_ctx(crl, context) : X509_sign_ctx(certificate, context)) > 0;

    EVP_MD_CTX_free(context);
    return ok;
}

/* Signed, or gone. */
static X509 *finish(X509 *certificate, bool complete, EVP_PKEY *key)
{
    if (certificate && complete && sign(certificate, NULL, key))
        return certificate;
    X509_free(certificate);
    return NULL;
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool ok;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ok = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool add_crl_place(X509 *certificate, X509 *issuer, const char *kind, enum product product)
{
    char text[96];

    (void)snprintf(text, sizeof(text), "URI:https://kdsintf.amd.com/%s/v1/%s/crl", kind, product_name(product));
    return add_extension(certificate, issuer, NID_crl_distribution_points, text);
}

X509 *certificate_make_ark(enum product product, EVP_PKEY *ark, time_t from)
{
    char name[32];
    X509 *c;
    bool ok;

    (void)snprintf(name, sizeof(name), "ARK-%s", product_name(product));
    c = start(name, name, shapes[product].serial, from, CA_YEARS, ark);
    ok = c && add_extension(c, c, NID_key_usage, "critical,keyCertSign,cRLSign") &&
         add_extension(c, c, NID_subject_key_identifier, "hash") &&
         add_extension(c, c, NID_basic_constraints, "critical,CA:TRUE") && add_crl_place(c, c, "vcek", product);
    return finish(c, ok, ark);
}

/* The signing key of chips' own endorsement keys, or that of the operators' ones. */
static X509 *make_intermediate(enum product product, bool loaded, EVP_PKEY *key, EVP_PKEY *ark, X509 *ark_certificate,
                               time_t from)
{
    char name[32], issuer[32];
    X509 *c;
    bool ok;

    (void)snprintf(name, sizeof(name), "SEV-%s%s", loaded ? "VLEK-" : "", product_name(product));
    (void)snprintf(issuer, sizeof(issuer), "ARK-%s", product_name(product));
    c = start(name, issuer, shapes[product].serial + (loaded ? 2 : 1), from, CA_YEARS, key);
    ok = c && add_extension(c, ark_certificate, NID_subject_key_identifier, "hash") &&
         add_extension(c, ark_certificate, NID_authority_key_identifier, "keyid:always") &&
         add_extension(c, ark_certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
         add_extension(c, ark_certificate, NID_key_usage, "critical,keyCertSign") &&
         add_crl_place(c, ark_certificate, loaded ? "vlek" : "vcek", product);
    return finish(c, ok, ark);
}

X509 *certificate_make_ask(enum product product, EVP_PKEY *ask, EVP_PKEY *ark, X509 *ark_certificate, time_t from)
{
    return make_intermediate(product, false, ask, ark, ark_certificate, from);
}

X509 *certificate_make_asvk(enum product product, EVP_PKEY *asvk, EVP_PKEY *ark, X509 *ark_certificate, time_t from)
{
    return make_intermediate(product, true, asvk, ark, ark_certificate, from);
}

/* One of AMD's own extensions, never critical. */
static bool add_amd(X509 *certificate, const char *number, const uint8_t *value, size_t size)
{
    char text[64];
    ASN1_OBJECT *oid;
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;
    bool ok;

    (void)snprintf(text, sizeof(text), AMD_ARC "%s", number);
    oid = OBJ_txt2obj(text, 1);
    ok = oid && octets && ASN1_OCTET_STRING_set(octets, value, (int)size) == 1 &&
         (extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, octets)) &&
         X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(octets);
    ASN1_OBJECT_free(oid);
    return ok;
}

/* A DER INTEGER: from 128 on a zero stands in front, or it would be negative. */
static bool add_amd_number(X509 *certificate, const char *number, uint8_t value)
{
    const uint8_t one[] = { DER_INTEGER, 1, value };
    const uint8_t two[] = { DER_INTEGER, 2, 0, value };

    return value < 0x80 ? add_amd(certificate, number, one, sizeof(one)) :
                          add_amd(certificate, number, two, sizeof(two));
}

static bool add_amd_text(X509 *certificate, const char *number, const char *text)
{
    uint8_t value[32] = { DER_IA5_STRING, (uint8_t)strlen(text) };

    memcpy(value + 2, text, strlen(text));
    return add_amd(certificate, number, value, 2 + strlen(text));
}

/* The components in the order of TCB_VERSION's bytes, reserved ones included (57230, tables 9 and 11). */
static bool add_tcb(X509 *c, const struct tcb *tcb)
{
    return add_amd_number(c, "3.1", tcb->bootloader) && add_amd_number(c, "3.2", tcb->tee) &&
           add_amd_number(c, "3.4", 0) && add_amd_number(c, "3.5", 0) && add_amd_number(c, "3.6", 0) &&
           add_amd_number(c, "3.7", 0) && add_amd_number(c, "3.3", tcb->snp) &&
           add_amd_number(c, "3.8", tcb->microcode);
}

static bool add_tcb_turin(X509 *c, const struct tcb *tcb)
{
    return add_amd_number(c, "3.9", tcb->fmc) && add_amd_number(c, "3.1", tcb->bootloader) &&
           add_amd_number(c, "3.2", tcb->tee) && add_amd_number(c, "3.3", tcb->snp) && add_amd_number(c, "3.5", 0) &&
           add_amd_number(c, "3.6", 0) && add_amd_number(c, "3.7", 0) && add_amd_number(c, "3.8", tcb->microcode);
}

X509 *certificate_make_vcek(const struct chip_identity *identity, EVP_PKEY *vcek, EVP_PKEY *ask, time_t from)
{
    const struct shape *shape = &shapes[identity->product];
    char issuer[32];
    X509 *c;
    bool ok;

    (void)snprintf(issuer, sizeof(issuer), "SEV-%s", product_name(identity->product));
    c = start("SEV-VCEK", issuer, 0, from, VCEK_YEARS, vcek);
    ok = c && add_amd_number(c, "1", shape->struct_version) && add_amd_text(c, "2", shape->vcek_product) &&
         (identity->product == PRODUCT_TURIN ? add_tcb_turin : add_tcb)(c, &identity->tcb) &&
         add_amd(c, "4", identity->chip_id, identity->chip_id_size);
    return finish(c, ok, ask);
}

X509 *certificate_make_vlek(const struct chip_identity *identity, EVP_PKEY *vlek, EVP_PKEY *asvk, time_t from)
{
    char issuer[32];
    X509 *c;
    bool ok;

    (void)snprintf(issuer, sizeof(issuer), "SEV-VLEK-%s", product_name(identity->product));
    c = start("SEV-VLEK", issuer, 0, from, VLEK_YEARS, vlek);
    ok = c && add_amd_number(c, "1", shapes[identity->product].struct_version) &&
         add_amd_text(c, "2", product_name(identity->product)) &&
         (identity->product == PRODUCT_TURIN ? add_tcb_turin : add_tcb)(c, &identity->tcb) &&
         add_amd_text(c, "5", "CN=postern-psp");
    return finish(c, ok, asvk);
}

static bool add_revoked(X509_CRL *crl, X509 *certificate, time_t at)
{
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_TIME *when = ASN1_TIME_set(NULL, at);
    bool ok = entry && when && X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate)) == 1 &&
              X509_REVOKED_set_revocationDate(entry, when) == 1 && X509_CRL_add0_revoked(crl, entry) == 1;

    ASN1_TIME_free(when);
    if (!ok)
        X509_REVOKED_free(entry);
    return ok;
}

X509_CRL *certificate_make_crl(X509 *ark_certificate, EVP_PKEY *ark, X509 *revoked, time_t from)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *last = ASN1_TIME_set(NULL, from), *next = ASN1_TIME_set(NULL, years_after(from, CRL_YEARS));
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    bool ok = crl && last && next && number && ASN1_INTEGER_set(number, 1) == 1 &&
              X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
              X509_CRL_set_issuer_name(crl, X509_get_subject_name(ark_certificate)) == 1 &&
              X509_CRL_set1_lastUpdate(crl, last) == 1 && X509_CRL_set1_nextUpdate(crl, next) == 1 &&
              X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) == 1 &&
              (!revoked || add_revoked(crl, revoked, from)) && sign(NULL, crl, ark);

    ASN1_TIME_free(last);
    ASN1_TIME_free(next);
    ASN1_INTEGER_free(number);
    if (ok)
        return crl;
    X509_CRL_free(crl);
    return NULL;
}
