/* broker/seal: records at rest. */
#include "unit.h"

#include "broker/seal.h"

static struct secret kek, record;
static struct buffer policy = { .data = (uint8_t *)"{}", .size = 2 };
static struct buffer one = { .data = (uint8_t *)"0123456789abcdef0123456789abcdef", .size = 32 };
static const struct seal_context here = { "a/b/c", 7, 1, 2, &policy, &one };

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
        assert_int_equal(seal_close(&kek, &here, &plain, &first), 0);
        assert_int_equal(seal_close(&kek, &here, &plain, &second), 0);
        assert_int_equal(first.size, second.size);
        assert_memory_not_equal(first.data + 8, second.data + 8, 60); /* another key, another vector */
        assert_int_equal(seal_open(&kek, &here, first.data, first.size, &again), 0);
        assert_true(secret_equal(&plain, &again));
        assert_null(memmem(first.data, first.size, plain.bytes, sizes[i] < 15 ? 15 : sizes[i]));
    }
}

static void opens_in_its_place_alone(void **state UNUSED)
{
    struct buffer another = { .data = (uint8_t *)"[]", .size = 2 }, none = BUFFER_EMPTY;
    const struct seal_context places[] = {
        { "a/b/c", 8, 1, 2, &policy, &one },
        { "a/b/c", 0, 1, 2, &policy, &one },
        { "a/b/d", 7, 1, 2, &policy, &one },
        { "a/b/", 7, 1, 2, &policy, &one },
        { "a/b/c\a", 7, 1, 2, &policy, &one },
        { "", 7, 1, 2, &policy, &one },
        { "a/b/c", UINT64_C(7) << 8, 1, 2, &policy, &one },
        { "a/b/c", 7, 2, 2, &policy, &one },
        { "a/b/c", 7, 1, 1, &policy, &one },
        { "a/b/c", 7, 1, 2, &another, &one },
        { "a/b/c", 7, 1, 2, &none, &one },
        { "a/b/c", 7, 1, 2, &policy, &none },
        { "a/b/c", 7, 1, 2, &policy, &another },
    };
    CLEANUP_BUFFER struct buffer sealed = BUFFER_EMPTY;
    CLEANUP_SECRET struct secret other = SECRET_NONE, again = SECRET_NONE;

    assert_int_equal(seal_close(&kek, &here, &record, &sealed), 0);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        assert_int_equal(seal_open(&kek, &places[i], sealed.data, sealed.size, &again),
                         -EBADMSG);
    assert_int_equal(secret_random(32, &other), 0);
    assert_int_equal(seal_open(&other, &here, sealed.data, sealed.size, &again), -EBADMSG);
    assert_null(again.bytes);
}

static void every_byte_is_authenticated(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer sealed = BUFFER_EMPTY;

    assert_int_equal(seal_close(&kek, &here, &record, &sealed), 0);
    for (size_t i = 0; i < sealed.size; i++) {
        CLEANUP_SECRET struct secret again = SECRET_NONE;
        uint8_t *copy = exact_copy(sealed.data, sealed.size);

        copy[i] ^= (uint8_t)(1u << (i % 8));
        assert_int_equal(seal_open(&kek, &here, copy, sealed.size, &again), -EBADMSG);
        assert_null(again.bytes);
        free(copy);
    }
}

static void changes_its_surroundings_without_the_record(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer sealed = BUFFER_EMPTY, changed = BUFFER_EMPTY, wrong = BUFFER_EMPTY;
    CLEANUP_SECRET struct secret again = SECRET_NONE;
    struct buffer none = BUFFER_EMPTY;
    const struct seal_context there = { "a/b/c", 7, 1, 1, &none, &none },
                              elsewhere = { "a/b/d", 7, 1, 2, &policy, &one };

    assert_int_equal(seal_close(&kek, &here, &record, &sealed), 0);
    assert_int_equal(seal_change(&kek, &here, &there, sealed.data, sealed.size, &changed), 0);
    assert_int_equal(changed.size, sealed.size);
    assert_int_equal(seal_open(&kek, &there, changed.data, changed.size, &again), 0);
    assert_true(secret_equal(&record, &again));
    secret_free(&again);
    assert_int_equal(seal_open(&kek, &here, changed.data, changed.size, &again), -EBADMSG);
    assert_int_equal(seal_change(&kek, &there, &here, sealed.data, sealed.size, &wrong), -EBADMSG);
    assert_int_equal(wrong.size, 0);
    /* The record itself stays where it is. */
    assert_int_equal(seal_change(&kek, &here, &elsewhere, sealed.data, sealed.size, &wrong), 0);
    assert_int_equal(seal_open(&kek, &elsewhere, wrong.data, wrong.size, &again), -EBADMSG);
    assert_null(again.bytes);
}

static void has_one_length(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer sealed = BUFFER_EMPTY;
    CLEANUP_SECRET struct secret again = SECRET_NONE;

    assert_int_equal(seal_close(&kek, &here, &record, &sealed), 0);
    for (size_t size = 0; size < sealed.size; size++) {
        uint8_t *copy = exact_copy(sealed.data, size);

        assert_int_equal(seal_open(&kek, &here, copy, size, &again), -EBADMSG);
        free(copy);
    }
    buffer_add_u8(&sealed, 0);
    assert_int_equal(seal_open(&kek, &here, sealed.data, sealed.size, &again), -EBADMSG);
    assert_int_equal(seal_open(&kek, &here, NULL, 0, &again), -EBADMSG);
    assert_null(again.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_what_was_closed),
        cmocka_unit_test(opens_in_its_place_alone),
        cmocka_unit_test(every_byte_is_authenticated),
        cmocka_unit_test(changes_its_surroundings_without_the_record),
        cmocka_unit_test(has_one_length),
    };

    return cmocka_run_group_tests(tests, make, clean);
}
