/* Public keys. They may have come from anywhere, and are hostile bytes to OpenSSL's decoders until accepted here. */
#include "base/key.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

unsigned key_kind(EVP_PKEY *key)
{
    char group[32] = "";

    if (EVP_PKEY_is_a(key, "ED25519"))
        return KEY_ED25519;
    if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
        strcmp(group, SN_secp384r1) == 0)
        return KEY_P384;
    return 0;
}

EVP_PKEY *key_decode_der(const uint8_t *der, size_t size)
{
    const uint8_t *at = der;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)size);

    ERR_clear_error();
    if (key && at != der + size)
        key_free(&key);
    return key;
}

#define ED25519_BYTES 32u

/* What stands before the point: SEQUENCE { SEQUENCE { id-ecPublicKey, secp384r1 }, BIT STRING { 04 … } }. */
static const uint8_t p384_head[] = { 0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
                                     0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04 };

int key_p384_take(const void *der, size_t size, struct key_p384 *ret_key)
{
    if (size != KEY_P384_BYTES || memcmp(der, p384_head, sizeof(p384_head)) != 0)
        return -EBADMSG;
    memcpy(ret_key->der, der, size);
    ret_key->given = true;
    return 0;
}

EVP_PKEY *key_from_point(const char *group, const uint8_t *point, size_t size)
{
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)group, strlen(group)),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point, size),
        OSSL_PARAM_END,
    };
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;

    if (context && EVP_PKEY_fromdata_init(context) == 1)
        (void)EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)(uintptr_t)parameters);
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return key;
}

EVP_PKEY *key_p384_load(const struct key_p384 *key)
{
    const size_t at = sizeof(p384_head) - 1;

    return key_from_point(SN_secp384r1, key->der + at, KEY_P384_BYTES - at);
}

/* The same before an Ed25519 key (RFC 8410 section 4): SEQUENCE { SEQUENCE { id-Ed25519 }, BIT STRING { … } }. */
static const uint8_t ed25519_head[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };

/* The point, uncompressed also where the key came with a compressed one. */
static bool put_p384_point(EVP_PKEY *key, uint8_t der[KEY_P384_BYTES])
{
    const int half = (KEY_P384_BYTES - sizeof(p384_head)) / 2;
    BIGNUM *x = NULL, *y = NULL;
    bool ok = key_is_p384(key) && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
              EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
              BN_bn2binpad(x, der + sizeof(p384_head), half) == half &&
              BN_bn2binpad(y, der + sizeof(p384_head) + half, half) == half;

    memcpy(der, p384_head, sizeof(p384_head));
    BN_free(x);
    BN_free(y);
    return ok;
}

static bool put_ed25519(EVP_PKEY *key, uint8_t *der)
{
    size_t size = ED25519_BYTES;

    memcpy(der, ed25519_head, sizeof(ed25519_head));
    return EVP_PKEY_get_raw_public_key(key, der + sizeof(ed25519_head), &size) == 1 && size == ED25519_BYTES;
}

/* Made here: OpenSSL's encoders are not in PID 1 (init/static/algorithms.c). */
int key_id(EVP_PKEY *key, uint8_t ret_id[KEY_ID_BYTES])
{
    bool is_ed25519 = key_kind(key) == KEY_ED25519;
    size_t size = is_ed25519 ? sizeof(ed25519_head) + ED25519_BYTES : KEY_P384_BYTES;
    uint8_t der[KEY_P384_BYTES];

    if (!(is_ed25519 ? put_ed25519(key, der) : put_p384_point(key, der)))
        return -EINVAL;
    return EVP_Digest(der, size, ret_id, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

static bool signature_holds(EVP_PKEY *key, const EVP_MD *digest, const void *data, size_t size,
                            const uint8_t *signature, size_t signature_size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool holds = context && EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
                 EVP_DigestVerify(context, signature, signature_size, data, size) == 1;

    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return holds;
}

bool key_verify(EVP_PKEY *key, const void *data, size_t size, const uint8_t *signature, size_t signature_size)
{
    if (key_kind(key) == KEY_ED25519)
        return signature_holds(key, NULL, data, size, signature, signature_size);
    return key_p384_verify(key, data, size, signature, signature_size);
}

bool key_p384_verify(EVP_PKEY *key, const void *data, size_t size, const uint8_t *signature, size_t signature_size)
{
    return key_is_p384(key) && signature_holds(key, EVP_sha384(), data, size, signature, signature_size);
}
