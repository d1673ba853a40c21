/* Verification of chains; whoever sent the certificates controls them until this file is through with them. */
#include "attest/chain.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define AUTHORITY_KEY_BITS 4096

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

    if (entry->size > CHAIN_MAX_CERTIFICATE_BYTES)
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

static int take_vek(const struct cert_table *table, enum signing_key kind, X509 **ret_certificate, struct reason *why)
{
    const struct certificate_entry *entry;
    X509 *certificate;

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

/* Whether an entry is this certificate, byte for byte. */
static bool is_same(const struct certificate_entry *entry, X509 *certificate)
{
    unsigned char *der = NULL;
    int size = i2d_X509(certificate, &der);
    bool same = size > 0 && (size_t)size == entry->size && memcmp(der, entry->data, entry->size) == 0;

    OPENSSL_free(der);
    return same;
}

/*
 * Another ASK or ASVK of that name than `first`, out of the table, that signed the endorsement key: AMD may issue a new
 * one, and whoever sends certificates may put useless ones in front. When there is no `first`, any of that name will
 * do. NULL: none; `found` is then the last name that was met. Nothing is trusted for it: the root must have signed it.
 */
static X509 *find_intermediate(const struct cert_table *table, const char *wanted, X509 *first, X509 *vek,
                               char found[64])
{
    X509 *any = NULL;

    for (size_t i = 0; i < table->count; i++) {
        const struct certificate_entry *entry = &table->entries[i];
        X509 *certificate;

        if (entry->kind != CERTIFICATE_ASK || (first && is_same(entry, first)) || !(certificate = decode(entry)))
            continue;
        certificate_common_name(certificate, found);
        if (strcmp(found, wanted) == 0 && X509_verify(vek, X509_get0_pubkey(certificate)) == 1) {
            X509_free(any);
            return certificate;
        }
        if (strcmp(found, wanted) == 0 && !any && !first)
            any = certificate;
        else
            X509_free(certificate);
    }
    return any;
}

/* ASK or ASVK: the built-in one, unless another one that came along signed the endorsement key. A new reference. */
static int take_intermediate(const struct cert_table *table, const struct trust_roots *roots, const struct vek *vek,
                             X509 *vek_certificate, X509 **ret_certificate, struct reason *why)
{
    char wanted[64], found[64] = "none";
    X509 *built_in, *other;

    (void)snprintf(wanted, sizeof(wanted), "SEV-%s%s", vek->kind == SIGNING_KEY_VLEK ? "VLEK-" : "",
                   product_name(vek->product));
    built_in = trust_roots_intermediate(roots, wanted);
    other = find_intermediate(table, wanted, built_in, vek_certificate, found);
    ERR_clear_error();
    if (!other && !built_in)
        return reason_set(why, -ENOKEY, "no certificate \"%s\" for the endorsement key, found \"%s\"", wanted, found);
    if (!other)
        X509_up_ref(built_in);
    *ret_certificate = other ? other : built_in;
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

/*
 * AMD signs with RSASSA-PSS alone: SHA-384, MGF1 with SHA-384, a salt of 48 bytes. OpenSSL has a word for parameters
 * that go together like that: X509_SIG_INFO_TLS (X509_get_signature_info(3)).
 */
static int check_algorithm(X509 *certificate, struct reason *why)
{
    int digest = NID_undef, key = NID_undef;
    uint32_t flags = 0;
    char name[64];
    int known = X509_get_signature_info(certificate, &digest, &key, NULL, &flags);

    if (known == 1 && digest == NID_sha384 && key == EVP_PKEY_RSA_PSS && flags & X509_SIG_INFO_TLS)
        return 0;
    certificate_common_name(certificate, name);
    if (known == 1 && digest == NID_sha384 && key == EVP_PKEY_RSA_PSS)
        return reason_set(why, -EKEYREJECTED, "certificate \"%s\" is signed with RSASSA-PSS in another way than with "
                          "MGF1-SHA384 and a salt of 48 bytes", name);
    return reason_set(why, -EKEYREJECTED, "certificate \"%s\" is signed with %s and %s, expected RSASSA-PSS and SHA384",
                      name, key == NID_undef ? "something unknown" : OBJ_nid2sn(key),
                      digest == NID_undef ? "no digest" : OBJ_nid2sn(digest));
}

/* Keys that sign certificates have 4096 bits. */
static int check_authority_key(X509 *certificate, struct reason *why)
{
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    char name[64];

    if (key && EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) == AUTHORITY_KEY_BITS)
        return 0;
    certificate_common_name(certificate, name);
    return reason_set(why, -EKEYREJECTED, "the key of certificate \"%s\" is not RSA with %u bits", name,
                      AUTHORITY_KEY_BITS);
}

/* Every certificate of AMD's is for the same unit; who it is stands in the common name, which comes last. */
static int check_subject(X509 *certificate, struct reason *why)
{
    static const struct {
        int nid;
        const char *text;
    } parts[] = {
        { NID_organizationalUnitName, "Engineering" },
        { NID_countryName, "US" },
        { NID_localityName, "Santa Clara" },
        { NID_stateOrProvinceName, "CA" },
        { NID_organizationName, "Advanced Micro Devices" },
    };
    const X509_NAME *subject = X509_get_subject_name(certificate);
    bool same = X509_NAME_entry_count(subject) == ARRAY_SIZE(parts) + 1;
    char name[64];

    for (int i = 0; same && i < (int)ARRAY_SIZE(parts); i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
        const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);

        same = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)) == parts[i].nid &&
               (size_t)ASN1_STRING_length(value) == strlen(parts[i].text) &&
               memcmp(ASN1_STRING_get0_data(value), parts[i].text, strlen(parts[i].text)) == 0;
    }
    if (same)
        return 0;
    certificate_common_name(certificate, name);
    return reason_set(why, -EKEYREJECTED, "the subject of certificate \"%s\" is not of AMD's form: OU Engineering, "
                      "C US, L Santa Clara, ST CA, O Advanced Micro Devices", name);
}

