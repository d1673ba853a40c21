/* release/record: the registered form field by field, and releases that are signed, bound, or neither. */
#include "unit.h"

#include <openssl/ec.h>
#include <openssl/x509.h>

#include "base/cursor.h"
#include "release-vectors.h"
#include "release/record.h"

static struct json_object *vectors;
static EVP_PKEY *signer; /* of the vector: public alone */
static EVP_PKEY *own;    /* ours */

static const struct record good = {
    .volume_id = "data-1",
    .cipher = "aes-xts-plain64",
    .integrity = "none",
    .sector_size = 4096,
    .offset = 1 << 20,
    .length = 64 << 20,
    .layout_length = 64 << 20,
    .generation = 7,
    .state = RECORD_READY,
};

static struct secret key_of(size_t size)
{
    struct secret key = SECRET_NONE;

    assert_int_equal(secret_random(size, &key), 0);
    return key;
}

static struct secret secret_at(const char *pointer)
{
    struct secret secret = SECRET_NONE;
    uint8_t data[1024];
    size_t size = bytes_at(vectors, pointer, data, sizeof(data));

    assert_int_equal(secret_copy(data, size, &secret), 0);
    return secret;
}

static int load(void **state UNUSED)
{
    struct key_p384 pinned;
    uint8_t der[256];
    const char *text;
    size_t size = 0;

    vectors = vectors_load();
    text = text_at(vectors, "/record/record_key");
    assert_int_equal(base64_decode(BASE64_STANDARD, text, strlen(text), der, sizeof(der), &size), 0);
    assert_int_equal(key_p384_take(der, size, &pinned), 0);
    signer = key_p384_load(&pinned);
    assert_non_null(signer);
    own = EVP_EC_gen("P-384");
    assert_non_null(own);
    return 0;
}

static int unload(void **state UNUSED)
{
    EVP_PKEY_free(signer);
    EVP_PKEY_free(own);
    (void)json_object_put(vectors);
    return 0;
}

static struct record_binding vector_binding(void)
{
    struct record_binding binding;

    assert_int_equal(bytes_at(vectors, "/record/nonce", binding.nonce, sizeof(binding.nonce)), 32);
    assert_int_equal(bytes_at(vectors, "/record/report_digest", binding.report_digest, SHA384_BYTES), SHA384_BYTES);
    return binding;
}

static void assert_same(const struct record *a, const struct record *b)
{
    assert_string_equal(a->volume_id, b->volume_id);
    assert_string_equal(a->cipher, b->cipher);
    assert_string_equal(a->integrity, b->integrity);
    assert_int_equal(a->sector_size, b->sector_size);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->length, b->length);
    assert_int_equal(a->layout_length, b->layout_length);
    assert_int_equal(a->has_header_mac, b->has_header_mac);
    assert_memory_equal(a->header_mac, b->header_mac, sizeof(a->header_mac));
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->state, b->state);
}

static void registered_form_is_that_of_others(void **state UNUSED)
{
    CLEANUP_SECRET struct secret wanted = secret_at("/record/registered"), key = secret_at("/record/key"),
                                 bytes = SECRET_NONE, again = SECRET_NONE;
    struct reason why = { "" };
    struct record record;

    assert_int_equal(record_encode(&good, &key, &bytes), 0);
    assert_true(secret_equal(&bytes, &wanted));
    assert_int_equal(record_parse(&wanted, &record, &again, &why), 0);
    assert_same(&record, &good);
    assert_true(secret_equal(&again, &key));
}

static void releases_of_others_verify(void **state UNUSED)
{
    CLEANUP_SECRET struct secret release = secret_at("/record/release"), key = SECRET_NONE,
                                 wanted = secret_at("/record/key");
    struct record_binding binding = vector_binding();
    struct reason why = { "" };
    struct record record;

    assert_int_equal(record_verify(&release, &binding, signer, &record, &key, &why), 0);
    assert_same(&record, &good);
    assert_int_equal(record.epoch, 12);
    assert_true(secret_equal(&key, &wanted));
}

static void a_header_mac_is_carried(void **state UNUSED)
{
    CLEANUP_SECRET struct secret key = key_of(64), bytes = SECRET_NONE, again = SECRET_NONE;
    struct record wanted = good, record;

    wanted.has_header_mac = true;
    memset(wanted.header_mac, 0xa5, sizeof(wanted.header_mac));
    assert_int_equal(record_encode(&wanted, &key, &bytes), 0);
    assert_int_equal(record_parse(&bytes, &record, &again, NULL), 0);
    assert_same(&record, &wanted);
    assert_true(secret_equal(&again, &key));
}

