/*
 * Opening an encrypted volume from its record: dm-crypt with pinned cipher, place, length and sector size.
 */
#pragma once

#include "base/reason.h"
#include "base/secret.h"
#include "luks/dm.h"

struct crypt_volume {
    const char *name;   /* of the mapping; [a-z0-9-] */
    const char *cipher; /* "aes-xts-plain64" */
    uint32_t sector_size;
    uint64_t offset; /* bytes */
    uint64_t length; /* bytes */
};

/*
 * The table for a volume on `device` ("MAJOR:MINOR") with the key of `key_size` bytes named in the keyring. Errors:
 * -EINVAL for a cipher or geometry outside the allow-list.
 */
int crypt_table(const struct crypt_volume *volume, const char *device, size_t key_size, struct dm_table *ret_table)
    MUST_CHECK;

/*
 * Maps the volume on the opened disk. The disk's size is read once and must hold offset and length. The key is in the
 * keyring during the call alone; it stays the caller's, who wipes it. A wrong key is not noticed here: XTS has no tags.
 * Errors: -ENOSPC for a disk that is too small, -EINVAL, those of dm_create().
 */
int crypt_open(const struct crypt_volume *volume, int disk, const struct secret *key, char ret_path[32],
               struct reason *why) MUST_CHECK;
