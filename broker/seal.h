/*
 * How records lie in the store: envelope encryption. Each record has a key of its own (A256GCM), which is encrypted
 * with the broker's key-encryption key (A256GCM), so that what surrounds a record changes without rewriting it.
 *
 *     "PSTNSEA3" | iv 12 | encrypted data key 32 | tag 16 | iv 12 | encrypted record | tag 16
 *
 * The inner layer authenticates "postern-broker record" NUL resource NUL version (64 bits, little-endian), kind (8
 * bits); the outer one "postern-broker key" NUL resource NUL version, state (8 bits), SHA-256 of the policy document,
 * and the SHA-256 of each manifest that counts for it. A sealed record that is moved to another resource, put back in
 * place of a later version, given another policy or manifest, or declared empty by whoever can write the store does not
 * open.
 */
#pragma once

#include "base/base.h"
#include "base/buffer.h"
#include "base/secret.h"

struct seal_context {
    const char *resource;
    uint64_t version;
    uint8_t kind, state;
    const struct buffer *policy; /* empty: there is none */
    const struct buffer *manifests;
};

/* Appends the sealed form of `plain` to `to`. Errors: -ENOMEM. */
int seal_close(const struct secret *kek, const struct seal_context *context, const struct secret *plain,
               struct buffer *to) MUST_CHECK;

/* Errors: -EBADMSG when it does not authenticate, whatever the cause; -ENOMEM. */
int seal_open(const struct secret *kek, const struct seal_context *context, const void *sealed, size_t size,
              struct secret *ret_plain) MUST_CHECK;

/*
 * Appends the sealed form for another policy or state, of the same resource and version; the record itself is not
 * opened. Errors as seal_open().
 */
int seal_change(const struct secret *kek, const struct seal_context *from, const struct seal_context *to_context,
                const void *sealed, size_t size, struct buffer *to) MUST_CHECK;
