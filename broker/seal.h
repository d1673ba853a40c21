/*
 * How records lie in the store: envelope encryption. Each record has a key of its own (A256GCM), which is encrypted
 * with the broker's key-encryption key (A256GCM), so that changing the latter rewrites a few bytes per record.
 *
 *     "PSTNSEA1" | iv 12 | encrypted data key 32 | tag 16 | iv 12 | encrypted record | tag 16
 *
 * Both layers authenticate "postern-broker volume" NUL resource NUL version (64 bits, little-endian): a sealed record
 * that is moved to another resource, or put back in place of a later one, does not open.
 */
#pragma once

#include "base/base.h"
#include "base/buffer.h"
#include "base/secret.h"

/* Appends the sealed form of `plain` to `to`. Errors: -ENOMEM. */
int seal_close(const struct secret *kek, const char *resource, uint64_t version, const struct secret *plain,
               struct buffer *to) MUST_CHECK;

/* Errors: -EBADMSG when it does not authenticate, whatever the cause; -ENOMEM. */
int seal_open(const struct secret *kek, const char *resource, uint64_t version, const void *sealed, size_t size,
              struct secret *ret_plain) MUST_CHECK;
