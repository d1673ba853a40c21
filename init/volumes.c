/*
 * Stage volumes: maps each released volume. Everything that decides comes from the signed record and the measured
 * configuration, which have to agree; nothing is read from the disk.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "init/devices.h"
#include "init/init.h"
#include "luks/crypt.h"

#define WAIT_MS 10000u

/* The record has to be the one for this volume, and of the kind that the image's builder asked for. */
static int check_record(const struct config_volume *wanted, const struct record *record, struct reason *why)
{
    if (strcmp(record->volume_id, wanted->id) != 0)
        return reason_set(why, -EBADMSG, "volume %s: the broker released the record of \"%s\"", wanted->id,
                          record->volume_id);
    if (strcmp(record->integrity, wanted->integrity) != 0)
        return reason_set(why, -EBADMSG, "volume %s: integrity is %s in the record, %s in the configuration",
                          wanted->id, record->integrity, wanted->integrity);
    if (record->state != RECORD_READY)
        return reason_set(why, -EBADMSG, "volume %s: the broker says that it was never initialised", wanted->id);
    return 0;
}

static int open_volume(struct boot *boot, size_t index)
{
    const struct config_volume *wanted = &boot->config.volumes[index];
    struct open_volume *volume = &boot->volumes[index];
    const struct crypt_volume mapping = { .name = wanted->id,
                                          .cipher = volume->record.cipher,
                                          .sector_size = volume->record.sector_size,
                                          .offset = volume->record.offset,
                                          .length = volume->record.length };
    CLEANUP_FD int disk = -1;
    int r = check_record(wanted, &volume->record, &boot->why);

    if (r < 0)
        return boot_refuse(boot, REFUSAL_VOLUME_RECORD, r);
    r = devices_open_disk(wanted->device, wanted->read_only, clock_ms() + WAIT_MS, &disk, &boot->why);
    if (r == 0)
        r = crypt_open(&mapping, disk, &volume->key, volume->path, &boot->why);
    secret_free(&volume->key);
    if (r < 0)
        return boot_refuse(boot, REFUSAL_VOLUME_OPEN, r);
    return wanted->read_only ? 0 : release_confirm_open(boot, index);
}

int stage_volumes(struct boot *boot)
{
    for (size_t i = 0; i < boot->config.volume_count; i++) {
        int r = open_volume(boot, i);

        if (r < 0)
            return r;
    }
    return 0;
}
