/*
 * Moving a volume to another key, in place, while it is in use. With and without tags alike: both keys are mapped over
 * the same sectors, and the volume is joined of the part that is under the new key, from its start on, and the rest,
 * which is under the old one. Step by step a chunk is read through the old mapping and written through the new one.
 *
 * The host may cut the power at any write and controls what stands on the disk. What is needed to go on stands in the
 * 4 MiB before the volume's data, in the room that LUKS2 leaves to keyslots:
 *
 *     two slots of 4096 bytes, written in turn; the one with the higher sequence number counts:
 *         bytes 0..7      "PSTNROT1"
 *         bytes 8..15     sequence number, little-endian like all that follow
 *         bytes 16..23    epoch of the launch that wrote it
 *         bytes 24..31    bytes of the volume that are under the new key
 *         bytes 32..39    bytes of the chunk behind them that is in the log; 0: none
 *         bytes 40..71    SHA-256 of that chunk
 *         bytes 72..135   volume id, padded with zeros
 *         bytes 136..167  HMAC-SHA-256 over bytes 0..135; its key is HKDF-SHA-256 of the new volume key without salt,
 *                         with the info "postern rotation"
 *     the log: one chunk, encrypted like a volume without tags under the key that follows by HKDF with the info
 *     "postern rotation log"
 *
 * A chunk is written to the log, then a slot says so, then the chunk is written to its place, then a slot says that it
 * is there; each is synced before the next, and no one else writes to the volume meanwhile. Whatever is cut, one slot
 * is whole, and what it says can be done again. Before the last chunk the disk's LUKS2 header and its keyslots, which
 * are for the old key, are wiped. A slot of an earlier launch than the volume's label is refused.
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"
#include "base/secret.h"
#include "luks/crypt.h"
#include "luks/dm-join.h"
#include "luks/header.h"
#include "luks/label.h"

#define ROTATION_ROOM_BYTES (4u * 1024 * 1024)
#define ROTATION_SLOT_BYTES 4096u
#define ROTATION_CHUNK_BYTES (1024u * 1024)
#define ROTATION_TEXT_BYTES 168u
#define ROTATION_KEY_BYTES 32u

struct rotation_slot {
    uint64_t sequence, epoch, done, logged;
    uint8_t digest[32];
    char volume_id[LABEL_ID_MAX_BYTES + 1];
};

/* Errors: -ENOMEM. */
int rotation_make_slot(const struct rotation_slot *slot, const struct secret *key,
                       uint8_t ret_bytes[ROTATION_TEXT_BYTES]) MUST_CHECK;

/*
 * Errors: -ENODATA nothing of that kind, -EKEYREJECTED one of another key, or changed; -EBADMSG numbers that do not
 * fit.
 */
int rotation_parse_slot(const uint8_t bytes[ROTATION_TEXT_BYTES], const struct secret *key,
                        struct rotation_slot *ret_slot) MUST_CHECK;

/* A rotation that is on its way. */
struct rotation {
    char name[DM_MAX_NAME_BYTES];
    uint64_t length, log_place; /* bytes */
    struct rotation_slot slot;  /* the newest */
    bool fresh;                 /* no slot was found: it starts now */
    struct secret key;          /* of slots */
    int disk, before, after, log; /* descriptors; their mappings are NAME.old, NAME.new, NAME.log */
    struct dm_join join;
    uint8_t *chunk;
};

#define ROTATION_NONE { .key = SECRET_NONE, .disk = -1, .before = -1, .after = -1, .log = -1 }

/*
 * Maps a volume that rotates, at ret_path; what a cut left in the log is done first. `keys`: the new key, and behind it
 * the one before, as records have them. When all of it is under the new key already, the volume is mapped as
 * crypt_open() does and nothing is left to do: rotation->slot.done is its length. The disk's descriptor is duplicated.
 * After an error nothing stays mapped. Errors: those of crypt_open(); -EINVAL for a volume without the room;
 * -EKEYREJECTED for a log that is not what was written.
 */
int rotation_open(const struct crypt_volume *volume, int disk, const struct secret *keys, struct rotation *ret_rotation,
                  char ret_path[32], struct reason *why) MUST_CHECK;

/* Writes a slot for a launch with that epoch, before the label gets it. Errors: -errno. */
int rotation_take_epoch(struct rotation *rotation, uint64_t epoch, struct reason *why) MUST_CHECK;

/*
 * The first step, while nobody uses the volume: the chunk that holds the label, whose MAC is made anew for the new key.
 * Errors: -errno.
 */
int rotation_begin(struct rotation *rotation, const struct secret *keys, struct reason *why) MUST_CHECK;

/*
 * One step, of a volume that may be in use. Errors: -ENODATA when there is none left; -errno: the volume goes on as it
 * is, or, when the step was half done, is stopped until another launch has ended it.
 */
int rotation_step(struct rotation *rotation, struct reason *why) MUST_CHECK;

/* Closes descriptors and wipes the key; the mappings stay. */
void rotation_free(struct rotation *rotation);
