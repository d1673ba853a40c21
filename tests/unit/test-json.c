/* base/json: what is refused as a text, and what reading members says about a tree. */
#include "unit.h"

#include "base/encode.h"
#include "base/json.h"

#define MAX_BYTES 4096

/* Parses an exact copy; the root is released again. */
static int parse_bytes(const char *text, size_t size, struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    char *copy = exact_copy(text, size);
    int r;

    why->text[0] = '\0';
    r = json_parse(copy, size, MAX_BYTES, &root, why);
    free(copy);
    if (r < 0 && (root || !why->text[0]))
        fail_msg("\"%s\": refused with %s", text, root ? "a tree" : "no sentence");
    return r;
}

static void assert_accepted(const char *text)
{
    struct reason why;

    if (parse_bytes(text, strlen(text), &why) < 0)
        fail_msg("\"%s\" was refused: %s", text, why.text);
}

static void assert_refused(const char *text, const char *words)
{
    struct reason why;
    int r = parse_bytes(text, strlen(text), &why);

    if (r != -EBADMSG || !strstr(why.text, words))
        fail_msg("\"%s\" gave %d \"%s\", expected \"%s\"", text, r, why.text, words);
}

static void takes_plain_json(void **state UNUSED)
{
    assert_accepted("{}");
    assert_accepted(" \t\r\n{ \t\r\n} \t\r\n");
    assert_accepted("[]");
    assert_accepted("{\"\":{}}");
    assert_accepted("{\"a\":[1,2,{\"b\":[]}],\"c\":null,\"d\":true,\"e\":false}");
    assert_accepted("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"}");
    assert_accepted("{\"a\":[9223372036854775807,-9223372036854775808,18446744073709551615,-0]}");
    assert_accepted("{\"a b\":\" c ! d \"}");
    assert_accepted("{\"a:b\":\"c:d,e{f[\",\"}\":\"]\"}");
    assert_accepted("{\"a\":1,\"b\":{\"a\":1},\"c\":[{\"a\":1},{\"a\":1}]}"); /* one name in different objects */
}

static void refuses_a_name_that_stands_twice(void **state UNUSED)
{
    static const char words[] = "a member name stands twice in one object";

    assert_refused("{\"a\":1,\"a\":1}", words);
    assert_refused("{\"a\":1,\"b\":2,\"a\":null}", words);
    assert_refused("{\"a\":1,\"\\u0061\":2}", words);
    assert_refused("{\"\\u0061\":1,\"a\":2}", words);
    assert_refused("{\"a\\/b\":1,\"a/b\":2}", words);
    assert_refused("{\"\":1,\"\":2}", words);
    assert_refused("{\"x\":{\"y\":[0,{\"a\":1,\"a\":2}]}}", words);
    assert_refused("[{\"a\":{},\"a\":{\"b\":1,\"c\":2}}]", words);
}

static void refuses_what_is_deeper_than_eight(void **state UNUSED)
{
    assert_accepted("[[[[[[[[1]]]]]]]]");
    assert_refused("[[[[[[[[[1]]]]]]]]]", "nested too deeply");
    assert_accepted("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}");
    assert_refused("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}", "nested too deeply");
    assert_accepted("[[[[[[[[1]]]]]]],[[[[[[[2]]]]]]]]");
    assert_accepted("{\"a\":\"[[[[[[[[[[\"}"); /* depth of a text in a string is none */
}

static void refuses_numbers_that_are_not_plain_integers(void **state UNUSED)
{
    static const char *const numbers[] = {
        "1.0", "1.", ".5", "-.5", "1e3", "1E3", "1e+3", "1e-3", "-1.5", "0.0", "01", "00", "-01", "-00", "-", "--1",
        "+1", "0x10", "1_000", "- 1", "18446744073709551616", "18446744073709551617", "-9223372036854775809",
        "99999999999999999999999999", "-99999999999999999999", "184467440737095516150",
    };

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "{\"a\":%s}", numbers[i]);
        assert_refused(text, "JSON");
        (void)snprintf(text, sizeof(text), "[%s,1]", numbers[i]);
        assert_refused(text, "JSON");
    }
    assert_refused("{\"a\":1.0}", "number that is not a plain integer");
    assert_refused("{\"a\":1e3}", "number that is not a plain integer");
}