static void a_record_is_restated(void **state UNUSED)
{
    CLEANUP_SECRET struct secret key = key_of(64), registered = SECRET_NONE, other = SECRET_NONE, again = SECRET_NONE;
    struct record wanted = good, record;

    assert_int_equal(record_encode(&good, &key, &registered), 0);
    assert_int_equal(record_restate(&registered, 8, RECORD_UNINITIALISED, &other), 0);
    assert_int_equal(record_parse(&other, &record, &again, NULL), 0);
    wanted.generation = 8;
    wanted.state = RECORD_UNINITIALISED;
    assert_same(&record, &wanted);
    assert_true(secret_equal(&key, &again));
    secret_free(&other);
    assert_int_equal(record_restate(&registered, 8, 3, &other), -EINVAL);
    registered.bytes[0] ^= 1;
    assert_int_equal(record_restate(&registered, 8, RECORD_READY, &other), -EBADMSG);
    assert_null(other.bytes);
}

static void acknowledgements_are_for_one_launch_volume_and_epoch(void **state UNUSED)
{
    char longest[RELEASE_MAX_RESOURCE_BYTES + 2];
    uint8_t signature[RECORD_MAX_SIGNATURE_BYTES];
    struct record_binding binding;
    size_t size = 0;

    random_fill(&binding, sizeof(binding));
    assert_int_equal(record_acknowledge("a/b/c", &binding, 3, own, signature, &size), 0);
    assert_int_equal(record_acknowledged("a/b/c", &binding, 3, own, signature, size), 0);
    assert_int_equal(record_acknowledged("a/b/c", &binding, 4, own, signature, size), -EKEYREJECTED);
    assert_int_equal(record_acknowledged("a/b/d", &binding, 3, own, signature, size), -EKEYREJECTED);
    assert_int_equal(record_acknowledged("a/b/c", &binding, 3, signer, signature, size), -EKEYREJECTED);
    assert_int_equal(record_acknowledged("a/b/c", &binding, 3, own, signature, size - 1), -EKEYREJECTED);
    binding.nonce[0] ^= 1;
    assert_int_equal(record_acknowledged("a/b/c", &binding, 3, own, signature, size), -EKEYREJECTED);
    binding.nonce[0] ^= 1;
    binding.report_digest[47] ^= 1;
    assert_int_equal(record_acknowledged("a/b/c", &binding, 3, own, signature, size), -EKEYREJECTED);
    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(record_acknowledge(longest, &binding, 3, own, signature, &size), -EINVAL);
    assert_int_equal(record_acknowledged(longest, &binding, 3, own, signature, size), -EKEYREJECTED);
}

static void our_releases_verify(void **state UNUSED)
{
    struct record_binding binding;

    random_fill(&binding, sizeof(binding));
    for (int i = 0; i < 50; i++) { /* signatures have several lengths */
        CLEANUP_SECRET struct secret key = key_of(64), registered = SECRET_NONE, release = SECRET_NONE;
        CLEANUP_SECRET struct secret again = SECRET_NONE;
        struct reason why = { "" };
        struct record record;

        assert_int_equal(record_encode(&good, &key, &registered), 0);
        assert_int_equal(record_sign(&registered, &binding, 9, own, &release), 0);
        assert_int_equal(record_verify(&release, &binding, own, &record, &again, &why), 0);
        assert_same(&record, &good);
        assert_int_equal(record.epoch, 9);
        assert_true(secret_equal(&key, &again));
    }
}

/* Every byte of a release: changed, nothing verifies; the reason says what was wrong. */
static void every_byte_is_signed(void **state UNUSED)
{
    CLEANUP_SECRET struct secret release = secret_at("/record/release");
    struct record_binding binding = vector_binding();

    for (size_t i = 0; i < release.size; i++) {
        CLEANUP_SECRET struct secret key = SECRET_NONE;
        struct reason why = { "" };
        struct record record;
        int r;

        release.bytes[i] ^= (uint8_t)(1u << (i % 8));
        r = record_verify(&release, &binding, signer, &record, &key, &why);
        if (r != -EBADMSG && r != -EKEYREJECTED)
            fail_msg("byte %zu may be changed: %d", i, r);
        assert_null(key.bytes);
        assert_true(why.text[0]);
        release.bytes[i] ^= (uint8_t)(1u << (i % 8));
    }
}