/* What AMD's certificates are besides valid. */
static int check_form(X509 *ark, X509 *intermediate, X509 *vek, struct reason *why)
{
    X509 *const all[] = { ark, intermediate, vek };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++) {
        r = check_algorithm(all[i], why);
        if (r == 0)
            r = check_subject(all[i], why);
        if (r == 0 && all[i] != vek)
            r = check_authority_key(all[i], why);
    }
    return r;
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
    if (r == 0)
        r = check_form(ark, intermediate, vek, why);
    sk_X509_free(untrusted);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    ERR_clear_error();
    return r;
}

/* Lists that leave something out are no answer: partial ones, and extensions that nobody here understands. */
static bool has_critical_extension(const X509_CRL *list)
{
    return X509_CRL_get_ext_by_critical(list, 1, -1) >= 0;
}

/* One list of the root's. Revocation counts whatever the list's dates are; being absent from it only while it holds. */
static int check_list(X509_CRL *list, X509 *ark, X509 *intermediate, time_t at, struct reason *why)
{
    X509_REVOKED *revoked = NULL;
    char name[64];

    certificate_common_name(ark, name);
    if (X509_CRL_get_signature_nid(list) != NID_rsassaPss)
        return reason_set(why, -EKEYREJECTED, "revocation list of \"%s\" is not signed with RSASSA-PSS", name);
    if (X509_CRL_verify(list, X509_get0_pubkey(ark)) != 1)
        return reason_set(why, -EKEYREJECTED, "revocation list of \"%s\": its signature does not verify", name);
    if (has_critical_extension(list))
        return reason_set(why, -EKEYREJECTED, "revocation list of \"%s\": it has an unknown critical extension", name);
    if (X509_CRL_get0_by_cert(list, &revoked, intermediate) != 0) {
        certificate_common_name(intermediate, name);
        return reason_set(why, -EKEYREVOKED, "certificate \"%s\" has been revoked", name);
    }
    if (X509_cmp_time(X509_CRL_get0_lastUpdate(list), &at) >= 0)
        return reason_set(why, -EKEYREJECTED, "revocation list of \"%s\" is not yet valid", name);
    if (!X509_CRL_get0_nextUpdate(list) || X509_cmp_time(X509_CRL_get0_nextUpdate(list), &at) <= 0)
        return reason_set(why, -EKEYREJECTED, "revocation list of \"%s\" has expired: fetch a newer one", name);
    return 0;
}

static int check_entry(const struct certificate_entry *entry, X509 *ark, X509 *intermediate, time_t at,
                       bool *ret_checked, struct reason *why)
{
    const unsigned char *cursor = entry->data;
    X509_CRL *list = d2i_X509_CRL(NULL, &cursor, (long)entry->size);
    int r = 0;

    if (!list || cursor != entry->data + entry->size) {
        r = reason_set(why, -EBADMSG, "the revocation list is not one DER list");
    } else if (X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(ark)) == 0) {
        r = check_list(list, ark, intermediate, at, why);
        *ret_checked = r == 0;
    }
    X509_CRL_free(list);
    ERR_clear_error();
    return r;
}

/* Lists of other products' roots may be there; they are about others. */
static int check_revocation(const struct cert_table *table, X509 *ark, X509 *intermediate, time_t at,
                            bool *ret_checked, struct reason *why)
{
    for (size_t i = 0; i < table->count; i++) {
        int r = table->entries[i].kind == CERTIFICATE_CRL
                    ? check_entry(&table->entries[i], ark, intermediate, at, ret_checked, why)
                    : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

static int verify(const struct cert_table *table, const struct trust_roots *roots, time_t at, struct trust_chain *chain,
                  enum verify_step *ret_step, struct reason *why)
{
    CLEANUP_CERTIFICATE X509 *intermediate = NULL;
    X509 *ark;
    int r = vek_parse(chain->certificate, &chain->vek, why);

    if (r < 0)
        return r;
    ark = trust_roots_ark(roots, chain->vek.product);
    if (!ark)
        return reason_set(why, -ENOKEY, "no trusted root for %s", product_name(chain->vek.product));
    r = take_intermediate(table, roots, &chain->vek, chain->certificate, &intermediate, why);
    if (r < 0)
        return r;
    *ret_step = VERIFY_CHAIN;
    r = check_chain(ark, intermediate, chain->certificate, at, why);
    return r < 0 ? r : check_revocation(table, ark, intermediate, at, &chain->revocation_checked, why);
}

int trust_chain_verify(const struct cert_table *table, enum signing_key kind, const struct trust_roots *roots,
                       time_t at, struct trust_chain *ret_chain, enum verify_step *ret_step, struct reason *why)
{
    CLEANUP(trust_chain_free) struct trust_chain chain = { .certificate = NULL };
    int r;

    *ret_step = VERIFY_CERTIFICATE;
    r = take_vek(table, kind, &chain.certificate, why);
    if (r == 0)
        r = verify(table, roots, at, &chain, ret_step, why);
    if (r == -EBADMSG)
        *ret_step = VERIFY_LAYOUT;
    if (r < 0)
        return r;
    *ret_chain = chain;
    chain.certificate = NULL;
    return 0;
}

void trust_chain_free(struct trust_chain *chain)
{
    certificate_free(&chain->certificate);
}
