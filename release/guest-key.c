/* Guests' public keys; whoever sent one is hostile. OpenSSL checks that a point lies on its curve when it is loaded. */
#include "release/guest-key.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

#include "base/encode.h"

#define MAX_POINT_BYTES (1 + 2 * TEE_KEY_MAX_COORDINATE_BYTES)
#define POINT_UNCOMPRESSED 4
#define RSA_EXPONENT 65537u
#define RSA_EXPONENT_TEXT "AQAB"

static const struct {
    enum tee_key_kind kind;
    const char *curve, *group; /* of JOSE and of OpenSSL */
} curves[] = {
    { TEE_KEY_P256, "P-256", SN_X9_62_prime256v1 },
    { TEE_KEY_P521, "P-521", SN_secp521r1 },
};

void guest_key_free(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
    *key = NULL;
}

int guest_key_point(const EVP_PKEY *key, struct guest_public_key *ret_public)
{
    uint8_t point[MAX_POINT_BYTES];
    char group[32] = "";
    size_t size = 0, bytes;

    if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1 ||
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &size) != 1)
        return -EBADMSG;
    for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
        bytes = tee_key_coordinate_bytes(curves[i].kind);
        if (strcmp(group, curves[i].group) != 0 || size != 1 + 2 * bytes || point[0] != POINT_UNCOMPRESSED)
            continue;
        memset(ret_public, 0, sizeof(*ret_public));
        ret_public->kind = curves[i].kind;
        memcpy(ret_public->x, point + 1, bytes);
        memcpy(ret_public->y, point + 1 + bytes, bytes);
        return 0;
    }
    return -EBADMSG;
}

int guest_key_generate(enum tee_key_kind kind, EVP_PKEY **ret_key, struct guest_public_key *ret_public)
{
    struct tee_key key;
    int r = tee_key_generate(kind, &key);

    if (r < 0)
        return r;
    if (guest_key_point(key.key, ret_public) < 0) {
        tee_key_free(&key);
        return -ENOMEM;
    }
    *ret_key = key.key;
    return 0;
}

/* `parameters` of an RSA key, for the caller to free. */
static OSSL_PARAM *rsa_parameters(const struct guest_public_key *from)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *modulus = BN_bin2bn(from->modulus, (int)from->modulus_size, NULL);
    OSSL_PARAM *parameters = NULL;

    if (build && modulus && BN_is_odd(modulus) && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_uint(build, OSSL_PKEY_PARAM_RSA_E, RSA_EXPONENT) == 1)
        parameters = OSSL_PARAM_BLD_to_param(build);
    OSSL_PARAM_BLD_free(build);
    BN_free(modulus);
    return parameters;
}

static int load_rsa(const struct guest_public_key *from, EVP_PKEY **ret_key)
{
    OSSL_PARAM *parameters = rsa_parameters(from);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;
    bool ok = context && parameters && EVP_PKEY_fromdata_init(context) == 1 &&
              EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) == 1;

    OSSL_PARAM_free(parameters);
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    if (!ok)
        return -EBADMSG;
    *ret_key = key;
    return 0;
}

int guest_key_load(const struct guest_public_key *point, EVP_PKEY **ret_key)
{
    return point->kind == TEE_KEY_RSA ? load_rsa(point, ret_key)
                                      : tee_key_load_point(point->kind, point->x, point->y, ret_key);
}

int guest_key_name(const struct guest_public_key *point, uint8_t ret_name[GUEST_KEY_NAME_BYTES])
{
    size_t size = tee_key_coordinate_bytes(point->kind);
    CLEANUP_BUFFER struct buffer jwk = BUFFER_EMPTY;

    if (2 * size == GUEST_KEY_NAME_BYTES) {
        memcpy(ret_name, point->x, size);
        memcpy(ret_name + size, point->y, size);
        return 0;
    }
    guest_key_write_jwk(point, &jwk);
    if (buffer_error(&jwk) < 0 || EVP_Digest(jwk.data, jwk.size, ret_name, NULL, EVP_sha512(), NULL) != 1)
        return -ENOMEM;
    return 0;
}