static void a_release_is_bound(void **state UNUSED)
{
    CLEANUP_SECRET struct secret release = secret_at("/record/release"), key = SECRET_NONE;
    struct record_binding binding = vector_binding();
    struct reason why = { "" };
    struct record record;

    binding.nonce[31] ^= 1;
    assert_int_equal(record_verify(&release, &binding, signer, &record, &key, &why), -EKEYREJECTED);
    assert_reason(&why, "another session");
    binding.nonce[31] ^= 1;
    binding.report_digest[0] ^= 1;
    assert_int_equal(record_verify(&release, &binding, signer, &record, &key, &why), -EKEYREJECTED);
    assert_reason(&why, "another report");
    binding.report_digest[0] ^= 1;
    assert_int_equal(record_verify(&release, &binding, own, &record, &key, &why), -EKEYREJECTED);
    assert_reason(&why, "signature");
    assert_null(key.bytes);
}

static void releases_have_one_length(void **state UNUSED)
{
    CLEANUP_SECRET struct secret release = secret_at("/record/release");
    struct record_binding binding = vector_binding();
    uint8_t longer[1024];

    for (size_t size = 1; size < release.size; size++) {
        CLEANUP_SECRET struct secret shorter = SECRET_NONE, key = SECRET_NONE;
        struct reason why = { "" };
        struct record record;

        assert_int_equal(secret_copy(release.bytes, size, &shorter), 0);
        assert_int_equal(record_verify(&shorter, &binding, signer, &record, &key, &why), -EBADMSG);
        assert_reason(&why, "not a signed volume record");
    }
    memcpy(longer, release.bytes, release.size);
    longer[release.size] = 0;
    {
        CLEANUP_SECRET struct secret more = SECRET_NONE, key = SECRET_NONE;
        struct reason why = { "" };
        struct record record;

        assert_int_equal(secret_copy(longer, release.size + 1, &more), 0);
        assert_int_equal(record_verify(&more, &binding, signer, &record, &key, &why), -EBADMSG);
    }
}

/* A signature over a record that we would not accept does not make it acceptable. */
static void a_signature_is_not_enough(void **state UNUSED)
{
    CLEANUP_SECRET struct secret key = key_of(64), registered = SECRET_NONE, release = SECRET_NONE;
    struct record_binding binding;

    random_fill(&binding, sizeof(binding));
    assert_int_equal(record_encode(&good, &key, &registered), 0);
    registered.bytes[registered.size - 64 - 2] = 9; /* the state */
    assert_int_equal(record_sign(&registered, &binding, 9, own, &release), -EBADMSG);
    assert_null(release.bytes);
}

static int encodes(const struct record *record, size_t key_size)
{
    CLEANUP_SECRET struct secret key = key_of(key_size), bytes = SECRET_NONE;

    return record_encode(record, &key, &bytes);
}

