/*
 * Making a LUKS2 volume on the builder's machine: header, tags and contents are written here, since such machines need
 * not have device-mapper; libcryptsetup adds the recovery keyslot. Stock cryptsetup opens the result with the recovery
 * key; a guest opens it by its record and never reads the header.
 */
#pragma once

#include "base/reason.h"
#include "base/secret.h"
#include "luks/header.h"

/* Where the encrypted part starts: behind a LUKS2 header of the usual 16 MiB. */
#define CREATE_DATA_OFFSET_BYTES (16u * 1024 * 1024)
#define CREATE_SECTOR_BYTES 4096u

struct create_volume {
    const char *path;              /* of the new disk image; made, or overwritten; or a block device */
    const char *id;                /* for its label */
    const char *content;           /* file or block device with the plain file system, whole blocks; NULL: none */
    bool relabel;                  /* the content has a volume's label, which the new one takes the place of */
    uint64_t length;               /* of an empty volume, bytes */
    const char *integrity;         /* "hmac(sha256)" or "none" */
    const struct secret *key;      /* the volume key, create_key_bytes() */
    const struct secret *recovery; /* key of the one keyslot; NULL: a header without keyslots */
    void (*progress)(void *context, uint64_t done, uint64_t total); /* bytes; may be NULL */
    void *progress_context;
};

/* Size of the volume key, 0 for an integrity that there is not. */
size_t create_key_bytes(const char *integrity);

/*
 * Writes header, then contents with the volume's label, then syncs. An empty volume is header and space: a guest
 * formats it. ret_length is the volume's size, ret_header_mac is for its record (luks/header.h). On failure the file is
 * whatever it is: the caller made it under a temporary name. Errors: -errno, -EINVAL for contents of an odd size; with
 * a sentence.
 */
int create_volume(const struct create_volume *volume, uint64_t *ret_length, uint8_t ret_header_mac[HEADER_MAC_BYTES],
                  struct reason *why) MUST_CHECK;
