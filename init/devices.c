/*
 * Opening disks. Which there are, and what they call themselves, is up to the host; what is on them is authenticated
 * later, so a swapped disk is a refusal, never another volume.
 */
#include "init/devices.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define BLOCK_CLASS "/sys/block"
#define BLOCK_NUMBERS "/sys/dev/block"
#define POLL_MS 10u

/* "xxxx:xx:xx.x" */
#define PCI_NAME_BYTES 12

/*
 * Whether the disk of that sysfs folder hangs on this PCI function: the last one on its way through the device tree,
 * "../devices/pci0000:00/0000:00:05.0/virtio2/block/vda".
 */
static bool pci_place_is(const char *folder, const char *place)
{
    char target[512];
    const char *last = NULL;
    ssize_t size;

    size = readlink(folder, target, sizeof(target) - 1);
    if (size < 0)
        return false;
    target[size] = '\0';
    for (const char *part = strchr(target, '/'); part; part = strchr(part + 1, '/'))
        if (strcspn(part + 1, "/") == PCI_NAME_BYTES && part[5] == ':' && part[8] == ':' && part[11] == '.')
            last = part + 1;
    return last && strncmp(last, place, PCI_NAME_BYTES) == 0;
}

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

static bool is_wanted(const char *folder, const char *device)
{
    return strchr(device, ':') ? pci_place_is(folder, device + strlen("pci-")) : serial_is(folder, device);
}

/* The kernel's name of the disk with that serial or at that place. */
static int find(const char *device, char ret_disk[64])
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
        if (!is_wanted(folder, device))
            continue;
        memcpy(ret_disk, entry->d_name, strlen(entry->d_name) + 1);
        found++;
    }
    (void)closedir(directory);
    return found == 1 ? 0 : found ? -ENOTUNIQ : -ENODEV;
}

static int wait_for(const char *device, uint64_t deadline_ms, char ret_disk[64], struct reason *why)
{
    const char *how = strchr(device, ':') ? "at" : "with the serial";
    int r;

    while ((r = find(device, ret_disk)) == -ENODEV && clock_left_ms(deadline_ms))
        clock_sleep_ms(POLL_MS);
    if (r == -ENODEV)
        return reason_set(why, r, "no disk %s \"%s\"", how, device);
    if (r == -ENOTUNIQ)
        return reason_set(why, r, "two disks %s \"%s\"", how, device);
    return r < 0 ? reason_set(why, r, BLOCK_CLASS ": %s", strerror(-r)) : 0;
}

int devices_open_disk(const char *device, bool read_only, uint64_t deadline_ms, int *ret_fd, struct reason *why)
{
    char disk[64] = "", path[80];
    struct stat status;
    CLEANUP_FD int fd = -1;
    int r = wait_for(device, deadline_ms, disk, why);

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
    if (!is_wanted(path, device))
        return reason_set(why, -ENODEV, "/dev/%s is no longer the disk \"%s\"", disk, device);
    *ret_fd = fd_take(&fd);
    return 0;
}

int devices_read_text(const char *device, uint64_t deadline_ms, size_t max, char **ret_text, size_t *ret_size,
                      struct reason *why)
{
    CLEANUP_FREE char *text = calloc(1, max + 2);
    CLEANUP_FD int disk = -1;
    size_t size = 0;
    int r = devices_open_disk(device, true, deadline_ms, &disk, why);

    if (r < 0)
        return r;
    if (!text)
        return -ENOMEM;
    r = fd_read_most(disk, text, max + 1, &size);
    if (r < 0)
        return reason_set(why, r, "the disk \"%s\" cannot be read: %s", device, strerror(-r));
    while (size && !text[size - 1])
        size--;
    *ret_text = text;
    *ret_size = size;
    text = NULL;
    return 0;
}
