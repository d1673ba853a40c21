/* release/jwe: another implementation's messages, our own, and each with one thing wrong. */
#include "unit.h"

#include "base/file.h"
#include "release-vectors.h"
#include "release/jwe.h"

static struct json_object *vectors;
static EVP_PKEY *key;
static const char *good; /* a message that `key` opens */

static struct secret secret_of(const uint8_t *data, size_t size)
{
    struct secret secret = SECRET_NONE;

    assert_int_equal(secret_copy(data, size, &secret), 0);
    return secret;
}

static EVP_PKEY *guest_of(struct json_object *handshake)
{
    struct guest_public_key point;
    struct reason why = { "" };
    uint8_t scalar[32];

    assert_int_equal(bytes_at(handshake, "/d", scalar, sizeof(scalar)), 32);
    assert_int_equal(read_jwk(text_at(handshake, "/jwk"), true, &point, &why), 0);
    return private_key(scalar, &point);
}

static int load(void **state UNUSED)
{
    vectors = vectors_load();
    key = guest_of(node_at(vectors, "/handshakes/0"));
    good = text_at(vectors, "/handshakes/0/jwe/message");
    return 0;
}

static int unload(void **state UNUSED)
{
    EVP_PKEY_free(key);
    (void)json_object_put(vectors);
    return 0;
}

static int parse(const char *text, struct reason *why)
{
    static struct jwe jwe;

    return jwe_parse(text, strlen(text), TEE_KEY_P256, &jwe, why);
}

/* Parses and decrypts; the error of whatever failed. */
static int open_text(const char *text, EVP_PKEY *with, struct secret *ret_plaintext)
{
    static struct jwe jwe;
    struct reason why = { "" };
    int r = jwe_parse(text, strlen(text), TEE_KEY_P256, &jwe, &why);

    return r < 0 ? r : jwe_decrypt(&jwe, with, ret_plaintext);
}

static void opens_messages_of_others(void **state UNUSED)
{
    struct json_object *all = node_at(vectors, "/handshakes");

    for (size_t i = 0; i < json_object_array_length(all); i++) {
        struct json_object *handshake = json_object_array_get_idx(all, i);
        CLEANUP_SECRET struct secret shared = SECRET_NONE, kek = SECRET_NONE, plaintext = SECRET_NONE;
        CLEANUP_KEY EVP_PKEY *guest = guest_of(handshake);
        uint8_t wanted[512];
        size_t size = bytes_at(handshake, "/jwe/z", wanted, sizeof(wanted));

        shared = secret_of(wanted, size);
        assert_int_equal(jwe_derive_kek(&shared, &kek), 0);
        size = bytes_at(handshake, "/jwe/kek", wanted, sizeof(wanted));
        assert_int_equal(kek.size, size);
        assert_memory_equal(kek.bytes, wanted, size);
        assert_int_equal(open_text(text_at(handshake, "/jwe/message"), guest, &plaintext), 0);
        size = bytes_at(handshake, "/jwe/plaintext", wanted, sizeof(wanted));
        assert_int_equal(plaintext.size, size);
        assert_memory_equal(plaintext.bytes, wanted, size);
    }
}

/* The worked handshake recorded beside the project. */
static void opens_the_recorded_message(void **state UNUSED)
{
    CLEANUP_SECRET struct secret plaintext = SECRET_NONE;
    CLEANUP_KEY EVP_PKEY *guest = NULL;
    struct json_object *root;
    struct guest_public_key point;
    struct reason why = { "" };
    uint8_t scalar[32];
    const char *d, *wanted;
    char path[256], *message;
    size_t size = 0;

    if (!vector_path("kbs/kbs-0.4-P-256.json", path, sizeof(path)))
        skip();
    root = json_object_from_file(path);
    assert_non_null(root);
    d = text_at(root, "/client_private_d");
    assert_int_equal(base64_decode(BASE64_URL, d, strlen(d), scalar, sizeof(scalar), &size), 0);
    assert_int_equal(
        read_jwk(json_object_to_json_string(node_at(root, "/tee_pubkey")), true, &point, &why), 0);
    guest = private_key(scalar, &point);
    message = strdup(json_object_to_json_string(node_at(root, "/jwe")));
    assert_int_equal(open_text(message, guest, &plaintext), 0);
    wanted = text_at(root, "/plaintext");
    assert_int_equal(plaintext.size, strlen(wanted));
    assert_memory_equal(plaintext.bytes, wanted, plaintext.size);
    free(message);
    (void)json_object_put(root);
}

