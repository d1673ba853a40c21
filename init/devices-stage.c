/*
 * Stage devices: the disks that the measured configuration names are opened once, and held until the stage that needs
 * them: what the host plugs in meanwhile is not looked at.
 */
#include <errno.h>

#include "init/devices.h"
#include "init/init.h"

#define WAIT_MS 10000u /* for all of them */

static int open_for(struct boot *boot, const char *device, bool read_only, uint64_t deadline_ms, enum refusal otherwise,
                    int *ret_fd)
{
    int r = devices_open_disk(device, read_only, deadline_ms, ret_fd, &boot->why);

    return r < 0 ? boot_refuse(boot,
                               r == -ENOTUNIQ ? REFUSAL_DEVICE_AMBIGUOUS
                               : r == -ENODEV ? REFUSAL_DEVICE_MISSING
                                              : otherwise,
                               r)
                 : 0;
}

int stage_devices(struct boot *boot)
{
    uint64_t deadline_ms = boot_deadline(boot, WAIT_MS);
    int r = open_for(boot, boot->config.root.device, true, deadline_ms, REFUSAL_ROOT, &boot->root_disk);

    for (size_t i = 0; r == 0 && i < boot->config.volume_count; i++) {
        const struct config_volume *volume = &boot->config.volumes[i];

        r = open_for(boot, volume->device, config_volume_is_read_only(volume), deadline_ms, REFUSAL_VOLUME_OPEN,
                     &boot->volumes[i].disk);
    }
    return r;
}
