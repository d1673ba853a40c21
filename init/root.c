/*
 * Stage root: the verified tree becomes the root, the opened volumes are mounted in it, and the initrd is deleted.
 * The tree's bytes are verified as they are read; the volumes' file systems are only as good as their encryption.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "init/init.h"
#include "init/volume.h"
#include "luks/verity.h"

#define NEW_ROOT "/sysroot"

static int mount_root(struct boot *boot)
{
    CLEANUP_FD int disk = fd_take(&boot->root_disk);
    int r = verity_open(&boot->config.root.tree, disk, boot->root_path, &boot->why);

    if (r < 0)
        return r;
    if (mkdir(NEW_ROOT, 0755) < 0 && errno != EEXIST)
        return -errno;
    if (mount(boot->root_path, NEW_ROOT, "erofs", MS_RDONLY | MS_NODEV, NULL) < 0)
        return reason_set(&boot->why, -errno, "the verified tree does not hold a readable file system: %s",
                          strerror(errno));
    return 0;
}

/* Whether the record says that the volume was smaller once. Volumes that others made keep their file system. */
static bool has_grown(const struct config_volume *volume, const struct record *record)
{
    return volume->mode == VOLUME_RECORD && !volume->read_only && record->length > record->layout_length;
}

static int mount_volume(const struct config_volume *volume, const struct open_volume *opened, struct reason *why)
{
    unsigned long flags = MS_NODEV | MS_NOSUID | MS_NOEXEC | (volume->read_only ? MS_RDONLY : 0);
    char target[sizeof(NEW_ROOT) + CONFIG_MAX_PATH_BYTES];
    bool ext4 = strcmp(volume->filesystem, "ext4") == 0;

    (void)snprintf(target, sizeof(target), NEW_ROOT "%s", volume->mount);
    if (mount(opened->path, target, volume->filesystem, flags, ext4 ? "errors=panic" : NULL) < 0)
        return reason_set(why, -errno, "volume %s cannot be mounted on %s: %s", volume->id, volume->mount,
                          strerror(errno));
    return has_grown(volume, &opened->record) ? volume_grow(target, opened->record.length, why) : 0;
}

/*
 * Deletes the files below an open directory, not beyond its file system. Takes the descriptor. Directories stay: with
 * one that has something mounted on it in the DHCP client's namespace, what is mounted there would go as well.
 */
static void delete_below(int fd, dev_t device)
{
    DIR *directory = fdopendir(fd);
    struct dirent *entry;

    if (!directory) {
        fd_close(&fd);
        return;
    }
    while ((entry = readdir(directory))) {
        bool is_folder = entry->d_type == DT_DIR; /* file systems in memory know the type of each entry */
        struct stat status;
        int below = -1;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (is_folder) {
            below = openat(dirfd(directory), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (below >= 0 && fstat(below, &status) == 0 && status.st_dev == device)
                delete_below(fd_take(&below), device);
            fd_close(&below);
        } else {
            (void)unlinkat(dirfd(directory), entry->d_name, 0); /* fails where something is mounted */
        }
    }
    (void)closedir(directory);
}

/* The initrd's memory is given back; only when it is what it has to be, a file system in memory. */
static void delete_initrd(int old_root)
{
    struct statfs system;
    struct stat status;

    if (fstatfs(old_root, &system) == 0 && (system.f_type == RAMFS_MAGIC || system.f_type == TMPFS_MAGIC) &&
        fstat(old_root, &status) == 0)
        delete_below(old_root, status.st_dev);
    else
        fd_close(&old_root);
}

/* The initial root cannot be left with pivot_root(2): the new one is moved over it. */
static int switch_root(struct reason *why)
{
    static const char *const moved[] = { "/dev", "/proc", "/sys", "/run", "/tmp" };
    CLEANUP_FD int old_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (old_root < 0)
        return -errno;
    for (size_t i = 0; i < ARRAY_SIZE(moved); i++) {
        char target[sizeof(NEW_ROOT) + 8];

        (void)snprintf(target, sizeof(target), NEW_ROOT "%s", moved[i]);
        if (mount(moved[i], target, NULL, MS_MOVE, NULL) < 0)
            return reason_set(why, -errno, "%s cannot be moved into the root file system: %s", moved[i],
                              strerror(errno));
    }
    if (chdir(NEW_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
        return reason_set(why, -errno, "the root file system cannot be entered: %s", strerror(errno));
    delete_initrd(fd_take(&old_root));
    return 0;
}

int stage_root(struct boot *boot)
{
    int r = mount_root(boot);

    if (r < 0)
        return boot_refuse(boot, REFUSAL_ROOT, r);
    for (size_t i = 0; i < boot->config.volume_count; i++) {
        r = mount_volume(&boot->config.volumes[i], &boot->volumes[i], &boot->why);
        if (r < 0)
            return boot_refuse(boot, REFUSAL_VOLUME_MOUNT, r);
    }
    r = switch_root(&boot->why);
    if (r == 0)
        r = rotations_start(boot);
    return r < 0 ? boot_refuse(boot, REFUSAL_ROOT, r) : 0;
}