static void makes_messages_that_open(void **state UNUSED)
{
    static const size_t sizes[] = { 1, 2, 16, 300, RELEASE_MAX_PAYLOAD_BYTES };
    struct guest_public_key point;

    assert_int_equal(guest_key_point(key, &point), 0);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        CLEANUP_SECRET struct secret plaintext = SECRET_NONE, again = SECRET_NONE;
        CLEANUP_BUFFER struct buffer first = BUFFER_EMPTY, second = BUFFER_EMPTY;

        assert_int_equal(secret_random(sizes[i], &plaintext), 0);
        assert_int_equal(jwe_encrypt(&point, &plaintext, &first), 0);
        assert_int_equal(jwe_encrypt(&point, &plaintext, &second), 0);
        assert_string_not_equal(buffer_text(&first), buffer_text(&second));
        assert_int_equal(open_text(buffer_text(&first), key, &again), 0);
        assert_true(secret_equal(&plaintext, &again));
    }
}

static void encrypts_to_keys_of_every_kind(void **state UNUSED)
{
    static struct jwe jwe;

    for (size_t kind = TEE_KEY_P256; kind <= TEE_KEY_RSA; kind++) {
        CLEANUP_SECRET struct secret plaintext = SECRET_NONE, again = SECRET_NONE;
        CLEANUP_BUFFER struct buffer jwk = BUFFER_EMPTY, text = BUFFER_EMPTY;
        struct guest_public_key guest;
        struct reason why = { "" };
        struct tee_key pair;

        assert_int_equal(tee_key_generate((enum tee_key_kind)kind, &pair), 0);
        assert_int_equal(tee_key_write_jwk(&pair, &jwk), 0);
        assert_int_equal(read_jwk(buffer_text(&jwk), true, &guest, &why), 0);
        assert_int_equal(secret_random(300, &plaintext), 0);
        assert_int_equal(jwe_encrypt(&guest, &plaintext, &text), 0);
        assert_int_equal(jwe_parse(text.data, text.size, pair.kind, &jwe, &why), 0);
        assert_int_equal(jwe_decrypt(&jwe, pair.key, &again), 0);
        assert_true(secret_equal(&plaintext, &again));
        tee_key_free(&pair);
    }
}

/* Trustee's clients authenticate their own serialisation of the header: compact, members sorted. */
static void writes_the_header_that_clients_expect(void **state UNUSED)
{
    CLEANUP_SECRET struct secret plaintext = SECRET_NONE;
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY, wanted = BUFFER_EMPTY;
    static struct jwe jwe;
    uint8_t header[JWE_MAX_PROTECTED_BYTES];
    char x[45], y[45];
    struct guest_public_key point;
    struct reason why = { "" };
    size_t size = 0;

    assert_int_equal(guest_key_point(key, &point), 0);
    assert_int_equal(secret_random(32, &plaintext), 0);
    assert_int_equal(jwe_encrypt(&point, &plaintext, &text), 0);
    assert_int_equal(jwe_parse(text.data, text.size, TEE_KEY_P256, &jwe, &why), 0);
    assert_int_equal(base64_decode(BASE64_URL, jwe.protected_text, strlen(jwe.protected_text), header,
                                   sizeof(header) - 1, &size),
                     0);
    header[size] = '\0';
    (void)base64_encode(BASE64_URL, jwe.epk.x, 32, x);
    (void)base64_encode(BASE64_URL, jwe.epk.y, 32, y);
    buffer_printf(&wanted,
                  "{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\","
                  "\"epk\":{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}}",
                  x, y);
    assert_string_equal((char *)header, buffer_text(&wanted));
}

