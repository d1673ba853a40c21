/*
 * What json-c does not check: a pass over the raw text before it is parsed. Anybody may control the text.
 *
 * It refuses deep nesting, numbers that are not plain integers, NaN and the like, control characters and NULs, and
 * counts the members: json-c keeps the last of two members with one name, so a text has duplicates exactly when the
 * parsed tree has fewer members than the text has colons outside strings.
 */
#include "base/json-scan.h"

#include <errno.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The length of a string with its quotes, or 0 when it does not end or holds a control character. */
static size_t string_length(const char *p, size_t left)
{
    for (size_t i = 1; i < left; i++) {
        if ((unsigned char)p[i] < 0x20)
            return 0;
        if (p[i] == '\\')
            i++;
        else if (p[i] == '"')
            return i + 1;
    }
    return 0;
}

/*
 * The length of an integer as RFC 8259 spells it, or 0. One that neither int64_t nor uint64_t holds is refused: json-c
 * would give the nearest that fits.
 */
static size_t integer_length(const char *p, size_t left)
{
    size_t sign = *p == '-', i = sign;
    uint64_t value = 0;

    for (; i < left && p[i] >= '0' && p[i] <= '9'; i++)
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(p[i] - '0'), &value))
            return 0;
    if (i == sign || (p[sign] == '0' && i > sign + 1) || (sign && value > INT64_MAX))
        return 0;
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
        } else if (c == ':') {
            members++;
        } else if (c == '"') {
            length = string_length(text + at, size - at);
            *ret_what = "string without end or with a control character";
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            length = integer_length(text + at, size - at);
            *ret_what = "number that is not a plain integer";
        } else if (!is_space(c) && c != ',') {
            length = literal_length(text + at, size - at);
            *ret_what = "not JSON";
        }
        if (!length)
            return -EBADMSG;
        at += length;
    }
    *ret_members = members;
    return 0;
}
