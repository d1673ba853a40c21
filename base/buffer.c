/* A growing buffer for what we write; its contents are ours, only its size may depend on others. */
#include "base/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"

/* realloc() would leave a copy behind. */
static void give_back(struct buffer *b)
{
    if (b->data)
        explicit_bzero(b->data, b->size + 1);
    free(b->data);
}

static bool make_room(struct buffer *b, size_t more)
{
    size_t room = b->room ? b->room : 256;
    uint8_t *data;

    if (b->error)
        return false;
    if (more > BUFFER_MAX_BYTES - b->size) {
        b->error = -EMSGSIZE;
        return false;
    }
    while (room < b->size + more + 1)
        room *= 2;
    if (room == b->room)
        return true;
    data = malloc(room);
    if (!data) {
        b->error = -ENOMEM;
        return false;
    }
    if (b->data)
        memcpy(data, b->data, b->size + 1);
    give_back(b);
    b->data = data;
    b->room = room;
    return true;
}

void buffer_add(struct buffer *b, const void *data, size_t size)
{
    if (!make_room(b, size))
        return;
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = '\0';
}

void buffer_add_text(struct buffer *b, const char *text)
{
    buffer_add(b, text, strlen(text));
}

void buffer_add_u8(struct buffer *b, uint8_t value)
{
    buffer_add(b, &value, 1);
}

void buffer_add_u16le(struct buffer *b, uint16_t value)
{
    uint8_t bytes[2];

    put_u16le(bytes, value);
    buffer_add(b, bytes, sizeof(bytes));
}

void buffer_add_u32le(struct buffer *b, uint32_t value)
{
    uint8_t bytes[4];

    put_u32le(bytes, value);
    buffer_add(b, bytes, sizeof(bytes));
}

void buffer_add_u64le(struct buffer *b, uint64_t value)
{
    uint8_t bytes[8];

    put_u64le(bytes, value);
    buffer_add(b, bytes, sizeof(bytes));
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 && !b->error)
        b->error = -EMSGSIZE;
    if (length < 0 || !make_room(b, (size_t)length))
        return;
    va_start(arguments, format);
    (void)vsnprintf((char *)b->data + b->size, (size_t)length + 1, format, arguments);
    va_end(arguments);
    b->size += (size_t)length;
}

void buffer_add_json_string(struct buffer *b, const char *text)
{
    static const char short_form[] = "btn?fr"; /* for U+0008 to U+000D; U+000B has none */

    buffer_add(b, "\"", 1);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            buffer_printf(b, "\\%c", c);
        else if (c >= 8 && c <= 13 && c != 11)
            buffer_printf(b, "\\%c", short_form[c - 8]);
        else if (c < 0x20)
            buffer_printf(b, "\\u%04x", c);
        else
            buffer_add(b, &c, 1);
    }
    buffer_add(b, "\"", 1);
}

void buffer_consume(struct buffer *b, size_t size)
{
    if (size > b->size)
        size = b->size;
    if (!size)
        return;
    memmove(b->data, b->data + size, b->size - size + 1);
    b->size -= size;
    explicit_bzero(b->data + b->size, size);
}

int buffer_error(const struct buffer *b)
{
    return b->error;
}

const char *buffer_text(const struct buffer *b)
{
    return b->data ? (const char *)b->data : "";
}

void buffer_free(struct buffer *b)
{
    give_back(b);
    *b = BUFFER_EMPTY;
}
