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
    assert_false(record.refused || record.ended);
    assert_true(give(&record, "postern: {\"postern\":1,\"stage\":\"exit\",\"at_us\":4000,\"status\":143}"));
    assert_true(record.ended);
    assert_int_equal(record.status, 143);
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

/* What only the host knows stands in front of it. */
static void the_firmware_is_drawn_too(void **state UNUSED)
{
    static const char console[] =
        "postern-launch: {\"postern\":1,\"firmware_us\":600000}\r\n"
        "postern: {\"postern\":1,\"stage\":\"<a&b\",\"at_us\":100000,\"us\":100000,\"outcome\":\"ok\"}\r\n"
        "postern: {\"postern\":1,\"stage\":\"b\",\"at_us\":200000,\"us\":1,\"outcome\":\"waiting\",\"note\":\"x\"}\n"
        "postern: {\"postern\":1,\"stage\":\"b\",\"at_us\":200000,\"us\":200000,\"outcome\":\"ok\"}";
    CLEANUP_BUFFER struct buffer svg = BUFFER_EMPTY, host = BUFFER_EMPTY;
    struct boot_record_row rows[BOOT_RECORD_MAX_ROWS];
    struct boot_record record = { .count = 0 };
    char *copy = exact_copy(console, strlen(console));
    uint64_t total_us = 0;

    boot_record_add_all(&record, copy, strlen(console));
    free(copy);
    assert_int_equal(record.count, 2);
    assert_int_equal(boot_record_rows(&record, rows, &total_us), 4);
    assert_int_equal(total_us, 1000000);
    assert_string_equal(rows[0].name, "firmware");
    assert_int_equal(rows[1].begin_us, 600000);
    assert_int_equal(rows[1].us, 100000);
    assert_int_equal(rows[3].begin_us + rows[3].us, total_us);
    boot_record_draw_svg(&record, &svg);
    assert_non_null(strstr(buffer_text(&svg), ">&lt;a&amp;b</text>"));
    assert_null(strstr(buffer_text(&svg), "<a&b"));
    /* 720 units are a second: the firmware 432, the second stage 144 from 686 on. */
    assert_non_null(strstr(buffer_text(&svg), "<rect class=\"before\" x=\"110\" y=\"38\" width=\"432\""));
    assert_non_null(strstr(buffer_text(&svg), "<rect class=\"stage\" x=\"686\" y=\"110\" width=\"144\""));
    boot_record_write_host(&record, &host);
    assert_string_equal(buffer_text(&host), "postern-launch: {\"postern\":1,\"firmware_us\":600000}\n");
    buffer_free(&host);
}

/* When the first line arrives says how long the firmware took, unless the clocks disagree. */
static void the_firmware_is_what_is_left_of_the_time(void **state UNUSED)
{
    struct boot_record record = { .count = 0 };

    boot_record_note_arrival(&record, 5000);
    assert_int_equal(record.firmware_us, 0);
    (void)give(&record, "postern: {\"postern\":1,\"stage\":\"start\",\"at_us\":1000,\"us\":500,\"outcome\":\"ok\"}");
    boot_record_note_arrival(&record, 1500);
    assert_int_equal(record.firmware_us, 0);
    boot_record_note_arrival(&record, 5000);
    assert_int_equal(record.firmware_us, 3500);
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
            record.firmware_us = UINT32_MAX;
            boot_record_draw(&record, &drawing);
            boot_record_draw_svg(&record, &drawing);
            assert_int_equal(buffer_error(&drawing), 0);
            assert_true(drawing.size < 8000);
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
        cmocka_unit_test(the_firmware_is_drawn_too),
        cmocka_unit_test(the_firmware_is_what_is_left_of_the_time),
        cmocka_unit_test(wild_numbers_are_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
