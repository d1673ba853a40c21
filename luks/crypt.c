/* dm-crypt volumes. The disk is the host's; its size and, with tags, one block are all that is asked of it. */
#include "luks/crypt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "luks/aead.h"
#include "luks/integrity.h"
#include "luks/keyring.h"
#include "luks/luks.h"
#include "luks/xts.h"

static bool has_tags(const struct crypt_volume *volume)
{
    return strcmp(volume->integrity, "none") != 0;
}

static bool is_possible(const struct crypt_volume *volume, size_t key_size)
{
    if (strcmp(volume->cipher, "aes-xts-plain64") != 0 || !volume->length || volume->offset % volume->sector_size ||
        volume->length % volume->sector_size || strlen(volume->name) >= DM_MAX_NAME_BYTES)
        return false;
    if (has_tags(volume))
        return strcmp(volume->integrity, "hmac(sha256)") == 0 && key_size == AEAD_KEY_BYTES &&
               volume->sector_size == INTEGRITY_BLOCK_BYTES && !volume->read_only;
    return key_size == XTS_KEY_BYTES && (volume->sector_size == 512 || volume->sector_size == 4096);
}

int crypt_table(const struct crypt_volume *volume, const char *device, size_t key_size, struct dm_table *ret_table)
{
    struct dm_table table = { .target = "crypt", .read_only = volume->read_only };
    bool tags = has_tags(volume);
    int length;

    if ((volume->sector_size != 512 && volume->sector_size != 4096) || !is_possible(volume, key_size))
        return -EINVAL;
    table.sectors = volume->length / SECTOR_BYTES;
    memcpy(table.name, volume->name, strlen(volume->name) + 1);
    /* The kernel shows no sector_size for the default of 512, and the live table is compared word by word. */
    length = snprintf(table.parameters, sizeof(table.parameters), "%s :%zu:logon:" KEYRING_PREFIX "%s 0 %s %llu%s",
                      tags ? "capi:authenc(hmac(sha256),xts(aes))-plain64" : volume->cipher, key_size, volume->name,
                      device, tags ? 0 : (unsigned long long)(volume->offset / SECTOR_BYTES),
                      tags                          ? " 2 integrity:32:aead sector_size:4096"
                      : volume->sector_size == 4096 ? " 1 sector_size:4096"
                                                    : "");
    if (length < 0 || (size_t)length >= sizeof(table.parameters))
        return -EINVAL;
    *ret_table = table;
    return 0;
}

/* The key goes into the keyring, the mapping is made, the key goes out of it again. */
int crypt_map(const struct crypt_volume *volume, const char *device, const struct secret *key, char ret_path[32],
              struct reason *why)
{
    char description[sizeof(KEYRING_PREFIX) + DM_MAX_NAME_BYTES];
    struct dm_table table;
    int32_t serial = 0;
    int r = crypt_table(volume, device, key->size, &table), dropped;

    if (r < 0)
        return reason_set(why, r, "volume %s: cipher or geometry is not supported", volume->name);
    (void)snprintf(description, sizeof(description), KEYRING_PREFIX "%s", volume->name);
    r = keyring_add(description, key, &serial);
    if (r < 0)
        return reason_set(why, r, "volume %s: the kernel does not take its key: %s", volume->name, strerror(-r));
    r = dm_create(&table, ret_path, NULL, why);
    dropped = keyring_drop(serial);
    if (r == 0 && dropped < 0) {
        r = reason_set(why, dropped, "volume %s: its key cannot be removed from the keyring", volume->name);
        if (dm_remove(table.name) < 0)
            reason_prefix(why, "mapping left behind");
    }
    return r;
}

static void name_of_tags(const char *name, char ret_name[DM_MAX_NAME_BYTES + 8])
{
    (void)snprintf(ret_name, DM_MAX_NAME_BYTES + 8, "%s.tags", name);
}

/* The block that the kernel would read. An absent superblock would make it format: that never happens here. */
static int check_superblock(const struct crypt_volume *volume, const struct integrity_layout *layout, int disk,
                            struct reason *why)
{
    CLEANUP_FREE uint8_t *block = NULL;
    int flags = fcntl(disk, F_GETFL), r = memory_pages(INTEGRITY_SUPERBLOCK_BYTES, &block);

