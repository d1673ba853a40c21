/*
 * Text encodings of bytes. Anybody may control the text; some of it encodes secrets, so neither tables nor branches
 * depend on the characters' values until the verdict.
 */
#include "base/encode.h"

#include <errno.h>
#include <string.h>

/* 0xff when a <= c <= b, else 0; all three below 256. */
static uint8_t in_range(unsigned c, unsigned a, unsigned b)
{
    return (uint8_t)~(((c - a) | (b - c)) >> 8 & 0xffu);
}

void hex_encode(const void *data, size_t size, char *ret_text)
{
    const uint8_t *from = data;

    for (size_t i = 0; i < size; i++) {
        for (int half = 0; half < 2; half++) {
            unsigned digit = half ? from[i] & 15u : from[i] >> 4;

            ret_text[2 * i + (size_t)half] = (char)(digit + '0' + (in_range(digit, 10, 15) & ('a' - '0' - 10)));
        }
    }
    ret_text[2 * size] = '\0';
}

/* The digit's value, or a number with bits above 15 set. */
static unsigned hex_value(unsigned c)
{
    unsigned digit = in_range(c, '0', '9'), upper = in_range(c, 'A', 'F'), lower = in_range(c, 'a', 'f');

    return (digit & (c - '0')) | (upper & (c - 'A' + 10)) | (lower & (c - 'a' + 10)) |
           (0x100u & ~(unsigned)((digit | upper | lower) << 1));
}

int hex_decode(const char *text, size_t text_size, void *ret_data, size_t size)
{
    uint8_t *to = ret_data;
    unsigned wrong = 0;

    if (text_size / 2 != size || text_size % 2)
        return -EBADMSG;
    for (size_t i = 0; i < text_size; i++)
        wrong |= hex_value((unsigned char)text[i]);
    if (wrong > 15)
        return -EBADMSG;
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(hex_value((unsigned char)text[2 * i]) << 4 | hex_value((unsigned char)text[2 * i + 1]));
    return 0;
}

static unsigned base64_digit(enum base64_form form, unsigned value)
{
    unsigned c62 = form == BASE64_URL ? '-' : '+', c63 = form == BASE64_URL ? '_' : '/';

    return (in_range(value, 0, 25) & (value + 'A')) | (in_range(value, 26, 51) & (value - 26 + 'a')) |
           (in_range(value, 52, 61) & (value - 52 + '0')) | (in_range(value, 62, 62) & c62) |
           (in_range(value, 63, 63) & c63);
}

/* The digit's value, or a number with bits above 63 set. */
static unsigned base64_value(enum base64_form form, unsigned c)
{
    unsigned c62 = form == BASE64_URL ? '-' : '+', c63 = form == BASE64_URL ? '_' : '/';
    unsigned upper = in_range(c, 'A', 'Z'), lower = in_range(c, 'a', 'z'), digit = in_range(c, '0', '9');
    unsigned is62 = in_range(c, c62, c62), is63 = in_range(c, c63, c63);

    return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) | (digit & (c - '0' + 52)) | (is62 & 62) | (is63 & 63) |
           (0x100u & ~(unsigned)((upper | lower | digit | is62 | is63) << 1));
}

size_t base64_encode(enum base64_form form, const void *data, size_t size, char *ret_text)
{
    const uint8_t *from = data;
    char *to = ret_text;

    for (size_t i = 0; i < size; i += 3) {
        size_t have = size - i < 3 ? size - i : 3;
        unsigned group = (unsigned)from[i] << 16 | (have > 1 ? (unsigned)from[i + 1] << 8 : 0) |
                         (have > 2 ? from[i + 2] : 0u);

        for (size_t k = 0; k <= have; k++)
            *to++ = (char)base64_digit(form, group >> (18 - 6 * k) & 63);
        for (size_t k = have; k < 3 && form == BASE64_STANDARD; k++)
            *to++ = '=';
    }
    *to = '\0';
    return (size_t)(to - ret_text);
}

/* Characters that carry bits; -EBADMSG when the length or the padding cannot be right. */
static int base64_digits(enum base64_form form, const char *text, size_t text_size, size_t *ret_digits)
{
    size_t digits = text_size;

    if (form == BASE64_STANDARD) {
        if (text_size % 4)
            return -EBADMSG;
        while (digits && text_size - digits < 2 && text[digits - 1] == '=')
            digits--;
    }
    if (digits % 4 == 1)
        return -EBADMSG;
    *ret_digits = digits;
    return 0;
}

int base64_decode(enum base64_form form, const char *text, size_t text_size, void *ret_data, size_t max,
                  size_t *ret_size)
{
    uint8_t *to = ret_data;
    unsigned wrong = 0, group = 0;
    size_t digits = 0, done = 0;
    int r = base64_digits(form, text, text_size, &digits);

    if (r < 0)
        return r;
    for (size_t i = 0; i < digits; i++)
        wrong |= base64_value(form, (unsigned char)text[i]);
    if (wrong > 63)
        return -EBADMSG;
    if (digits / 4 * 3 + (digits % 4 ? digits % 4 - 1 : 0) > max)
        return -EMSGSIZE;
    /* The last digit of a short group carries bits that belong to no byte: another spelling unless they are zero. */
    if (digits % 4 && base64_value(form, (unsigned char)text[digits - 1]) & (digits % 4 == 2 ? 15u : 3u))
        return -EBADMSG;
    for (size_t i = 0; i < digits; i++) {
        group = group << 6 | base64_value(form, (unsigned char)text[i]);
        if (i % 4)
            to[done++] = (uint8_t)(group >> (6 - 2 * (i % 4)));
    }
    *ret_size = done;
    return 0;
}

size_t decimal_decode(const char *text, size_t size, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t digits = 0;

    for (; digits < size && text[digits] >= '0' && text[digits] <= '9'; digits++)
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (unsigned)(text[digits] - '0'), &value))
            return 0;
    if (!digits || value > max || (digits > 1 && text[0] == '0'))
        return 0;
    *ret_value = value;
    return digits;
}

bool decimal_decode_text(const char *text, uint64_t max, uint64_t *ret_value)
{
    size_t size = strlen(text);

    return size && decimal_decode(text, size, max, ret_value) == size;
}
