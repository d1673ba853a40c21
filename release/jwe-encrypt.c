/* Encrypting to a guest's key, as brokers do. Not in the guest. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/crypto.h"
#include "base/encode.h"
#include "release/jwe-wrap.h"

/* {"alg":…,"enc":…,"epk":{"crv":…,"kty":…,"x":…,"y":…}}, of an RSA key without the last; as base64url text. */
static int write_protected(const struct guest_public_key *epk, char ret_text[JWE_MAX_PROTECTED_BYTES])
{
    char x[BASE64_TEXT_BYTES(TEE_KEY_MAX_COORDINATE_BYTES)], y[sizeof(x)];
    size_t size = epk ? tee_key_coordinate_bytes(epk->kind) : 0;
    CLEANUP_BUFFER struct buffer json = BUFFER_EMPTY;

    if (epk) {
        (void)base64_encode(BASE64_URL, epk->x, size, x);
        (void)base64_encode(BASE64_URL, epk->y, size, y);
        buffer_printf(&json,
                      "{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\","
                      "\"epk\":{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}}",
                      epk->kind == TEE_KEY_P521 ? "P-521" : "P-256", x, y);
    } else {
        buffer_add_text(&json, "{\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\"}");
    }
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
         crypto_cipher_begin(context, "AES-256-GCM", true, cek->bytes, jwe->iv) == 0 &&
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

/* The content key under one that the guest's key and a new one agree on. */
static int wrap_by_agreement(enum tee_key_kind kind, EVP_PKEY *peer, const struct secret *cek, struct jwe *jwe)
{
    CLEANUP_SECRET struct secret shared = SECRET_NONE, kek = SECRET_NONE;
    CLEANUP_KEY EVP_PKEY *ephemeral = NULL;
    struct guest_public_key epk;
    int r = guest_key_generate(kind, &ephemeral, &epk);

    if (r == 0)
        r = tee_key_agree(ephemeral, peer, &shared);
    if (r == 0)
        r = jwe_derive_kek(&shared, &kek);
    jwe->wrapped_size = JWE_WRAPPED_BYTES;
    if (r == 0)
        r = jwe_wrap(&kek, true, cek->bytes, cek->size, jwe->wrapped_key, jwe->wrapped_size);
    return r < 0 ? r : write_protected(&epk, jwe->protected_text);
}

static int wrap_by_rsa(EVP_PKEY *peer, const struct secret *cek, struct jwe *jwe)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, peer, NULL);
    bool ok;

    jwe->wrapped_size = sizeof(jwe->wrapped_key);
    ok = context && EVP_PKEY_encrypt_init(context) == 1 &&
         EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) == 1 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1 &&
         EVP_PKEY_encrypt(context, jwe->wrapped_key, &jwe->wrapped_size, cek->bytes, cek->size) == 1;
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return ok ? write_protected(NULL, jwe->protected_text) : -EBADMSG;
}

int jwe_encrypt(const struct guest_public_key *guest, const struct secret *plaintext, struct buffer *to)
{
    CLEANUP_SECRET struct secret cek = SECRET_NONE;
    CLEANUP_KEY EVP_PKEY *peer = NULL;
    struct jwe jwe = { .wrapped_size = 0 };
    int r;

    if (plaintext->size > sizeof(jwe.ciphertext))
        return -EMSGSIZE;
    r = guest_key_load(guest, &peer);
    if (r == 0)
        r = secret_random(JWE_CEK_BYTES, &cek);
    if (r == 0)
        r = guest->kind == TEE_KEY_RSA ? wrap_by_rsa(peer, &cek, &jwe)
                                       : wrap_by_agreement(guest->kind, peer, &cek, &jwe);
    if (r == 0)
        r = seal(plaintext, &cek, &jwe);
    if (r < 0)
        return r;
    buffer_printf(to, "{\"protected\":\"%s\"", jwe.protected_text);
    write_member(to, "encrypted_key", jwe.wrapped_key, jwe.wrapped_size);
    write_member(to, "iv", jwe.iv, sizeof(jwe.iv));
    write_member(to, "ciphertext", jwe.ciphertext, jwe.ciphertext_size);
    write_member(to, "tag", jwe.tag, sizeof(jwe.tag));
    buffer_add_text(to, "}");
    return buffer_error(to);
}
