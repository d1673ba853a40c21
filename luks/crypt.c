/* dm-crypt volumes. The disk is the host's; its size is the one thing that is asked of it. */
#include "luks/crypt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "luks/keyring.h"
#include "luks/luks.h"

#define XTS_KEY_BYTES 64u

int crypt_table(const struct crypt_volume *volume, const char *device, size_t key_size, struct dm_table *ret_table)
{
    struct dm_table table = { .target = "crypt", .sectors = volume->length / SECTOR_BYTES };
    int length;

    if (strcmp(volume->cipher, "aes-xts-plain64") != 0 || key_size != XTS_KEY_BYTES ||
        (volume->sector_size != 512 && volume->sector_size != 4096) || !volume->length ||
        volume->length % volume->sector_size || volume->offset % volume->sector_size ||
        strlen(volume->name) >= sizeof(table.name))
        return -EINVAL;
    memcpy(table.name, volume->name, strlen(volume->name) + 1);
    /* The kernel shows no sector_size for the default of 512, and the live table is compared word by word. */
    length = snprintf(table.parameters, sizeof(table.parameters), "%s :%zu:logon:" KEYRING_PREFIX "%s 0 %s %llu%s",
                      volume->cipher, key_size, volume->name, device,
                      (unsigned long long)(volume->offset / SECTOR_BYTES),
                      volume->sector_size == 4096 ? " 1 sector_size:4096" : "");
    if (length < 0 || (size_t)length >= sizeof(table.parameters))
        return -EINVAL;
    *ret_table = table;
    return 0;
}

int crypt_open(const struct crypt_volume *volume, int disk, const struct secret *key, char ret_path[32],
               struct reason *why)
{
    char device[32], description[sizeof(KEYRING_PREFIX) + DM_MAX_NAME_BYTES];
    struct dm_table table;
    uint64_t bytes = 0, end = 0;
    int32_t serial = 0;
    int r, dropped;

    r = dm_describe_device(disk, device, &bytes);
    if (r < 0)
        return reason_set(why, r, "volume %s: its disk is not a block device: %s", volume->name, strerror(-r));
    if (__builtin_add_overflow(volume->offset, volume->length, &end) || end > bytes)
        return reason_set(why, -ENOSPC, "volume %s: its disk has %llu bytes, the record wants %llu", volume->name,
                          (unsigned long long)bytes, (unsigned long long)end);
    r = crypt_table(volume, device, key->size, &table);
    if (r < 0)
        return reason_set(why, r, "volume %s: cipher or geometry is not supported", volume->name);
    (void)snprintf(description, sizeof(description), KEYRING_PREFIX "%s", volume->name);
    r = keyring_add(description, key, &serial);
    if (r < 0)
        return reason_set(why, r, "volume %s: the kernel does not take its key: %s", volume->name, strerror(-r));
    r = dm_create(&table, ret_path, why);
    dropped = keyring_drop(serial);
    if (r == 0 && dropped < 0) {
        r = reason_set(why, dropped, "volume %s: its key cannot be removed from the keyring", volume->name);
        if (dm_remove(table.name) < 0)
            reason_prefix(why, "mapping left behind");
    }
    return r;
}
