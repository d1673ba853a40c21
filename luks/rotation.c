/* Rotations. Slots and log come from the host's disk and are authenticated; data passes through as it is. */
#include "luks/rotation.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/file.h"
#include "luks/derive.h"
#include "luks/header.h"
#include "luks/luks.h"
#include "luks/xts.h"

#define AUTHENTICATED_BYTES 136u
#define SLOTS 2u

int rotation_make_slot(const struct rotation_slot *slot, const struct secret *key,
                       uint8_t ret_bytes[ROTATION_TEXT_BYTES])
{
    uint8_t bytes[ROTATION_TEXT_BYTES] = { 0 };

    memcpy(bytes, "PSTNROT1", 8);
    put_u64le(bytes + 8, slot->sequence);
    put_u64le(bytes + 16, slot->epoch);
    put_u64le(bytes + 24, slot->done);
    put_u64le(bytes + 32, slot->logged);
    memcpy(bytes + 40, slot->digest, sizeof(slot->digest));
    memcpy(bytes + 72, slot->volume_id, strnlen(slot->volume_id, LABEL_ID_MAX_BYTES));
    if (!HMAC(EVP_sha256(), key->bytes, (int)key->size, bytes, AUTHENTICATED_BYTES, bytes + AUTHENTICATED_BYTES, NULL))
        return -ENOMEM;
    memcpy(ret_bytes, bytes, sizeof(bytes));
    return 0;
}

void rotation_free(struct rotation *rotation)
{
    secret_free(&rotation->key);
    fd_close(&rotation->disk);
    fd_close(&rotation->before);
    fd_close(&rotation->after);
    fd_close(&rotation->log);
    if (rotation->chunk)
        explicit_bzero(rotation->chunk, ROTATION_CHUNK_BYTES);
    free(rotation->chunk);
    rotation->chunk = NULL;
}

static int write_synced(int fd, uint64_t place, const void *data, size_t size)
{
    if (pwrite(fd, data, size, (off_t)place) != (ssize_t)size)
        return errno ? -errno : -EIO;
    return fsync(fd) < 0 ? -errno : 0;
}

/* Slots are written in turn, so that the one before stays whole. */
static int write_slot(struct rotation *rotation, const struct rotation_slot *slot)
{
    CLEANUP_FREE uint8_t *block = NULL;
    struct rotation_slot next = *slot;
    int r = memory_pages(ROTATION_SLOT_BYTES, &block);

    next.sequence = rotation->slot.sequence + 1;
    if (r == 0)
        r = rotation_make_slot(&next, &rotation->key, block);
    if (r == 0)
        r = write_synced(rotation->disk, rotation->log_place + next.sequence % SLOTS * ROTATION_SLOT_BYTES, block,
                         ROTATION_SLOT_BYTES);
    if (r == 0)
        rotation->slot = next;
    return r;
}

/* The newest slot of this volume and key; none: a rotation that starts. */
static int read_slots(struct rotation *rotation, struct reason *why)
{
    CLEANUP_FREE uint8_t *block = NULL;
    struct rotation_slot slot;
    int r = memory_pages(ROTATION_SLOT_BYTES, &block);

    if (r < 0)
        return r;
    rotation->fresh = true;
    memcpy(rotation->slot.volume_id, rotation->name, strnlen(rotation->name, LABEL_ID_MAX_BYTES));
    for (size_t i = 0; r == 0 && i < SLOTS; i++) {
        r = fd_read_at(rotation->disk, rotation->log_place + i * ROTATION_SLOT_BYTES, block, ROTATION_SLOT_BYTES);
        if (r < 0)
            return reason_set(why, r, "volume %s: the slots of its rotation cannot be read: %s", rotation->name,
                              strerror(-r));
        if (rotation_parse_slot(block, &rotation->key, &slot) < 0 || strcmp(slot.volume_id, rotation->name) != 0 ||
            (!rotation->fresh && slot.sequence < rotation->slot.sequence))
            continue;
        rotation->slot = slot;
        rotation->fresh = false;
    }
    if (rotation->slot.done > rotation->length || rotation->slot.logged > rotation->length - rotation->slot.done)
        return reason_set(why, -EKEYREJECTED, "volume %s: its rotation has got further than its record's length",
                          rotation->name);
    return 0;
}

