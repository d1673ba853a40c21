/*
 * Opening an encrypted volume: dm-crypt with pinned cipher, place, length and sector size; with tags on dm-integrity,
 * whose layout follows from the length.
 */
#pragma once

#include "base/reason.h"
#include "base/secret.h"
#include "luks/dm.h"

struct crypt_volume {
    const char *name;      /* of the mapping; [a-z0-9-]; that of the tags below it has ".tags" behind */
    const char *cipher;    /* "aes-xts-plain64" */
    const char *integrity; /* "none", or "hmac(sha256)" with sectors of 4096 bytes */
    uint32_t sector_size;
    uint64_t offset; /* bytes */
    uint64_t length; /* bytes */
    uint64_t layout_length; /* bytes; what the volume was made with: where its tags lie follows from it */
    bool read_only;  /* not with tags: their journal is replayed */
};

/*
 * The table for a volume on `device` ("MAJOR:MINOR", with tags that of dm-integrity) with the key of `key_size` bytes
 * named in the keyring. Errors: -EINVAL for a cipher or geometry outside the allow-list.
 */
int crypt_table(const struct crypt_volume *volume, const char *device, size_t key_size, struct dm_table *ret_table)
    MUST_CHECK;

/*
 * Maps the volume on the opened disk. The disk's size is read once and must hold all of the volume. The key is in the
 * keyring during the call alone; it stays the caller's, who wipes it. A wrong key is not noticed here: the caller reads
 * the label. With tags: -ENOMEDIUM when there is no integrity superblock, and nothing is written then; -EBADMSG for one
 * of another layout. Errors: -ENOSPC for a disk that is too small, -EINVAL, those of dm_create().
 */
int crypt_open(const struct crypt_volume *volume, int disk, const struct secret *key, char ret_path[32],
               struct reason *why) MUST_CHECK;

/*
 * The two halves of crypt_open(), for who maps a volume's sectors more than once (luks/rotation.h): what dm-crypt is
 * put on ("MAJOR:MINOR": the disk, with tags the mapping "NAME.tags", checked as above), and dm-crypt on it. Errors as
 * crypt_open().
 */
int crypt_open_below(const struct crypt_volume *volume, int disk, char ret_device[32], struct reason *why) MUST_CHECK;
int crypt_map(const struct crypt_volume *volume, const char *device, const struct secret *key, char ret_path[32],
              struct reason *why) MUST_CHECK;

/* Removes a volume's mappings, those of a rotation included. Errors: -EBUSY while it is in use, -errno. */
int crypt_close(const char *name) MUST_CHECK;