static void refuses_plaintext_that_is_too_large(void **state UNUSED)
{
    CLEANUP_SECRET struct secret plaintext = SECRET_NONE;
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct guest_public_key point;

    assert_int_equal(guest_key_point(key, &point), 0);
    assert_int_equal(secret_random(RELEASE_MAX_PAYLOAD_BYTES + 1, &plaintext), 0);
    assert_int_equal(jwe_encrypt(&point, &plaintext, &text), -EMSGSIZE);
}

static void encrypts_to_points_of_the_curve_alone(void **state UNUSED)
{
    CLEANUP_SECRET struct secret plaintext = SECRET_NONE;
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct guest_public_key point;

    assert_int_equal(secret_random(32, &plaintext), 0);
    assert_int_equal(guest_key_point(key, &point), 0);
    point.y[31] ^= 1;
    assert_int_equal(jwe_encrypt(&point, &plaintext, &text), -EBADMSG);
    memset(&point, 0, sizeof(point));
    assert_int_equal(jwe_encrypt(&point, &plaintext, &text), -EBADMSG);
}

/* Flips one bit of each byte of each part, the text of the protected header included. */
static void every_part_is_authenticated(void **state UNUSED)
{
    static const char *const parts[] = { "/encrypted_key", "/iv", "/ciphertext", "/tag", "/protected" };

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        struct json_object *root = parse_good(good);
        const char *text = text_at(root, parts[i]);
        uint8_t data[1024];
        size_t size = 0;

        assert_int_equal(base64_decode(BASE64_URL, text, strlen(text), data, sizeof(data), &size), 0);
        (void)json_object_put(root);
        for (size_t k = 0; k < size; k++) {
            CLEANUP_SECRET struct secret plaintext = SECRET_NONE;
            char encoded[BASE64_TEXT_BYTES(1024)], value[BASE64_TEXT_BYTES(1024) + 2], *changed;

            data[k] ^= (uint8_t)(1u << (k % 8));
            (void)base64_encode(BASE64_URL, data, size, encoded);
            (void)snprintf(value, sizeof(value), "\"%s\"", encoded);
            changed = json_with(good, parts[i], value);
            if (open_text(changed, key, &plaintext) == 0)
                fail_msg("byte %zu of %s may be changed", k, parts[i]);
            assert_null(plaintext.bytes);
            free(changed);
            data[k] ^= (uint8_t)(1u << (k % 8));
        }
    }
}

/* The same header in another spelling is another text, and it is the text that is authenticated. */
static void the_header_is_authenticated_as_text(void **state UNUSED)
{
    CLEANUP_SECRET struct secret plaintext = SECRET_NONE;
    struct json_object *root = parse_good(good);
    const char *text = text_at(root, "/protected");
    uint8_t header[JWE_MAX_PROTECTED_BYTES + 1];
    char encoded[JWE_MAX_PROTECTED_BYTES * 2], value[sizeof(encoded) + 2], *changed;
    struct reason why = { "" };
    size_t size = 0;

    assert_int_equal(base64_decode(BASE64_URL, text, strlen(text), header, JWE_MAX_PROTECTED_BYTES, &size), 0);
    header[size++] = ' ';
    (void)base64_encode(BASE64_URL, header, size, encoded);
    (void)snprintf(value, sizeof(value), "\"%s\"", encoded);
    changed = json_with(good, "/protected", value);
    assert_int_equal(parse(changed, &why), 0);
    assert_int_equal(open_text(changed, key, &plaintext), -EBADMSG);
    free(changed);
    (void)json_object_put(root);
}

