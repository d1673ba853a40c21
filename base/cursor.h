/*
 * Reading untrusted bytes: a cursor with a sticky error.
 *
 * Readers never look past the end. The first read that would do so marks the cursor as failed; from then on every
 * reader gives zeros, so a parser reads a whole structure and asks once, with cursor_end(). Values read after a
 * failure are zero, never stale. All integers are little-endian, as in every SEV-SNP structure.
 */
#pragma once

#include "base/base.h"

struct cursor {
    const uint8_t *p;
    size_t left;
    bool failed;
};

struct cursor cursor_over(const void *data, size_t size);

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16le(struct cursor *c);
uint32_t cursor_u32le(struct cursor *c);
uint64_t cursor_u64le(struct cursor *c);

/* Copies `size` bytes to `ret`; zeros when they are not there. */
void cursor_copy(struct cursor *c, void *ret, size_t size);

/* The next `size` bytes where they lie, or NULL when they are not there. Valid as long as the input is. */
const uint8_t *cursor_bytes(struct cursor *c, size_t size);

void cursor_skip(struct cursor *c, size_t size);

/* Skips `size` bytes and says whether all of them were there and zero. Does not fail the cursor on others. */
bool cursor_zeros(struct cursor *c, size_t size);

/* A cursor over the next `size` bytes alone; failed, like this one, when they are not there. */
struct cursor cursor_sub(struct cursor *c, size_t size);

/* 0 when every read succeeded and nothing is left, -EBADMSG otherwise. */
int cursor_end(const struct cursor *c) MUST_CHECK;

/* Whether [offset, offset + size) lies inside `total` bytes, without overflow. */
bool range_inside(uint64_t offset, uint64_t size, uint64_t total);

/* Stores at fixed places of buffers that we own. */
void put_u16le(uint8_t *to, uint16_t value);
void put_u32le(uint8_t *to, uint32_t value);
void put_u64le(uint8_t *to, uint64_t value);

/* Loads from fixed places of buffers whose size the caller has checked. */
uint16_t get_u16le(const uint8_t *from);
uint32_t get_u32le(const uint8_t *from);
uint64_t get_u64le(const uint8_t *from);

/* Whether all `size` bytes are zero. */
bool all_zero(const void *data, size_t size);
