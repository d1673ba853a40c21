/*
 * Runs in the child before its execve(2), as root and with every right. Paths are measured; what they lead to
 * in the root file system is too, on volumes it is what the volume holds.
 */
#include "init/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "init/mounts.h"

/* Numbers of the kernel's documentation (admin-guide/devices). The last ones are the console and the line behind it. */
static const struct {
    const char *path;
    unsigned major, minor, mode;
    bool terminal;
} devices[] = {
    { "/dev/null", 1, 3, 0666, false },   { "/dev/zero", 1, 5, 0666, false },    { "/dev/full", 1, 7, 0666, false },
    { "/dev/random", 1, 8, 0666, false }, { "/dev/urandom", 1, 9, 0666, false }, { "/dev/tty", 5, 0, 0666, false },
    { "/dev/console", 5, 1, 0600, true }, { "/dev/ttyS0", 4, 64, 0600, true },
};

static const struct {
    const char *path, *type, *data;
    unsigned long flags;
} below_dev[] = {
    { "/dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", MS_NOSUID | MS_NOEXEC },
    { "/dev/shm", "tmpfs", "mode=1777,size=64m", MS_NOSUID | MS_NODEV | MS_NOEXEC },
};

static int change_attributes(const char *path, uint64_t set, uint64_t clear, bool recursive)
{
    struct mount_attr change = { .attr_set = set, .attr_clr = clear };

    return mount_setattr(AT_FDCWD, path, recursive ? AT_RECURSIVE : 0, &change, sizeof(change)) < 0 ? -errno : 0;
}

/* Nodes of our own: what devtmpfs has, the disks and the secure processor among it, is covered. */
static int fill_dev(bool terminal)
{
    (void)umask(0);
    for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
        if ((terminal || !devices[i].terminal) &&
            mknod(devices[i].path, S_IFCHR | devices[i].mode, makedev(devices[i].major, devices[i].minor)) < 0)
            return -errno;
    for (size_t i = 0; i < ARRAY_SIZE(below_dev); i++)
        if (mkdir(below_dev[i].path, 0755) < 0 ||
            mount(below_dev[i].type, below_dev[i].path, below_dev[i].type, below_dev[i].flags, below_dev[i].data) < 0)
            return -errno;
    return mounts_link_dev();
}

static int make_dev(bool terminal)
{
    int r = mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k") < 0 ? -errno
                                                                                          : fill_dev(terminal);

    return r < 0 ? r : change_attributes("/dev", MOUNT_ATTR_RDONLY, 0, false);
}

static int mount_tmpfs(const struct workload_mount *m, unsigned long flags)
{
    char data[64];

    (void)snprintf(data, sizeof(data), "size=%llu,mode=%04o", (unsigned long long)m->size, m->mode);
    return mount("tmpfs", m->destination, "tmpfs", flags, data) < 0 ? -errno : 0;
}

static int mount_configured(const struct workload_mount *m)
{
    unsigned long flags = MS_NOSUID | MS_NODEV | (m->executable ? 0 : MS_NOEXEC) | (m->read_only ? MS_RDONLY : 0);
    uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (m->executable ? 0 : MOUNT_ATTR_NOEXEC) |
                          (m->read_only ? MOUNT_ATTR_RDONLY : 0);

    if (!m->bind)
        return mount_tmpfs(m, flags);
    if (mount(m->source, m->destination, NULL, MS_BIND | MS_REC, NULL) < 0)
        return -errno;
    return change_attributes(m->destination, attributes, m->executable ? MOUNT_ATTR_NOEXEC : 0, true);
}

/* A file becomes /dev/null, a folder an empty one. What is not there needs no mask. */
static int mask(const char *path)
{
    struct stat status;

    if (lstat(path, &status) < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    if (S_ISDIR(status.st_mode))
        return mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, "size=4k,mode=0555") < 0
                   ? -errno
                   : 0;
    return mount("/dev/null", path, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

static int make_read_only(const char *path)
{
    if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    return change_attributes(path, MOUNT_ATTR_RDONLY, 0, true);
}

int sandbox_enter(const struct config_workload *workload, struct spawn_failure *failure)
{
    int r;

    if (unshare(CLONE_NEWNS) < 0)
        return spawn_failed(failure, "unshare", errno);
    r = make_dev(workload->terminal);
    if (r < 0)
        return spawn_failed(failure, "/dev", -r);
    for (size_t i = 0; i < workload->mount_count; i++) {
        r = mount_configured(&workload->mounts[i]);
        if (r < 0)
            return spawn_failed(failure, workload->mounts[i].destination, -r);
    }
    for (size_t i = 0; i < workload->masked.count; i++) {
        r = mask(workload->masked.paths[i]);
        if (r < 0)
            return spawn_failed(failure, workload->masked.paths[i], -r);
    }
    for (size_t i = 0; i < workload->read_only.count; i++) {
        r = make_read_only(workload->read_only.paths[i]);
        if (r < 0)
            return spawn_failed(failure, workload->read_only.paths[i], -r);
    }
    r = change_attributes("/sys", MOUNT_ATTR_RDONLY, 0, true);
    return r < 0 ? spawn_failed(failure, "/sys", -r) : 0;
}
