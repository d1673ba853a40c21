/* release/guest-key: keys, points and their JWKs. */
#include "unit.h"

#include <openssl/ec.h>

#include "base/encode.h"
#include "base/secret.h"
#include "release-vectors.h"
#include "release/tee-key.h"

static struct json_object *vectors;

static int load(void **state UNUSED)
{
    vectors = vectors_load();
    return 0;
}

static int unload(void **state UNUSED)
{
    (void)json_object_put(vectors);
    return 0;
}

static int parse_tee_key(const char *text, struct reason *why)
{
    struct guest_public_key point;

    return read_jwk(text, true, &point, why);
}

static int parse_epk(const char *text, struct reason *why)
{
    struct guest_public_key point;

    return read_jwk(text, false, &point, why);
}

static const char *good(void)
{
    return text_at(vectors, "/handshakes/0/jwk");
}

/* Leading zeros of coordinates are kept: two of the vectors have them. */
static void reads_and_writes_what_others_write(void **state UNUSED)
{
    struct json_object *all = node_at(vectors, "/handshakes");

    for (size_t i = 0; i < json_object_array_length(all); i++) {
        const char *text = text_at(json_object_array_get_idx(all, i), "/jwk");
        CLEANUP_BUFFER struct buffer again = BUFFER_EMPTY;
        CLEANUP_KEY EVP_PKEY *key = NULL;
        struct guest_public_key point, same;
        struct reason why = { "" };

        assert_int_equal(read_jwk(text, true, &point, &why), 0);
        guest_key_write_jwk(&point, &again);
        assert_string_equal(buffer_text(&again), text);
        assert_int_equal(guest_key_load(&point, &key), 0);
        assert_int_equal(guest_key_point(key, &same), 0);
        assert_memory_equal(&point, &same, sizeof(point));
    }
}

static void makes_keys_that_agree(void **state UNUSED)
{
    CLEANUP_KEY EVP_PKEY *a = NULL, *b = NULL, *a_public = NULL, *b_public = NULL;
    CLEANUP_SECRET struct secret one = SECRET_NONE, two = SECRET_NONE;
    struct guest_public_key a_point, b_point;

    assert_int_equal(guest_key_generate(TEE_KEY_P256, &a, &a_point), 0);
    assert_int_equal(guest_key_generate(TEE_KEY_P256, &b, &b_point), 0);
    assert_memory_not_equal(&a_point, &b_point, sizeof(a_point));
    assert_int_equal(guest_key_load(&a_point, &a_public), 0);
    assert_int_equal(guest_key_load(&b_point, &b_public), 0);
    assert_int_equal(tee_key_agree(a, b_public, &one), 0);
    assert_int_equal(tee_key_agree(b, a_public, &two), 0);
    assert_int_equal(one.size, 32);
    assert_true(secret_equal(&one, &two));
}

/* Both vectors whose shared secret starts with a zero byte keep it, too. */
static void agrees_with_others(void **state UNUSED)
{
    struct json_object *all = node_at(vectors, "/handshakes");

    for (size_t i = 0; i < json_object_array_length(all); i++) {
        struct json_object *handshake = json_object_array_get_idx(all, i), *message, *header;
        CLEANUP_KEY EVP_PKEY *key = NULL, *peer = NULL;
        CLEANUP_SECRET struct secret shared = SECRET_NONE;
        struct guest_public_key point, epk;
        uint8_t scalar[32], wanted[32], text[1024];
        const char *encoded;
        struct reason why = { "" };
        size_t size = 0;

        assert_int_equal(bytes_at(handshake, "/d", scalar, sizeof(scalar)), 32);
        assert_int_equal(read_jwk(text_at(handshake, "/jwk"), true, &point, &why), 0);
        key = private_key(scalar, &point);
        message = parse_good(text_at(handshake, "/jwe/message"));
        encoded = text_at(message, "/protected");
        assert_int_equal(base64_decode(BASE64_URL, encoded, strlen(encoded), text, sizeof(text) - 1, &size), 0);
        text[size] = '\0';
        header = parse_good((char *)text);
        assert_int_equal(read_jwk(json_object_to_json_string(node_at(header, "/epk")), false, &epk, &why), 0);
        assert_int_equal(guest_key_load(&epk, &peer), 0);
        assert_int_equal(tee_key_agree(key, peer, &shared), 0);
        assert_int_equal(bytes_at(handshake, "/jwe/z", wanted, sizeof(wanted)), 32);
        assert_memory_equal(shared.bytes, wanted, 32);
        (void)json_object_put(header);
        (void)json_object_put(message);
    }
}

