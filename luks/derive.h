/* Keys that follow from other keys: HKDF-SHA-256 (RFC 5869) without salt, by purpose. */
#pragma once

#include "base/base.h"
#include "base/secret.h"

/* `size` bytes for the purpose that `info` names. Errors: -ENOMEM. */
int derive_key(const struct secret *from, const char *info, size_t size, struct secret *ret_key) MUST_CHECK;
