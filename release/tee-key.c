/*
 * Session keys of three kinds on OpenSSL's EVP, and the agreement with a peer, whose point is hostile: OpenSSL checks
 * that it lies on the curve when it is loaded.
 */
#include "release/tee-key.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/encode.h"
#include "base/key.h"

#define RSA_BITS 3072u
#define MAX_NUMBER_BYTES 512

static const struct {
    const char *name, *curve, *group;
    size_t coordinate_bytes;
} kinds[] = {
    [TEE_KEY_P256] = { "p256", "P-256", SN_X9_62_prime256v1, 32 },
    [TEE_KEY_P521] = { "p521", "P-521", SN_secp521r1, TEE_KEY_MAX_COORDINATE_BYTES },
    [TEE_KEY_RSA] = { "rsa", NULL, NULL, 0 },
};

int tee_key_kind_parse(const char *name, enum tee_key_kind *ret_kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(name, kinds[i].name) == 0) {
            *ret_kind = (enum tee_key_kind)i;
            return 0;
        }
    return -EINVAL;
}

size_t tee_key_coordinate_bytes(enum tee_key_kind kind)
{
    return kinds[kind].coordinate_bytes;
}

int tee_key_generate(enum tee_key_kind kind, struct tee_key *ret_key)
{
    EVP_PKEY *key = kind == TEE_KEY_RSA ? EVP_RSA_gen(RSA_BITS) : EVP_EC_gen(kinds[kind].group);

    ERR_clear_error();
    if (!key)
        return -ENOMEM;
    *ret_key = (struct tee_key){ kind, key };
    return 0;
}

/* `size` 0: as many bytes as the number has. */
static int write_number(const struct tee_key *key, const char *parameter, const char *name, size_t size,
                        struct buffer *to)
{
    char text[BASE64_TEXT_BYTES(MAX_NUMBER_BYTES)];
    uint8_t bytes[MAX_NUMBER_BYTES];
    BIGNUM *number = NULL;
    int got = -1;

    if (EVP_PKEY_get_bn_param(key->key, parameter, &number) == 1) {
        size = size ? size : (size_t)BN_num_bytes(number);
        got = size <= sizeof(bytes) ? BN_bn2binpad(number, bytes, (int)size) : -1;
    }
    BN_free(number);
    if (got < 0)
        return -ENOMEM;
    (void)base64_encode(BASE64_URL, bytes, (size_t)got, text);
    buffer_printf(to, "\"%s\":\"%s\"", name, text);
    return 0;
}

int tee_key_write_jwk(const struct tee_key *key, struct buffer *to)
{
    size_t size = kinds[key->kind].coordinate_bytes;
    bool rsa = key->kind == TEE_KEY_RSA;
    int r;

    if (rsa)
        buffer_add_text(to, "{\"alg\":\"RSA-OAEP-256\",");
    else
        buffer_printf(to, "{\"alg\":\"ECDH-ES+A256KW\",\"crv\":\"%s\",\"kty\":\"EC\",", kinds[key->kind].curve);
    r = rsa ? write_number(key, OSSL_PKEY_PARAM_RSA_E, "e", 0, to)
            : write_number(key, OSSL_PKEY_PARAM_EC_PUB_X, "x", size, to);
    if (r < 0)
        return r;
    buffer_add_text(to, rsa ? ",\"kty\":\"RSA\"," : ",");
    r = rsa ? write_number(key, OSSL_PKEY_PARAM_RSA_N, "n", 0, to)
            : write_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, "y", size, to);
    if (r < 0)
        return r;
    buffer_add_text(to, "}");
    return buffer_error(to);
}

void tee_key_free(struct tee_key *key)
{
    EVP_PKEY_free(key->key);
    key->key = NULL;
}

int tee_key_load_point(enum tee_key_kind kind, const uint8_t *x, const uint8_t *y, EVP_PKEY **ret_key)
{
    size_t size = kinds[kind].coordinate_bytes;
    uint8_t encoded[1 + 2 * TEE_KEY_MAX_COORDINATE_BYTES] = { 4 }; /* uncompressed */
    EVP_PKEY *key;

    memcpy(encoded + 1, x, size);
    memcpy(encoded + 1 + size, y, size);
    key = key_from_point(kinds[kind].group, encoded, 1 + 2 * size);
    if (!key)
        return -EBADMSG;
    *ret_key = key;
    return 0;
}

int tee_key_agree(EVP_PKEY *key, EVP_PKEY *peer, struct secret *ret_shared)
{
    CLEANUP_SECRET struct secret shared = SECRET_NONE;
    EVP_PKEY_CTX *context = NULL;
    size_t size = ((size_t)EVP_PKEY_get_bits(key) + 7) / 8;
    int r = secret_alloc(size, &shared);

    if (r < 0)
        return r;
    context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (!context || EVP_PKEY_derive_init(context) != 1 || EVP_PKEY_derive_set_peer_ex(context, peer, 1) != 1 ||
        EVP_PKEY_derive(context, shared.bytes, &size) != 1 || size != shared.size)
        r = -EBADMSG;
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    if (r < 0)
        return r;
    *ret_shared = secret_take(&shared);
    return 0;
}