static void refuses_what_is_not_json(void **state UNUSED)
{
    static const char *const texts[] = {
        "", " ", "null ", "null", "true", "123", "nul", "{\"a\":NaN}", "{\"a\":nan}", "{\"a\":Infinity}",
        "{\"a\":-Infinity}", "{\"a\":inf}", "{\"a\":True}", "{\"a\":TRUE}", "{\"a\":NULL}", "{\"a\":undefined}",
        "/*c*/{}", "{}/*c*/", "{}//c", "{/*c*/}", "# c\n{}", "{'a':1}", "{\"a\":'b'}", "{a:1}", "{1:1}", "{\"a\":1,}",
        "{,}", "{,\"a\":1}", "[1,]", "[,]", "[,1]", "[1,,2]", "{\"a\":1,,\"b\":2}", "{\"a\"}", "{\"a\":}",
        "{\"a\"::1}", "{:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{\"a\":1\"b\":2}", "[1 2]", "[1-1]", "[1\"a\"]",
        "[true false]", "[\"a\"\"b\"]", "[1true]", "[true1]", "[nullnull]", "[\"a\":1]", "{\"a\":1:2}", "{\"a\",1}",
        "[1]]", "{}}", "]", "}", "[}", "{]", "[1}", "{\"a\":1]", "[", "{", "[1", "[1,", "{\"a\"", "{\"a\":",
        "{\"a\":1", "{\"a\":1,", "\"a", "\"", "{\"a\":\"b}", "{\"a\":\"\\", "{}x", "{} {}", "{},", "{}[]", "{}1",
        "{} null", "[][]", ":", ",", "\xef\xbb\xbf{}", "{}\xef\xbb\xbf", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u12g4\"}", "{\"a\":\"\\U0061\"}", "{\"a\":\"\\'\"}", "{\"a\":\"\n\"}", "{\"a\":\"\t\"}",
        "{\"a\nb\":1}", "{\"a\":\"\x1f\"}", "{\"a\":\"\\\x01\"}", "{\v}", "{\f}", "{\xc2\xa0}", "\x1e{}",
        "{\"a\":\\u0031}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_refused(texts[i], "JSON");
}

/* json-c takes a number alone when a blank follows it, and not without: nobody here needs either. */
static void refuses_values_alone(void **state UNUSED)
{
    static const char *const values[] = { "1", "-5", "true", "false", "null", "\"x\"", "\"{}\"" };

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        char text[32];

        assert_refused(values[i], "expected an object");
        (void)snprintf(text, sizeof(text), "%s ", values[i]);
        assert_refused(text, "expected an object");
        (void)snprintf(text, sizeof(text), "\n%s {}", values[i]);
        assert_refused(text, "expected an object");
    }
}
static void says_why_a_text_is_refused(void **state UNUSED)
{
    assert_refused("{\"a\":\"b\nc\"}", "string without end");
    assert_refused("{\"a\":1,}", "comma before the end of a list");
    assert_refused("[1, ]", "comma before the end of a list");
    assert_refused("{\"a\":1} x", "something follows it");
    assert_refused("{\"a\":1} {}", "something follows it");
    assert_refused("{\"a\":1} {}", "byte 8");
    assert_refused("{\"a\":", "it ends too early");
}

static void refuses_nuls(void **state UNUSED)
{
    static const char base[] = "{\"ab\":\"cd\"}";

    for (size_t at = 0; at <= strlen(base); at++) {
        char text[sizeof(base) + 1];
        struct reason why;

        memcpy(text, base, at);
        text[at] = '\0';
        memcpy(text + at + 1, base + at, strlen(base) - at);
        assert_int_equal(parse_bytes(text, strlen(base) + 1, &why), -EBADMSG);
    }
}

/* One, two, three and four bytes for a character, the first and the last of each; in a name and in a value. */
static void takes_utf_8(void **state UNUSED)
{
    static const char *const characters[] = {
        "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xe2\x82\xac", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd",
        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
    };

    for (size_t i = 0; i < ARRAY_SIZE(characters); i++) {
        CLEANUP_JSON struct json_object *root = NULL;
        char text[64], name[16];
        const char *value = NULL;
        struct reason why = { "" };
        struct json_status status = { 0, &why };
        struct json_reader reader;

        (void)snprintf(name, sizeof(name), "n%s", characters[i]);
        (void)snprintf(text, sizeof(text), "{\"%s\":\"%sv%s\"}", name, characters[i], characters[i]);
        if (json_parse(text, strlen(text), MAX_BYTES, &root, &why) < 0)
            fail_msg("%s: %s", text, why.text);
        json_read_root(root, &status, &reader);
        assert_true(json_read_string(&reader, name, JSON_REQUIRED, 16, &value));
        (void)snprintf(text, sizeof(text), "%sv%s", characters[i], characters[i]);
        assert_string_equal(value, text);
    }
}

