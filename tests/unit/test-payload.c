/* release/payload: each kind takes what is its own; no kind is guessed, no byte of an answer is shown. */
#include "unit.h"

#include "release/payload.h"

static struct secret secret_of(const void *data, size_t size)
{
    struct secret secret = SECRET_NONE;

    assert_int_equal(secret_copy(data, size, &secret), 0);
    return secret;
}

static int take(enum payload_kind kind, const char *answer, size_t size, char *to, struct reason *why)
{
    CLEANUP_SECRET struct secret from = secret_of(answer, size), found = SECRET_NONE;
    int r = payload_take(kind, "root", &from, &found, why);

    if (r == 0) {
        memcpy(to, found.bytes, found.size);
        to[found.size] = '\0';
        return (int)found.size;
    }
    assert_null(found.bytes);
    return r;
}

static void kinds_have_names(void **state UNUSED)
{
    for (int kind = PAYLOAD_RECORD; kind <= PAYLOAD_RAW; kind++) {
        enum payload_kind found = PAYLOAD_RAW;

        assert_int_equal(payload_kind_parse(payload_kind_name((enum payload_kind)kind), &found), 0);
        assert_int_equal(found, kind);
    }
    for (size_t i = 0; i < 2; i++) {
        enum payload_kind found;

        assert_int_equal(payload_kind_parse(i ? "Key" : "", &found), -EINVAL);
    }
}

static void keys_have_two_sizes(void **state UNUSED)
{
    char bytes[513], found[513];
    struct reason why = { "" };

    memset(bytes, 'k', sizeof(bytes));
    for (size_t size = 1; size <= sizeof(bytes); size++) {
        int r = take(PAYLOAD_KEY, bytes, size, found, &why);

        if (size == 64 || size == 96) {
            assert_int_equal(r, size);
            assert_memory_equal(found, bytes, size);
        } else {
            assert_int_equal(r, -EBADMSG);
            assert_reason(&why, "expected a volume key of 64 or 96");
        }
    }
}

static void passphrases_are_taken_as_they_are(void **state UNUSED)
{
    char bytes[513], found[514];
    struct reason why = { "" };

    memset(bytes, 'p', sizeof(bytes));
    assert_int_equal(take(PAYLOAD_PASSPHRASE, "a\n", 2, found, &why), 2);
    assert_string_equal(found, "a\n");
    assert_int_equal(take(PAYLOAD_PASSPHRASE, "a\0b", 3, found, &why), 3);
    assert_int_equal(take(PAYLOAD_PASSPHRASE, bytes, 512, found, &why), 512);
    assert_int_equal(take(PAYLOAD_PASSPHRASE, bytes, 513, found, &why), -EBADMSG);
    assert_reason(&why, "513 bytes, expected a passphrase of 1 to 512");
    assert_int_equal(take(PAYLOAD_RAW, bytes, 513, found, &why), 513);
}

#define KEY "\"io.cryptsetup.key.text.root\" = "

static void confdata_is_read(void **state UNUSED)
{
    static const struct {
        const char *text, *wanted;
    } texts[] = {
        { "version = \"0.1.0\"\n\n[data]\n" KEY "\"Abc123\"\n", "Abc123" },
        { "version = '0.1.0'\n[data]\n\"io.cryptsetup.key.text.home\" = 'x'\n" KEY "'y'\n\"other\" = 'z'", "y" },
        { "version = '0.1.0'\n[data]\n" KEY "\"a\\tb\\\\\"", "a\tb\\" },
    };
    static const struct {
        const char *text, *words;
    } bad[] = {
        { "SECRETPASSPHRASE", "line 1: expected '='" },
        { "version = '0.1.0'\n[data]\n", "there is no \"io.cryptsetup.key.text.root\"" },
        { "version = '0.1.0'\n" KEY "'SECRET'\n[data]\n", "line 2: not a member of it" },
        { "version = '0.1.0'\n[data]\n\"io.cryptsetup.key.text.Root\" = 'SECRET'", "there is no" },
        { "version = 'SECRET'\n[data]\n" KEY "'SECRET'", "another version" },
        { "[data]\n" KEY "'SECRET'", "another version" },
        { "version = '0.1.0'\n[data]\n" KEY "''", "is empty or longer than 512 bytes" },
        { "version = '0.1.0'\n[data]\n" KEY "'SECRET'\n" KEY "'SECRET'", "a key that was there before" },
        { "version = '0.1.0'\n[SECRET]\n", "another table" },
        { "version = '0.1.0'\nSECRET = 'SECRET'", "line 2: not a member of it" },
    };
    char found[600];

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct reason why = { "" };

        if (take(PAYLOAD_CONFDATA, texts[i].text, strlen(texts[i].text), found, &why) < 0)
            fail_msg("%s", why.text);
        assert_string_equal(found, texts[i].wanted);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct reason why = { "" };

        assert_int_equal(take(PAYLOAD_CONFDATA, bad[i].text, strlen(bad[i].text), found, &why), -EBADMSG);
        assert_reason(&why, bad[i].words);
        assert_null(strstr(why.text, "SECRET"));
    }
}

static void records_are_not_taken_here(void **state UNUSED)
{
    char found[16];
    struct reason why = { "" };

    assert_int_equal(take(PAYLOAD_RECORD, "PSTNREL2", 8, found, &why), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_have_names), cmocka_unit_test(keys_have_two_sizes),
        cmocka_unit_test(passphrases_are_taken_as_they_are), cmocka_unit_test(confdata_is_read),
        cmocka_unit_test(records_are_not_taken_here),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