static void another_key_opens_nothing(void **state UNUSED)
{
    CLEANUP_SECRET struct secret plaintext = SECRET_NONE;
    CLEANUP_KEY EVP_PKEY *other = guest_of(node_at(vectors, "/handshakes/1"));

    assert_int_equal(open_text(good, other, &plaintext), -EBADMSG);
    assert_null(plaintext.bytes);
}

static void refuses_members_that_are_wrong(void **state UNUSED)
{
    static const char *const members[] = { "/protected", "/encrypted_key", "/iv", "/ciphertext", "/tag" };
    static const char *const unknown[] = { "/header", "/aad", "/unprotected", "/recipients", "/x" };

    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        assert_required(parse, good, members[i]);
    for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
        assert_refused(parse, json_with(good, unknown[i], "\"x\""), unknown[i]);
}

/* A member of `size` bytes 'A…', as JSON. */
static char *base64_of(size_t size)
{
    uint8_t *zeros = calloc(1, size + 1);
    char *text = malloc(BASE64_TEXT_BYTES(size) + 2);

    assert_true(zeros && text);
    text[0] = '"';
    (void)base64_encode(BASE64_URL, zeros, size, text + 1);
    (void)memcpy(text + strlen(text), "\"", 2);
    free(zeros);
    return text;
}

static void refuses_sizes_that_are_wrong(void **state UNUSED)
{
    static const struct {
        const char *member;
        size_t size;
    } wrong[] = {
        { "/encrypted_key", 39 }, { "/encrypted_key", 41 },
        { "/encrypted_key", 0 },  { "/iv", 11 },
        { "/iv", 13 },            { "/tag", 15 },
        { "/tag", 17 },           { "/ciphertext", 0 },
        { "/protected", 0 },      { "/ciphertext", RELEASE_MAX_PAYLOAD_BYTES + 1 },
        { "/protected", 1025 },   { "/ciphertext", 100000 },
    };
    char *longest = base64_of(RELEASE_MAX_PAYLOAD_BYTES), *text;
    struct reason why = { "" };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        char *value = base64_of(wrong[i].size);

        assert_refused(parse, json_with(good, wrong[i].member, value), wrong[i].member);
        free(value);
    }
    text = json_with(good, "/ciphertext", longest);
    assert_int_equal(parse(text, &why), 0);
    free(text);
    free(longest);
}

static void refuses_spellings_of_base64_that_are_wrong(void **state UNUSED)
{
    assert_refused(parse, json_with(good, "/tag", "\"AAAAAAAAAAAAAAAAAAAAAA==\""), "padding");
    assert_refused(parse, json_with(good, "/tag", "\"AAAAAAAAAAAAAAAAAAAAAB\""), "bits behind the end");
    assert_refused(parse, json_with(good, "/iv", "\"AAAA+AAAAAAAAAAA\""), "the other alphabet");
    assert_refused(parse, json_with(good, "/iv", "\"AAAA AAAAAAAAAAA\""), "white space");
}

/* The good message with its protected header changed at `pointer`; NULL: without that member. */
static char *with_header(const char *pointer, const char *value)
{
    struct json_object *root = parse_good(good);
    const char *text = text_at(root, "/protected");
    uint8_t header[JWE_MAX_PROTECTED_BYTES + 1];
    char encoded[4096], quoted[4100], *changed, *out;
    size_t size = 0;

    assert_int_equal(base64_decode(BASE64_URL, text, strlen(text), header, JWE_MAX_PROTECTED_BYTES, &size), 0);
    (void)json_object_put(root);
    header[size] = '\0';
    changed = value ? json_with((char *)header, pointer, value) : json_without((char *)header, pointer);
    (void)base64_encode(BASE64_URL, changed, strlen(changed), encoded);
    (void)snprintf(quoted, sizeof(quoted), "\"%s\"", encoded);
    out = json_with(good, "/protected", quoted);
    free(changed);
    return out;
}

