/*
 * The label at the start of a volume's plain text: which volume this is and of which epoch, authenticated by a key
 * that follows from the volume key. Reading it is how a guest learns that the right disk was opened with the right key,
 * also without tags. It lies in the 1024 bytes that ext4 leaves to boot loaders.
 *
 *     bytes 0..7     "PSTNLBL2"
 *     bytes 8..15    epoch, little-endian
 *     bytes 16..79   volume id, padded with zeros
 *     bytes 80..87   how many bytes of the volume are in use, little-endian: less than its length while it grows
 *     bytes 88..119  HMAC-SHA-256 over bytes 0..87; its key is HKDF-SHA-256 of the volume key without salt, with the
 *                    info "postern volume label"
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"
#include "base/secret.h"

#define LABEL_BYTES 120u
#define LABEL_ROOM_BYTES 1024u
#define LABEL_BLOCK_BYTES 4096u
#define LABEL_ID_MAX_BYTES 63
#define LABEL_KEY_BYTES 32u

struct label {
    char volume_id[LABEL_ID_MAX_BYTES + 1];
    uint64_t epoch;
    uint64_t length;
};

/* The key for labels. Errors: -ENOMEM. */
int label_derive_key(const struct secret *volume_key, struct secret *ret_key) MUST_CHECK;

/* Errors: -ENOMEM. */
int label_make(const struct label *label, const struct secret *key, uint8_t ret_bytes[LABEL_BYTES]) MUST_CHECK;

/*
 * Errors: -ENODATA nothing of that kind, -EKEYREJECTED one that was made with another key or changed, -EBADMSG an id
 * that is none, -ENOMEM.
 */
int label_parse(const uint8_t bytes[LABEL_BYTES], const struct secret *key, struct label *ret_label) MUST_CHECK;

/*
 * The label of the volume that is open behind a descriptor, read past the page cache; and writing it, synced, with the
 * rest of its block as it was. Errors: as label_parse(), -errno; -EILSEQ and -EIO where tags do not match.
 */
int label_read(int volume, const struct secret *key, struct label *ret_label) MUST_CHECK;
int label_write(int volume, const struct secret *key, const struct label *label) MUST_CHECK;
