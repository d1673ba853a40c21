/* The only code that walks untrusted bytes; whoever sent them controls every one of them. */
#include "base/cursor.h"

#include <errno.h>
#include <string.h>

struct cursor cursor_over(const void *data, size_t size)
{
    return (struct cursor){ .p = data, .left = data ? size : 0, .failed = !data && size };
}

const uint8_t *cursor_bytes(struct cursor *c, size_t size)
{
    const uint8_t *at = c->p;

    if (c->failed || size > c->left) {
        c->failed = true;
        c->left = 0;
        return NULL;
    }
    if (size)
        c->p += size;
    c->left -= size;
    return at;
}

void cursor_copy(struct cursor *c, void *ret, size_t size)
{
    const uint8_t *at = cursor_bytes(c, size);

    if (!size)
        return;
    if (at)
        memcpy(ret, at, size);
    else
        memset(ret, 0, size);
}

void cursor_skip(struct cursor *c, size_t size)
{
    (void)cursor_bytes(c, size);
}

uint8_t cursor_u8(struct cursor *c)
{
    uint8_t b = 0;

    cursor_copy(c, &b, sizeof(b));
    return b;
}

uint16_t cursor_u16le(struct cursor *c)
{
    uint8_t b[2];

    cursor_copy(c, b, sizeof(b));
    return get_u16le(b);
}

uint32_t cursor_u32le(struct cursor *c)
{
    uint8_t b[4];

    cursor_copy(c, b, sizeof(b));
    return get_u32le(b);
}

uint64_t cursor_u64le(struct cursor *c)
{
    uint8_t b[8];

    cursor_copy(c, b, sizeof(b));
    return get_u64le(b);
}

bool cursor_zeros(struct cursor *c, size_t size)
{
    const uint8_t *at = cursor_bytes(c, size);

    return !c->failed && all_zero(at, size);
}

struct cursor cursor_sub(struct cursor *c, size_t size)
{
    const uint8_t *at = cursor_bytes(c, size);

    return (struct cursor){ .p = at, .left = c->failed ? 0 : size, .failed = c->failed };
}

int cursor_end(const struct cursor *c)
{
    return c->failed || c->left ? -EBADMSG : 0;
}

bool range_inside(uint64_t offset, uint64_t size, uint64_t total)
{
    return offset <= total && size <= total - offset;
}

void put_u16le(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

void put_u32le(uint8_t *to, uint32_t value)
{
    put_u16le(to, (uint16_t)value);
    put_u16le(to + 2, (uint16_t)(value >> 16));
}

void put_u64le(uint8_t *to, uint64_t value)
{
    put_u32le(to, (uint32_t)value);
    put_u32le(to + 4, (uint32_t)(value >> 32));
}

uint16_t get_u16le(const uint8_t *from)
{
    return (uint16_t)(from[0] | from[1] << 8);
}

uint32_t get_u32le(const uint8_t *from)
{
    return get_u16le(from) | (uint32_t)get_u16le(from + 2) << 16;
}

uint64_t get_u64le(const uint8_t *from)
{
    return get_u32le(from) | (uint64_t)get_u32le(from + 4) << 32;
}

bool all_zero(const void *data, size_t size)
{
    const uint8_t *p = data;
    uint8_t any = 0;

    for (size_t i = 0; i < size; i++)
        any |= p[i];
    return !any;
}
