/* Secrets of which no copy may be left in the memory of a process in the end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WATCHED_BYTES 32
#define WATCHED_MOST 8

/* The start of each, its bits inverted so that it is not here either. */
struct watched {
    uint8_t inverted[WATCHED_MOST][WATCHED_BYTES];
    size_t count;
};

/* Fine when it is known; the secret has at least WATCHED_BYTES. */
void watched_add(struct watched *watched, const uint8_t *secret);

/* In all memory that this process can write, the stack left aside. Needs leaks_begin(). */
bool watched_is_left(const struct watched *watched);