static void fields_that_we_would_not_read_are_not_written(void **state UNUSED)
{
    const struct {
        const char *what;
        struct record record;
        size_t key_size;
    } wrong[] = {
#define WITH(what, size, ...) { what, ({ struct record r = good; __VA_ARGS__; r; }), size }
        WITH("no id", 64, r.volume_id[0] = '\0'),
        WITH("upper case", 64, r.volume_id[0] = 'D'),
        WITH("a slash", 64, r.volume_id[1] = '/'),
        WITH("a bracket", 64, r.volume_id[1] = '('),
        WITH("a space", 64, r.volume_id[1] = ' '),
        WITH("another cipher", 64, memcpy(r.cipher, "aes-cbc-plain64", 16)),
        WITH("null cipher", 64, memcpy(r.cipher, "cipher_null-ecb", 16)),
        WITH("no cipher", 64, r.cipher[0] = '\0'),
        WITH("another MAC", 64, memcpy(r.integrity, "crc32", 6)),
        WITH("no MAC's name", 64, r.integrity[0] = '\0'),
        WITH("a MAC without its key", 64, memcpy(r.integrity, "hmac(sha256)", 13)),
        WITH("a MAC of small sectors", 96, (memcpy(r.integrity, "hmac(sha256)", 13), r.sector_size = 512)),
        WITH("a short key", 32, ),
        WITH("a long key", 65, ),
        WITH("a MAC's key without a MAC", 96, ),
        WITH("odd sectors", 64, r.sector_size = 1024),
        WITH("no sectors", 64, r.sector_size = 0),
        WITH("no length", 64, r.length = 0),
        WITH("half a sector", 64, r.length += 512),
        WITH("an odd offset", 64, r.offset = 512),
        WITH("an overflow", 64, r.offset = UINT64_MAX - 4095),
        WITH("beyond any disk", 64, r.length = UINT64_C(1) << 63),
        WITH("no state", 64, r.state = 0),
        WITH("another state", 64, r.state = 4),
        WITH("a rotation with one key", 64, r.state = RECORD_ROTATING),
        WITH("two keys without a rotation", 128, ),
        WITH("a rotation with another kind of key", 160, r.state = RECORD_ROTATING),
        WITH("a layout of nothing", 64, r.layout_length = 0),
        WITH("a layout of half a sector", 64, r.layout_length = 512),
        WITH("a layout beyond any disk", 64, r.layout_length = UINT64_C(1) << 63),
#undef WITH
    };
    struct record fine = good;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        if (encodes(&wrong[i].record, wrong[i].key_size) != -EINVAL)
            fail_msg("written: %s", wrong[i].what);
    assert_int_equal(encodes(&fine, 64), 0);
    fine.sector_size = 512;
    fine.length = fine.layout_length = 512;
    fine.offset = 0;
    fine.generation = UINT64_MAX;
    fine.state = RECORD_UNINITIALISED;
    memcpy(fine.integrity, "hmac(sha256)", 13);
    fine.sector_size = 4096;
    fine.length = fine.layout_length = 4096;
    assert_int_equal(encodes(&fine, 96), 0);
    fine.state = RECORD_ROTATING;
    assert_int_equal(encodes(&fine, 192), 0);
    fine.state = RECORD_READY;
    memcpy(fine.integrity, "none", 5);
    memset(fine.volume_id, 'a', RECORD_ID_MAX_BYTES);
    fine.volume_id[RECORD_ID_MAX_BYTES] = '\0';
    assert_int_equal(encodes(&fine, 64), 0);
}

/* The same fields in bytes, one at a time, with the words that name them. */
static void fields_that_are_wrong_are_named(void **state UNUSED)
{
    /* Offsets in the vector: magic 0, id 8 (7), cipher 15 (16), integrity 31 (5), sector size 36, offset 40, length 48,
     * its layout's 56, generation 64, size of the MAC 72, state 73, key size 74, key 75. */
    static const struct {
        size_t offset;
        uint8_t value;
        const char *words;
    } wrong[] = {
        { 0, 'X', "version 2" },      { 7, '1', "version 2" },   { 8, 0, "layout" },
        { 8, 64, "layout" },          { 8, 255, "layout" },      { 9, 'A', "layout" },
        { 9, 0, "layout" },           { 9, '(', "id" },          { 16, 'b', "not supported" },
        { 15, 14, "" },               { 32, 'm', "not supported" }, { 36, 1, "sectors" },
        { 37, 0, "sectors" },         { 40, 1, "whole sectors" }, { 47, 0xff, "whole sectors" },
        { 48, 1, "whole sectors" },   { 55, 0xff, "whole sectors" }, { 56, 1, "a layout for" },
        { 59, 0, "a layout for 0" },  { 63, 255, "a layout for" }, { 72, 1, "layout" },
        { 72, 32, "layout" },         { 72, 255, "layout" },     { 73, 0, "state 0" },
        { 73, 3, "not supported" },   { 73, 255, "state 255" },  { 74, 63, "layout" },
        { 74, 65, "layout" },         { 74, 0, "layout" },
    };
    CLEANUP_SECRET struct secret registered = secret_at("/record/registered");

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        CLEANUP_SECRET struct secret key = SECRET_NONE;
        uint8_t before = registered.bytes[wrong[i].offset];
        struct reason why = { "" };
        struct record record;

        registered.bytes[wrong[i].offset] = wrong[i].value;
        if (record_parse(&registered, &record, &key, &why) != -EBADMSG)
            fail_msg("read: %u at %zu", wrong[i].value, wrong[i].offset);
        assert_reason(&why, wrong[i].words);
        assert_reason(&why, "volume record");
        assert_null(key.bytes);
        registered.bytes[wrong[i].offset] = before;
    }
}

static void registered_forms_have_one_length(void **state UNUSED)
{
    CLEANUP_SECRET struct secret registered = secret_at("/record/registered");
    const uint8_t *key;
    struct record record;
    size_t key_size;

    for (size_t size = 0; size < registered.size; size++) {
        uint8_t *copy = exact_copy(registered.bytes, size);

        assert_int_equal(record_parse_fields(copy, size, &record, &key, &key_size, NULL), -EBADMSG);
        free(copy);
    }
}