static int digest_chunk(const struct rotation *rotation, size_t size, uint8_t ret_digest[32])
{
    return EVP_Digest(rotation->chunk, size, ret_digest, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

/* What the newest slot says is in the log goes to its place. */
static int replay(struct rotation *rotation, struct reason *why)
{
    struct rotation_slot next = rotation->slot;
    uint8_t digest[32];
    size_t size = (size_t)next.logged;
    int r = fd_read_at(rotation->log, 0, rotation->chunk, size);

    if (r == 0)
        r = digest_chunk(rotation, size, digest);
    if (r == 0 && memcmp(digest, next.digest, sizeof(digest)) != 0)
        return reason_set(why, -EKEYREJECTED, "volume %s: the log of its rotation is not what was written there",
                          rotation->name);
    if (r == 0)
        r = write_synced(rotation->after, next.done, rotation->chunk, size);
    next.done += next.logged;
    next.logged = 0;
    memset(next.digest, 0, sizeof(next.digest));
    if (r == 0)
        r = write_slot(rotation, &next);
    return r < 0 ? reason_set(why, r, "volume %s: its rotation cannot go on: %s", rotation->name, strerror(-r)) : 0;
}

static size_t chunk_size(const struct rotation *rotation)
{
    uint64_t left = rotation->length - rotation->slot.done;

    return left < ROTATION_CHUNK_BYTES ? (size_t)left : ROTATION_CHUNK_BYTES;
}

/* The chunk in memory: into the log, then to its place. */
static int move_chunk(struct rotation *rotation, size_t size, struct reason *why)
{
    struct rotation_slot next = rotation->slot;
    int r = digest_chunk(rotation, size, next.digest);

    next.logged = size;
    if (r == 0)
        r = write_synced(rotation->log, 0, rotation->chunk, size);
    if (r == 0)
        r = write_slot(rotation, &next);
    if (r < 0)
        return reason_set(why, r, "volume %s: its rotation cannot be logged: %s", rotation->name, strerror(-r));
    return replay(rotation, why);
}

static int read_chunk(struct rotation *rotation, size_t size, struct reason *why)
{
    int r = fd_read_at(rotation->before, rotation->slot.done, rotation->chunk, size);

    return r < 0 ? reason_set(why, r, "volume %s: it cannot be read at byte %llu: %s", rotation->name,
                              (unsigned long long)rotation->slot.done, strerror(-r))
                 : 0;
}

static void set_parts(struct rotation *rotation)
{
    rotation->join.parts[0].sectors = rotation->slot.done / SECTOR_BYTES;
    rotation->join.parts[1].sectors = (rotation->length - rotation->slot.done) / SECTOR_BYTES;
}

/* The header and keyslots of the old key go. */
static int wipe_header(struct rotation *rotation)
{
    uint64_t place = rotation->log_place + ROTATION_ROOM_BYTES - HEADER_DATA_OFFSET_BYTES;
    int r = 0;

    memset(rotation->chunk, 0, ROTATION_CHUNK_BYTES);
    for (uint64_t at = place; r == 0 && at < rotation->log_place; at += ROTATION_CHUNK_BYTES)
        r = write_synced(rotation->disk, at, rotation->chunk, ROTATION_CHUNK_BYTES);
    return r;
}

int rotation_step(struct rotation *rotation, struct reason *why)
{
    size_t size = chunk_size(rotation);
    struct reason ignored = { "" };
    int r;

    if (!size)
        return -ENODATA;
    if (size == rotation->length - rotation->slot.done) {
        r = wipe_header(rotation);
        if (r < 0)
            return reason_set(why, r, "volume %s: its header cannot be wiped: %s", rotation->name, strerror(-r));
    }
    r = dm_join_suspend(&rotation->join, why);
    if (r < 0)
        return r;
    r = read_chunk(rotation, size, why);
    if (r < 0)
        return dm_join_resume(&rotation->join, &ignored) < 0 ? -EIO : r;
    r = move_chunk(rotation, size, why);
    /* Half moved, the volume cannot go on: the chunk is in the log, and the next launch ends the move. */
    if (r < 0)
        return r;
    set_parts(rotation);
    return dm_join_change(&rotation->join, why);
}

int rotation_take_epoch(struct rotation *rotation, uint64_t epoch, struct reason *why)
{
    struct rotation_slot next = rotation->slot;
    int r;

    next.epoch = epoch;
    r = write_slot(rotation, &next);
    return r < 0 ? reason_set(why, r, "volume %s: its rotation cannot be noted: %s", rotation->name, strerror(-r)) : 0;
}

int rotation_begin(struct rotation *rotation, const struct secret *keys, struct reason *why)
{
    const struct secret new_key = { keys->bytes, keys->size / 2 };
    const struct secret old_key = { keys->bytes + keys->size / 2, keys->size / 2 };
    CLEANUP_SECRET struct secret new_label_key = SECRET_NONE, old_label_key = SECRET_NONE;
    size_t size = chunk_size(rotation);
    struct label label;
    int r = read_chunk(rotation, size, why);

    if (r == 0)
        r = label_derive_key(&old_key, &old_label_key);
    if (r == 0)
        r = label_derive_key(&new_key, &new_label_key);
    if (r == 0)
        r = label_parse(rotation->chunk, &old_label_key, &label);
    if (r == 0)
        r = label_make(&label, &new_label_key, rotation->chunk);
    if (r < 0)
        return reason_set(why, r, "volume %s: its label cannot be made anew: %s", rotation->name, strerror(-r));
    r = dm_join_suspend(&rotation->join, why);
    if (r == 0)
        r = move_chunk(rotation, size, why);
    if (r < 0)
        return r;
    set_parts(rotation);
    return dm_join_change(&rotation->join, why);
}

/* ---- opening */

static int open_direct(const char *path, int *ret_fd)
{
    int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

/* "NAME.SUFFIX", the volume itself but for that. */
static struct crypt_volume part_of(const struct crypt_volume *volume, const char *suffix,
                                   char ret_name[DM_MAX_NAME_BYTES])
{
    struct crypt_volume part = *volume;

    (void)snprintf(ret_name, DM_MAX_NAME_BYTES, "%s.%s", volume->name, suffix);
    part.name = ret_name;
    return part;
}

static int open_log(const struct crypt_volume *volume, int disk, const struct secret *new_key,
                    struct rotation *rotation, struct reason *why)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    char name[DM_MAX_NAME_BYTES], path[32];
    struct crypt_volume log = part_of(volume, "log", name);
    int r = derive_key(new_key, "postern rotation log", XTS_KEY_BYTES, &key);

    log.integrity = "none";
    log.sector_size = ROTATION_SLOT_BYTES;
    log.offset = rotation->log_place + SLOTS * ROTATION_SLOT_BYTES;
    log.length = ROTATION_CHUNK_BYTES;
    if (r == 0)
        r = crypt_open(&log, disk, &key, path, why);
    return r < 0 ? r : open_direct(path, &rotation->log);
}

/* One of the two mappings over the volume's sectors. */
static int open_half(const struct crypt_volume *volume, const char *suffix, const char *below,
                     const struct secret *key, char ret_device[32], int *ret_fd, struct reason *why)
{
    char name[DM_MAX_NAME_BYTES], path[32];
    struct crypt_volume half = part_of(volume, suffix, name);
    uint64_t bytes = 0;
    int r = crypt_map(&half, below, key, path, why);

    if (r == 0)
        r = open_direct(path, ret_fd);
    return r < 0 ? r : dm_describe_device(*ret_fd, ret_device, &bytes);
}

static int map_all(const struct crypt_volume *volume, int disk, const struct secret keys[2], struct rotation *rotation,
                   char ret_path[32], struct reason *why)
{
    char below[32];
    int r = crypt_open_below(volume, disk, below, why);

    if (r == 0)
        r = open_half(volume, "new", below, &keys[0], rotation->join.parts[0].device, &rotation->after, why);
    if (r == 0)
        r = open_half(volume, "old", below, &keys[1], rotation->join.parts[1].device, &rotation->before, why);
    if (r == 0)
        r = open_log(volume, disk, &keys[0], rotation, why);
    if (r == 0 && rotation->slot.logged)
        r = replay(rotation, why);
    set_parts(rotation);
    return r < 0 ? r : dm_join_create(&rotation->join, ret_path, why);
}

static int prepare(const struct crypt_volume *volume, int disk, const struct secret *new_key,
                   struct rotation *rotation, struct reason *why)
{
    int flags, r;

    if (volume->offset < HEADER_DATA_OFFSET_BYTES || volume->read_only || strlen(volume->name) > LABEL_ID_MAX_BYTES)
        return reason_set(why, -EINVAL, "volume %s: there is no room for a rotation before its data", volume->name);
    memcpy(rotation->name, volume->name, strlen(volume->name) + 1);
    rotation->join.name = rotation->name;
    rotation->length = volume->length;
    rotation->log_place = volume->offset - ROTATION_ROOM_BYTES;
    rotation->disk = fcntl(disk, F_DUPFD_CLOEXEC, 3);
    flags = rotation->disk < 0 ? -1 : fcntl(rotation->disk, F_GETFL);
    if (flags < 0 || fcntl(rotation->disk, F_SETFL, flags | O_DIRECT) < 0)
        return -errno;
    r = memory_pages(ROTATION_CHUNK_BYTES, &rotation->chunk);
    if (r == 0)
        r = derive_key(new_key, "postern rotation", ROTATION_KEY_BYTES, &rotation->key);
    return r < 0 ? r : read_slots(rotation, why);
}

int rotation_open(const struct crypt_volume *volume, int disk, const struct secret *keys, struct rotation *ret_rotation,
                  char ret_path[32], struct reason *why)
{
    CLEANUP(rotation_free) struct rotation rotation = ROTATION_NONE;
    const struct secret halves[2] = { { keys->bytes, keys->size / 2 },
                                      { keys->bytes + keys->size / 2, keys->size / 2 } };
    int r = prepare(volume, disk, &halves[0], &rotation, why), closed;

    if (r < 0)
        return r;
    if (rotation.slot.done == rotation.length) {
        r = crypt_open(volume, disk, &halves[0], ret_path, why);
    } else {
        r = map_all(volume, disk, halves, &rotation, ret_path, why);
        if (r < 0) {
            fd_close(&rotation.before);
            fd_close(&rotation.after);
            fd_close(&rotation.log);
            closed = crypt_close(volume->name);
            if (closed < 0 && closed != -ENXIO)
                reason_prefix(why, "mapping left behind");
        }
    }
    if (r < 0)
        return r;
    *ret_rotation = rotation;
    ret_rotation->join.name = ret_rotation->name;
    rotation = (struct rotation)ROTATION_NONE;
    return 0;
}
