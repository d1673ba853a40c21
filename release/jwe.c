/* JWE on OpenSSL's EVP. Peers are hostile; keys and plaintext never leave the secret type. */
#include "release/jwe.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/encode.h"

/* AlgorithmID, empty PartyUInfo and PartyVInfo, key length in bits (RFC 7518 section 4.6.2). */
static const uint8_t kdf_info[] = { 0, 0, 0, 14,  'E', 'C', 'D', 'H', '-', 'E', 'S', '+', 'A', '2',
                                    '5', '6', 'K', 'W', 0,  0,   0,   0,   0,   0,   0,   0,   0,   0, 1, 0 };

int jwe_derive_kek(const struct secret *shared, struct secret *ret_kek)
{
    CLEANUP_SECRET struct secret kek = SECRET_NONE;
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SSKDF", NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    char digest[] = "SHA256";
    uint8_t info[sizeof(kdf_info)];
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, shared->bytes, shared->size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof(info)),
        OSSL_PARAM_construct_end(),
    };
    int r = secret_alloc(JWE_CEK_BYTES, &kek);

    memcpy(info, kdf_info, sizeof(info));
    if (r == 0 && (!context || EVP_KDF_derive(context, kek.bytes, kek.size, parameters) != 1))
        r = -ENOMEM;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    if (r < 0)
        return r;
    *ret_kek = kek;
    kek = SECRET_NONE;
    return 0;
}

/* AES key wrap (RFC 3394) of a content key, or its inverse. */
static int wrap(const struct secret *kek, bool encrypt, const uint8_t *from, size_t from_size, uint8_t *to,
                size_t to_size)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int size = 0, rest = 0, ok;

    ok = context && EVP_CipherInit_ex2(context, EVP_aes_256_wrap(), kek->bytes, NULL, encrypt, NULL) == 1 &&
         EVP_CipherUpdate(context, to, &size, from, (int)from_size) == 1 &&
         EVP_CipherFinal_ex(context, to + size, &rest) == 1 && (size_t)(size + rest) == to_size;
    EVP_CIPHER_CTX_free(context);
    ERR_clear_error();
    return ok ? 0 : -EBADMSG;
}

/* The content key of a message. */
static int unwrap_key(const struct jwe *jwe, EVP_PKEY *key, struct secret *ret_cek)
{
    CLEANUP_SECRET struct secret shared = SECRET_NONE, kek = SECRET_NONE, cek = SECRET_NONE;
    CLEANUP_KEY EVP_PKEY *peer = NULL;
    int r = guest_key_load(&jwe->epk, &peer);

    if (r == 0)
        r = guest_key_agree(key, peer, &shared);
    if (r == 0)
        r = jwe_derive_kek(&shared, &kek);
    if (r == 0)
        r = secret_alloc(JWE_CEK_BYTES, &cek);
    if (r == 0)
        r = wrap(&kek, false, jwe->wrapped_key, sizeof(jwe->wrapped_key), cek.bytes, cek.size);
    if (r < 0)
        return r;
    *ret_cek = cek;
    cek = SECRET_NONE;
    return 0;
}

static int open_ciphertext(const struct jwe *jwe, const struct secret *cek, struct secret *plaintext)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t tag[JWE_TAG_BYTES];
    int size = 0, rest = 0, ok;

    memcpy(tag, jwe->tag, sizeof(tag));
    ok = context && EVP_DecryptInit_ex2(context, EVP_aes_256_gcm(), cek->bytes, jwe->iv, NULL) == 1 &&
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
    *ret_plaintext = plaintext;
    plaintext = SECRET_NONE;
    return 0;
}

