/*
 * The algorithms that PID 1 has, and no others: this takes the place of libcrypto's default provider, which would bring
 * some two hundred of them, MD5, DES and DSA among them, into every initrd, for a peer to ask for and for the kernel to
 * copy page by page. What is here serves TLS 1.3 with a broker (key exchange with X25519 and ML-KEM, P-256 or P-384;
 * certificates with RSA, ECDSA or Ed25519), the KBS protocol's session keys, signatures with P-384, LUKS2 keyslots, and
 * volumes' sectors.
 *
 * The names are OpenSSL 3.5's own (providers/defltprov.c); another version that has others does not link. For programs
 * that are linked statically: a shared libcrypto keeps its own.
 */
#include <openssl/bio.h>
#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/tls1.h>
#include <string.h>

#include "base/base.h"

#define DIGESTS(X) \
    X("SHA1:SHA-1:1.3.14.3.2.26", sha1) /* of certificates, as their short name inside libcrypto */ \
    X("SHA2-256:SHA-256:SHA256:2.16.840.1.101.3.4.2.1", sha256) \
    X("SHA2-384:SHA-384:SHA384:2.16.840.1.101.3.4.2.2", sha384) \
    X("SHA2-512:SHA-512:SHA512:2.16.840.1.101.3.4.2.3", sha512) \
    X("SHA3-256", sha3_256) X("SHA3-512", sha3_512) X("SHAKE-128:SHAKE128", shake_128) \
    X("SHAKE-256:SHAKE256", shake_256) /* ML-KEM's */ \
    X("BLAKE2B-512:BLAKE2b512", blake2b512) /* Argon2id's */
#define CIPHERS(X) \
    X("AES-128-GCM:id-aes128-GCM:2.16.840.1.101.3.4.1.6", aes128gcm) \
    X("AES-256-GCM:id-aes256-GCM:2.16.840.1.101.3.4.1.46", aes256gcm) \
    X("ChaCha20-Poly1305", chacha20_ossl_poly1305) \
    X("AES-256-WRAP:id-aes256-wrap:AES256-WRAP:2.16.840.1.101.3.4.1.45", aes256wrap) \
    X("AES-256-XTS:1.3.111.2.1619.0.1.2", aes256xts) \
    X("AES-256-CTR", aes256ctr) X("AES-256-ECB:2.16.840.1.101.3.4.1.41", aes256ecb) /* CTR-DRBG's */
#define MACS(X) X("HMAC", hmac) X("BLAKE2BMAC:1.3.6.1.4.1.1722.12.2.1", blake2bmac)
#define KDFS(X) \
    X("HKDF", kdf_hkdf) X("TLS13-KDF", kdf_tls1_3_kdf) X("SSKDF", kdf_sskdf) \
    X("PBKDF2:1.2.840.113549.1.5.12", kdf_pbkdf2) X("ARGON2ID", kdf_argon2id)
#define RANDS(X) X("CTR-DRBG", drbg_ctr) X("SEED-SRC", seed_src)
#define KEYS(X) \
    X("RSA:rsaEncryption:1.2.840.113549.1.1.1", rsa_keymgmt) \
    X("RSA-PSS:RSASSA-PSS:1.2.840.113549.1.1.10", rsapss_keymgmt) \
    X("EC:id-ecPublicKey:1.2.840.10045.2.1", ec_keymgmt) X("X25519:1.3.101.110", x25519_keymgmt) \
    X("ED25519:1.3.101.112", ed25519_keymgmt) X("ML-KEM-768:MLKEM768", ml_kem_768_keymgmt) \
    X("X25519MLKEM768", mlx_x25519_kem_kmgmt) X("HMAC", mac_legacy_keymgmt)
#define EXCHANGES(X) X("ECDH", ecdh_keyexch) X("X25519:1.3.101.110", x25519_keyexch)
#define SIGNATURES(X) \
    X("RSA:rsaEncryption:1.2.840.113549.1.1.1", rsa_signature) X("ECDSA", ecdsa_signature) \
    X("ED25519:1.3.101.112", ed25519_signature) X("HMAC", mac_legacy_hmac_signature)