static void write_number(struct buffer *to, const char *name, const uint8_t *value, size_t size)
{
    char text[BASE64_TEXT_BYTES(GUEST_KEY_MAX_MODULUS_BYTES)];

    (void)base64_encode(BASE64_URL, value, size, text);
    buffer_printf(to, ",\"%s\":\"%s\"", name, text);
}

void guest_key_write_jwk(const struct guest_public_key *point, struct buffer *to)
{
    size_t size = tee_key_coordinate_bytes(point->kind);

    if (point->kind == TEE_KEY_RSA) {
        buffer_add_text(to, "{\"alg\":\"RSA-OAEP-256\",\"e\":\"" RSA_EXPONENT_TEXT "\",\"kty\":\"RSA\"");
        write_number(to, "n", point->modulus, point->modulus_size);
    } else {
        buffer_printf(to, "{\"alg\":\"ECDH-ES+A256KW\",\"crv\":\"%s\",\"kty\":\"EC\"",
                      point->kind == TEE_KEY_P521 ? "P-521" : "P-256");
        write_number(to, "x", point->x, size);
        write_number(to, "y", point->y, size);
    }
    buffer_add_text(to, "}");
}

static void read_word(struct json_reader *reader, const char *name, const char *expected)
{
    const char *text = NULL;

    if (json_read_string(reader, name, JSON_REQUIRED, 64, &text) && strcmp(text, expected) != 0)
        json_refuse(reader, name, "expected \"%s\", found \"%s\"", expected, text);
}

static void read_coordinate(struct json_reader *reader, const char *name, size_t wanted, uint8_t *ret_value)
{
    size_t size = 0;

    if (json_read_base64(reader, name, JSON_REQUIRED, BASE64_URL, ret_value, wanted, &size) && size != wanted)
        json_refuse(reader, name, "%zu bytes, expected %zu", size, wanted);
}

static void read_curve(struct json_reader *reader, struct guest_public_key *to)
{
    const char *text = NULL;

    if (!json_read_string(reader, "crv", JSON_REQUIRED, 64, &text))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(curves); i++)
        if (strcmp(text, curves[i].curve) == 0) {
            to->kind = curves[i].kind;
            return;
        }
    json_refuse(reader, "crv", "expected \"P-256\" or \"P-521\", found \"%s\"", text);
}

/* Shortest form: no leading zero. */
static void read_rsa(struct json_reader *reader, struct guest_public_key *to)
{
    to->kind = TEE_KEY_RSA;
    read_word(reader, "alg", "RSA-OAEP-256");
    read_word(reader, "e", RSA_EXPONENT_TEXT);
    if (json_read_base64(reader, "n", JSON_REQUIRED, BASE64_URL, to->modulus, sizeof(to->modulus), &to->modulus_size) &&
        (to->modulus_size < GUEST_KEY_LEAST_MODULUS_BYTES || !to->modulus[0]))
        json_refuse(reader, "n", "%zu bytes, expected %u to %u without a leading zero", to->modulus_size,
                    GUEST_KEY_LEAST_MODULUS_BYTES, GUEST_KEY_MAX_MODULUS_BYTES);
}

void guest_key_read_jwk(struct json_reader *reader, bool with_alg, struct guest_public_key *ret_public)
{
    struct guest_public_key point;
    const char *kty = NULL;

    memset(&point, 0, sizeof(point));
    if (json_read_string(reader, "kty", JSON_REQUIRED, 64, &kty) && strcmp(kty, "EC") != 0 &&
        (!with_alg || strcmp(kty, "RSA") != 0))
        json_refuse(reader, "kty", "expected \"EC\"%s, found \"%s\"", with_alg ? " or \"RSA\"" : "", kty);
    if (kty && with_alg && strcmp(kty, "RSA") == 0) {
        read_rsa(reader, &point);
    } else {
        read_curve(reader, &point);
        if (with_alg)
            read_word(reader, "alg", "ECDH-ES+A256KW");
        read_coordinate(reader, "x", tee_key_coordinate_bytes(point.kind), point.x);
        read_coordinate(reader, "y", tee_key_coordinate_bytes(point.kind), point.y);
    }
    json_read_done(reader);
    *ret_public = point;
}