static const char bad_string[] = "string without end, or with something that is not a character";

static void refuses_what_is_not_utf_8(void **state UNUSED)
{
    static const char *const characters[] = {
        "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x7f", "\xc2\xc0", "\xe0\x80\x80", "\xe0\x9f\xbf",
        "\xe2\x82", "\xe2\x28\xa1", "\xe2\x82\x28", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf", "\xf0\x9f\x98", "\xf0\x28\x8c\xbc", "\xf0\x90\x28\xbc", "\xf0\x90\x8c\x28",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff",
    };

    for (size_t i = 0; i < ARRAY_SIZE(characters); i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "{\"a\":\"%s\"}", characters[i]);
        assert_refused(text, bad_string);
        (void)snprintf(text, sizeof(text), "{\"%s\":1}", characters[i]);
        assert_refused(text, bad_string);
        (void)snprintf(text, sizeof(text), "{\"%s", characters[i]);
        assert_refused(text, bad_string);
    }
}

/*
 * json-c cuts a name at U+0000, so that two readers would see two names, and puts U+FFFD in place of half a surrogate
 * pair, so that different names become one.
 */
static void refuses_escapes_that_are_no_characters(void **state UNUSED)
{
    static const char *const escapes[] = {
        "\\u0000", "\\ud800", "\\uD800x", "\\udbff\\n", "\\udc00", "\\uDFFF", "\\ud800\\u0041", "\\ud800\\ud800",
        "\\ud800\\u", "\\ud800\\udc0", "\\ud800/udc00", "\\ud800\\xdc00",
    };

    for (size_t i = 0; i < ARRAY_SIZE(escapes); i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "{\"ab\":\"c%s\"}", escapes[i]);
        assert_refused(text, bad_string);
        (void)snprintf(text, sizeof(text), "{\"ab%s\":\"c\"}", escapes[i]);
        assert_refused(text, bad_string);
        (void)snprintf(text, sizeof(text), "{\"ab%s", escapes[i]);
        assert_refused(text, bad_string);
    }
    assert_accepted("{\"\\ud83d\\uDE00\":\"\\ud800\\udc00\\udbff\\udfff\\ud7ff\\ue000\\u0001\"}");
}
/* Every cut of a good text is refused, as is every cut in another place of the same buffer. */
static void refuses_every_cut(void **state UNUSED)
{
    static const char text[] = "{\"a\":[1,true,null,\"\\u00e9\"],\"b\":{\"c\":-5}}";
    struct reason why;

    assert_int_equal(parse_bytes(text, strlen(text), &why), 0);
    for (size_t size = 0; size < strlen(text); size++)
        assert_int_equal(parse_bytes(text, size, &why), -EBADMSG);
}

static void refuses_texts_above_the_limit(void **state UNUSED)
{
    struct json_object *root = NULL;
    struct reason why = { "" };

    assert_int_equal(json_parse("{}    ", 6, 6, &root, &why), 0);
    json_free(&root);
    assert_null(root);
    assert_int_equal(json_parse("{}    ", 6, 5, &root, &why), -EMSGSIZE);
    assert_reason(&why, "JSON of 6 bytes, at most 5");
    assert_int_equal(json_parse("{}", (size_t)INT32_MAX + 1, SIZE_MAX, &root, &why), -EMSGSIZE);
    assert_null(root);
    json_free(&root); /* NULL is fine */
}

static void keeps_quiet_when_nobody_listens(void **state UNUSED)
{
    struct json_object *root = NULL;

    assert_int_equal(json_parse("{", 1, 10, &root, NULL), -EBADMSG);
    assert_int_equal(json_parse("{\"a\":1,\"a\":1}", 13, 20, &root, NULL), -EBADMSG);
    assert_null(root);
}

