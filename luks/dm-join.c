/* Joined devices; parts and places are ours, what the kernel reports back is compared with them. */
#include "luks/dm-join.h"

#include <errno.h>
#include <libdevmapper.h>
#include <stdio.h>
#include <string.h>

#include "luks/dm-task.h"
#include "luks/dm.h"

static int add_parts(struct dm_task *task, const struct dm_join *join)
{
    uint64_t start = 0;

    for (size_t i = 0; i < DM_JOIN_MAX_PARTS; i++) {
        char parameters[64];

        (void)snprintf(parameters, sizeof(parameters), "%s %llu", join->parts[i].device, (unsigned long long)start);
        if (join->parts[i].sectors &&
            dm_task_add_target(task, start, join->parts[i].sectors, "linear", parameters) != 1)
            return -ENOMEM;
        start += join->parts[i].sectors;
    }
    return 0;
}

/* Every part of the live table has to be the one that was loaded, and there may be no more. */
static int check_live(const struct dm_join *join, struct reason *why)
{
    CLEANUP_TASK struct dm_task *task = dm_task_for(DM_DEVICE_TABLE, join->name);
    int r = task ? dm_task_do(task) : -ENOMEM;
    uint64_t start = 0, found_start = 0, found_size = 0;
    char *target = NULL, *parameters = NULL;
    bool same = r == 0;
    void *next = NULL;

    for (size_t i = 0; same && i < DM_JOIN_MAX_PARTS; i++) {
        char wanted[64];

        if (!join->parts[i].sectors)
            continue;
        (void)snprintf(wanted, sizeof(wanted), "%s %llu", join->parts[i].device, (unsigned long long)start);
        same = start == 0 || next;
        if (same)
            next = dm_get_next_target(task, next, &found_start, &found_size, &target, &parameters);
        same = same && target && parameters && strcmp(target, "linear") == 0 && strcmp(parameters, wanted) == 0 &&
               found_start == start && found_size == join->parts[i].sectors;
        start += join->parts[i].sectors;
    }
    if (r < 0)
        return reason_set(why, r, "device-mapper: the live table of %s cannot be read: %s", join->name, strerror(-r));
    if (!same || next)
        return reason_set(why, -EKEYREJECTED, "device-mapper: the live table of %s is not the one that was loaded",
                          join->name);
    return 0;
}

static int simple(int type, const struct dm_join *join, const char *what, struct reason *why)
{
    CLEANUP_TASK struct dm_task *task = dm_task_for(type, join->name);
    /* Nothing is frozen: the file system's own writes wait like all others. */
    int r = task && (type != DM_DEVICE_SUSPEND || dm_task_skip_lockfs(task) == 1) ? dm_task_do(task) : -ENOMEM;

    return r < 0 ? reason_set(why, r, "device-mapper: %s cannot be %s: %s", join->name, what, strerror(-r)) : 0;
}

int dm_join_create(const struct dm_join *join, char ret_path[32], struct reason *why)
{
    CLEANUP_TASK struct dm_task *task = dm_task_for(DM_DEVICE_CREATE, join->name);
    struct dm_info info;
    int r = task ? add_parts(task, join) : -ENOMEM;

    if (r == 0)
        r = dm_task_do(task);
    if (r == 0 && (dm_task_get_info(task, &info) != 1 || !info.exists))
        r = -EIO;
    if (r < 0)
        return reason_set(why, r, "device-mapper: %s cannot be set up: %s", join->name, strerror(-r));
    r = check_live(join, why);
    if (r < 0) {
        if (dm_remove(join->name) < 0)
            reason_prefix(why, "mapping left behind");
        return r;
    }
    (void)snprintf(ret_path, 32, "/dev/dm-%u", info.minor);
    return 0;
}

int dm_join_suspend(const struct dm_join *join, struct reason *why)
{
    return simple(DM_DEVICE_SUSPEND, join, "suspended", why);
}

int dm_join_resume(const struct dm_join *join, struct reason *why)
{
    return simple(DM_DEVICE_RESUME, join, "resumed", why);
}

int dm_join_change(const struct dm_join *join, struct reason *why)
{
    CLEANUP_TASK struct dm_task *task = dm_task_for(DM_DEVICE_RELOAD, join->name);
    int r = task ? add_parts(task, join) : -ENOMEM;

    if (r == 0)
        r = dm_task_do(task);
    if (r < 0)
        return reason_set(why, r, "device-mapper: %s cannot be loaded anew: %s", join->name, strerror(-r));
    r = dm_join_resume(join, why);
    return r < 0 ? r : check_live(join, why);
}
