/*
 * ID blocks made and verified. Keys are the caller's; blocks to verify may come from anybody and go through
 * id-block-parse.c first.
 */
#include "measure/id-block.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

#include "base/cursor.h"
#include "base/key.h"

#define P384_BYTES 48

void id_block_encode(const struct id_block *block, uint8_t ret_bytes[ID_BLOCK_BYTES])
{
    memcpy(ret_bytes, block->digest, LAUNCH_DIGEST_BYTES);
    memcpy(ret_bytes + 0x30, block->family_id, ID_NAME_BYTES);
    memcpy(ret_bytes + 0x40, block->image_id, ID_NAME_BYTES);
    put_u32le(ret_bytes + 0x50, 1);
    put_u32le(ret_bytes + 0x54, block->guest_svn);
    put_u64le(ret_bytes + 0x58, block->policy);
}

static bool put_number(const BIGNUM *number, uint8_t to[ID_NUMBER_BYTES])
{
    return BN_bn2lebinpad(number, to, ID_NUMBER_BYTES) == ID_NUMBER_BYTES;
}

int id_key_encode(EVP_PKEY *key, uint8_t ret_bytes[ID_KEY_BYTES])
{
    uint8_t bytes[ID_KEY_BYTES] = { 2 }; /* P-384 */
    BIGNUM *x = NULL, *y = NULL;
    bool ok;

    if (key_kind(key) != KEY_P384)
        return -EINVAL;
    ok = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
         EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 && put_number(x, bytes + 4) &&
         put_number(y, bytes + 4 + ID_NUMBER_BYTES);
    BN_free(x);
    BN_free(y);
    ERR_clear_error();
    if (!ok)
        return -ENOMEM;
    memcpy(ret_bytes, bytes, sizeof(bytes));
    return 0;
}

int id_key_digest(const uint8_t key[ID_KEY_BYTES], uint8_t ret_digest[SHA384_BYTES])
{
    return EVP_Digest(key, ID_KEY_BYTES, ret_digest, NULL, EVP_sha384(), NULL) == 1 ? 0 : -ENOMEM;
}

/* R and S little-endian in 72 bytes each, then zeros; `to` has ID_SIGNATURE_BYTES of zeros. */
static int sign(EVP_PKEY *key, const void *data, size_t size, uint8_t *to)
{
    uint8_t der[KEY_SIGNATURE_MAX_BYTES];
    const uint8_t *at = der;
    ECDSA_SIG *signature;
    size_t der_size = 0;
    bool ok;
    int r = key_kind(key) == KEY_P384 ? key_sign(key, data, size, der, &der_size) : -EINVAL;

    if (r < 0)
        return r;
    signature = d2i_ECDSA_SIG(NULL, &at, (long)der_size);
    ok = signature && put_number(ECDSA_SIG_get0_r(signature), to) &&
         put_number(ECDSA_SIG_get0_s(signature), to + ID_NUMBER_BYTES);
    ECDSA_SIG_free(signature);
    return ok ? 0 : -ENOMEM;
}

int id_auth_make(const uint8_t block[ID_BLOCK_BYTES], EVP_PKEY *id_key, EVP_PKEY *author_key,
                 uint8_t ret_bytes[ID_AUTH_BYTES])
{
    uint8_t bytes[ID_AUTH_BYTES] = { 0 };
    int r = sign(id_key, block, ID_BLOCK_BYTES, bytes + 0x040);

    put_u32le(bytes, 1);
    put_u32le(bytes + 4, author_key != NULL);
    if (r == 0)
        r = id_key_encode(id_key, bytes + 0x240);
    if (r == 0 && author_key)
        r = sign(author_key, bytes + 0x240, ID_KEY_BYTES, bytes + 0x680);
    if (r == 0 && author_key)
        r = id_key_encode(author_key, bytes + 0x880);
    if (r < 0)
        return r;
    memcpy(ret_bytes, bytes, sizeof(bytes));
    return 0;
}

/* NULL when there is no such point on the curve. */
static EVP_PKEY *load_key(const uint8_t bytes[ID_KEY_BYTES])
{
    uint8_t point[1 + 2 * P384_BYTES] = { POINT_CONVERSION_UNCOMPRESSED };
    char group[] = SN_secp384r1;
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group) - 1),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
        OSSL_PARAM_END,
    };
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;

    for (size_t i = 0; i < P384_BYTES; i++) {
        point[P384_BYTES - i] = bytes[4 + i];
        point[2 * P384_BYTES - i] = bytes[4 + ID_NUMBER_BYTES + i];
    }
    if (!context || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)(uintptr_t)parameters) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return key;
}

static bool verify(const uint8_t key_bytes[ID_KEY_BYTES], const void *data, size_t size,
                   const uint8_t signature_bytes[ID_SIGNATURE_BYTES])
{
    CLEANUP_KEY EVP_PKEY *key = load_key(key_bytes);
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_lebin2bn(signature_bytes, ID_NUMBER_BYTES, NULL);
    BIGNUM *s = BN_lebin2bn(signature_bytes + ID_NUMBER_BYTES, ID_NUMBER_BYTES, NULL);
    unsigned char *der = NULL;
    int der_size = 0;
    bool ok = false;

    if (key && signature && r && s && ECDSA_SIG_set0(signature, r, s) == 1) {
        r = s = NULL;
        der_size = i2d_ECDSA_SIG(signature, &der);
        ok = der_size > 0 && key_verify(key, data, size, der, (size_t)der_size);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(signature);
    OPENSSL_free(der);
    ERR_clear_error();
    return ok;
}

int id_auth_verify(const void *block, size_t block_size, const void *auth, size_t auth_size,
                   struct id_digests *ret_digests, struct reason *why)
{
    struct id_digests digests = { { 0 }, { 0 } };
    struct id_block fields;
    struct id_auth parts;
    int r = id_block_parse(block, block_size, &fields, why);

    if (r == 0)
        r = id_auth_parse(auth, auth_size, &parts, why);
    if (r < 0)
        return r;
    if (!verify(parts.id_key, block, block_size, parts.block_signature))
        return reason_set(why, -EKEYREJECTED, "the ID block is not signed by the ID key beside it");
    if (parts.has_author && !verify(parts.author_key, parts.id_key, ID_KEY_BYTES, parts.author_signature))
        return reason_set(why, -EKEYREJECTED, "the ID key is not signed by the author key beside it");
    r = id_key_digest(parts.id_key, digests.id_key);
    if (r == 0 && parts.has_author)
        r = id_key_digest(parts.author_key, digests.author_key);
    if (r < 0)
        return r;
    *ret_digests = digests;
    return 0;
}
