/*
 * base/json-scan-parse.c with base/json.c and json-c behind it. A second reader, below, says what strict JSON is: the
 * two must agree on every text. And what is accepted is accepted again as json-c writes it.
 */
#include <json-c/json.h>

#include "base/json.h"
#include "fuzz.h"

#define MAX_BYTES 65536

/* Recursive descent over the text; every function gives false for what is not strict JSON. */
struct text {
    const uint8_t *at, *end;
    unsigned depth;
};

static bool value(struct text *t);

static bool next_is(struct text *t, char c)
{
    while (t->at < t->end && strchr(" \t\r\n", *t->at) && *t->at)
        t->at++;
    return t->at < t->end && *t->at == (uint8_t)c;
}

static bool take(struct text *t, char c)
{
    return next_is(t, c) && t->at++;
}

static bool hex4(struct text *t, uint32_t *ret_unit)
{
    *ret_unit = 0;
    for (int i = 0; i < 4; i++, t->at++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *digit = t->at < t->end && *t->at ? strchr(digits, *t->at) : NULL;

        if (!digit)
            return false;
        *ret_unit = *ret_unit << 4 | (uint32_t)((digit - digits) & 15);
    }
    return true;
}

static bool escape(struct text *t, uint32_t *ret_character)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *letter = t->at < t->end && *t->at ? strchr(letters, *t->at) : NULL;
    uint32_t low;

    if (letter) {
        t->at++;
        *ret_character = (uint32_t)meanings[letter - letters];
        return true;
    }
    if (t->at == t->end || *t->at++ != 'u' || !hex4(t, ret_character) || !*ret_character)
        return false;
    if (*ret_character >> 10 == 0xdc00 >> 10)
        return false;
    if (*ret_character >> 10 != 0xd800 >> 10)
        return true;
    if (t->end - t->at < 2 || t->at[0] != '\\' || t->at[1] != 'u')
        return false;
    t->at += 2;
    if (!hex4(t, &low) || low >> 10 != 0xdc00 >> 10)
        return false;
    *ret_character = 0x10000 + ((*ret_character & 0x3ff) << 10 | (low & 0x3ff));
    return true;
}

/* A character by the table of RFC 3629: count the leading ones, then insist on the shortest form. */
static bool character(struct text *t, uint32_t *ret_character)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint8_t first = *t->at++;
    unsigned length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;

    if (!length || first < 0x20)
        return false;
    *ret_character = length == 1 ? first : first & (0x7fu >> length);
    for (unsigned i = 1; i < length; i++) {
        if (t->at == t->end || *t->at >> 6 != 2)
            return false;
        *ret_character = *ret_character << 6 | (*t->at++ & 63);
    }
    return *ret_character >= least[length] && *ret_character <= 0x10ffff && *ret_character >> 11 != 0xd800 >> 11;
}

/* Characters into `to`, which has room for one for each byte of the text; the length, or -1. */
static int string(struct text *t, uint32_t *to)
{
    int length = 0;

    if (!take(t, '"'))
        return -1;
    while (t->at < t->end && *t->at != '"') {
        bool escaped = *t->at == '\\';

        t->at += escaped;
        if (escaped ? !escape(t, &to[length]) : !character(t, &to[length]))
            return -1;
        length++;
    }
    return t->at < t->end && t->at++ ? length : -1;
}

static bool number(struct text *t)
{
    bool minus = *t->at == '-';
    const uint8_t *digits = t->at += minus;
    unsigned __int128 sum = 0;

    while (t->at < t->end && *t->at >= '0' && *t->at <= '9' && t->at - digits < 21)
        sum = sum * 10 + (*t->at++ - '0');
    if (t->at == digits || (*digits == '0' && t->at - digits > 1))
        return false;
    return sum <= (minus ? (unsigned __int128)1 << 63 : UINT64_MAX);
}

static bool object(struct text *t)
{
    size_t room = (size_t)(t->end - t->at) + 1, used = 0, count = 0;
    uint32_t *names = calloc(room, sizeof(*names));
    struct {
        size_t at, length;
    } *places = calloc(room, sizeof(*places));
    bool good = take(t, '{') && names && places;

    if (good && take(t, '}'))
        goto out;
    while (good) {
        int length = string(t, names + used);

        good = length >= 0 && take(t, ':') && value(t);
        if (!good)
            break;
        for (size_t i = 0; i < count; i++)
            if (places[i].length == (size_t)length &&
                memcmp(names + places[i].at, names + used, (size_t)length * sizeof(*names)) == 0)
                good = false;
        places[count].at = used;
        places[count++].length = (size_t)length;
        used += (size_t)length;
        if (!take(t, ',')) {
            good = good && take(t, '}');
            break;
        }
    }
out:
    free(names);
    free(places);
    return good;
}

static bool array(struct text *t)
{
    t->at++;
    if (take(t, ']'))
        return true;
    while (value(t))
        if (!take(t, ','))
            return take(t, ']');
    return false;
}

static bool word(struct text *t, const char *wanted)
{
    size_t size = strlen(wanted);

    if ((size_t)(t->end - t->at) < size || memcmp(t->at, wanted, size) != 0)
        return false;
    t->at += size;
    return true;
}

static bool value(struct text *t)
{
    bool good;

    if (next_is(t, '{') || next_is(t, '[')) {
        if (++t->depth > JSON_MAX_DEPTH)
            return false;
        good = *t->at == '{' ? object(t) : array(t);
        t->depth--;
        return good;
    }
    if (next_is(t, '"')) {
        uint32_t *room = calloc((size_t)(t->end - t->at), sizeof(*room));

        good = room && string(t, room) >= 0;
        free(room);
        return good;
    }
    if (t->at == t->end)
        return false;
    if (*t->at == '-' || (*t->at >= '0' && *t->at <= '9'))
        return number(t);
    return word(t, "true") || word(t, "false") || word(t, "null");
}

/* A whole text. Other values than objects and arrays are JSON by themselves, but json_parse() does not take them. */
static bool strict(const uint8_t *data, size_t size)
{
    struct text t = { data, data + size, 0 };
    bool alone = !next_is(&t, '{') && !next_is(&t, '[');

    if (alone || !value(&t))
        return false;
    (void)next_is(&t, 0);
    return t.at == t.end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_object *root = NULL, *again = NULL;
    uint8_t *copy = fuzz_copy(data, size, 0);
    struct reason why = { "" };
    const char *text;
    int r;

    if (size <= 4096) {
        r = json_parse(copy, size, MAX_BYTES, &root, &why);
        REQUIRE((r == 0) == strict(copy, size));
        REQUIRE((r == 0) == (root != NULL) && (r == 0) == !why.text[0]);
        if (root) {
            text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN);
            REQUIRE(json_parse(text, strlen(text), MAX_BYTES, &again, &why) == 0);
            REQUIRE(json_object_equal(root, again));
        }
        json_free(&root);
        json_free(&again);
    }
    free(copy);
    return 0;
}
