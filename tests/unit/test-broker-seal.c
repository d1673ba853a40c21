/* broker/seal: records at rest. */
#include "unit.h"

#include "broker/seal.h"

static struct secret kek, record;

static int make(void **state UNUSED)
{
    return secret_random(32, &kek) < 0 || secret_random(200, &record) < 0;
}

static int clean(void **state UNUSED)
{
    secret_free(&kek);
    secret_free(&record);
    return 0;
}

static void opens_what_was_closed(void **state UNUSED)
{
    static const size_t sizes[] = { 1, 15, 16, 17, 200, 4096 };

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        CLEANUP_SECRET struct secret plain = SECRET_NONE, again = SECRET_NONE;
        CLEANUP_BUFFER struct buffer first = BUFFER_EMPTY, second = BUFFER_EMPTY;

        assert_int_equal(secret_random(sizes[i], &plain), 0);
        assert_int_equal(seal_close(&kek, "a/b/c", 7, &plain, &first), 0);
        assert_int_equal(seal_close(&kek, "a/b/c", 7, &plain, &second), 0);
        assert_int_equal(first.size, second.size);
        assert_memory_not_equal(first.data + 8, second.data + 8, 60); /* another key, another vector */
        assert_int_equal(seal_open(&kek, "a/b/c", 7, first.data, first.size, &again), 0);
        assert_true(secret_equal(&plain, &again));
        assert_null(memmem(first.data, first.size, plain.bytes, sizes[i] < 15 ? 15 : sizes[i]));
    }
}

static void opens_in_its_place_alone(void **state UNUSED)
{
    static const struct {
        const char *resource;
        uint64_t version;
    } places[] = { { "a/b/c", 8 }, { "a/b/c", 0 }, { "a/b/d", 7 }, { "a/b/", 7 }, { "a/b/c\a", 7 }, { "", 7 },
                   { "a/b/c", UINT64_C(7) << 8 } };
    CLEANUP_BUFFER struct buffer sealed = BUFFER_EMPTY;
    CLEANUP_SECRET struct secret other = SECRET_NONE, again = SECRET_NONE;

    assert_int_equal(seal_close(&kek, "a/b/c", 7, &record, &sealed), 0);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        assert_int_equal(seal_open(&kek, places[i].resource, places[i].version, sealed.data, sealed.size, &again),
                         -EBADMSG);
    assert_int_equal(secret_random(32, &other), 0);
    assert_int_equal(seal_open(&other, "a/b/c", 7, sealed.data, sealed.size, &again), -EBADMSG);
    assert_null(again.bytes);
}

static void every_byte_is_authenticated(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer sealed = BUFFER_EMPTY;

    assert_int_equal(seal_close(&kek, "a/b/c", 7, &record, &sealed), 0);
    for (size_t i = 0; i < sealed.size; i++) {
        CLEANUP_SECRET struct secret again = SECRET_NONE;
        uint8_t *copy = exact_copy(sealed.data, sealed.size);

        copy[i] ^= (uint8_t)(1u << (i % 8));
        assert_int_equal(seal_open(&kek, "a/b/c", 7, copy, sealed.size, &again), -EBADMSG);
        assert_null(again.bytes);
        free(copy);
    }
}

static void has_one_length(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer sealed = BUFFER_EMPTY;
    CLEANUP_SECRET struct secret again = SECRET_NONE;

    assert_int_equal(seal_close(&kek, "a/b/c", 7, &record, &sealed), 0);
    for (size_t size = 0; size < sealed.size; size++) {
        uint8_t *copy = exact_copy(sealed.data, size);

        assert_int_equal(seal_open(&kek, "a/b/c", 7, copy, size, &again), -EBADMSG);
        free(copy);
    }
    buffer_add_u8(&sealed, 0);
    assert_int_equal(seal_open(&kek, "a/b/c", 7, sealed.data, sealed.size, &again), -EBADMSG);
    assert_int_equal(seal_open(&kek, "a/b/c", 7, NULL, 0, &again), -EBADMSG);
    assert_null(again.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_what_was_closed),
        cmocka_unit_test(opens_in_its_place_alone),
        cmocka_unit_test(every_byte_is_authenticated),
        cmocka_unit_test(has_one_length),
    };

    return cmocka_run_group_tests(tests, make, clean);
}