#define ASYMMETRIC_CIPHERS(X) X("RSA:rsaEncryption:1.2.840.113549.1.1.1", rsa_asym_cipher)
#define ENCAPSULATIONS(X) X("ML-KEM-768:MLKEM768", ml_kem_asym_kem) X("X25519MLKEM768", mlx_kem_asym_kem)
#define DECODERS(X) \
    X("RSA", SubjectPublicKeyInfo_der_to_rsa_decoder) X("RSA-PSS", SubjectPublicKeyInfo_der_to_rsapss_decoder) \
    X("EC", SubjectPublicKeyInfo_der_to_ec_decoder) X("ED25519", SubjectPublicKeyInfo_der_to_ed25519_decoder) \
    X("DER", SubjectPublicKeyInfo_der_to_der_decoder)

#define DECLARE(names, name) extern const OSSL_DISPATCH ossl_##name##_functions[];
#define ENTRY(names, name) { names, "provider=default", ossl_##name##_functions, NULL },
#define DECODER(names, name) \
    { names, "provider=default,input=der,structure=SubjectPublicKeyInfo", ossl_##name##_functions, NULL },
#define TABLE(name, LIST, FORM) \
    LIST(DECLARE) \
    static const OSSL_ALGORITHM name[] = { LIST(FORM) { NULL, NULL, NULL, NULL } };

TABLE(digests, DIGESTS, ENTRY)
TABLE(ciphers, CIPHERS, ENTRY)
TABLE(macs, MACS, ENTRY)
TABLE(kdfs, KDFS, ENTRY)
TABLE(rands, RANDS, ENTRY)
TABLE(keys, KEYS, ENTRY)
TABLE(exchanges, EXCHANGES, ENTRY)
TABLE(signatures, SIGNATURES, ENTRY)
TABLE(asymmetric_ciphers, ASYMMETRIC_CIPHERS, ENTRY)
TABLE(encapsulations, ENCAPSULATIONS, ENTRY)
TABLE(decoders, DECODERS, DECODER)

static const OSSL_ALGORITHM *const by_operation[] = {
    [OSSL_OP_DIGEST] = digests,       [OSSL_OP_CIPHER] = ciphers,
    [OSSL_OP_MAC] = macs,             [OSSL_OP_KDF] = kdfs,
    [OSSL_OP_RAND] = rands,           [OSSL_OP_KEYMGMT] = keys,
    [OSSL_OP_KEYEXCH] = exchanges,    [OSSL_OP_SIGNATURE] = signatures,
    [OSSL_OP_KEM] = encapsulations,   [OSSL_OP_ASYM_CIPHER] = asymmetric_ciphers,
    [OSSL_OP_DECODER] = decoders,
};

static const OSSL_ALGORITHM *query(void *context UNUSED, int operation, int *ret_not_to_be_kept)
{
    *ret_not_to_be_kept = 0;
    return operation > 0 && (size_t)operation < ARRAY_SIZE(by_operation) ? by_operation[operation] : NULL;
}

/* Of IANA's "TLS Supported Groups", for libssl. */
static const struct {
    const char *name, *inner, *algorithm;
    unsigned number, security_bits;
    bool encapsulates;
} groups[] = {
    { "X25519MLKEM768", "", "X25519MLKEM768", 0x11ec, 192, true },
    { "x25519", "X25519", "X25519", 0x1d, 128, false },
    { "secp256r1", "prime256v1", "EC", 0x17, 128, false },
    { "secp384r1", "secp384r1", "EC", 0x18, 192, false },
};

#define TEXT(key, value) OSSL_PARAM_utf8_string(key, (char *)(uintptr_t)(value), strlen(value) + 1)

static int give_groups(void *context UNUSED, const char *capability, OSSL_CALLBACK *take, void *argument)
{
    int least = TLS1_3_VERSION, most = 0, never = -1;

    if (strcmp(capability, "TLS-GROUP") != 0)
        return strcmp(capability, "TLS-SIGALG") == 0; /* none but those that libssl knows */
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        unsigned number = groups[i].number, bits = groups[i].security_bits, encapsulates = groups[i].encapsulates;
        const OSSL_PARAM group[] = {
            TEXT(OSSL_CAPABILITY_TLS_GROUP_NAME, groups[i].name),
            TEXT(OSSL_CAPABILITY_TLS_GROUP_NAME_INTERNAL, groups[i].inner),
            TEXT(OSSL_CAPABILITY_TLS_GROUP_ALG, groups[i].algorithm),
            OSSL_PARAM_uint(OSSL_CAPABILITY_TLS_GROUP_ID, &number),
            OSSL_PARAM_uint(OSSL_CAPABILITY_TLS_GROUP_SECURITY_BITS, &bits),
            OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MIN_TLS, &least),
            OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MAX_TLS, &most),
            OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MIN_DTLS, &never),
            OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MAX_DTLS, &never),
            OSSL_PARAM_uint(OSSL_CAPABILITY_TLS_GROUP_IS_KEM, &encapsulates),
            OSSL_PARAM_END,
        };

        if (!take(group, argument))
            return 0;
    }
    return 1;
}

