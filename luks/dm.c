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
static void be_silent(int level, const char *file, int line, int error, const char *format, ...)
{
    (void)level;
    (void)file;
    (void)line;
    (void)error;
    (void)format;
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

static int create(const struct dm_table *table, unsigned *ret_minor)
{
    CLEANUP_TASK struct dm_task *task = dm_task_for(DM_DEVICE_CREATE, table->name);
    struct dm_info info;
    int r;

    /* Key references in the parameters are no secret, but the buffers are wiped all the same. */
    if (!task || dm_task_secure_data(task) != 1 || (table->read_only && dm_task_set_ro(task) != 1) ||
        dm_task_add_target(task, 0, table->sectors, table->target, table->parameters) != 1)
        return -ENOMEM;
    r = dm_task_do(task);
    if (r < 0)
        return r;
    if (dm_task_get_info(task, &info) != 1 || !info.exists)
        return -EIO;
    *ret_minor = info.minor;
    return 0;
}

/* The live table has one target and every word of it is the expected one. */
static int check_live(const struct dm_table *table, struct reason *why)
{
    CLEANUP_TASK struct dm_task *task = dm_task_for(DM_DEVICE_TABLE, table->name);
    uint64_t start = 0, length = 0;
    char *target = NULL, *parameters = NULL;
    void *next;
    int r;

    if (!task || dm_task_secure_data(task) != 1)
        return -ENOMEM;
    r = dm_task_do(task);
    if (r < 0)
        return reason_set(why, r, "device-mapper: the live table of %s cannot be read: %s", table->name, strerror(-r));
    next = dm_get_next_target(task, NULL, &start, &length, &target, &parameters);
    if (next || !target || !parameters || start || length != table->sectors || strcmp(target, table->target) != 0)
        return reason_set(why, -EKEYREJECTED, "device-mapper: the live table of %s is not the one that was loaded",
                          table->name);
    /* No key stands in it: dm_create()'s callers name theirs in the keyring. */
    if (strcmp(parameters, table->parameters) != 0)
        return reason_set(why, -EKEYREJECTED, "device-mapper: the live table of %s is \"%s\", expected \"%s\"",
                          table->name, parameters, table->parameters);
    return 0;
}

int dm_create(const struct dm_table *table, char ret_path[32], struct reason *why)
{
    unsigned minor = 0;
    int r = create(table, &minor);

    if (r < 0)
        return reason_set(why, r, "device-mapper: %s cannot be set up as %s: %s", table->name, table->target,
                          strerror(-r));
    r = check_live(table, why);
    if (r < 0) {
        if (dm_remove(table->name) < 0)
            return reason_set(why, r, "device-mapper: %s has a wrong live table and cannot be removed", table->name);
        return r;
    }
    (void)snprintf(ret_path, 32, "/dev/dm-%u", minor);
    return 0;
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
