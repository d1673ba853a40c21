/*
 * Arrays of bytes inside JSON, made short before a JSON library sees them.
 *
 * Evidence is JSON with some 4,000 numbers in it, each of which would become an object of its own; reading them so
 * costs a broker more than any of its cryptography but the signatures. What folding gives is JSON again, in which each
 * array of whole numbers from 0 to 255, spelt without leading zeros or white space, is a string: U+0001 and two
 * hexadecimal digits for each. A text that could be mistaken for a folded one is not folded.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"
#include "base/buffer.h"

/* Appends the folded text. false: nothing was gained, or it cannot be folded; what was appended is of no use. */
bool fold_byte_arrays(const void *text, size_t size, struct buffer *to);

/* Whether the text has what only folded ones have. */
bool fold_looks_folded(const void *text, size_t size);

/* The bytes behind a folded array's text: their number, or -1 when it is none, or they are more than `max`. */
ssize_t fold_read(const char *text, uint8_t *ret_data, size_t max);