/* ------------------------------------------------------------------------------------------------ reading members */

struct tree {
    struct json_object *root;
    struct json_status status;
    struct json_reader reader;
    struct reason why;
};

static void open_tree(const char *text, struct tree *to)
{
    to->root = NULL;
    to->why.text[0] = '\0';
    to->status = (struct json_status){ 0, &to->why };
    if (json_parse(text, strlen(text), MAX_BYTES, &to->root, &to->why) < 0)
        fail_msg("\"%s\": %s", text, to->why.text);
    json_read_root(to->root, &to->status, &to->reader);
}

/* All was read and right. */
static void close_right(struct tree *tree)
{
    json_read_done(&tree->reader);
    if (tree->status.error)
        fail_msg("%s", tree->why.text);
    json_free(&tree->root);
}

/* The one error is this. */
static void close_wrong(struct tree *tree, const char *sentence)
{
    json_read_done(&tree->reader);
    assert_int_equal(tree->status.error, -EBADMSG);
    assert_string_equal(tree->why.text, sentence);
    json_free(&tree->root);
}

static void reads_every_type(void **state UNUSED)
{
    struct tree t;
    struct json_reader object, array, inner;
    const char *text = NULL;
    uint64_t number = 0;
    bool yes = false;
    uint8_t bytes[4] = { 0 };
    size_t size = 0, count = 0;

    open_tree("{\"s\":\"abc\",\"n\":7,\"b\":true,\"h\":\"00ffAB01\",\"e\":\"AQID\",\"u\":\"_-8\",\"o\":{\"x\":1},"
              "\"a\":[{\"y\":2},\"z\",3],\"nil\":null,\"skip\":{\"q\":[]}}",
              &t);
    assert_true(json_read_string(&t.reader, "s", JSON_REQUIRED, 3, &text));
    assert_string_equal(text, "abc");
    assert_true(json_read_u64(&t.reader, "n", JSON_REQUIRED, 7, 7, &number));
    assert_int_equal(number, 7);
    assert_true(json_read_bool(&t.reader, "b", JSON_REQUIRED, &yes));
    assert_true(yes);
    assert_true(json_read_hex(&t.reader, "h", JSON_REQUIRED, bytes, 4));
    assert_memory_equal(bytes, "\x00\xff\xab\x01", 4);
    assert_true(json_read_base64(&t.reader, "e", JSON_REQUIRED, BASE64_STANDARD, bytes, 4, &size));
    assert_int_equal(size, 3);
    assert_memory_equal(bytes, "\1\2\3", 3);
    assert_true(json_read_base64(&t.reader, "u", JSON_REQUIRED, BASE64_URL, bytes, 4, &size));
    assert_int_equal(size, 2);
    assert_memory_equal(bytes, "\xff\xef", 2);
    assert_true(json_read_object(&t.reader, "o", JSON_REQUIRED, &object));
    assert_true(json_read_u64(&object, "x", JSON_REQUIRED, 0, 9, &number));
    json_read_done(&object);
    assert_true(json_read_array(&t.reader, "a", JSON_REQUIRED, 3, &array, &count));
    assert_int_equal(count, 3);
    assert_true(json_element_object(&array, 0, &inner));
    assert_true(json_read_u64(&inner, "y", JSON_REQUIRED, 0, 9, &number));
    json_read_done(&inner);
    assert_true(json_element_string(&array, 1, 1, &text));
    assert_string_equal(text, "z");
    assert_true(json_element_u64(&array, 2, 3, &number));
    assert_int_equal(number, 3);
    assert_true(json_read_null(&t.reader, "nil"));
    json_ignore(&t.reader, "skip");
    close_right(&t);
}

