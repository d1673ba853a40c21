/* release/identity: identities of brokers, signed by an offline key, for releases and not for times. */
#include "unit.h"

#include <openssl/x509.h>

#include "base/encode.h"
#include "base/key.h"
#include "release/identity.h"
#include "release/record.h"

#define PIN "1111111111111111111111111111111111111111111111111111111111111111"

static EVP_PKEY *root, *edwards, *other, *record_pair;
static struct key_p384 record_key;
static char record_text[256];

static int make_keys(void **state UNUSED)
{
    unsigned char *der = NULL;
    int size;

    root = EVP_EC_gen("P-384");
    other = EVP_EC_gen("P-384");
    record_pair = EVP_EC_gen("P-384");
    edwards = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    size = i2d_PUBKEY(record_pair, &der);
    assert_int_equal(key_p384_take(der, (size_t)size, &record_key), 0);
    (void)base64_encode(BASE64_STANDARD, der, (size_t)size, record_text);
    OPENSSL_free(der);
    return 0;
}

static int free_keys(void **state UNUSED)
{
    EVP_PKEY_free(root);
    EVP_PKEY_free(other);
    EVP_PKEY_free(record_pair);
    EVP_PKEY_free(edwards);
    return 0;
}

static struct identity sample(void)
{
    struct identity identity = { .name = "frankfurt-1", .address_count = 2, .pin_count = 2, .record_key = record_key,
                                 .first_release = 3, .last_release = 9 };

    assert_int_equal(endpoint_parse("10.0.2.2:8443", &identity.addresses[0]), 0);
    assert_int_equal(endpoint_parse("[fd00::2]:443", &identity.addresses[1]), 0);
    memset(identity.pins[0], 0x11, TLS_PIN_BYTES);
    memset(identity.pins[1], 0x22, TLS_PIN_BYTES);
    return identity;
}

static void signed_identities_hold(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    const struct identity identity = sample();
    struct identity found;
    struct reason why = { "" };

    if (identity_sign(&identity, root, &text, &why) < 0 ||
        identity_verify(text.data, text.size, root, 5, &found, &why) < 0)
        fail_msg("%s", why.text);
    assert_string_equal(found.name, "frankfurt-1");
    assert_int_equal(found.address_count, 2);
    assert_string_equal(found.addresses[0].authority, "10.0.2.2:8443");
    assert_string_equal(found.addresses[1].authority, "[fd00::2]:443");
    assert_int_equal(found.pin_count, 2);
    assert_memory_equal(found.pins, identity.pins, 2 * TLS_PIN_BYTES);
    assert_memory_equal(found.record_key.der, record_key.der, KEY_P384_BYTES);
}

static void releases_bound_it(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    const struct identity identity = sample();
    struct reason why = { "" };

    assert_int_equal(identity_sign(&identity, root, &text, &why), 0);
    for (uint64_t release = 0; release < 12; release++) {
        struct identity found = { .pin_count = 77 };
        int r = identity_verify(text.data, text.size, root, release, &found, &why);

        if (release >= 3 && release <= 9) {
            assert_int_equal(r, 0);
            continue;
        }
        assert_int_equal(r, -ESTALE);
        assert_reason(&why, "\"frankfurt-1\" is for releases 3 to 9, this image is release");
        assert_int_equal(found.pin_count, 77);
    }
}

static void foreign_keys_are_refused(void **state UNUSED)
{
    EVP_PKEY *const others[] = { other, record_pair };
    const struct identity identity = sample();

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
        struct identity found;
        struct reason why = { "" };

        assert_int_equal(identity_sign(&identity, others[i], &text, &why), 0);
        assert_int_equal(identity_verify(text.data, text.size, root, 5, &found, &why), -EKEYREJECTED);
        assert_reason(&why, "not signed by the root key that this image pins");
    }
}

