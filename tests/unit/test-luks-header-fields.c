/*
 * luks/header-json-parse: each member of each kind of header, with every sort of value that it cannot have, in the first
 * copy, the second and both: refused with the code of that member, or as no strict JSON. Cases with a meaning of their own
 * stand in test-luks-header.c.
 */
#include "unit.h"

#include "luks-header.h"

#define PLACES_MOST 64
#define PATH_BYTES 96

/* What a header with tags, and one with argon2id, has in the place of the plain one's members. */
static const struct {
    const char *find, *replace;
} variants[][3] = {
    { { "\"kdf\":{\"type\":\"pbkdf2\",\"hash\":\"sha256\",\"iterations\":1000",
        "\"kdf\":{\"type\":\"argon2id\",\"time\":4,\"memory\":64,\"cpus\":1" } },
    { { "\"type\":\"crypt\",",
        "\"type\":\"crypt\",\"integrity\":{\"type\":\"hmac(sha256)\",\"journal_encryption\":\"none\","
        "\"journal_integrity\":\"none\"}," },
      { "\"luks2\",\"key_size\":64", "\"luks2\",\"key_size\":96" },
      { "\"size\":\"258048\"", "\"size\":\"385024\"" } },
};

static const struct {
    const char *path;
    enum header_code code;
} codes[] = {
    { "keyslots", HEADER_KEYSLOT_COUNT },
    { "keyslots.0", HEADER_KEYSLOT_COUNT },
    { "keyslots.0.type", HEADER_KEYSLOT_TYPE },
    { "keyslots.0.key_size", HEADER_KEYSLOT_KEY_SIZE },
    { "keyslots.0.af", HEADER_AF_TYPE },
    { "keyslots.0.af.type", HEADER_AF_TYPE },
    { "keyslots.0.af.stripes", HEADER_AF_STRIPES },
    { "keyslots.0.af.hash", HEADER_AF_HASH },
    { "keyslots.0.area", HEADER_AREA_TYPE },
    { "keyslots.0.area.type", HEADER_AREA_TYPE },
    { "keyslots.0.area.offset", HEADER_AREA_OFFSET },
    { "keyslots.0.area.size", HEADER_AREA_SIZE },
    { "keyslots.0.area.encryption", HEADER_AREA_CIPHER },
    { "keyslots.0.area.key_size", HEADER_AREA_KEY_SIZE },
    { "keyslots.0.kdf", HEADER_KDF_TYPE },
    { "keyslots.0.kdf.type", HEADER_KDF_TYPE },
    { "keyslots.0.kdf.hash", HEADER_KDF_HASH },
    { "keyslots.0.kdf.iterations", HEADER_KDF_ITERATIONS },
    { "keyslots.0.kdf.time", HEADER_KDF_TIME },
    { "keyslots.0.kdf.memory", HEADER_KDF_MEMORY },
    { "keyslots.0.kdf.cpus", HEADER_KDF_CPUS },
    { "keyslots.0.kdf.salt", HEADER_KDF_SALT },
    { "tokens", HEADER_TOKENS },
    { "segments", HEADER_SEGMENT_COUNT },
    { "segments.0", HEADER_SEGMENT_COUNT },
    { "segments.0.type", HEADER_SEGMENT_TYPE },
    { "segments.0.offset", HEADER_SEGMENT_OFFSET },
    { "segments.0.size", HEADER_SEGMENT_SIZE },
    { "segments.0.iv_tweak", HEADER_SEGMENT_IV },
    { "segments.0.encryption", HEADER_SEGMENT_CIPHER },
    { "segments.0.sector_size", HEADER_SEGMENT_SECTOR },
    { "segments.0.integrity", HEADER_SEGMENT_INTEGRITY },
    { "segments.0.integrity.type", HEADER_SEGMENT_INTEGRITY },
    { "segments.0.integrity.journal_encryption", HEADER_SEGMENT_INTEGRITY },
    { "segments.0.integrity.journal_integrity", HEADER_SEGMENT_INTEGRITY },
    { "digests", HEADER_DIGEST_COUNT },
    { "digests.0", HEADER_DIGEST_COUNT },
    { "digests.0.type", HEADER_DIGEST_TYPE },
    { "digests.0.keyslots", HEADER_DIGEST_KEYSLOTS },
    { "digests.0.segments", HEADER_DIGEST_SEGMENTS },
    { "digests.0.hash", HEADER_DIGEST_HASH },
    { "digests.0.iterations", HEADER_DIGEST_ITERATIONS },
    { "digests.0.salt", HEADER_DIGEST_SALT },
    { "digests.0.digest", HEADER_DIGEST_VALUE },
    { "config", HEADER_CONFIG_JSON_SIZE },
    { "config.json_size", HEADER_CONFIG_JSON_SIZE },
    { "config.keyslots_size", HEADER_CONFIG_KEYSLOTS_SIZE },
};

/* Where a member stands in a JSON text. */
struct place {
    char path[PATH_BYTES];
    size_t name_at, value_at, end;
    bool is_object;
};

struct places {
    const char *json;
    struct place all[PLACES_MOST];
    size_t count;
};

/* The end of a string, number, or array of these. No string here has an escape in it. */
static size_t end_of_value(const char *json, size_t at)
{
    bool in_array = json[at] == '[';

    if (in_array)
        return at + strcspn(json + at, "]") + 1;
    return json[at] == '"' ? at + 1 + strcspn(json + at + 1, "\"") + 1 : at + strcspn(json + at, ",}");
}

