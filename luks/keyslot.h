/*
 * Opening a LUKS2 keyslot with a passphrase, for disks that others made: the key derivation that the header names, the
 * keyslot's area decrypted, its 4000 stripes merged (LUKS2 On-Disk Format Specification 1.1.1, section 3.2 and 3.3).
 *
 * The host wrote header and area. What comes out without the passphrase being right is random bytes: header_check_key()
 * has to accept the key before it is used for anything.
 */
#pragma once

#include "base/reason.h"
#include "base/secret.h"
#include "luks/header.h"

/*
 * The key that the area of an accepted header holds. `offset`: where on the disk the header starts, bytes. Argon2id
 * takes the memory that the header asks for, at most HEADER_KDF_MEMORY_MOST_KIB. Errors: -ENOENT no keyslot, -ENOMEM
 * also for a key derivation that this guest has not the memory for, -errno of reading; with a sentence.
 */
int keyslot_open(int disk, uint64_t offset, const struct header *header, const struct secret *passphrase,
                 struct secret *ret_key, struct reason *why) MUST_CHECK;
