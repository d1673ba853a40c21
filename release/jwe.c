/* JWE on OpenSSL's EVP. Peers are hostile; keys and plaintext never leave the secret type. */
#include "base/crypto.h"
#include "release/jwe-wrap.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

/* AlgorithmID, empty PartyUInfo and PartyVInfo, key length in bits (RFC 7518 section 4.6.2). */
static const uint8_t kdf_info[] = { 0, 0, 0, 14,  'E', 'C', 'D', 'H', '-', 'E', 'S', '+', 'A', '2',
                                    '5', '6', 'K', 'W', 0,  0,   0,   0,   0,   0,   0,   0,   0,   0, 1, 0 };

int jwe_derive_kek(const struct secret *shared, struct secret *ret_kek)
{
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, shared->bytes, shared->size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)kdf_info, sizeof(kdf_info)),
        OSSL_PARAM_construct_end(),
    };

    return crypto_derive("SSKDF", parameters, JWE_CEK_BYTES, ret_kek);
}

int jwe_wrap(const struct secret *kek, bool encrypt, const uint8_t *from, size_t from_size, uint8_t *to,
             size_t to_size)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int size = 0, rest = 0, ok;

    ok = crypto_cipher_begin(context, "AES-256-WRAP", encrypt, kek->bytes, NULL) == 0 &&
         EVP_CipherUpdate(context, to, &size, from, (int)from_size) == 1 &&
         EVP_CipherFinal_ex(context, to + size, &rest) == 1 && (size_t)(size + rest) == to_size;
    EVP_CIPHER_CTX_free(context);
    ERR_clear_error();
    return ok ? 0 : -EBADMSG;
}

static int unwrap_rsa(const struct jwe *jwe, EVP_PKEY *key, struct secret *ret_cek)
{
    CLEANUP_SECRET struct secret room = SECRET_NONE;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    size_t size = JWE_MAX_WRAPPED_BYTES;
    int r = secret_alloc(size, &room);

    if (r == 0 && (!context || EVP_PKEY_decrypt_init(context) != 1 ||
                   EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) != 1 ||
                   EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) != 1 ||
                   EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) != 1 ||
                   EVP_PKEY_decrypt(context, room.bytes, &size, jwe->wrapped_key, jwe->wrapped_size) != 1 ||
                   size != JWE_CEK_BYTES))
        r = -EBADMSG;
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    if (r < 0)
        return r;
    secret_shrink(&room, size);
    *ret_cek = secret_take(&room);
    return 0;
}

/* The content key of a message. */
static int unwrap_key(const struct jwe *jwe, EVP_PKEY *key, struct secret *ret_cek)
{
    CLEANUP_SECRET struct secret shared = SECRET_NONE, kek = SECRET_NONE, cek = SECRET_NONE;
    CLEANUP_KEY EVP_PKEY *peer = NULL;
    int r;

    if (jwe->kind == TEE_KEY_RSA)
        return unwrap_rsa(jwe, key, ret_cek);
    r = tee_key_load_point(jwe->kind, jwe->epk.x, jwe->epk.y, &peer);
    if (r == 0)
        r = tee_key_agree(key, peer, &shared);
    if (r == 0)
        r = jwe_derive_kek(&shared, &kek);
    if (r == 0)
        r = secret_alloc(JWE_CEK_BYTES, &cek);
    if (r == 0)
        r = jwe_wrap(&kek, false, jwe->wrapped_key, jwe->wrapped_size, cek.bytes, cek.size);
    if (r < 0)
        return r;
    *ret_cek = secret_take(&cek);
    return 0;
}

static int open_ciphertext(const struct jwe *jwe, const struct secret *cek, struct secret *plaintext)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t tag[JWE_TAG_BYTES];
    int size = 0, rest = 0, ok;

    memcpy(tag, jwe->tag, sizeof(tag));
    ok = crypto_cipher_begin(context, "AES-256-GCM", false, cek->bytes, jwe->iv) == 0 &&
         EVP_DecryptUpdate(context, NULL, &size, (const uint8_t *)jwe->protected_text,
                           (int)strlen(jwe->protected_text)) == 1 &&
         EVP_DecryptUpdate(context, plaintext->bytes, &size, jwe->ciphertext, (int)jwe->ciphertext_size) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) == 1 &&
         EVP_DecryptFinal_ex(context, plaintext->bytes + size, &rest) == 1 &&
         (size_t)(size + rest) == plaintext->size;
    EVP_CIPHER_CTX_free(context);
    ERR_clear_error();
    return ok ? 0 : -EBADMSG;
}

int jwe_decrypt(const struct jwe *jwe, EVP_PKEY *key, struct secret *ret_plaintext)
{
    CLEANUP_SECRET struct secret cek = SECRET_NONE, plaintext = SECRET_NONE;
    int r = unwrap_key(jwe, key, &cek);

    if (r == 0)
        r = secret_alloc(jwe->ciphertext_size, &plaintext);
    if (r == 0)
        r = open_ciphertext(jwe, &cek, &plaintext);
    if (r < 0)
        return r;
    *ret_plaintext = secret_take(&plaintext);
    return 0;
}
