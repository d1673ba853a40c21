/* base/buffer and base/clock. */
#include "unit.h"

#include <limits.h>

#include "base/buffer.h"
#include "base/clock.h"

static void grows_as_needed(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer b = BUFFER_EMPTY;
    uint8_t piece[97];

    assert_string_equal(buffer_text(&b), "");
    for (unsigned i = 0; i < 1000; i++) {
        memset(piece, (int)i, sizeof(piece));
        buffer_add(&b, piece, i % sizeof(piece));
    }
    assert_int_equal(buffer_error(&b), 0);
    for (unsigned i = 0, at = 0; i < 1000; i++)
        for (unsigned k = 0; k < i % sizeof(piece); k++)
            assert_int_equal(b.data[at++], i & 0xff);
    assert_int_equal(b.data[b.size], 0);
}

static void adds_nothing(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer b = BUFFER_EMPTY;

    buffer_add(&b, NULL, 0);
    buffer_add_text(&b, "");
    buffer_printf(&b, "%s", "");
    assert_int_equal(b.size, 0);
    assert_int_equal(buffer_error(&b), 0);
    assert_string_equal(buffer_text(&b), "");
}

static void writes_integers_little_endian(void **state UNUSED)
{
    static const uint8_t wanted[] = { 1, 3, 2, 7, 6, 5, 4, 15, 14, 13, 12, 11, 10, 9, 8 };
    CLEANUP_BUFFER struct buffer b = BUFFER_EMPTY;

    buffer_add_u8(&b, 1);
    buffer_add_u16le(&b, 0x0203);
    buffer_add_u32le(&b, 0x04050607);
    buffer_add_u64le(&b, UINT64_C(0x08090a0b0c0d0e0f));
    assert_int_equal(b.size, sizeof(wanted));
    assert_memory_equal(b.data, wanted, sizeof(wanted));
}

static void formats_text_of_any_length(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer b = BUFFER_EMPTY;
    char longer[2000];

    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    buffer_printf(&b, "%d-", 42);
    /* 253, 254, 255 … bytes: every way in which a text meets the end of the room. */
    for (int length = 240; length < 270; length++)
        buffer_printf(&b, "%.*s", length, longer);
    buffer_printf(&b, "%s!", longer);
    assert_int_equal(buffer_error(&b), 0);
    assert_int_equal(b.size, strlen(buffer_text(&b)));
    assert_memory_equal(b.data, "42-xxx", 6);
    assert_string_equal(buffer_text(&b) + b.size - 3, "xx!");
}

static void escapes_json_strings(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer b = BUFFER_EMPTY;
    char every[129];

    for (int c = 1; c < 129; c++)
        every[c - 1] = (char)(c < 128 ? c : 0);
    buffer_add_json_string(&b, every);
    assert_int_equal(b.size, strlen(buffer_text(&b)));
    assert_string_equal(buffer_text(&b),
                        "\"\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f"
                        "\\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c"
                        "\\u001d\\u001e\\u001f !\\\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\\\]"
                        "^_`abcdefghijklmnopqrstuvwxyz{|}~\x7f\"");
}

static void drops_from_the_front(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer b = BUFFER_EMPTY;

    buffer_consume(&b, 5);
    buffer_add_text(&b, "abcdef");
    buffer_consume(&b, 0);
    buffer_consume(&b, 2);
    assert_string_equal(buffer_text(&b), "cdef");
    buffer_consume(&b, 100);
    assert_string_equal(buffer_text(&b), "");
    assert_int_equal(b.size, 0);
}

static void stops_at_its_limit_for_good(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer b = BUFFER_EMPTY;
    uint8_t *much = calloc(1, BUFFER_MAX_BYTES);

    assert_non_null(much);
    buffer_add(&b, much, BUFFER_MAX_BYTES);
    assert_int_equal(buffer_error(&b), 0);
    buffer_add(&b, much, 1);
    assert_int_equal(buffer_error(&b), -EMSGSIZE);
    assert_int_equal(b.size, BUFFER_MAX_BYTES);
    buffer_consume(&b, BUFFER_MAX_BYTES);
    buffer_add_u8(&b, 1); /* there is room, but the error stays */
    buffer_printf(&b, "%d", 1);
    assert_int_equal(b.size, 0);
    assert_int_equal(buffer_error(&b), -EMSGSIZE);
    free(much);
    buffer_free(&b);
    buffer_add(&b, "", SIZE_MAX);
    assert_int_equal(buffer_error(&b), -EMSGSIZE);
}

/* A text that printf() itself cannot count is an error, not nothing. */
static void remembers_what_could_not_be_formatted(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer b = BUFFER_EMPTY;
    volatile int width = INT_MAX;

    buffer_printf(&b, "%*d%*d", width, 1, width, 1);
    assert_int_equal(buffer_error(&b), -EMSGSIZE);
}

static void goes_forward(void **state UNUSED)
{
    uint64_t ms = clock_ms(), us = clock_boot_us();

    clock_sleep_ms(5);
    assert_true(clock_ms() >= ms + 5);
    assert_true(clock_boot_us() >= us + 5000);
    clock_sleep_ms(0);
}

static void tells_what_is_left(void **state UNUSED)
{
    uint64_t at = clock_ms();

    assert_int_equal(clock_left_ms(0), 0);
    assert_int_equal(clock_left_ms(at), 0);
    assert_in_range(clock_left_ms(at + 60000), 1, 60000);
    assert_int_equal(clock_left_ms(UINT64_MAX), INT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_as_needed),
        cmocka_unit_test(adds_nothing),
        cmocka_unit_test(writes_integers_little_endian),
        cmocka_unit_test(formats_text_of_any_length),
        cmocka_unit_test(escapes_json_strings),
        cmocka_unit_test(drops_from_the_front),
        cmocka_unit_test(stops_at_its_limit_for_good),
        cmocka_unit_test(remembers_what_could_not_be_formatted),
        cmocka_unit_test(goes_forward),
        cmocka_unit_test(tells_what_is_left),
    };

    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