/* {"alg":…,"enc":…,"epk":{"crv":…,"kty":…,"x":…,"y":…}}, as base64url text. */
static int write_protected(const struct guest_public_key *epk, char ret_text[JWE_MAX_PROTECTED_BYTES])
{
    CLEANUP_BUFFER struct buffer json = BUFFER_EMPTY;
    char x[BASE64_TEXT_BYTES(P256_COORDINATE_BYTES)], y[BASE64_TEXT_BYTES(P256_COORDINATE_BYTES)];

    (void)base64_encode(BASE64_URL, epk->x, sizeof(epk->x), x);
    (void)base64_encode(BASE64_URL, epk->y, sizeof(epk->y), y);
    buffer_printf(&json,
                  "{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\","
                  "\"epk\":{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}}",
                  x, y);
    if (buffer_error(&json) < 0 || BASE64_TEXT_BYTES(json.size) > JWE_MAX_PROTECTED_BYTES)
        return -ENOMEM;
    (void)base64_encode(BASE64_URL, json.data, json.size, ret_text);
    return 0;
}

static int seal(const struct secret *plaintext, const struct secret *cek, struct jwe *jwe)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int size = 0, rest = 0, ok;

    ok = context && RAND_bytes(jwe->iv, sizeof(jwe->iv)) == 1 &&
         EVP_EncryptInit_ex2(context, EVP_aes_256_gcm(), cek->bytes, jwe->iv, NULL) == 1 &&
         EVP_EncryptUpdate(context, NULL, &size, (const uint8_t *)jwe->protected_text,
                           (int)strlen(jwe->protected_text)) == 1 &&
         EVP_EncryptUpdate(context, jwe->ciphertext, &size, plaintext->bytes, (int)plaintext->size) == 1 &&
         EVP_EncryptFinal_ex(context, jwe->ciphertext + size, &rest) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, sizeof(jwe->tag), jwe->tag) == 1;
    EVP_CIPHER_CTX_free(context);
    jwe->ciphertext_size = (size_t)(size + rest);
    return ok ? 0 : -ENOMEM;
}

static void write_member(struct buffer *to, const char *name, const uint8_t *data, size_t size)
{
    char text[BASE64_TEXT_BYTES(RELEASE_MAX_PAYLOAD_BYTES)];

    (void)base64_encode(BASE64_URL, data, size, text);
    buffer_printf(to, ",\"%s\":\"%s\"", name, text);
}

int jwe_encrypt(const struct guest_public_key *guest, const struct secret *plaintext, struct buffer *to)
{
    CLEANUP_SECRET struct secret shared = SECRET_NONE, kek = SECRET_NONE, cek = SECRET_NONE;
    CLEANUP_KEY EVP_PKEY *ephemeral = NULL, *peer = NULL;
    struct jwe jwe = { .ciphertext_size = 0 };
    int r;

    if (plaintext->size > sizeof(jwe.ciphertext))
        return -EMSGSIZE;
    r = guest_key_load(guest, &peer);
    if (r == 0)
        r = guest_key_generate(&ephemeral, &jwe.epk);
    if (r == 0)
        r = guest_key_agree(ephemeral, peer, &shared);
    if (r == 0)
        r = jwe_derive_kek(&shared, &kek);
    if (r == 0)
        r = secret_random(JWE_CEK_BYTES, &cek);
    if (r == 0)
        r = wrap(&kek, true, cek.bytes, cek.size, jwe.wrapped_key, sizeof(jwe.wrapped_key));
    if (r == 0)
        r = write_protected(&jwe.epk, jwe.protected_text);
    if (r == 0)
        r = seal(plaintext, &cek, &jwe);
    if (r < 0)
        return r;
    buffer_printf(to, "{\"protected\":\"%s\"", jwe.protected_text);
    write_member(to, "encrypted_key", jwe.wrapped_key, sizeof(jwe.wrapped_key));
    write_member(to, "iv", jwe.iv, sizeof(jwe.iv));
    write_member(to, "ciphertext", jwe.ciphertext, jwe.ciphertext_size);
    write_member(to, "tag", jwe.tag, sizeof(jwe.tag));
    buffer_add_text(to, "}");
    return buffer_error(to);
}
