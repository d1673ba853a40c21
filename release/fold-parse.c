/* Folding; whoever sends evidence controls every byte. Pure. */
#include <string.h>

#include "base/encode.h"
#include "release/fold.h"

#define MARK "\\u0001"

/* The array that begins behind `at`'s bracket, appended as a string: its length with both brackets, or 0. */
static size_t fold_one(const char *at, const char *end, struct buffer *to)
{
    static const char digits[] = "0123456789abcdef";
    char text[512];
    const char *start = at++;
    size_t used = 0, before = to->size;

    buffer_add_text(to, "\"" MARK);
    for (;;) {
        uint64_t value = 0;
        size_t size = decimal_decode(at, (size_t)(end - at), UINT8_MAX, &value);

        at += size;
        if (!size || at >= end || (*at != ',' && *at != ']'))
            break;
        text[used++] = digits[value >> 4];
        text[used++] = digits[value & 15];
        if (*at == ']' || used == sizeof(text)) {
            buffer_add(to, text, used);
            used = 0;
        }
        if (*at++ == ']') {
            buffer_add_text(to, "\"");
            return (size_t)(at - start);
        }
    }
    to->size = before;
    return 0;
}

/* The string that begins at `at`: its length with both quotes, or up to the end. */
static size_t string_length(const char *at, const char *end)
{
    const char *start = at++;

    while (at < end && *at != '"')
        at += *at == '\\' && at + 1 < end ? 2 : 1;
    return (size_t)((at < end ? at + 1 : end) - start);
}

bool fold_looks_folded(const void *text, size_t size)
{
    return size && memmem(text, size, MARK, strlen(MARK)) != NULL;
}

bool fold_byte_arrays(const void *text, size_t size, struct buffer *to)
{
    const char *at = text, *end = at + size;
    bool any = false;

    if (fold_looks_folded(text, size))
        return false;
    while (at < end) {
        const char *start = at;
        size_t folded;

        while (at < end && *at != '"' && *at != '[')
            at++;
        if (at < end && *at == '"')
            at += string_length(at, end);
        buffer_add(to, start, (size_t)(at - start));
        if (at >= end || *at != '[')
            continue;
        folded = fold_one(at, end, to);
        any = any || folded;
        if (!folded)
            buffer_add_text(to, "[");
        at += folded ? folded : 1;
    }
    return any && buffer_error(to) == 0;
}

ssize_t fold_read(const char *text, uint8_t *ret_data, size_t max)
{
    size_t size = strlen(text);

    if (text[0] != 1 || size / 2 > max || hex_decode(text + 1, size - 1, ret_data, size / 2) < 0)
        return -1;
    return (ssize_t)(size / 2);
}