static void leaves_absent_members_as_they_were(void **state UNUSED)
{
    static const char *const texts[] = { "{}", "{\"m\":null}" };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct json_reader inner = { .index = 77 };
        const char *text = "as it was";
        uint64_t number = 77;
        bool yes = true;
        uint8_t byte = 77;
        size_t size = 77;
        struct tree t;

        open_tree(texts[i], &t);
        assert_false(json_read_string(&t.reader, "m", JSON_OPTIONAL, 9, &text));
        assert_false(json_read_u64(&t.reader, "m", JSON_OPTIONAL, 0, 9, &number));
        assert_false(json_read_bool(&t.reader, "m", JSON_OPTIONAL, &yes));
        assert_false(json_read_hex(&t.reader, "m", JSON_OPTIONAL, &byte, 1));
        assert_false(json_read_base64(&t.reader, "m", JSON_OPTIONAL, BASE64_URL, &byte, 1, &size));
        assert_false(json_read_object(&t.reader, "m", JSON_OPTIONAL, &inner));
        assert_false(json_read_array(&t.reader, "m", JSON_OPTIONAL, 9, &inner, &size));
        assert_string_equal(text, "as it was");
        assert_int_equal(number, 77);
        assert_true(yes);
        assert_int_equal(byte, 77);
        assert_int_equal(size, 77);
        assert_int_equal(inner.index, 77);
        close_right(&t);
    }
}

static void read_as(struct json_reader *r, int kind)
{
    struct json_reader inner;
    const char *text;
    uint64_t number;
    bool yes;
    uint8_t bytes[2];
    size_t size;

    switch (kind) {
    case 0:
        assert_false(json_read_string(r, "m", JSON_REQUIRED, 9, &text));
        break;
    case 1:
        assert_false(json_read_u64(r, "m", JSON_REQUIRED, 0, 9, &number));
        break;
    case 2:
        assert_false(json_read_bool(r, "m", JSON_REQUIRED, &yes));
        break;
    case 3:
        assert_false(json_read_hex(r, "m", JSON_REQUIRED, bytes, sizeof(bytes)));
        break;
    case 4:
        assert_false(json_read_base64(r, "m", JSON_REQUIRED, BASE64_URL, bytes, sizeof(bytes), &size));
        break;
    case 5:
        assert_false(json_read_object(r, "m", JSON_REQUIRED, &inner));
        break;
    default:
        assert_false(json_read_array(r, "m", JSON_REQUIRED, 9, &inner, &size));
        break;
    }
}

static void names_missing_and_mistyped_members(void **state UNUSED)
{
    static const char *const expected[] = { "a string", "a number", "true or false", "a string",
                                            "a string", "an object", "an array" };
    static const struct {
        const char *json, *type;
        int fits;
    } values[] = {
        { "null", "null", -1 }, { "true", "boolean", 2 }, { "5", "int", 1 },
        { "{}", "object", 5 },  { "[]", "array", 6 },
    };

    for (int kind = 0; kind < 7; kind++) {
        char text[64], sentence[128];
        struct tree t;

        open_tree("{}", &t);
        read_as(&t.reader, kind);
        (void)snprintf(sentence, sizeof(sentence), "m: missing, expected %s", expected[kind]);
        close_wrong(&t, sentence);
        for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
            if (values[v].fits == kind)
                continue;
            (void)snprintf(text, sizeof(text), "{\"m\":%s}", values[v].json);
            open_tree(text, &t);
            read_as(&t.reader, kind);
            (void)snprintf(sentence, sizeof(sentence), "m: expected %s, found %s", expected[kind], values[v].type);
            close_wrong(&t, sentence);
        }
    }
}

/* An optional member may be absent or null, but not of another type. */
static void names_mistyped_optional_members(void **state UNUSED)
{
    const char *text = NULL;
    struct tree t;

    open_tree("{\"m\":5}", &t);
    assert_false(json_read_string(&t.reader, "m", JSON_OPTIONAL, 9, &text));
    close_wrong(&t, "m: expected a string, found int");
}

