/* Changes of a registered record that the volume's guests carry out: another key, a greater length. */
#pragma once

#include "broker/operate.h"

/* All functions are for the caller's transaction, which it ends as their result says. */

/*
 * Gives a volume another key: a later version whose record is in state 3 and holds the new key and the one before. The
 * epochs go on, since the disk stays the same. Errors: -EINVAL for a volume that is not ready or has no room for a
 * rotation, those of volume_find() and volume_unseal().
 */
int rotation_begin(const struct operation *operation, const struct admin_request *request, struct reason *why)
    MUST_CHECK;

/*
 * A guest has confirmed that all of the volume is under the new key: the one before is dropped from the record, and
 * with the earlier versions from the store. Errors: -EINVAL for a volume that does not rotate, those of volume_find()
 * and volume_unseal().
 */
int rotation_end(struct store *store, const struct secret *kek, const char *resource, struct reason *why) MUST_CHECK;

/*
 * Gives a volume a greater length, in bytes; its guests make its file system larger. Errors: -EINVAL for one that is no
 * greater or no whole block, or for a volume that is not ready; those of volume_find() and volume_unseal().
 */
int rotation_grow(const struct operation *operation, const struct admin_request *request, struct buffer *detail,
                  struct reason *why) MUST_CHECK;
