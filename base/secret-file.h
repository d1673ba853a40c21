/* Files that hold keys: read straight into a secret, and only when nobody else can read them. */
#pragma once

#include "base/base.h"
#include "base/reason.h"
#include "base/secret.h"

/*
 * The whole regular file, 1 to `max` bytes. Refused when group or others may read or write it: a key that others have
 * seen is none. Errors: -EACCES for such permissions, -EFBIG, -ENODATA empty or shrinking, -EINVAL not a regular file,
 * -ENOMEM, -errno; the sentence is in `why`.
 */
int secret_file_read(const char *path, size_t max, struct secret *ret_secret, struct reason *why) MUST_CHECK;

/* The same from a descriptor that is open, from its start; `name` is for the sentence. */
int secret_fd_read(int fd, const char *name, size_t max, struct secret *ret_secret, struct reason *why) MUST_CHECK;
