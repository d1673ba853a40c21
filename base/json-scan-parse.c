/*
 * What json-c does not check, or not as it should: a pass over the raw text before it is parsed. Anybody may control
 * the text.
 *
 * It refuses deep nesting, numbers that are not plain integers, NaN and the like, commas before the end of a list,
 * control characters, bytes that are not UTF-8, and escapes that stand for no character. It counts the members: json-c
 * keeps the last of two members with one name, so a text has duplicates exactly when the parsed tree has fewer members
 * than the text has colons outside strings.
 */
#include "base/json-scan.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The length of a character that may stand in a string, as RFC 3629 section 4 has them, or 0. */
static size_t character_length(const char *p, size_t left)
{
    const unsigned char *c = (const unsigned char *)p;
    size_t length = c[0] < 0x20 ? 0 : c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;

    if (c[0] > 0xf4 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    /* Longer than needed, a surrogate, or above U+10FFFF. */
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf0 && c[1] < 0x90) ||
        (c[0] == 0xf4 && c[1] > 0x8f))
        return 0;
    return length;
}

/* The number in "\uXXXX"; 0, which none may have, when there is no such escape. */
static unsigned escaped_unit(const char *p, size_t left)
{
    uint8_t unit[2];

    if (left < 6 || p[0] != '\\' || p[1] != 'u' || hex_decode(p + 2, 4, unit, 2) < 0)
        return 0;
    return (unsigned)(unit[0] << 8 | unit[1]);
}

/*
 * The length of an escape sequence, or 0. json-c would cut a member's name at U+0000 and put U+FFFD in the place of
 * half a surrogate pair; which letters may follow the backslash is its business.
 */
static size_t escape_length(const char *p, size_t left)
{
    unsigned unit, second;

    if (left < 2)
        return 0;
    if (p[1] != 'u')
        return 2;
    unit = escaped_unit(p, left);
    if (!unit || (unit >= 0xdc00 && unit <= 0xdfff))
        return 0;
    if (unit < 0xd800 || unit > 0xdbff)
        return 6;
    second = escaped_unit(p + 6, left - 6);
    return second >= 0xdc00 && second <= 0xdfff ? 12 : 0;
}

/* The length of a string with its quotes, or 0 when it does not end or holds what is not a character. */
static size_t string_length(const char *p, size_t left)
{
    size_t at = 1, length;

    while (at < left && p[at] != '"') {
        length = p[at] == '\\' ? escape_length(p + at, left - at) : character_length(p + at, left - at);
        if (!length)
            return 0;
        at += length;
    }
    return at < left ? at + 1 : 0;
}

/*
 * The length of an integer as RFC 8259 spells it, or 0. One that neither int64_t nor uint64_t holds is refused: json-c
 * would give the nearest that fits.
 */
static size_t integer_length(const char *p, size_t left)
{
    size_t sign = *p == '-', i;
    uint64_t value;

    i = decimal_decode(p + sign, left - sign, sign ? (uint64_t)INT64_MAX + 1 : UINT64_MAX, &value);
    if (!i)
        return 0;
    i += sign;
    if (i < left && (p[i] == '.' || p[i] == 'e' || p[i] == 'E'))
        return 0;
    return i;
}

static size_t literal_length(const char *p, size_t left)
{
    static const char *const words[] = { "true", "false", "null" };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t n = strlen(words[i]);

        if (left >= n && memcmp(p, words[i], n) == 0)
            return n;
    }
    return 0;
}

int json_scan(const char *text, size_t size, size_t max_depth, size_t *ret_members, const char **ret_what)
{
    size_t depth = 0, members = 0, at = 0;
    char before = 0; /* the last character that is not white space */

    while (at < size) {
        char c = text[at];
        size_t length = 1;

        if (c == '{' || c == '[') {
            if (++depth > max_depth) {
                *ret_what = "nested too deeply";
                return -EBADMSG;
            }
        } else if (c == '}' || c == ']') {
            if (depth)
                depth--;
            length = before != ',';
            *ret_what = "comma before the end of a list";
        } else if (!depth && !is_space(c)) {
            length = 0;
            *ret_what = before ? "something follows it" : "expected an object";
        } else if (c == ':') {
            members++;
        } else if (c == '"') {
            length = string_length(text + at, size - at);
            *ret_what = "string without end, or with something that is not a character";
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            length = integer_length(text + at, size - at);
            *ret_what = "number that is not a plain integer";
        } else if (!is_space(c) && c != ',') {
            length = literal_length(text + at, size - at);
            *ret_what = "not JSON";
        }
        if (!length)
            return -EBADMSG;
        if (!is_space(c))
            before = c;
        at += length;
    }
    *ret_members = members;
    return 0;
}
