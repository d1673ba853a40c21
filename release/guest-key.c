/* Ephemeral P-256 keys; the peer's point is hostile and is checked to lie on the curve by OpenSSL when it is loaded. */
#include "release/guest-key.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <string.h>

#include "base/encode.h"
#include "release/tee-key.h"

#define POINT_BYTES (1 + 2 * P256_COORDINATE_BYTES)
#define POINT_UNCOMPRESSED 4

void guest_key_free(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
    *key = NULL;
}

int guest_key_point(const EVP_PKEY *key, struct guest_public_key *ret_public)
{
    uint8_t point[POINT_BYTES];
    char group[32] = "";
    size_t size = 0;

    if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1 || strcmp(group, SN_X9_62_prime256v1) != 0 ||
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &size) != 1 ||
        size != sizeof(point) || point[0] != POINT_UNCOMPRESSED)
        return -EBADMSG;
    memcpy(ret_public->x, point + 1, P256_COORDINATE_BYTES);
    memcpy(ret_public->y, point + 1 + P256_COORDINATE_BYTES, P256_COORDINATE_BYTES);
    return 0;
}

int guest_key_generate(EVP_PKEY **ret_key, struct guest_public_key *ret_public)
{
    CLEANUP_KEY EVP_PKEY *key = EVP_EC_gen(SN_X9_62_prime256v1);

    if (!key || guest_key_point(key, ret_public) < 0)
        return -ENOMEM;
    *ret_key = key;
    key = NULL;
    return 0;
}

int guest_key_load(const struct guest_public_key *point, EVP_PKEY **ret_key)
{
    uint8_t encoded[POINT_BYTES] = { POINT_UNCOMPRESSED };

    memcpy(encoded + 1, point->x, P256_COORDINATE_BYTES);
    memcpy(encoded + 1 + P256_COORDINATE_BYTES, point->y, P256_COORDINATE_BYTES);
    return tee_key_load_point(TEE_KEY_P256, encoded, sizeof(encoded), ret_key);
}

static void write_coordinate(struct buffer *to, const char *name, const uint8_t value[P256_COORDINATE_BYTES])
{
    char text[BASE64_TEXT_BYTES(P256_COORDINATE_BYTES)];

    (void)base64_encode(BASE64_URL, value, P256_COORDINATE_BYTES, text);
    buffer_printf(to, ",\"%s\":\"%s\"", name, text);
}

void guest_key_write_jwk(const struct guest_public_key *point, struct buffer *to)
{
    buffer_add_text(to, "{\"alg\":\"ECDH-ES+A256KW\",\"crv\":\"P-256\",\"kty\":\"EC\"");
    write_coordinate(to, "x", point->x);
    write_coordinate(to, "y", point->y);
    buffer_add_text(to, "}");
}

static void read_word(struct json_reader *reader, const char *name, const char *expected)
{
    const char *text = NULL;

    if (json_read_string(reader, name, JSON_REQUIRED, 64, &text) && strcmp(text, expected) != 0)
        json_refuse(reader, name, "expected \"%s\", found \"%s\"", expected, text);
}

static void read_coordinate(struct json_reader *reader, const char *name, uint8_t ret_value[P256_COORDINATE_BYTES])
{
    size_t size = 0;

    if (json_read_base64(reader, name, JSON_REQUIRED, BASE64_URL, ret_value, P256_COORDINATE_BYTES, &size) &&
        size != P256_COORDINATE_BYTES)
        json_refuse(reader, name, "%zu bytes, expected %u", size, P256_COORDINATE_BYTES);
}

void guest_key_read_jwk(struct json_reader *reader, bool with_alg, struct guest_public_key *ret_public)
{
    struct guest_public_key point;

    memset(&point, 0, sizeof(point));
    read_word(reader, "kty", "EC");
    read_word(reader, "crv", "P-256");
    if (with_alg)
        read_word(reader, "alg", "ECDH-ES+A256KW");
    read_coordinate(reader, "x", point.x);
    read_coordinate(reader, "y", point.y);
    json_read_done(reader);
    *ret_public = point;
}