static void bounds_strings_numbers_and_arrays(void **state UNUSED)
{
    struct json_reader array;
    const char *text = NULL;
    uint8_t bytes[2];
    uint64_t number = 77;
    size_t size = 77;
    struct tree t;

    open_tree("{\"m\":\"abcd\"}", &t);
    assert_false(json_read_string(&t.reader, "m", JSON_REQUIRED, 3, &text));
    close_wrong(&t, "m: 4 bytes, at most 3 are accepted");
    open_tree("{\"m\":10}", &t);
    assert_false(json_read_u64(&t.reader, "m", JSON_REQUIRED, 0, 9, &number));
    close_wrong(&t, "m: expected a number from 0 to 9, found 10");
    open_tree("{\"m\":2}", &t);
    assert_false(json_read_u64(&t.reader, "m", JSON_REQUIRED, 3, 9, &number));
    close_wrong(&t, "m: expected a number from 3 to 9, found 2");
    open_tree("{\"m\":-1}", &t);
    assert_false(json_read_u64(&t.reader, "m", JSON_REQUIRED, 0, UINT64_MAX, &number));
    close_wrong(&t, "m: expected a number from 0 to 18446744073709551615, found -1");
    open_tree("{\"m\":-9223372036854775807}", &t);
    assert_false(json_read_u64(&t.reader, "m", JSON_REQUIRED, 0, UINT64_MAX, &number));
    close_wrong(&t, "m: expected a number from 0 to 18446744073709551615, found -9223372036854775807");
    open_tree("{\"m\":[1,2,3]}", &t);
    assert_false(json_read_array(&t.reader, "m", JSON_REQUIRED, 2, &array, &size));
    close_wrong(&t, "m: 3 elements, at most 2 are accepted");
    open_tree("{\"m\":\"00f\"}", &t);
    assert_false(json_read_hex(&t.reader, "m", JSON_REQUIRED, bytes, 2));
    close_wrong(&t, "m: expected 4 hexadecimal digits");
    open_tree("{\"m\":\"00fff\"}", &t);
    assert_false(json_read_hex(&t.reader, "m", JSON_REQUIRED, bytes, 2));
    close_wrong(&t, "m: 5 bytes, at most 4 are accepted");
    open_tree("{\"m\":\"AQID\"}", &t);
    assert_false(json_read_base64(&t.reader, "m", JSON_REQUIRED, BASE64_STANDARD, bytes, 2, &size));
    close_wrong(&t, "m: expected at most 2 bytes in base64");
    open_tree("{\"m\":\"AQ==\"}", &t);
    assert_false(json_read_base64(&t.reader, "m", JSON_REQUIRED, BASE64_URL, bytes, 2, &size));
    close_wrong(&t, "m: expected at most 2 bytes in base64url");
    assert_int_equal(number, 77);
    assert_int_equal(size, 77);
}

static void reads_the_largest_numbers_exactly(void **state UNUSED)
{
    static const struct {
        const char *text;
        uint64_t value;
    } numbers[] = {
        { "{\"m\":0}", 0 },
        { "{\"m\":-0}", 0 },
        { "{\"m\":4294967296}", UINT64_C(4294967296) },
        { "{\"m\":9007199254740993}", UINT64_C(9007199254740993) }, /* no double holds it */
        { "{\"m\":9223372036854775807}", INT64_MAX },
        { "{\"m\":9223372036854775808}", (uint64_t)INT64_MAX + 1 },
        { "{\"m\":18446744073709551615}", UINT64_MAX },
    };

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        uint64_t number = 77;
        struct tree t;

        open_tree(numbers[i].text, &t);
        assert_true(json_read_u64(&t.reader, "m", JSON_REQUIRED, 0, UINT64_MAX, &number));
        assert_true(number == numbers[i].value);
        close_right(&t);
    }
}

static void names_unknown_members(void **state UNUSED)
{
    const char *text;
    struct tree t;

    open_tree("{\"known\":\"x\",\"more\":1}", &t);
    assert_true(json_read_string(&t.reader, "known", JSON_REQUIRED, 9, &text));
    close_wrong(&t, "more: unknown member");
    open_tree("{\"Known\":\"x\"}", &t); /* names have one case */
    assert_false(json_read_string(&t.reader, "known", JSON_OPTIONAL, 9, &text));
    close_wrong(&t, "Known: unknown member");
    open_tree("{\"m\":1}", &t); /* not read by a question about null */
    assert_false(json_read_null(&t.reader, "m"));
    assert_false(json_read_null(&t.reader, "other"));
    close_wrong(&t, "m: unknown member");
    open_tree("{}", &t);
    json_ignore(&t.reader, "m"); /* need not be there */
    close_right(&t);
}