    if (r < 0)
        return r;
    if (flags < 0 || fcntl(disk, F_SETFL, flags | O_DIRECT) < 0)
        return -errno;
    r = fd_read_at(disk, volume->offset, block, INTEGRITY_SUPERBLOCK_BYTES);
    if (r < 0)
        return reason_set(why, r, "volume %s: its integrity superblock cannot be read: %s", volume->name,
                          strerror(-r));
    r = integrity_check_superblock(block, layout, why);
    if (r < 0)
        reason_prefix(why, volume->name);
    return r;
}

/* The mapping with the tags; ret_device is its "MAJOR:MINOR". What the kernel made of the superblock is compared. */
static int map_tags(const struct crypt_volume *volume, const struct integrity_layout *layout, const char *device,
                    char ret_device[32], struct reason *why)
{
    char name[DM_MAX_NAME_BYTES + 8], path[32], status[128] = "";
    unsigned long long mismatches = 1, provided = 0;
    struct dm_table table;
    char *end;
    int r;

    name_of_tags(volume->name, name);
    r = integrity_table(name, layout, device, volume->offset, &table);
    if (r < 0)
        return reason_set(why, r, "volume %s: its tags' layout is not possible", volume->name);
    r = dm_create(&table, path, ret_device, why);
    if (r < 0)
        return r;
    /* "0 PROVIDED -": mismatches, sectors, and no recalculation. */
    r = dm_read_status(name, status);
    if (r == 0) {
        mismatches = strtoull(status, &end, 10);
        provided = strtoull(end, &end, 10);
        if (mismatches || provided < layout->provided || strcmp(end, " -") != 0)
            r = reason_set(why, -EKEYREJECTED, "volume %s: its tags' status is \"%s\"", volume->name, status);
    }
    if (r < 0 && dm_remove(name) < 0)
        reason_prefix(why, "mapping left behind");
    return r;
}

/* What dm-crypt is put on: with tags dm-integrity's mapping, otherwise the disk itself. */
int crypt_open_below(const struct crypt_volume *volume, int disk, char ret_device[32], struct reason *why)
{
    struct integrity_layout layout;
    uint64_t bytes = 0, end = 0;
    char device[32];
    int r = dm_describe_device(disk, device, &bytes);

    if (r < 0)
        return reason_set(why, r, "volume %s: its disk is not a block device: %s", volume->name, strerror(-r));
    if (__builtin_add_overflow(volume->offset, volume->length, &end) || end > bytes)
        return reason_set(why, -ENOSPC, "volume %s: its disk has %llu bytes, the record wants %llu", volume->name,
                          (unsigned long long)bytes, (unsigned long long)end);
    if (!has_tags(volume)) {
        memcpy(ret_device, device, sizeof(device));
        return 0;
    }
    r = integrity_make_layout(volume->length, volume->layout_length, &layout);
    if (r < 0)
        return reason_set(why, r, "volume %s: it cannot have %llu bytes", volume->name,
                          (unsigned long long)volume->length);
    if (__builtin_add_overflow(volume->offset, layout.end * SECTOR_BYTES, &end) || end > bytes)
        return reason_set(why, -ENOSPC, "volume %s: its disk has %llu bytes, record and tags want %llu", volume->name,
                          (unsigned long long)bytes, (unsigned long long)end);
    r = check_superblock(volume, &layout, disk, why);
    return r < 0 ? r : map_tags(volume, &layout, device, ret_device, why);
}

int crypt_open(const struct crypt_volume *volume, int disk, const struct secret *key, char ret_path[32],
               struct reason *why)
{
    char below[32], name[DM_MAX_NAME_BYTES + 8];
    struct dm_table possible;
    /* Before anything is mapped. */
    int r = crypt_table(volume, "0:0", key->size, &possible);

    if (r < 0)
        return reason_set(why, r, "volume %s: cipher or geometry is not supported", volume->name);
    r = crypt_open_below(volume, disk, below, why);
    if (r < 0)
        return r;
    r = crypt_map(volume, below, key, ret_path, why);
    name_of_tags(volume->name, name);
    if (r < 0 && has_tags(volume) && dm_remove(name) < 0)
        reason_prefix(why, "mapping left behind");
    return r;
}

/* From the top down; most volumes do not have them all. */
int crypt_close(const char *name)
{
    static const char *const suffixes[] = { "", ".new", ".old", ".log", ".tags" };
    int result = 0;

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        char part[DM_MAX_NAME_BYTES + 8];
        int r;

        (void)snprintf(part, sizeof(part), "%s%s", name, suffixes[i]);
        r = dm_remove(part);
        if (r < 0 && (i == 0 || r != -ENXIO) && result == 0)
            result = r;
    }
    return result;
}
