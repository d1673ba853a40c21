/*
 * Stage devices, and opening disks. Which disks there are, and what they call themselves, is up to the host; what is on
 * them is authenticated later, so a swapped disk is a refusal, never another volume.
 */
#include "init/devices.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "init/init.h"

#define BLOCK_CLASS "/sys/block"
#define BLOCK_NUMBERS "/sys/dev/block"
#define WAIT_MS 10000u
#define POLL_MS 10u

/* Whether the disk of that sysfs folder says that it has this serial. */
static bool serial_is(const char *folder, const char *serial)
{
    CLEANUP_FREE uint8_t *text = NULL;
    char path[128];
    size_t size = 0;

    (void)snprintf(path, sizeof(path), "%s/serial", folder);
    if (file_read(path, 64, &text, &size, NULL) < 0)
        return false;
    text[strcspn((char *)text, "\n")] = '\0';
    return strcmp((char *)text, serial) == 0;
}

/* The kernel's name of the disk with that serial. */
static int find(const char *serial, char ret_disk[64])
{
    DIR *directory = opendir(BLOCK_CLASS);
    struct dirent *entry;
    size_t found = 0;

    if (!directory)
        return -errno;
    while ((entry = readdir(directory))) {
        char folder[sizeof(BLOCK_CLASS) + 64];

        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= 64)
            continue;
        (void)snprintf(folder, sizeof(folder), BLOCK_CLASS "/%s", entry->d_name);
        if (!serial_is(folder, serial))
            continue;
        memcpy(ret_disk, entry->d_name, strlen(entry->d_name) + 1);
        found++;
    }
    (void)closedir(directory);
    return found == 1 ? 0 : found ? -ENOTUNIQ : -ENODEV;
}

static int wait_for(const char *serial, uint64_t deadline_ms, char ret_disk[64], struct reason *why)
{
    int r;

    while ((r = find(serial, ret_disk)) == -ENODEV && clock_left_ms(deadline_ms))
        clock_sleep_ms(POLL_MS);
    if (r == -ENODEV)
        return reason_set(why, r, "no disk with the serial \"%s\"", serial);
    if (r == -ENOTUNIQ)
        return reason_set(why, r, "two disks with the serial \"%s\"", serial);
    return r < 0 ? reason_set(why, r, BLOCK_CLASS ": %s", strerror(-r)) : 0;
}

int devices_open_disk(const char *serial, bool read_only, uint64_t deadline_ms, int *ret_fd, struct reason *why)
{
    char disk[64] = "", path[80];
    struct stat status;
    CLEANUP_FD int fd = -1;
    int r = wait_for(serial, deadline_ms, disk, why);

    if (r < 0)
        return r;
    (void)snprintf(path, sizeof(path), "/dev/%s", disk);
    fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &status) < 0)
        return reason_set(why, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISBLK(status.st_mode))
        return reason_set(why, -ENOTBLK, "%s: not a block device", path);
    /* The host may have put another one under its name; while it is open its number stays its own. */
    (void)snprintf(path, sizeof(path), BLOCK_NUMBERS "/%u:%u", major(status.st_rdev), minor(status.st_rdev));
    if (!serial_is(path, serial))
        return reason_set(why, -ENODEV, "/dev/%s is no longer the disk with the serial \"%s\"", disk, serial);
    *ret_fd = fd_take(&fd);
    return 0;
}

int stage_devices(struct boot *boot)
{
    uint64_t deadline_ms = clock_ms() + WAIT_MS;
    char disk[64];
    int r = wait_for(boot->config.root.device, deadline_ms, disk, &boot->why);

    for (size_t i = 0; r == 0 && i < boot->config.volume_count; i++)
        r = wait_for(boot->config.volumes[i].device, deadline_ms, disk, &boot->why);
    if (r < 0)
        return boot_refuse(boot, r == -ENOTUNIQ ? REFUSAL_DEVICE_AMBIGUOUS : REFUSAL_DEVICE_MISSING, r);
    return 0;
}
