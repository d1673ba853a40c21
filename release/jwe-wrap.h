/* Between the two sides of JWE. */
#pragma once

#include "release/jwe.h"

/* AES key wrap (RFC 3394) of a content key, or its inverse. Errors: -EBADMSG. */
int jwe_wrap(const struct secret *kek, bool encrypt, const uint8_t *from, size_t from_size, uint8_t *to,
             size_t to_size) MUST_CHECK;