/* An envelope around another text, signed by the root key in earnest; `magic`: under which purpose. */
static int verify_payload(const char *magic, const char *payload, struct reason *why)
{
    CLEANUP_BUFFER struct buffer signed_text = BUFFER_EMPTY, text = BUFFER_EMPTY;
    uint8_t signature[KEY_SIGNATURE_MAX_BYTES];
    char encoded[BASE64_TEXT_BYTES(2048)];
    struct identity found;
    size_t size;

    buffer_printf(&signed_text, "%s%s", magic, payload);
    assert_int_equal(key_sign(root, signed_text.data, signed_text.size, signature, &size), 0);
    (void)base64_encode(BASE64_STANDARD, payload, strlen(payload), encoded);
    buffer_printf(&text, "{\"payload\":\"%s\",", encoded);
    (void)base64_encode(BASE64_STANDARD, signature, size, encoded);
    buffer_printf(&text, "\"signature\":\"%s\"}", encoded);
    return identity_verify(text.data, text.size, root, 5, &found, why);
}

static void every_member_counts(void **state UNUSED)
{
#define NAME "\"name\":\"a\""
#define ADDRESSES "\"addresses\":[\"https://10.0.2.2:1\"]"
#define PINS "\"spki_sha256\":[\"" PIN "\"]"
#define RELEASES "\"releases\":{\"first\":0,\"last\":9}"
    static const struct {
        const char *members, *words; /* %s: the record key */
    } texts[] = {
        { "\"version\":1," NAME "," ADDRESSES "," PINS ",\"record_key\":\"%s\"," RELEASES, NULL },
        { NAME "," ADDRESSES "," PINS ",\"record_key\":\"%s\"," RELEASES, "version: missing" },
        { "\"version\":2," NAME "," ADDRESSES "," PINS ",\"record_key\":\"%s\"," RELEASES, "version: expected" },
        { "\"version\":\"1\"," NAME "," ADDRESSES "," PINS ",\"record_key\":\"%s\"," RELEASES, "version: expected" },
        { "\"version\":1," ADDRESSES "," PINS ",\"record_key\":\"%s\"," RELEASES, "name: missing" },
        { "\"version\":1,\"name\":\"\"," ADDRESSES "," PINS ",\"record_key\":\"%s\"," RELEASES, "name: \"\" is empty" },
        { "\"version\":1,\"name\":\"A\"," ADDRESSES "," PINS ",\"record_key\":\"%s\"," RELEASES, "name: \"A\"" },
        { "\"version\":1," NAME "," NAME "," ADDRESSES "," PINS ",\"record_key\":\"%s\"," RELEASES, "stands twice" },
        { "\"version\":1," NAME "," PINS ",\"record_key\":\"%s\"," RELEASES, "addresses: missing" },
        { "\"version\":1," NAME ",\"addresses\":[]," PINS ",\"record_key\":\"%s\"," RELEASES, "addresses: empty" },
        { "\"version\":1," NAME ",\"addresses\":[\"http://10.0.2.2:1\"]," PINS ",\"record_key\":\"%s\"," RELEASES,
          "element 0: \"http://10.0.2.2:1\" is not of the form" },
        { "\"version\":1," NAME ",\"addresses\":[\"https://broker:1\"]," PINS ",\"record_key\":\"%s\"," RELEASES,
          "element 0" },
        { "\"version\":1," NAME "," ADDRESSES ",\"record_key\":\"%s\"," RELEASES, "spki_sha256: missing" },
        { "\"version\":1," NAME "," ADDRESSES ",\"spki_sha256\":[],\"record_key\":\"%s\"," RELEASES, "spki_sha256: empty" },
        { "\"version\":1," NAME "," ADDRESSES ",\"spki_sha256\":[\"11\"],\"record_key\":\"%s\"," RELEASES, "spki_sha256" },
        { "\"version\":1," NAME "," ADDRESSES "," PINS "," RELEASES, "record_key: missing" },
        { "\"version\":1," NAME "," ADDRESSES "," PINS ",\"record_key\":\"AAAA\"," RELEASES, "record_key: not a P-384" },
        { "\"version\":1," NAME "," ADDRESSES "," PINS ",\"record_key\":\"%s\"", "releases: missing" },
        { "\"version\":1," NAME "," ADDRESSES "," PINS ",\"record_key\":\"%s\",\"releases\":{\"first\":3}",
          "releases.last: missing" },
        { "\"version\":1," NAME "," ADDRESSES "," PINS ",\"record_key\":\"%s\",\"releases\":{\"first\":9,\"last\":3}",
          "releases: the last is before the first" },
        { "\"version\":1," NAME "," ADDRESSES "," PINS ",\"record_key\":\"%s\",\"releases\":{\"first\":0,"
          "\"last\":4294967296}", "releases.last: expected" },
        { "\"version\":1," NAME "," ADDRESSES "," PINS ",\"record_key\":\"%s\"," RELEASES ",\"more\":1",
          "more: unknown member" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct reason why = { "" };
        char members[1024], text[1100];
        int r;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(members, sizeof(members), texts[i].members, record_text);
#pragma GCC diagnostic pop
        (void)snprintf(text, sizeof(text), "{%s}", members);
        r = verify_payload(IDENTITY_MAGIC, text, &why);
        if (!texts[i].words && r < 0)
            fail_msg("%s", why.text);
        if (!texts[i].words)
            continue;
        assert_int_equal(r, -EBADMSG);
        assert_reason(&why, texts[i].words);
    }
}

/* A signature by the root key over something else is none over an identity. */
static void other_envelopes_are_refused(void **state UNUSED)
{
    static const char *const shapes[] = { "{}", "[]", "{\"payload\":\"e30=\"}", "{\"signature\":\"AAAA\"}",
                                          "{\"payload\":\"e30\",\"signature\":\"AAAA\"}",
                                          "{\"payload\":{},\"signature\":\"AAAA\"}",
                                          "{\"payload\":\"e30=\",\"signature\":\"AAAA\",\"more\":1}" };
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    const struct identity identity = sample();
    struct identity found;
    struct reason why = { "" };
    char large[IDENTITY_MAX_BYTES + 2];

    assert_int_equal(verify_payload("PSTNACK1", "{}", &why), -EKEYREJECTED);
    assert_int_equal(verify_payload("", "{}", &why), -EKEYREJECTED);
    assert_int_equal(verify_payload(IDENTITY_MAGIC, "{}", &why), -EBADMSG);
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
        assert_int_equal(identity_verify(shapes[i], strlen(shapes[i]), root, 5, &found, &why), -EBADMSG);
    memset(large, ' ', sizeof(large));
    assert_int_equal(identity_verify(large, sizeof(large), root, 5, &found, &why), -EMSGSIZE);
    assert_int_equal(identity_sign(&identity, root, &text, &why), 0);
    for (size_t i = 0; i < text.size - 1; i++) { /* behind the last byte is white space */
        char *copy = exact_copy(text.data, text.size);

        copy[i] ^= 1;
        if (identity_verify(copy, text.size, root, 5, &found, &why) == 0)
            fail_msg("byte %zu was changed unnoticed", i);
        free(copy);
    }
}

static void nothing_is_signed_that_guests_refuse(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct identity identity = sample();
    struct reason why = { "" };

    identity.address_count = 0;
    assert_int_equal(identity_sign(&identity, root, &text, &why), -EINVAL);
    assert_reason(&why, "addresses: empty");
    identity = sample();
    memcpy(identity.name, "A", 2);
    assert_int_equal(identity_sign(&identity, root, &text, &why), -EINVAL);
    identity = sample();
    identity.last_release = 2;
    assert_int_equal(identity_sign(&identity, root, &text, &why), -EINVAL);
    identity = sample();
    assert_int_equal(identity_sign(&identity, edwards, &text, &why), -EINVAL);
    assert_int_equal(text.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_identities_hold),      cmocka_unit_test(releases_bound_it),
        cmocka_unit_test(foreign_keys_are_refused),    cmocka_unit_test(every_member_counts),
        cmocka_unit_test(other_envelopes_are_refused), cmocka_unit_test(nothing_is_signed_that_guests_refuse),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
