/* cli/boot-record: what is taken out of a console, and how it is drawn. */
#include "unit.h"

#include "cli/boot-record.h"

static bool give(struct boot_record *record, const char *line)
{
    char *copy = exact_copy(line, strlen(line));
    bool taken = boot_record_add(record, copy, strlen(line));

    free(copy);
    return taken;
}

static void a_boot_is_understood(void **state UNUSED)
{
    struct boot_record record = { .count = 0 };

    assert_false(give(&record, "BdsDxe: starting Boot0001"));
    assert_false(give(&record, "[    1.000000] Linux version"));
    assert_true(give(&record, "[    2.000000] postern: {\"postern\":1,\"stage\":\"start\",\"at_us\":2000,\"us\":10,\"outcome\":\"ok\"}\r"));
    assert_true(give(&record, "postern: {\"postern\":1,\"stage\":\"handoff\",\"at_us\":3000,\"us\":20,\"outcome\":\"ok\",\"note\":\"x\"}"));
    assert_int_equal(record.count, 2);
    assert_true(record.handed_off);
    assert_false(record.refused || record.ended || record.own_init);
    assert_true(give(&record, "postern: {\"postern\":1,\"stage\":\"exit\",\"at_us\":4000,\"status\":143}"));
    assert_true(record.ended);
    assert_int_equal(record.status, 143);
    assert_true(give(&record, "postern: {\"postern\":1,\"stage\":\"exit\",\"at_us\":4000,\"status\":3,\"signal\":0,"
                              "\"oom\":false,\"restarts\":1,\"asked_us\":0}"));
    assert_int_equal(record.status, 3); /* of the last start */
    assert_true(give(&record, "postern: {\"postern\":1,\"stage\":\"handoff\",\"at_us\":9,\"us\":0,\"outcome\":\"ok\",\"note\":\"exec\"}"));
    assert_true(record.own_init);
}

static void a_refusal_is_understood(void **state UNUSED)
{
    struct boot_record record = { .count = 0 };

    assert_true(give(&record, "postern: {\"postern\":1,\"stage\":\"release\",\"at_us\":5,\"us\":6,\"outcome\":\"refused\","
                              "\"code\":\"E-RELEASE-DENIED\",\"meaning\":\"m\",\"detail\":\"d\",\"request\":\"ab-1\"}"));
    assert_true(record.refused);
    assert_false(record.handed_off);
    assert_string_equal(record.code, "E-RELEASE-DENIED");
    assert_string_equal(record.detail, "d");
    assert_string_equal(record.request, "ab-1");
}

static void other_lines_are_passed_over(void **state UNUSED)
{
    static const char *const lines[] = {
        "", "postern: ", "postern: {", "postern: {}", "postern: []",
        "postern: {\"postern\":2,\"stage\":\"start\",\"at_us\":1,\"us\":1,\"outcome\":\"ok\"}",
        "postern: {\"postern\":1,\"stage\":\"start\",\"at_us\":-1,\"us\":1,\"outcome\":\"ok\"}",
        "postern: {\"postern\":1,\"stage\":\"start\",\"us\":1,\"outcome\":\"ok\"}",
        "postern: {\"postern\":1,\"stage\":\"start\",\"at_us\":1,\"us\":1,\"outcome\":\"ok\"} and more",
        "postern: {\"postern\":1,\"stage\":\"exit\",\"status\":256}",
    };
    struct boot_record record = { .count = 0 };

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        assert_false(give(&record, lines[i]));
    assert_int_equal(record.count, 0);
    assert_false(record.ended);
}

static void a_flood_of_stages_is_bounded(void **state UNUSED)
{
    struct boot_record record = { .count = 0 };

    for (int i = 0; i < 100; i++)
        (void)give(&record, "postern: {\"postern\":1,\"stage\":\"x\",\"at_us\":1,\"us\":1,\"outcome\":\"ok\"}");
    assert_int_equal(record.count, BOOT_RECORD_MAX_STAGES);
}

static void stages_are_drawn_to_scale(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer drawing = BUFFER_EMPTY;
    struct boot_record record = { .count = 0 };
    const char *line;
    size_t cells = 0;

    (void)give(&record, "postern: {\"postern\":1,\"stage\":\"half\",\"at_us\":100000,\"us\":100000,\"outcome\":\"ok\"}");
    boot_record_draw(&record, &drawing);
    line = strstr(buffer_text(&drawing), "half");
    assert_non_null(line);
    for (const char *at = line; *at != '\n'; at++)
        cells += strncmp(at, "█", strlen("█")) == 0;
    assert_int_equal(cells, 20); /* of 40 */
    assert_non_null(strstr(line, "100.0 ms"));
    assert_non_null(strstr(buffer_text(&drawing), "200.0 ms"));
}

/* Numbers come from the guest: no division by zero, no overflow, no endless bar. */
static void wild_numbers_are_survived(void **state UNUSED)
{
    static const char *const lines[] = {
        "postern: {\"postern\":1,\"stage\":\"a\",\"at_us\":0,\"us\":0,\"outcome\":\"ok\"}",
        "postern: {\"postern\":1,\"stage\":\"b\",\"at_us\":18446744073709551615,\"us\":18446744073709551615,\"outcome\":\"ok\"}",
        "postern: {\"postern\":1,\"stage\":\"c\",\"at_us\":18446744073709551615,\"us\":0,\"outcome\":\"ok\"}",
        "postern: {\"postern\":1,\"stage\":\"d\",\"at_us\":5,\"us\":1,\"outcome\":\"ok\"}",
    };

    for (size_t first = 0; first < ARRAY_SIZE(lines); first++)
        for (size_t second = 0; second < ARRAY_SIZE(lines); second++) {
            CLEANUP_BUFFER struct buffer drawing = BUFFER_EMPTY;
            struct boot_record record = { .count = 0 };

            assert_true(give(&record, lines[first]) && give(&record, lines[second]));
            boot_record_draw(&record, &drawing);
            assert_int_equal(buffer_error(&drawing), 0);
            assert_true(drawing.size < 2000);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_boot_is_understood),
        cmocka_unit_test(a_refusal_is_understood),
        cmocka_unit_test(other_lines_are_passed_over),
        cmocka_unit_test(a_flood_of_stages_is_bounded),
        cmocka_unit_test(stages_are_drawn_to_scale),
        cmocka_unit_test(wild_numbers_are_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