static void refuses_points_that_are_none(void **state UNUSED)
{
    EVP_PKEY *key = NULL;
    struct guest_public_key point;
    struct reason why = { "" };

    assert_int_equal(read_jwk(good(), true, &point, &why), 0);
    for (size_t i = 0; i < 64; i++) {
        uint8_t *at = i < 32 ? &point.x[i] : &point.y[i - 32];

        *at ^= 0x10;
        assert_int_equal(guest_key_load(&point, &key), -EBADMSG);
        assert_null(key);
        *at ^= 0x10;
    }
    memset(&point, 0, sizeof(point));
    assert_int_equal(guest_key_load(&point, &key), -EBADMSG);
    memset(point.x, 0xff, sizeof(point.x));
    memset(point.y, 0xff, sizeof(point.y));
    assert_int_equal(guest_key_load(&point, &key), -EBADMSG);
    point.kind = TEE_KEY_P521;
    assert_int_equal(guest_key_load(&point, &key), -EBADMSG);
    assert_null(key);
}

static void takes_points_of_two_curves_alone(void **state UNUSED)
{
    static const char *const groups[] = { "P-384", "P-224", "secp256k1" };
    struct guest_public_key point;

    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        CLEANUP_KEY EVP_PKEY *key = EVP_EC_gen(groups[i]);

        assert_non_null(key);
        assert_int_equal(guest_key_point(key, &point), -EBADMSG);
    }
}

static void does_not_agree_across_curves(void **state UNUSED)
{
    CLEANUP_KEY EVP_PKEY *key = NULL, *other = EVP_EC_gen("P-384");
    CLEANUP_SECRET struct secret shared = SECRET_NONE;
    struct guest_public_key point;

    assert_int_equal(guest_key_generate(TEE_KEY_P256, &key, &point), 0);
    assert_int_equal(tee_key_agree(key, other, &shared), -EBADMSG);
    assert_null(shared.bytes);
}

static void refuses_members_that_are_wrong(void **state UNUSED)
{
    static const char *const members[] = { "/kty", "/crv", "/x", "/y", "/alg" };
    char *epk = json_without(good(), "/alg");

    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        assert_required(parse_tee_key, good(), members[i]);
        if (i < ARRAY_SIZE(members) - 1)
            assert_required(parse_epk, epk, members[i]);
    }
    assert_refused(parse_epk, strdup(good()), "alg in an ephemeral key");
    assert_refused(parse_tee_key, json_with(good(), "/kid", "\"x\""), "kid");
    assert_refused(parse_tee_key, json_with(good(), "/d", "\"AAAA\""), "d");
    free(epk);
}

