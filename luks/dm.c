/* device-mapper; what goes in has been checked, what the kernel reports back is compared with it. */
#include "luks/dm.h"

#include <errno.h>
#include <libdevmapper.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "luks/dm-task.h"
#include "luks/luks.h"

/* libdevmapper reports on standard error by itself otherwise; the errno is what we use. */
static void be_silent(int level UNUSED, const char *file UNUSED, int line UNUSED, int error UNUSED,
                      const char *format UNUSED, ...)
{
}

void dm_task_done(struct dm_task **task)
{
    if (*task)
        dm_task_destroy(*task);
    *task = NULL;
}

struct dm_task *dm_task_for(int type, const char *name)
{
    struct dm_task *task;

    dm_log_with_errno_init(be_silent);
    task = dm_task_create(type);
    if (task && dm_task_set_name(task, name) != 1)
        dm_task_done(&task);
    return task;
}

int dm_task_do(struct dm_task *task)
{
    if (dm_task_run(task) == 1)
        return 0;
    return dm_task_get_errno(task) ? -dm_task_get_errno(task) : -EIO;
}

/* Key references in the parameters are no secret, but the buffers are wiped all the same. */
static int add_parts(struct dm_task *task, const struct dm_table *parts, size_t count)
{
    uint64_t start = 0;

    if (!task || dm_task_secure_data(task) != 1 || (parts->read_only && dm_task_set_ro(task) != 1))
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (dm_task_add_target(task, start, parts[i].sectors, parts[i].target, parts[i].parameters) != 1)
            return -ENOMEM;
        start += parts[i].sectors;
    }
    return 0;
}

int dm_load(int type, const struct dm_table *parts, size_t count, struct dm_info *ret_info)
{
    CLEANUP_TASK struct dm_task *task = dm_task_for(type, parts->name);
    int r = add_parts(task, parts, count);

    if (r == 0)
        r = dm_task_do(task);
    return r == 0 && (dm_task_get_info(task, ret_info) != 1 || !ret_info->exists) ? -EIO : r;
}

int dm_check_live(const struct dm_table *parts, size_t count, struct reason *why)
{
    CLEANUP_TASK struct dm_task *task = dm_task_for(DM_DEVICE_TABLE, parts->name);
    int r = task && dm_task_secure_data(task) == 1 ? dm_task_do(task) : -ENOMEM;
    uint64_t start = 0, found_start = 0, found_size = 0;
    char *target = NULL, *parameters = NULL;
    bool same = r == 0;
    void *next = NULL;

    for (size_t i = 0; same && i < count; i++) {
        same = i == 0 || next;
        if (same)
            next = dm_get_next_target(task, next, &found_start, &found_size, &target, &parameters);
        same = same && target && parameters && strcmp(target, parts[i].target) == 0 && found_start == start &&
               found_size == parts[i].sectors;
        /* No key stands in it: dm_create()'s callers name theirs in the keyring. */
        if (same && strcmp(parameters, parts[i].parameters) != 0)
            return reason_set(why, -EKEYREJECTED, "device-mapper: the live table of %s is \"%s\", expected \"%s\"",
                              parts->name, parameters, parts[i].parameters);
        start += parts[i].sectors;
    }
    if (r < 0)
        return reason_set(why, r, "device-mapper: the live table of %s cannot be read: %s", parts->name, strerror(-r));
    if (!same || next)
        return reason_set(why, -EKEYREJECTED, "device-mapper: the live table of %s is not the one that was loaded",
                          parts->name);
    return 0;
}

int dm_create_of(const struct dm_table *parts, size_t count, char ret_path[32], char ret_device[32],
                 struct reason *why)
{
    struct dm_info info;
    int r = dm_load(DM_DEVICE_CREATE, parts, count, &info);

    if (r < 0)
        return reason_set(why, r, "device-mapper: %s cannot be set up as %s: %s", parts->name, parts->target,
                          strerror(-r));
    r = dm_check_live(parts, count, why);
    if (r < 0) {
        if (dm_remove(parts->name) < 0)
            return reason_set(why, r, "device-mapper: %s has a wrong live table and cannot be removed", parts->name);
        return r;
    }
    (void)snprintf(ret_path, 32, "/dev/dm-%u", info.minor);
    if (ret_device)
        (void)snprintf(ret_device, 32, "%u:%u", info.major, info.minor);
    return 0;
}

int dm_create(const struct dm_table *table, char ret_path[32], char ret_device[32], struct reason *why)
{
    return dm_create_of(table, 1, ret_path, ret_device, why);
}

int dm_read_status(const char *name, char ret_status[128])
{
    CLEANUP_TASK struct dm_task *task = dm_task_for(DM_DEVICE_STATUS, name);
    uint64_t start = 0, length = 0;
    char *target = NULL, *parameters = NULL;
    int r = task ? dm_task_do(task) : -ENOMEM;

    if (r < 0)
        return r;
    (void)dm_get_next_target(task, NULL, &start, &length, &target, &parameters);
    if (!parameters || strlen(parameters) >= 128)
        return -EMSGSIZE;
    memcpy(ret_status, parameters, strlen(parameters) + 1);
    return 0;
}

int dm_remove(const char *name)
{
    CLEANUP_TASK struct dm_task *task = dm_task_for(DM_DEVICE_REMOVE, name);

    return task ? dm_task_do(task) : -ENOMEM;
}

int dm_describe_device(int fd, char ret_device[32], uint64_t *ret_bytes)
{
    struct stat status;
    uint64_t bytes = 0;

    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISBLK(status.st_mode))
        return -ENOTBLK;
    if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
        return -errno;
    (void)snprintf(ret_device, 32, "%u:%u", major(status.st_rdev), minor(status.st_rdev));
    *ret_bytes = bytes;
    return 0;
}