static void signs_with_p384_alone(void **state UNUSED)
{
    CLEANUP_SECRET struct secret registered = secret_at("/record/registered"), release = SECRET_NONE, key = SECRET_NONE,
                                 of_others = secret_at("/record/release");
    struct record_binding binding = vector_binding();
    EVP_PKEY *p256 = EVP_EC_gen("P-256"), *edwards = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    struct record record;

    assert_int_equal(record_sign(&registered, &binding, 9, p256, &release), -EINVAL);
    assert_int_equal(record_sign(&registered, &binding, 9, edwards, &release), -EINVAL);
    assert_int_equal(record_verify(&of_others, &binding, p256, &record, &key, NULL), -EKEYREJECTED);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(edwards);
}

static void record_keys_are_points_of_p384(void **state UNUSED)
{
    static const char *const groups[] = { "P-256", "P-521" };
    struct key_p384 taken = { .given = false };
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(own, &der);
    EVP_PKEY *key;

    for (int i = 0; i < size; i++)
        assert_int_equal(key_p384_take(der, (size_t)i, &taken), -EBADMSG);
    for (int i = 0; i < size - 96; i++) {
        der[i] ^= 1;
        assert_int_equal(key_p384_take(der, (size_t)size, &taken), -EBADMSG);
        der[i] ^= 1;
    }
    assert_false(taken.given);
    assert_int_equal(key_p384_take(der, (size_t)size, &taken), 0);
    key = key_p384_load(&taken);
    assert_int_equal(EVP_PKEY_eq(key, own), 1);
    EVP_PKEY_free(key);
    der[size - 1] ^= 1;
    assert_int_equal(key_p384_take(der, (size_t)size, &taken), 0);
    assert_null(key_p384_load(&taken));
    OPENSSL_free(der);
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        EVP_PKEY *other = EVP_EC_gen(groups[i]);

        der = NULL;
        size = i2d_PUBKEY(other, &der);
        assert_int_equal(key_p384_take(der, (size_t)size, &taken), -EBADMSG);
        OPENSSL_free(der);
        EVP_PKEY_free(other);
    }
}

/* A point that is none verifies nothing, and does no harm. */
static void nothing_is_signed_by_no_key(void **state UNUSED)
{
    assert_false(key_p384_verify(NULL, "", 0, (const uint8_t *)"", 0));
    assert_false(key_is_p384(NULL));
}

static void a_key_with_bytes_behind_it_is_none(void **state UNUSED)
{
    struct key_p384 taken = { .given = false };
    uint8_t more[256];
    unsigned char *at = more;
    int size = i2d_PUBKEY(own, &at);

    more[size] = 0;
    assert_int_equal(key_p384_take(more, (size_t)size + 1, &taken), -EBADMSG);
    assert_false(taken.given);
}

static void the_digest_is_of_the_signed_part(void **state UNUSED)
{
    uint8_t report[REPORT_BYTES], first[SHA384_BYTES], second[SHA384_BYTES];

    random_fill(report, sizeof(report));
    assert_int_equal(record_report_digest(report, first), 0);
    report[REPORT_SIGNED_BYTES] ^= 1;
    assert_int_equal(record_report_digest(report, second), 0);
    assert_memory_equal(first, second, sizeof(first));
    report[REPORT_SIGNED_BYTES - 1] ^= 1;
    assert_int_equal(record_report_digest(report, second), 0);
    assert_memory_not_equal(first, second, sizeof(first));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registered_form_is_that_of_others),
        cmocka_unit_test(a_header_mac_is_carried),
        cmocka_unit_test(releases_of_others_verify),
        cmocka_unit_test(a_record_is_restated),
        cmocka_unit_test(acknowledgements_are_for_one_launch_volume_and_epoch),
        cmocka_unit_test(our_releases_verify),
        cmocka_unit_test(every_byte_is_signed),
        cmocka_unit_test(a_release_is_bound),
        cmocka_unit_test(releases_have_one_length),
        cmocka_unit_test(a_signature_is_not_enough),
        cmocka_unit_test(fields_that_we_would_not_read_are_not_written),
        cmocka_unit_test(fields_that_are_wrong_are_named),
        cmocka_unit_test(registered_forms_have_one_length),
        cmocka_unit_test(signs_with_p384_alone),
        cmocka_unit_test(record_keys_are_points_of_p384),
        cmocka_unit_test(a_key_with_bytes_behind_it_is_none),
        cmocka_unit_test(nothing_is_signed_by_no_key),
        cmocka_unit_test(the_digest_is_of_the_signed_part),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