/* All members below the object that starts at `at`; the place behind it. */
static size_t take_members(struct places *places, size_t at, const char *path)
{
    const char *json = places->json;

    at++;
    while (json[at] != '}') {
        size_t length = strcspn(json + at + 1, "\"");
        struct place *place = &places->all[places->count++];

        assert_true(places->count < PLACES_MOST);
        place->name_at = at;
        (void)snprintf(place->path, sizeof(place->path), "%s%s%.*s", path, path[0] ? "." : "", (int)length,
                       json + at + 1);
        place->value_at = at + length + 3;
        place->is_object = json[place->value_at] == '{';
        place->end = place->is_object ? take_members(places, place->value_at, place->path)
                                      : end_of_value(json, place->value_at);
        at = place->end;
        at += json[at] == ',';
    }
    return at + 1;
}

static enum header_code code_for(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        if (strcmp(codes[i].path, path) == 0)
            return codes[i].code;
    fail_msg("%s has no code here", path);
    return HEADER_GOOD;
}

/* The text with what stands from `from` to `to` replaced, in each combination of copies. */
static void assert_refused(const char *json, size_t from, size_t to, const char *by, enum header_code code)
{
    static uint8_t bytes[HEADER_BYTES];
    char *changed = NULL;

    if (asprintf(&changed, "%.*s%s%s", (int)from, json, by, json + to) < 0)
        abort();
    for (unsigned copies = FIRST_COPY; copies <= BOTH_COPIES; copies++) {
        struct header header;
        enum header_code found = HEADER_CODE_COUNT;
        struct reason why = { "" };

        header_right(bytes);
        header_put_json(bytes, json, BOTH_COPIES);
        header_put_json(bytes, changed, copies);
        header_seal(bytes);
        if (header_parse(bytes, sizeof(bytes), NULL, &header, &found, &why) != -EBADMSG || found != code)
            fail_msg("%s: gave %s, expected %s", changed, header_code_text(found), header_code_text(code));
    }
    free(changed);
}

/* Values of another type or out of every range, and such as strict JSON does not have. */
static const struct {
    const char *value;
    bool is_json;
} wrong_values[] = {
    { "null", true }, { "true", true }, { "-1", true }, { "\"\"", true }, { "[]", true }, { "[null]", true },
    { "\"\\u0000\"", true }, { "18446744073709551615", true }, { "\"18446744073709551615\"", true },
    { "18446744073709551616", false }, { "-9223372036854775809", false }, { "1e3", false }, { "4096.0", false },
    { "04096", false }, { "0x1000", false }, { "NaN", false }, { "'x'", false }, { "\"\\ud800\"", false },
    { "[[[[[[[[[[]]]]]]]]]]", false }, { "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}", false }, { "", false },
};

static size_t spoil(const char *json, const struct place *place)
{
    enum header_code code = code_for(place->path);
    size_t cases = 0, comma = json[place->end] == ',';
    char *twice = NULL, *renamed = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(wrong_values); i++, cases++)
        assert_refused(json, place->value_at, place->end, wrong_values[i].value,
                       wrong_values[i].is_json && strcmp(wrong_values[i].value, "\"\\u0000\"") ? code : HEADER_JSON);
    if (asprintf(&twice, "%.*s,", (int)(place->end - place->name_at), json + place->name_at) < 0 ||
        asprintf(&renamed, "\"x%.*s", (int)(place->end - place->name_at - 1), json + place->name_at + 1) < 0)
        abort();
    assert_refused(json, place->name_at, place->name_at, twice, HEADER_JSON);
    /* Without its tags the header is another one, of which the key has the wrong size. */
    if (strcmp(place->path, "segments.0.integrity") == 0)
        code = HEADER_MEMBER;
    else
        assert_refused(json, place->name_at - (comma ? 0 : json[place->name_at - 1] == ','), place->end + comma, "",
                       /* a header without keyslots is a good one; this one's digest names a keyslot */
                       strcmp(place->path, "keyslots.0") == 0 ? HEADER_DIGEST_KEYSLOTS : code);
    assert_refused(json, place->name_at, place->end, renamed, code);
    free(twice);
    free(renamed);
    return cases + 3;
}

static size_t spoil_all(const char *json)
{
    static struct places places;
    size_t cases = 0;

    places = (struct places){ .json = json };
    (void)take_members(&places, 0, "");
    for (size_t i = 0; i < places.count; i++)
        cases += spoil(json, &places.all[i]);
    return cases;
}

static char *replaced(const char *json, const char *find, const char *replace)
{
    const char *at = strstr(json, find);
    char *result = NULL;

    assert_non_null(at);
    if (asprintf(&result, "%.*s%s%s", (int)(at - json), json, replace, at + strlen(find)) < 0)
        abort();
    return result;
}

static void every_member_is_judged(void **state UNUSED)
{
    size_t cases = spoil_all(right_header_json);

    for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
        char *json = strdup(right_header_json);
        struct header header;
        static uint8_t bytes[HEADER_BYTES];

        for (size_t j = 0; j < ARRAY_SIZE(variants[i]) && variants[i][j].find; j++) {
            char *before = json;

            json = replaced(before, variants[i][j].find, variants[i][j].replace);
            free(before);
        }
        header_right(bytes);
        header_put_json(bytes, json, BOTH_COPIES);
        header_seal(bytes);
        assert_int_equal(header_parse(bytes, sizeof(bytes), NULL, &header, NULL, NULL), 0);
        cases += spoil_all(json);
        free(json);
    }
    print_message("# %zu headers, each in the first copy, the second and both\n", cases);
    assert_true(cases > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_is_judged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
