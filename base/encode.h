/*
 * Hexadecimal, base64 and decimal numbers, strictly: one spelling for each value, nothing skipped, nothing guessed.
 *
 * Formats: RFC 4648 section 4 (base64, padded), section 5 (base64url, here always without padding as in RFC 7515).
 * Decoding secrets with these is fine: they run in time that depends on the length alone.
 */
#pragma once

#include "base/base.h"

enum base64_form {
    BASE64_STANDARD, /* '+' and '/', padded with '=' */
    BASE64_URL,      /* '-' and '_', no padding */
};

/* Room for the text of `size` bytes, NUL included. */
#define HEX_TEXT_BYTES(size) (2 * (size) + 1)
#define BASE64_TEXT_BYTES(size) (((size) + 2) / 3 * 4 + 1)

/* Lower-case digits and a NUL into ret_text, which has room for HEX_TEXT_BYTES(size). */
void hex_encode(const void *data, size_t size, char *ret_text);

/* Exactly 2 * size digits of either case, nothing after them. Errors: -EBADMSG. */
int hex_decode(const char *text, size_t text_size, void *ret_data, size_t size) MUST_CHECK;

/* Text and a NUL into ret_text, which has room for BASE64_TEXT_BYTES(size). Returns the length without the NUL. */
size_t base64_encode(enum base64_form form, const void *data, size_t size, char *ret_text);

/*
 * At most `max` bytes into ret_data; ret_size says how many. Characters of the other alphabet, white space, wrong
 * padding and bits set beyond the last byte are refused. Errors: -EBADMSG, -EMSGSIZE when the result exceeds `max`.
 */
int base64_decode(enum base64_form form, const char *text, size_t text_size, void *ret_data, size_t max,
                  size_t *ret_size) MUST_CHECK;

/*
 * The number that `text`, of at most `size` bytes, begins with: how many digits it has. 0 when there is none, when a
 * zero stands before other digits, and when it is above `max`.
 */
size_t decimal_decode(const char *text, size_t size, uint64_t max, uint64_t *ret_value) MUST_CHECK;

/* Whether the text is such a number and nothing else. */
bool decimal_decode_text(const char *text, uint64_t max, uint64_t *ret_value) MUST_CHECK;