static void refuses_other_kinds_of_keys(void **state UNUSED)
{
    static const char *const wrong[][2] = {
        { "/kty", "\"RSA\"" }, { "/kty", "\"OKP\"" }, { "/kty", "\"ec\"" }, { "/crv", "\"P-521\"" },
        { "/crv", "\"P-384\"" }, { "/crv", "\"\"" }, { "/alg", "\"ECDH-ES\"" }, { "/alg", "\"RSA-OAEP-256\"" },
        { "/x", "\"\"" }, { "/x", "\"AAAA\"" }, { "/y", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"" },
        { "/y", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"" },
        { "/y", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"" },
        { "/y", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\"" },
        { "/x", "\"+AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_refused(parse_tee_key, json_with(good(), wrong[i][0], wrong[i][1]), wrong[i][1]);
}

/* Both curves and RSA: what guests write is read, written again as it was, and loads; no two have the same name. */
static void reads_keys_of_every_kind(void **state UNUSED)
{
    uint8_t names[TEE_KEY_RSA + 1][2][GUEST_KEY_NAME_BYTES];

    for (size_t kind = TEE_KEY_P256; kind <= TEE_KEY_RSA; kind++)
        for (size_t i = 0; i < 2; i++) {
            CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY, again = BUFFER_EMPTY;
            CLEANUP_KEY EVP_PKEY *loaded = NULL;
            struct guest_public_key read;
            struct reason why = { "" };
            struct tee_key pair;

            assert_int_equal(tee_key_generate((enum tee_key_kind)kind, &pair), 0);
            assert_int_equal(tee_key_write_jwk(&pair, &text), 0);
            assert_int_equal(read_jwk(buffer_text(&text), true, &read, &why), 0);
            assert_int_equal(read.kind, kind);
            guest_key_write_jwk(&read, &again);
            assert_string_equal(buffer_text(&again), buffer_text(&text));
            assert_int_equal(guest_key_load(&read, &loaded), 0);
            assert_int_equal(EVP_PKEY_eq(loaded, pair.key), 1);
            assert_int_equal(guest_key_name(&read, names[kind][i]), 0);
            tee_key_free(&pair);
        }
    for (size_t i = 0; i < 2 * (TEE_KEY_RSA + 1); i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(names[i / 2][i % 2], names[j / 2][j % 2], GUEST_KEY_NAME_BYTES);
}

static char *rsa_jwk(const uint8_t *modulus, size_t size, const char *exponent)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    char n[BASE64_TEXT_BYTES(1024)];

    (void)base64_encode(BASE64_URL, modulus, size, n);
    buffer_printf(&text, "{\"alg\":\"RSA-OAEP-256\",\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", exponent, n);
    return strdup(buffer_text(&text));
}

static void refuses_rsa_keys_that_are_wrong(void **state UNUSED)
{
    static const char *const members[] = { "/kty", "/alg", "/n", "/e" };
    struct guest_public_key read;
    struct reason why = { "" };
    EVP_PKEY *key = NULL;
    uint8_t modulus[513];
    char *text;

    memset(modulus, 0xc3, sizeof(modulus));
    text = rsa_jwk(modulus, 256, "AQAB");
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        assert_required(parse_tee_key, text, members[i]);
    assert_refused(parse_tee_key, json_with(text, "/alg", "\"RSA1_5\""), "RSA1_5");
    assert_refused(parse_tee_key, json_with(text, "/alg", "\"ECDH-ES+A256KW\""), "another alg");
    assert_refused(parse_tee_key, json_with(text, "/crv", "\"P-256\""), "crv");
    assert_refused(parse_epk, json_without(text, "/alg"), "an ephemeral key of RSA");
    free(text);
    assert_refused(parse_tee_key, rsa_jwk(modulus, 256, "Aw"), "exponent 3");
    assert_refused(parse_tee_key, rsa_jwk(modulus, 255, "AQAB"), "255 bytes");
    assert_refused(parse_tee_key, rsa_jwk(modulus, 513, "AQAB"), "513 bytes");
    modulus[511] = 0xc2;
    text = rsa_jwk(modulus, 512, "AQAB");
    assert_int_equal(read_jwk(text, true, &read, &why), 0);
    assert_int_equal(guest_key_load(&read, &key), -EBADMSG); /* it is even */
    free(text);
    modulus[0] = 0;
    assert_refused(parse_tee_key, rsa_jwk(modulus, 257, "AQAB"), "a leading zero");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_what_others_write),
        cmocka_unit_test(makes_keys_that_agree),
        cmocka_unit_test(agrees_with_others),
        cmocka_unit_test(refuses_points_that_are_none),
        cmocka_unit_test(takes_points_of_two_curves_alone),
        cmocka_unit_test(does_not_agree_across_curves),
        cmocka_unit_test(refuses_members_that_are_wrong),
        cmocka_unit_test(refuses_other_kinds_of_keys),
        cmocka_unit_test(reads_keys_of_every_kind),
        cmocka_unit_test(refuses_rsa_keys_that_are_wrong),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