static void gives_the_path_of_what_is_wrong(void **state UNUSED)
{
    struct json_reader volumes, volume, key;
    const char *text;
    uint64_t number;
    size_t count;
    struct tree t;

    open_tree("{\"volumes\":[{},{\"key\":{\"id\":5,\"x\":1}},\"s\"]}", &t);
    assert_true(json_read_array(&t.reader, "volumes", JSON_REQUIRED, 9, &volumes, &count));
    assert_true(json_element_object(&volumes, 1, &volume));
    assert_true(json_read_object(&volume, "key", JSON_REQUIRED, &key));
    assert_false(json_read_string(&key, "id", JSON_REQUIRED, 9, &text));
    close_wrong(&t, "volumes[1].key.id: expected a string, found int");

    open_tree("{\"volumes\":[{},{\"key\":{\"id\":5,\"x\":1}}]}", &t);
    assert_true(json_read_array(&t.reader, "volumes", JSON_REQUIRED, 9, &volumes, &count));
    assert_true(json_element_object(&volumes, 1, &volume));
    assert_true(json_read_object(&volume, "key", JSON_REQUIRED, &key));
    assert_true(json_read_u64(&key, "id", JSON_REQUIRED, 0, 9, &number));
    json_read_done(&key);
    close_wrong(&t, "volumes[1].key.x: unknown member");

    open_tree("{\"volumes\":[1,\"abc\",{},300]}", &t);
    assert_true(json_read_array(&t.reader, "volumes", JSON_REQUIRED, 9, &volumes, &count));
    assert_false(json_element_object(&volumes, 0, &volume));
    close_wrong(&t, "volumes[0]: expected an object, found int");
    open_tree("{\"volumes\":[1,\"abc\",{},300]}", &t);
    assert_true(json_read_array(&t.reader, "volumes", JSON_REQUIRED, 9, &volumes, &count));
    assert_false(json_element_string(&volumes, 1, 2, &text));
    close_wrong(&t, "volumes[1]: 3 bytes, at most 2 are accepted");
    open_tree("{\"volumes\":[1,\"abc\",{},300]}", &t);
    assert_true(json_read_array(&t.reader, "volumes", JSON_REQUIRED, 9, &volumes, &count));
    assert_false(json_element_string(&volumes, 2, 9, &text));
    close_wrong(&t, "volumes[2]: expected a string, found object");
    open_tree("{\"volumes\":[1,\"abc\",{},300]}", &t);
    assert_true(json_read_array(&t.reader, "volumes", JSON_REQUIRED, 9, &volumes, &count));
    assert_false(json_element_u64(&volumes, 3, 299, &number));
    close_wrong(&t, "volumes[3]: expected a number from 0 to 299, found 300");
    open_tree("{\"volumes\":[1,\"abc\",{},300]}", &t);
    assert_true(json_read_array(&t.reader, "volumes", JSON_REQUIRED, 9, &volumes, &count));
    assert_false(json_element_u64(&volumes, 4, 299, &number)); /* behind the end */
    close_wrong(&t, "volumes[4]: expected a number, found null");
}

static void wants_an_object_at_the_top(void **state UNUSED)
{
    static const char *const others[] = { "[]", "[{}]" };

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        uint64_t number;
        struct tree t;

        open_tree(others[i], &t);
        assert_false(json_read_u64(&t.reader, "m", JSON_OPTIONAL, 0, 9, &number));
        close_wrong(&t, "top level: expected an object");
    }
}

/* After the first error nothing is read and no second sentence replaces the first. */
static void keeps_the_first_error(void **state UNUSED)
{
    struct json_reader array, inner;
    const char *text = "as it was";
    uint64_t number = 77;
    size_t count = 77;
    bool yes = true;
    struct tree t;

    open_tree("{\"a\":1,\"b\":\"x\",\"c\":[1,\"x\",{}],\"d\":true,\"n\":null}", &t);
    assert_true(json_read_array(&t.reader, "c", JSON_REQUIRED, 9, &array, &count));
    json_refuse(&t.reader, "a", "is %d too many", 1);
    json_refuse(&t.reader, "b", "is another one");
    assert_false(json_read_u64(&t.reader, "a", JSON_REQUIRED, 0, 9, &number));
    assert_false(json_read_string(&t.reader, "b", JSON_REQUIRED, 9, &text));
    assert_false(json_read_bool(&t.reader, "d", JSON_REQUIRED, &yes));
    assert_false(json_element_u64(&array, 0, 9, &number));
    assert_false(json_element_string(&array, 1, 9, &text));
    assert_false(json_element_object(&array, 2, &inner));
    assert_false(json_read_null(&t.reader, "n"));
    json_ignore(&t.reader, "b");
    assert_string_equal(text, "as it was");
    assert_int_equal(number, 77);
    close_wrong(&t, "a: is 1 too many");
}

