/*
 * First use of a volume: tags, file system, and at the very end its label, which makes it one. Whether it may be
 * formatted was decided before; a cut in between leaves a volume without a label, which may be formatted again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "init/volume.h"
#include "luks/format.h"

#define WORK "/run/postern-format"
#define RESIZE_FS _IOW('f', 16, uint64_t) /* EXT4_IOC_RESIZE_FS */

int volume_grow(const char *directory, uint64_t length, struct reason *why)
{
    CLEANUP_FD int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct statfs system;
    uint64_t blocks;

    if (fd < 0 || fstatfs(fd, &system) < 0)
        return -errno;
    blocks = length / (uint64_t)system.f_bsize;
    if (ioctl(fd, RESIZE_FS, &blocks) < 0)
        return reason_set(why, -errno, "its file system cannot grow to %llu blocks: %s", (unsigned long long)blocks,
                          strerror(errno));
    return 0;
}

/* The template's file system grows to its volume, while it is mounted and empty. */
static int grow(const char *path, uint64_t length, struct reason *why)
{
    int r;

    if (mkdir(WORK, 0700) < 0 && errno != EEXIST)
        return -errno;
    if (mount(path, WORK, "ext4", MS_NODEV | MS_NOSUID | MS_NOEXEC, "errors=panic") < 0)
        return reason_set(why, -errno, "the new file system cannot be mounted: %s", strerror(errno));
    r = volume_grow(WORK, length, why);
    if (umount2(WORK, UMOUNT_NOFOLLOW) < 0 && r == 0)
        r = reason_set(why, -errno, "the new file system cannot be unmounted: %s", strerror(errno));
    (void)rmdir(WORK);
    return r;
}

/* The kernel mounts nothing that is open for writing (bdev_allow_write_mounted=0): it is open between mounts alone. */
static int open_mapping(const char *path, int *ret_fd, struct reason *why)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return reason_set(why, -errno, "%s: %s", path, strerror(errno));
    *ret_fd = fd;
    return 0;
}

static int fill(const struct crypt_volume *volume, const char *path, struct reason *why)
{
    CLEANUP_FREE uint8_t *template = NULL;
    CLEANUP_FD int mapping = -1;
    size_t size = 0;
    int r = file_read(FORMAT_TEMPLATE_PATH, FORMAT_TEMPLATE_MAX_BYTES, &template, &size, why);

    if (r == 0)
        r = open_mapping(path, &mapping, why);
    return r < 0 ? r : format_fill(volume, mapping, template, size, why);
}

static int put_label(const char *path, const struct secret *key, const struct label *label, struct reason *why)
{
    CLEANUP_FD int mapping = -1;
    int r = open_mapping(path, &mapping, why);

    if (r < 0)
        return r;
    r = label_write(mapping, key, label);
    return r < 0 ? reason_set(why, r, "its label cannot be written: %s", strerror(-r)) : 0;
}

int volume_format(const struct crypt_volume *volume, int disk, const struct secret *key, const struct label *label,
                  char ret_path[32], struct reason *why)
{
    CLEANUP_SECRET struct secret label_key = SECRET_NONE;
    int r = label_derive_key(key, &label_key);

    if (r == 0)
        r = format_prepare(volume, disk, why);
    if (r == 0)
        r = crypt_open(volume, disk, key, ret_path, why);
    if (r < 0)
        return r;
    r = fill(volume, ret_path, why);
    if (r == 0)
        r = grow(ret_path, volume->length, why);
    if (r == 0)
        r = put_label(ret_path, &label_key, label, why);
    if (r < 0 && crypt_close(volume->name) < 0)
        reason_prefix(why, "mapping left behind");
    return r;
}
