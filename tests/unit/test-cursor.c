/* base/cursor: no read beyond the end, sticky failure, zeros after it. */
#include "unit.h"

#include "base/cursor.h"

static void reads_little_endian(void **state UNUSED)
{
    static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    struct cursor c = cursor_over(bytes, sizeof(bytes));

    assert_int_equal(cursor_u8(&c), 1);
    assert_int_equal(cursor_u16le(&c), 0x0302);
    assert_int_equal(cursor_u32le(&c), 0x07060504);
    assert_int_equal(cursor_end(&c), -EBADMSG); /* something is left */
    assert_true(cursor_u64le(&c) == UINT64_C(0x0f0e0d0c0b0a0908));
    assert_int_equal(cursor_end(&c), 0);
}

static void fails_once_and_for_all(void **state UNUSED)
{
    for (size_t size = 0; size < 8; size++) {
        uint8_t bytes[8];
        struct cursor c;
        uint8_t *exact;

        memset(bytes, 0xff, sizeof(bytes));
        exact = exact_copy(bytes, size);
        c = cursor_over(exact, size);
        assert_true(cursor_u64le(&c) == 0);
        assert_true(c.failed);
        /* The bytes that are there are not given any more. */
        assert_int_equal(cursor_u8(&c), 0);
        assert_int_equal(cursor_u16le(&c), 0);
        assert_int_equal(cursor_u32le(&c), 0);
        assert_null(cursor_bytes(&c, 0));
        assert_int_equal(cursor_end(&c), -EBADMSG);
        free(exact);
    }
}

static void copies_or_zeros(void **state UNUSED)
{
    static const uint8_t bytes[] = { 1, 2, 3, 4 }, zeros[4];
    struct cursor c = cursor_over(bytes, sizeof(bytes));
    uint8_t to[4];

    cursor_copy(&c, to, 0);
    cursor_copy(&c, to, 4);
    assert_memory_equal(to, bytes, 4);
    assert_int_equal(cursor_end(&c), 0);
    cursor_copy(&c, to, 4);
    assert_memory_equal(to, zeros, 4);
    assert_int_equal(cursor_end(&c), -EBADMSG);
}

static void skips_no_further_than_the_end(void **state UNUSED)
{
    static const uint8_t bytes[] = { 1, 2, 3 };
    static const size_t far[] = { 4, SIZE_MAX, SIZE_MAX - 2 };

    for (size_t i = 0; i < ARRAY_SIZE(far); i++) {
        struct cursor c = cursor_over(bytes, sizeof(bytes));

        cursor_skip(&c, far[i]);
        assert_true(c.failed);
        assert_int_equal(c.left, 0);
    }
}

static void tells_zeros(void **state UNUSED)
{
    static const uint8_t bytes[] = { 0, 0, 0, 1, 0 };
    struct cursor c = cursor_over(bytes, sizeof(bytes));

    assert_true(cursor_zeros(&c, 3));
    assert_false(cursor_zeros(&c, 2));
    assert_int_equal(cursor_end(&c), 0); /* others than zeros are no failure */
    assert_false(cursor_zeros(&c, 1));
    assert_int_equal(cursor_end(&c), -EBADMSG);
}

static void cuts_a_part_out(void **state UNUSED)
{
    static const uint8_t bytes[] = { 1, 2, 3, 4 };
    struct cursor c = cursor_over(bytes, sizeof(bytes)), part = cursor_sub(&c, 2);

    assert_int_equal(cursor_u16le(&part), 0x0201);
    assert_int_equal(cursor_end(&part), 0);
    assert_int_equal(cursor_u8(&part), 0); /* not the byte behind the part */
    assert_int_equal(cursor_end(&part), -EBADMSG);
    assert_int_equal(cursor_u8(&c), 3);
    part = cursor_sub(&c, 2);
    assert_int_equal(cursor_end(&part), -EBADMSG);
    assert_int_equal(cursor_end(&c), -EBADMSG);
}

static void takes_no_input_for_empty_input(void **state UNUSED)
{
    struct cursor c = cursor_over(NULL, 0);

    assert_int_equal(cursor_end(&c), 0);
    c = cursor_over(NULL, 5);
    assert_int_equal(cursor_end(&c), -EBADMSG);
    assert_int_equal(cursor_u8(&c), 0);
}

/* Nothing is always there, also in an input without a place: no part of it has failed. */
static void finds_nothing_in_nothing(void **state UNUSED)
{
    struct cursor c = cursor_over(NULL, 0), part = cursor_sub(&c, 0);

    assert_int_equal(cursor_end(&part), 0);
    assert_true(cursor_zeros(&c, 0));
    assert_int_equal(cursor_end(&c), 0);
    cursor_skip(&c, 1);
    part = cursor_sub(&c, 0);
    assert_int_equal(cursor_end(&part), -EBADMSG);
    assert_false(cursor_zeros(&c, 0));
}

static void knows_ranges_without_overflow(void **state UNUSED)
{
    assert_true(range_inside(0, 0, 0));
    assert_true(range_inside(10, 0, 10));
    assert_true(range_inside(3, 7, 10));
    assert_false(range_inside(3, 8, 10));
    assert_false(range_inside(11, 0, 10));
    assert_false(range_inside(UINT64_MAX, 1, 10));
    assert_false(range_inside(1, UINT64_MAX, 10));
    assert_false(range_inside(UINT64_MAX, UINT64_MAX, UINT64_MAX));
    assert_true(range_inside(UINT64_MAX, 0, UINT64_MAX));
    assert_true(range_inside(0, UINT64_MAX, UINT64_MAX));
}

static void stores_what_it_loads(void **state UNUSED)
{
    static const uint8_t wanted[] = { 0x34, 0x12, 0x78, 0x56, 0x34, 0x12, 8, 7, 6, 5, 4, 3, 2, 1 };
    uint8_t bytes[14];

    put_u16le(bytes, 0x1234);
    put_u32le(bytes + 2, 0x12345678);
    put_u64le(bytes + 6, UINT64_C(0x0102030405060708));
    assert_memory_equal(bytes, wanted, sizeof(wanted));
    assert_int_equal(get_u16le(bytes), 0x1234);
    assert_int_equal(get_u32le(bytes + 2), 0x12345678);
    assert_true(get_u64le(bytes + 6) == UINT64_C(0x0102030405060708));
    put_u64le(bytes, UINT64_MAX);
    assert_true(get_u64le(bytes) == UINT64_MAX);
}

static void finds_any_byte_that_is_not_zero(void **state UNUSED)
{
    uint8_t bytes[9] = { 0 };

    assert_true(all_zero(NULL, 0));
    assert_true(all_zero(bytes, sizeof(bytes)));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = 0x80;
        assert_false(all_zero(bytes, sizeof(bytes)));
        assert_true(all_zero(bytes, i));
        bytes[i] = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_little_endian),
        cmocka_unit_test(fails_once_and_for_all),
        cmocka_unit_test(copies_or_zeros),
        cmocka_unit_test(skips_no_further_than_the_end),
        cmocka_unit_test(tells_zeros),
        cmocka_unit_test(cuts_a_part_out),
        cmocka_unit_test(takes_no_input_for_empty_input),
        cmocka_unit_test(finds_nothing_in_nothing),
        cmocka_unit_test(knows_ranges_without_overflow),
        cmocka_unit_test(stores_what_it_loads),
        cmocka_unit_test(finds_any_byte_that_is_not_zero),
    };

    return cmocka_run_group_tests_name("cursor", tests, NULL, NULL);
}