static void writes_paths_and_sentences_of_any_length(void **state UNUSED)
{
    char name[1000], text[1100];
    struct tree t;

    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    (void)snprintf(text, sizeof(text), "{\"%s\":1}", name);
    open_tree(text, &t);
    json_read_done(&t.reader);
    assert_int_equal(t.status.error, -EBADMSG);
    assert_memory_equal(t.why.text, "nnnnnnnnnn", 10);
    assert_non_null(strstr(t.why.text, ": unknown member"));
    t.status.error = 0;
    json_refuse(&t.reader, NULL, "%s", name);
    assert_memory_equal(t.why.text, "top level: nnn", 14);
    json_free(&t.root);
}

/* "name.name.name", cut at the end of its room. */
static void cuts_long_paths(void **state UNUSED)
{
    char name[91], text[512];
    struct json_reader first, second;
    uint64_t number;
    struct tree t;

    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    (void)snprintf(text, sizeof(text), "{\"%s\":{\"%s\":{\"%s\":\"x\"}}}", name, name, name);
    open_tree(text, &t);
    assert_true(json_read_object(&t.reader, name, JSON_REQUIRED, &first));
    assert_true(json_read_object(&first, name, JSON_REQUIRED, &second));
    assert_false(json_read_u64(&second, name, JSON_REQUIRED, 0, 9, &number));
    assert_int_equal(t.why.text[90], '.');
    assert_string_equal(t.why.text + 127, ": expected a number, found string");
    json_free(&t.root);
}

/* More members than a reader can remember as read: refused, not forgotten. */
static void reads_no_more_members_than_it_remembers(void **state UNUSED)
{
    static char text[2048], names[JSON_MAX_MEMBERS + 1][8];
    size_t used = 0;
    struct tree t;

    for (size_t i = 0; i <= JSON_MAX_MEMBERS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "m%zu", i);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%c\"%s\":%zu", i ? ',' : '{', names[i], i);
    }
    (void)snprintf(text + used, sizeof(text) - used, "}");
    open_tree(text, &t);
    for (size_t i = 0; i <= JSON_MAX_MEMBERS; i++)
        json_ignore(&t.reader, names[i]);
    close_wrong(&t, "m64: unknown member");
}

static void makes_names_printable_in_sentences(void **state UNUSED)
{
    struct tree t;

    open_tree("{\"\\u001b[2J\\n\":1}", &t);
    close_wrong(&t, "?[2J?: unknown member");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_plain_json),
        cmocka_unit_test(refuses_a_name_that_stands_twice),
        cmocka_unit_test(refuses_what_is_deeper_than_eight),
        cmocka_unit_test(refuses_numbers_that_are_not_plain_integers),
        cmocka_unit_test(refuses_what_is_not_json),
        cmocka_unit_test(refuses_values_alone),
        cmocka_unit_test(says_why_a_text_is_refused),
        cmocka_unit_test(refuses_nuls),
        cmocka_unit_test(takes_utf_8),
        cmocka_unit_test(refuses_what_is_not_utf_8),
        cmocka_unit_test(refuses_escapes_that_are_no_characters),
        cmocka_unit_test(refuses_every_cut),
        cmocka_unit_test(refuses_texts_above_the_limit),
        cmocka_unit_test(keeps_quiet_when_nobody_listens),
        cmocka_unit_test(reads_every_type),
        cmocka_unit_test(leaves_absent_members_as_they_were),
        cmocka_unit_test(names_missing_and_mistyped_members),
        cmocka_unit_test(names_mistyped_optional_members),
        cmocka_unit_test(bounds_strings_numbers_and_arrays),
        cmocka_unit_test(reads_the_largest_numbers_exactly),
        cmocka_unit_test(names_unknown_members),
        cmocka_unit_test(gives_the_path_of_what_is_wrong),
        cmocka_unit_test(wants_an_object_at_the_top),
        cmocka_unit_test(keeps_the_first_error),
        cmocka_unit_test(writes_paths_and_sentences_of_any_length),
        cmocka_unit_test(cuts_long_paths),
        cmocka_unit_test(reads_no_more_members_than_it_remembers),
        cmocka_unit_test(makes_names_printable_in_sentences),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
