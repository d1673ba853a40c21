/* base/log and base/reason: one printable line for each message, whatever is in it. */
#include "unit.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/log.h"

/* What `body` wrote to standard error. */
static size_t captured(void (*body)(void), char *to, size_t room)
{
    int ends[2], saved = dup(STDERR_FILENO);
    ssize_t size;

    assert_true(saved >= 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    body();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    assert_int_equal(close(saved), 0);
    assert_int_equal(close(ends[1]), 0);
    size = read(ends[0], to, room - 1);
    assert_int_equal(close(ends[0]), 0);
    assert_true(size >= 0);
    to[size] = '\0';
    return (size_t)size;
}

static void say_hello(void)
{
    log_info("hello %d", 5);
    log_error("bad");
}

static void prints_lines_under_a_name(void **state UNUSED)
{
    char text[256];

    log_set_name("postern-test");
    (void)captured(say_hello, text, sizeof(text));
    assert_string_equal(text, "postern-test: hello 5\npostern-test: bad\n");
}

static void leaves_information_out_when_quiet(void **state UNUSED)
{
    char text[256];

    log_set_name("q");
    log_set_quiet(true);
    (void)captured(say_hello, text, sizeof(text));
    log_set_quiet(false);
    assert_string_equal(text, "q: bad\n");
}

static void names_the_program_by_default(void **state UNUSED)
{
    char text[256];

    log_set_name(NULL);
    (void)captured(say_hello, text, sizeof(text));
    assert_non_null(strstr(text, "test-log: hello 5\n"));
}

static void say_something_hostile(void)
{
    log_error("a\nb\r\x1b[2Jc\x7f");
}

static void makes_control_characters_harmless(void **state UNUSED)
{
    char text[256];

    log_set_name("x");
    (void)captured(say_something_hostile, text, sizeof(text));
    assert_string_equal(text, "x: a?b??[2Jc?\n");
}

static void say_something_long(void)
{
    static char message[5000];

    memset(message, 'm', sizeof(message) - 1);
    log_error("%s", message);
}

static void cuts_long_lines(void **state UNUSED)
{
    char text[6000];
    size_t size;

    log_set_name("x");
    size = captured(say_something_long, text, sizeof(text));
    assert_true(size <= 1024);
    assert_int_equal(text[size - 1], '\n');
    assert_memory_equal(text, "x: mmm", 6);
}

static void survives_a_name_longer_than_a_line(void **state UNUSED)
{
    static char name[3000];
    char text[6000];
    size_t size;

    memset(name, 'n', sizeof(name) - 1);
    log_set_name(name);
    size = captured(say_hello, text, sizeof(text));
    assert_true(size <= 2 * 1024);
    assert_non_null(strstr(text, ": hello 5\n"));
    assert_non_null(strstr(text, ": bad\n"));
}

static void say_something_eight_bit(void)
{
    log_error("a\x9b" "2Jb\xc2\x9b" "2Jc\xff");
}

/* 0x9b starts a control sequence on some terminals, as a byte or as the character U+009B. */
static void makes_eight_bit_controls_harmless(void **state UNUSED)
{
    char text[256];

    log_set_name("x");
    (void)captured(say_something_eight_bit, text, sizeof(text));
    assert_string_equal(text, "x: a?2Jb??2Jc?\n");
}

static void survives_a_closed_standard_error(void **state UNUSED)
{
    int saved = dup(STDERR_FILENO);

    assert_true(saved >= 0);
    assert_int_equal(close(STDERR_FILENO), 0);
    log_error("nobody hears this");
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    assert_int_equal(close(saved), 0);
}

static void measures_from_the_first_call(void **state UNUSED)
{
    double first = log_elapsed(), second = log_elapsed();

    assert_true(first == 0.0);
    assert_true(second >= first && second < 60.0);
}

static void gives_the_error_back(void **state UNUSED)
{
    struct reason why = { "" };

    assert_int_equal(reason_set(&why, -EBADMSG, "%s has %d", "table", 3), -EBADMSG);
    assert_string_equal(why.text, "table has 3");
    assert_int_equal(reason_set(NULL, -EIO, "nobody %s", "reads"), -EIO);
}

static void makes_reasons_printable(void **state UNUSED)
{
    char every[256];
    struct reason why = { "" };

    for (int c = 1; c < 256; c++)
        every[c - 1] = (char)c;
    every[255] = '\0';
    (void)reason_set(&why, 0, "%s", every);
    for (int c = 1; c < 256; c++)
        assert_int_equal(why.text[c - 1], c >= 0x20 && c <= 0x7e ? c : '?');
}

static void cuts_long_reasons(void **state UNUSED)
{
    char longer[2 * REASON_MAX_BYTES];
    struct reason why = { "" };

    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    (void)reason_set(&why, 0, "%s", longer);
    assert_int_equal(strlen(why.text), REASON_MAX_BYTES - 1);
    reason_prefix(&why, longer);
    assert_int_equal(strlen(why.text), REASON_MAX_BYTES - 1);
}

static void puts_a_prefix_before_the_sentence(void **state UNUSED)
{
    struct reason why = { "is too short" };

    reason_prefix(&why, "firmware.fd");
    assert_string_equal(why.text, "firmware.fd: is too short");
    reason_prefix(NULL, "nobody");
}

static void falls_back_to_the_errno_text(void **state UNUSED)
{
    struct reason why = { "" };

    assert_string_equal(reason_text(&why, -ENOENT), strerror(ENOENT));
    assert_string_equal(reason_text(NULL, ENOENT), strerror(ENOENT));
    (void)reason_set(&why, 0, "because");
    assert_string_equal(reason_text(&why, -ENOENT), "because");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_lines_under_a_name),
        cmocka_unit_test(leaves_information_out_when_quiet),
        cmocka_unit_test(names_the_program_by_default),
        cmocka_unit_test(makes_control_characters_harmless),
        cmocka_unit_test(cuts_long_lines),
        cmocka_unit_test(survives_a_name_longer_than_a_line),
        cmocka_unit_test(makes_eight_bit_controls_harmless),
        cmocka_unit_test(survives_a_closed_standard_error),
        cmocka_unit_test(measures_from_the_first_call),
        cmocka_unit_test(gives_the_error_back),
        cmocka_unit_test(makes_reasons_printable),
        cmocka_unit_test(cuts_long_reasons),
        cmocka_unit_test(puts_a_prefix_before_the_sentence),
        cmocka_unit_test(falls_back_to_the_errno_text),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
