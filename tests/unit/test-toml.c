/* base/toml: what is read, what each entry means, and everything that is refused with its line. */
#include "unit.h"

#include "base/toml.h"

/* "key=value|key=value", keys of the table with '@' before them; or the error's words. */
static int read_all(const char *text, size_t size, char *to, size_t room, struct reason *why)
{
    static struct toml_reader reader;
    char *copy = exact_copy(text, size);
    struct toml_entry entry;
    size_t used = 0;
    int r = toml_open(copy, size, "data", &reader, why);

    to[0] = '\0';
    while (r >= 0 && (r = toml_next(&reader, &entry, why)) > 0) {
        char value[256] = "";
        size_t length = 0;

        assert_int_equal(toml_value(&entry, value, sizeof(value) - 1, &length), 0);
        used += (size_t)snprintf(to + used, room - used, "%s%s%s=%s", used ? "|" : "", entry.in_table ? "@" : "",
                                 entry.key, value);
    }
    free(copy);
    return r;
}

static void entries_are_read(void **state UNUSED)
{
    static const struct {
        const char *text, *wanted;
    } texts[] = {
        { "", "" },
        { "\n\n# a comment\n \t\n", "" },
        { "a = \"b\"", "a=b" },
        { "a=\"b\"#c", "a=b" },
        { "a\t=\t'b'\t# c\r\n\"x.y z\" = \"w\"\n", "a=b|x.y z=w" },
        { "'q\\' = ''", "q\\=" },
        { "a-B_9 = \"\"\n[data]\na-B_9 = \"1\"", "a-B_9=|@a-B_9=1" },
        { "[ data ]\n'a' = 'b'", "@a=b" },
        { "[\"data\"] # here\na = 'b'", "@a=b" },
        { "a = \"\\b\\t\\n\\f\\r\\\"\\\\\"", "a=\b\t\n\f\r\"\\" },
        { "a = 'C:\\n'", "a=C:\\n" },
        { "a = '''\none\ntwo'''\nb = \"3\"", "a=one\ntwo|b=3" },
        { "a = \"\"\"\r\none\\ttwo\"\"\"", "a=one\ttwo" },
        { "a = '''it's \"so\"'''", "a=it's \"so\"" },
        { "a = \"\"\"x\"y\"\"\"", "a=x\"y" },
        { "a = ''''''", "a=" },
    };
    char found[512];
    struct reason why = { "" };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (read_all(texts[i].text, strlen(texts[i].text), found, sizeof(found), &why) < 0)
            fail_msg("%zu: %s", i, why.text);
        assert_string_equal(found, texts[i].wanted);
    }
}

static void everything_else_is_refused(void **state UNUSED)
{
    static const struct {
        const char *text, *words;
    } texts[] = {
        { "a", "line 1: expected '='" },
        { "\na = ", "line 2: expected a string" },
        { "a = 1", "expected a string" },
        { "a = true", "expected a string" },
        { "a = [\"b\"]", "expected a string" },
        { "a = \"b", "expected a string" },
        { "a = \"b\nc\"", "line 1: expected a string" },
        { "a = 'b\nc'", "expected a string" },
        { "a = '''b''", "expected a string" },
        { "a = \"\"\"b\"", "expected a string" },
        { "a = \"\\u0041\"", "expected a string" },
        { "a = \"\\x\"", "expected a string" },
        { "a = \"\\", "expected a string" },
        { "a = \"\"\"b \\\n c\"\"\"", "line 1: expected a string" },
        { "a = \"b\" c", "text behind a value" },
        { "a = \"b\"\"", "text behind a value" },
        { "a = \"\"\"b\"\"\"\"", "text behind a value" },
        { "a = 'b' d = 'e'", "text behind a value" },
        { "a.b = 'c'", "dotted key" },
        { "a . b = 'c'", "dotted key" },
        { "= 'c'", "expected a key" },
        { "'' = 'c'", "expected a key" },
        { "\"a\nb\" = 'c'", "expected a key" },
        { "'''a''' = 'c'", "expected a key" },
        { "a = 'b'\na = 'c'", "line 2: a key that was there before" },
        { "a = 'b'\n'a' = 'c'", "a key that was there before" },
        { "[data]\na = 'b'\n\"a\" = 'c'", "a key that was there before" },
        { "[other]", "line 1: another table" },
        { "[[data]]", "another table" },
        { "[data.x]", "expected ']'" },
        { "[data", "expected ']'" },
        { "[data] a = 'b'", "text behind a table's header" },
        { "[data]\n[data]", "line 2: the table is there twice" },
        { "a = 'b'\rb = 'c'", "line 1: a byte that is neither" },
        { "\n\xef\xbb\xbf", "line 2: a byte that is neither" },
        { "a = '\x01'", "a byte that is neither" },
        { "a = '\x7f'", "a byte that is neither" },
        { "a = 'caf\xc3\xa9'", "a byte that is neither" },
        { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa = 'b'",
          "expected a key" },
    };
    char found[512];

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct reason why = { "" };

        assert_int_equal(read_all(texts[i].text, strlen(texts[i].text), found, sizeof(found), &why), -EBADMSG);
        assert_reason(&why, texts[i].words);
    }
}

static void a_nul_is_no_end(void **state UNUSED)
{
    static const char text[] = "a = 'b'\n\0b = 'c'";
    struct reason why = { "" };
    char found[64];

    assert_int_equal(read_all(text, sizeof(text) - 1, found, sizeof(found), &why), -EBADMSG);
    assert_reason(&why, "line 2: a byte");
}

static void keys_are_counted(void **state UNUSED)
{
    char text[64 * TOML_MAX_ENTRIES] = "", found[64 * TOML_MAX_ENTRIES];
    struct reason why = { "" };
    size_t used = 0;

    for (unsigned i = 0; i <= TOML_MAX_ENTRIES; i++) {
        int r = read_all(text, used, found, sizeof(found), &why);

        assert_int_equal(r, 0);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "k%u = 'v'\n", i);
    }
    assert_int_equal(read_all(text, used, found, sizeof(found), &why), -EBADMSG);
    assert_reason(&why, "too many keys");
}

static void values_have_to_fit(void **state UNUSED)
{
    struct toml_entry entry = { .form = TOML_BASIC, .raw = "ab\\n", .raw_size = 4 };
    char text[8];
    size_t size = 77;

    assert_int_equal(toml_value(&entry, text, 2, &size), -EMSGSIZE);
    assert_int_equal(size, 77);
    assert_int_equal(toml_value(&entry, text, 3, &size), 0);
    assert_int_equal(size, 3);
    assert_int_equal(toml_text(&entry, text, sizeof(text)), -EBADMSG); /* a control character */
    entry.raw_size = 2;
    assert_int_equal(toml_text(&entry, text, 2), -EBADMSG);
    assert_int_equal(toml_text(&entry, text, 3), 0);
    assert_string_equal(text, "ab");
    entry.raw_size = 0;
    assert_int_equal(toml_text(&entry, text, sizeof(text)), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_read),   cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(a_nul_is_no_end),    cmocka_unit_test(keys_are_counted),
        cmocka_unit_test(values_have_to_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