static void knows_one_algorithm(void **state UNUSED)
{
    static const char *const algs[] = { "\"ECDH-ES\"", "\"ECDH-ES+A128KW\"", "\"RSA-OAEP-256\"", "\"RSA1_5\"",
                                        "\"dir\"", "\"none\"", "\"\"", "\"ecdh-es+a256kw\"" };
    static const char *const encs[] = { "\"A128GCM\"", "\"A256CBC-HS512\"", "\"A192GCM\"", "\"none\"", "\"\"" };

    for (size_t i = 0; i < ARRAY_SIZE(algs) + ARRAY_SIZE(encs); i++) {
        char *text = i < ARRAY_SIZE(algs) ? with_header("/alg", algs[i])
                                          : with_header("/enc", encs[i - ARRAY_SIZE(algs)]);
        struct reason why = { "" };

        assert_int_equal(parse(text, &why), -EOPNOTSUPP);
        assert_reason(&why, "expected");
        free(text);
    }
}

static void refuses_headers_that_are_wrong(void **state UNUSED)
{
    static const char *const members[] = { "/alg", "/enc", "/epk", "/epk/kty", "/epk/crv", "/epk/x", "/epk/y" };
    static const char *const unknown[] = { "/zip", "/crit", "/apu", "/apv", "/kid", "/epk/alg", "/epk/d" };

    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        assert_refused(parse, with_header(members[i], NULL), members[i]);
        assert_refused(parse, with_header(members[i], "null"), members[i]);
        assert_refused(parse, with_header(members[i], "7"), members[i]);
        assert_refused(parse, with_header(members[i], "\"P-521\""), members[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
        assert_refused(parse, with_header(unknown[i], "\"x\""), unknown[i]);
    assert_refused(parse, json_with(good, "/protected", "\"bm90IEpTT04\""), "a header that is not JSON");
    assert_refused(parse, json_with(good, "/protected", "\"W10\""), "a header that is an array");
}

static void refuses_points_off_the_curve(void **state UNUSED)
{
    static const char *const points[] = {
        "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", /* zero */
        "\"_____wAAAAEAAAAAAAAAAAAAAAD_______________8\"", /* the field's prime */
        "\"__________________________________________8\"",
    };

    for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
        CLEANUP_SECRET struct secret plaintext = SECRET_NONE;
        char *text = with_header("/epk/x", points[i]);

        assert_int_equal(open_text(text, key, &plaintext), -EBADMSG);
        assert_null(plaintext.bytes);
        free(text);
    }
    assert_refused(parse, with_header("/epk/x", "\"AAAA\""), "a short coordinate");
    assert_refused(parse, with_header("/epk/x", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""),
                   "a long coordinate");
}

static void refuses_what_is_no_message(void **state UNUSED)
{
    static const char *const texts[] = { "", "{", "null", "[]", "\"\"", "7", "{}{}", "{\"protected\":\"" };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_refused(parse, strdup(texts[i]), texts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_messages_of_others),
        cmocka_unit_test(opens_the_recorded_message),
        cmocka_unit_test(makes_messages_that_open),
        cmocka_unit_test(encrypts_to_keys_of_every_kind),
        cmocka_unit_test(writes_the_header_that_clients_expect),
        cmocka_unit_test(refuses_plaintext_that_is_too_large),
        cmocka_unit_test(encrypts_to_points_of_the_curve_alone),
        cmocka_unit_test(every_part_is_authenticated),
        cmocka_unit_test(the_header_is_authenticated_as_text),
        cmocka_unit_test(another_key_opens_nothing),
        cmocka_unit_test(refuses_members_that_are_wrong),
        cmocka_unit_test(refuses_sizes_that_are_wrong),
        cmocka_unit_test(refuses_spellings_of_base64_that_are_wrong),
        cmocka_unit_test(knows_one_algorithm),
        cmocka_unit_test(refuses_headers_that_are_wrong),
        cmocka_unit_test(refuses_points_off_the_curve),
        cmocka_unit_test(refuses_what_is_no_message),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
