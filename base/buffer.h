/*
 * Writing text and bytes of unknown length: a growing buffer with a sticky error.
 *
 * Not for keys: the memory is ordinary heap. It is wiped when it is given back, as session cookies go through it. After
 * the first failure (no memory, or more than BUFFER_MAX_BYTES) every further write is ignored; buffer_error() is asked
 * once, at the end.
 */
#pragma once

#include "base/base.h"

#define BUFFER_MAX_BYTES (64u * 1024 * 1024)

struct buffer {
    uint8_t *data; /* followed by a NUL whenever it is not NULL */
    size_t size;
    size_t room;
    int error;
};

#define BUFFER_EMPTY ((struct buffer){ NULL, 0, 0, 0 })

void buffer_add(struct buffer *b, const void *data, size_t size);
void buffer_add_text(struct buffer *b, const char *text);
void buffer_add_u8(struct buffer *b, uint8_t value);
void buffer_add_u16le(struct buffer *b, uint16_t value);
void buffer_add_u32le(struct buffer *b, uint32_t value);
void buffer_add_u64le(struct buffer *b, uint64_t value);
void buffer_printf(struct buffer *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* Text as a JSON string in quotes, escaped as RFC 8785 section 3.2.2.2 does. */
void buffer_add_json_string(struct buffer *b, const char *text);

/* Drops the first `size` bytes. */
void buffer_consume(struct buffer *b, size_t size);

/* 0, or the first error: -ENOMEM, -EMSGSIZE. */
int buffer_error(const struct buffer *b) MUST_CHECK;

/* The text so far, never NULL. */
const char *buffer_text(const struct buffer *b);

void buffer_free(struct buffer *b);

#define CLEANUP_BUFFER CLEANUP(buffer_free)
