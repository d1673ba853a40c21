/* release/fold: arrays of bytes made short, and nothing else touched. */
#include "unit.h"

#include "base/buffer.h"
#include "release/fold.h"

static void assert_folds(const char *text, const char *wanted)
{
    CLEANUP_BUFFER struct buffer folded = BUFFER_EMPTY;
    bool gained = fold_byte_arrays(text, strlen(text), &folded);

    if (gained != (wanted != NULL))
        fail_msg("%s", text);
    if (wanted)
        assert_string_equal(buffer_text(&folded), wanted);
}

static void folds_arrays_of_bytes(void **state UNUSED)
{
    assert_folds("[1]", "\"\\u000101\"");
    assert_folds("{\"a\":[0,255,16,7]}", "{\"a\":\"\\u000100ff1007\"}");
    assert_folds("[[1,2],[3]]", "[\"\\u00010102\",\"\\u000103\"]");
    assert_folds("[1] [2", "\"\\u000101\" [2");
}

static void leaves_everything_else_alone(void **state UNUSED)
{
    static const char *const others[] = { "",        "[]",        "[256]",   "[01]",      "[-1]",     "[1.0]",  "[1 ]",
                                          "[ 1]",    "[1, 2]",    "[1,]",    "[,1]",      "[1",       "[1,2",   "\"[1]\"",
                                          "\"\\\"[1]", "[1e1]",   "[null]",  "[\"1\"]",   "[9999]",   "{\"a\":1}" };

    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_folds(others[i], NULL);
}

static void folds_nothing_that_looks_folded(void **state UNUSED)
{
    assert_folds("{\"a\":[1],\"b\":\"\\u000101\"}", NULL);
    assert_true(fold_looks_folded("\"\\u0001\"", 8));
    assert_false(fold_looks_folded("\"\\u0010\"", 8));
}

static void long_arrays_come_back_whole(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY, folded = BUFFER_EMPTY;
    uint8_t data[1000];
    char inner[2 * 1000 + 2];

    buffer_add_text(&text, "[");
    for (unsigned i = 0; i < 1000; i++)
        buffer_printf(&text, "%s%u", i ? "," : "", i * 7 % 256);
    buffer_add_text(&text, "]");
    assert_true(fold_byte_arrays(text.data, text.size, &folded));
    assert_int_equal(folded.size, 2000 + 8);
    inner[0] = 1;
    memcpy(inner + 1, folded.data + 7, 2000);
    inner[2001] = '\0';
    assert_int_equal(fold_read(inner, data, sizeof(data)), 1000);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(data[i], i * 7 % 256);
    assert_int_equal(fold_read(inner, data, 999), -1);
    inner[0] = 2;
    assert_int_equal(fold_read(inner, data, sizeof(data)), -1);
    inner[0] = 1;
    inner[5] = 'g';
    assert_int_equal(fold_read(inner, data, sizeof(data)), -1);
    inner[2000] = '\0';
    assert_int_equal(fold_read(inner, data, sizeof(data)), -1);
    assert_int_equal(fold_read("", data, sizeof(data)), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_arrays_of_bytes),
        cmocka_unit_test(leaves_everything_else_alone),
        cmocka_unit_test(folds_nothing_that_looks_folded),
        cmocka_unit_test(long_arrays_come_back_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
