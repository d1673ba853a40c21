/* Keys in files of the caller's own, and what is signed with them. Not in the guest. */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/key.h"
#include "base/secret-file.h"

const char *key_kind_name(EVP_PKEY *key)
{
    return key_kind(key) == KEY_ED25519 ? "Ed25519" : "ECDSA P-384";
}

const char *key_kinds_text(unsigned kinds)
{
    return kinds == (KEY_P384 | KEY_ED25519) ? "P-384 or Ed25519" : kinds == KEY_ED25519 ? "Ed25519" : "P-384";
}

int key_no_passphrase(char *to UNUSED, int size UNUSED, int writing UNUSED, void *context UNUSED)
{
    return -1;
}

/* DER is one SEQUENCE that fills the file; anything else may be PEM. */
static bool looks_like_der(const uint8_t *data, size_t size)
{
    return size > 2 && data[0] == 0x30;
}

/* A public key of any kind, PEM or DER; NULL for other bytes. */
static EVP_PKEY *decode_public(const uint8_t *data, size_t size)
{
    EVP_PKEY *key;
    BIO *bio;

    if (looks_like_der(data, size))
        return key_decode_der(data, size);
    bio = BIO_new_mem_buf(data, (int)size);
    key = bio ? PEM_read_bio_PUBKEY(bio, NULL, key_no_passphrase, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

int key_parse_public(const void *data, size_t size, unsigned kinds, EVP_PKEY **ret_key, struct reason *why)
{
    CLEANUP_KEY EVP_PKEY *key = NULL;

    if (size > KEY_FILE_MAX_BYTES)
        return reason_set(why, -EBADMSG, "%zu bytes, a public key has at most %u", size, KEY_FILE_MAX_BYTES);
    if (memmem(data, size, "PRIVATE KEY", strlen("PRIVATE KEY")))
        return reason_set(why, -EBADMSG, "a private key; verifying takes the public one: openssl pkey -pubout");
    key = decode_public(data, size);
    if (!key)
        return reason_set(why, -EBADMSG, "no public key in PEM or DER (SubjectPublicKeyInfo)");
    if (!(key_kind(key) & kinds))
        return reason_set(why, -EBADMSG, "the key is %s, expected %s", EVP_PKEY_get0_type_name(key),
                          key_kinds_text(kinds));
    *ret_key = key;
    key = NULL;
    return 0;
}

static bool holds(const void *data, size_t size, const char *words)
{
    return memmem(data, size, words, strlen(words)) != NULL;
}

static EVP_PKEY *decode_private(const uint8_t *data, size_t size)
{
    const uint8_t *at = data;
    EVP_PKEY *key = NULL;
    BIO *bio;

    if (looks_like_der(data, size)) {
        key = d2i_AutoPrivateKey(NULL, &at, (long)size);
        if (key && at != data + size)
            key_free(&key);
        return key;
    }
    bio = BIO_new_mem_buf(data, (int)size);
    key = bio ? PEM_read_bio_PrivateKey(bio, NULL, key_no_passphrase, NULL) : NULL;
    BIO_free(bio);
    return key;
}

int key_read_private(const char *path, unsigned kinds, EVP_PKEY **ret_key, struct reason *why)
{
    CLEANUP_SECRET struct secret bytes = SECRET_NONE;
    CLEANUP_KEY EVP_PKEY *key = NULL;
    int r = secret_file_read(path, KEY_FILE_MAX_BYTES, &bytes, why);

    if (r < 0)
        return r;
    if (holds(bytes.bytes, bytes.size, "ENCRYPTED"))
        return reason_set(why, -EBADMSG,
                          "%s: the key is encrypted; openssl pkey -in %s -out FILE decrypts it", path, path);
    key = decode_private(bytes.bytes, bytes.size);
    ERR_clear_error();
    if (!key && holds(bytes.bytes, bytes.size, "PUBLIC KEY"))
        return reason_set(why, -EBADMSG, "%s: a public key, but signing takes the private one", path);
    if (!key)
        return reason_set(why, -EBADMSG, "%s: no private key in PEM or DER (PKCS#8 or SEC1)", path);
    if (!(key_kind(key) & kinds))
        return reason_set(why, -EBADMSG, "%s: the key is %s, expected %s", path, EVP_PKEY_get0_type_name(key),
                          key_kinds_text(kinds));
    *ret_key = key;
    key = NULL;
    return 0;
}

int key_read_public(const char *path, unsigned kinds, EVP_PKEY **ret_key, struct reason *why)
{
    CLEANUP_FREE uint8_t *data = NULL;
    size_t size = 0;
    int r = file_read(path, KEY_FILE_MAX_BYTES, &data, &size, why);

    if (r < 0)
        return r;
    r = key_parse_public(data, size, kinds, ret_key, why);
    if (r < 0)
        reason_prefix(why, path);
    return r;
}

int key_read_any(const char *path, unsigned kinds, EVP_PKEY **ret_key, struct reason *why)
{
    CLEANUP_KEY EVP_PKEY *key = NULL;
    uint8_t *data = NULL;
    size_t size = 0;
    int r = file_read(path, KEY_FILE_MAX_BYTES, &data, &size, why);

    if (r < 0)
        return r;
    key = decode_public(data, size);
    OPENSSL_cleanse(data, size);
    free(data);
    ERR_clear_error();
    return key ? key_read_public(path, kinds, ret_key, why) : key_read_private(path, kinds, ret_key, why);
}

int key_sign(EVP_PKEY *key, const void *data, size_t size, uint8_t ret_signature[KEY_SIGNATURE_MAX_BYTES],
             size_t *ret_size)
{
    unsigned deterministic = 1;
    const OSSL_PARAM parameters[] = { OSSL_PARAM_uint(OSSL_SIGNATURE_PARAM_NONCE_TYPE, &deterministic),
                                      OSSL_PARAM_END };
    unsigned kind = key_kind(key);
    uint8_t signature[KEY_SIGNATURE_MAX_BYTES];
    size_t signature_size = sizeof(signature);
    EVP_MD_CTX *context;
    EVP_PKEY_CTX *key_context = NULL;
    bool ok;

    if (!kind)
        return -EINVAL;
    context = EVP_MD_CTX_new();
    ok = context &&
         EVP_DigestSignInit(context, &key_context, kind == KEY_P384 ? EVP_sha384() : NULL, NULL, key) == 1 &&
         (kind != KEY_P384 || EVP_PKEY_CTX_set_params(key_context, parameters) == 1) &&
         EVP_DigestSign(context, signature, &signature_size, data, size) == 1;
    EVP_MD_CTX_free(context);
    if (!ok) {
        ERR_clear_error();
        return -ENOMEM;
    }
    memcpy(ret_signature, signature, signature_size);
    *ret_size = signature_size;
    return 0;
}