/* libcrypto's own, for its providers. */
typedef struct prov_ctx_st PROV_CTX;
OSSL_provider_init_fn ossl_default_provider_init, ossl_base_provider_init;
int ossl_prov_bio_from_dispatch(const OSSL_DISPATCH *functions);
int ossl_prov_seeding_from_dispatch(const OSSL_DISPATCH *functions);
BIO_METHOD *ossl_bio_prov_init_bio_method(void);
PROV_CTX *ossl_prov_ctx_new(void);
void ossl_prov_ctx_free(PROV_CTX *context);
void ossl_prov_ctx_set0_libctx(PROV_CTX *context, OSSL_LIB_CTX *library);
void ossl_prov_ctx_set0_handle(PROV_CTX *context, const OSSL_CORE_HANDLE *handle);
void ossl_prov_ctx_set0_core_bio_method(PROV_CTX *context, BIO_METHOD *method);
BIO_METHOD *ossl_prov_ctx_get0_core_bio_method(PROV_CTX *context);
int ossl_err_load_crypto_strings(void);
void openssl_add_all_ciphers_int(void);
void openssl_add_all_digests_int(void);

static void tear_down(void *context)
{
    BIO_meth_free(ossl_prov_ctx_get0_core_bio_method(context));
    ossl_prov_ctx_free(context);
}

int ossl_default_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **ret_out,
                               void **ret_context)
{
    static const OSSL_DISPATCH functions[] = {
        { OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))tear_down },
        { OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query },
        { OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))give_groups },
        { 0, NULL },
    };
    OSSL_FUNC_core_get_libctx_fn *library_of = NULL;
    PROV_CTX *context;
    BIO_METHOD *method;

    if (!ossl_prov_bio_from_dispatch(in) || !ossl_prov_seeding_from_dispatch(in))
        return 0;
    for (; in->function_id; in++)
        if (in->function_id == OSSL_FUNC_CORE_GET_LIBCTX)
            library_of = OSSL_FUNC_core_get_libctx(in);
    context = ossl_prov_ctx_new();
    method = ossl_bio_prov_init_bio_method();
    if (!library_of || !context || !method) {
        BIO_meth_free(method);
        ossl_prov_ctx_free(context);
        return 0;
    }
    ossl_prov_ctx_set0_libctx(context, (OSSL_LIB_CTX *)library_of(handle));
    ossl_prov_ctx_set0_handle(context, handle);
    ossl_prov_ctx_set0_core_bio_method(context, method);
    *ret_out = functions;
    *ret_context = context;
    return 1;
}

/* The provider of what needs no cryptography; nobody loads it. */
int ossl_base_provider_init(const OSSL_CORE_HANDLE *handle UNUSED, const OSSL_DISPATCH *in UNUSED,
                            const OSSL_DISPATCH **ret_out UNUSED, void **ret_context UNUSED)
{
    return 0;
}

/* What libcrypto would say of its errors, which nothing here prints. */
int ossl_err_load_crypto_strings(void)
{
    return 1;
}

/* By name, as signatures of certificates give them. */
void openssl_add_all_digests_int(void)
{
    (void)EVP_add_digest(EVP_sha256());
    (void)EVP_add_digest(EVP_sha384());
    (void)EVP_add_digest(EVP_sha512());
}

void openssl_add_all_ciphers_int(void)
{
}
