/*
 * Taking over a LUKS2 disk that others made, on its owner's machine: its header is held against the allow-list, its
 * volume key comes out of a keyslot, and what a guest needs to open it is told. The disk's bytes may be anybody's.
 */
#pragma once

#include "base/reason.h"
#include "base/secret.h"
#include "luks/header.h"

struct adopt_volume {
    struct header header;
    uint8_t header_mac[HEADER_MAC_BYTES];
    struct secret key;
    uint64_t length;        /* bytes */
    uint64_t layout_length; /* luks/integrity.h */
};

/*
 * The header and its keyslots are read once, `offset` bytes into the disk, into memory; allow-list, MAC and
 * libcryptsetup all see that copy. The library's own view of it has to be ours. The caller frees with adopt_free().
 * Errors: -EBADMSG refused by the list or seen otherwise by the library, -EKEYREJECTED the passphrase opens nothing,
 * -ENODATA too short,
 * -errno; with a sentence.
 */
int adopt_volume(int disk, uint64_t offset, const char *id, const struct secret *passphrase,
                 struct adopt_volume *ret_volume, struct reason *why) MUST_CHECK;

void adopt_free(struct adopt_volume *volume);
