/*
 * Making a LUKS2 volume on the builder's machine: header and recovery keyslot by libcryptsetup, contents encrypted
 * here, since such machines need not have device-mapper. Stock cryptsetup opens the result with the recovery key; a
 * guest opens it by its record and never reads the header.
 */
#pragma once

#include "base/reason.h"
#include "base/secret.h"

/* Where the encrypted part starts: behind a LUKS2 header of the usual 16 MiB. */
#define CREATE_DATA_OFFSET_BYTES (16u * 1024 * 1024)
#define CREATE_SECTOR_BYTES 4096u
#define CREATE_KEY_BYTES 64u

struct create_volume {
    const char *path;              /* of the new disk image; made, or overwritten */
    const char *content;           /* file with the plain file system; a multiple of 4096 bytes */
    const struct secret *key;      /* the volume key, CREATE_KEY_BYTES */
    const struct secret *recovery; /* key of the one keyslot; NULL: a header without keyslots */
    void (*progress)(void *context, uint64_t done, uint64_t total); /* bytes; may be NULL */
    void *progress_context;
};

/*
 * Writes header, then contents, then syncs. ret_length is the contents' size. On failure the file is whatever it is:
 * the caller made it under a temporary name. Errors: -errno, -EINVAL for contents of an odd size; with a sentence.
 */
int create_volume(const struct create_volume *volume, uint64_t *ret_length, struct reason *why) MUST_CHECK;
