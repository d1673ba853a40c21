/* Joined devices; parts and places are ours, what the kernel reports back is compared with them. */
#include "luks/dm-join.h"

#include <errno.h>
#include <libdevmapper.h>
#include <stdio.h>
#include <string.h>

#include "luks/dm-task.h"

/* The parts that there are; their number. */
static size_t tables_of(const struct dm_join *join, struct dm_table ret_tables[DM_JOIN_MAX_PARTS])
{
    uint64_t start = 0;
    size_t count = 0;

    for (size_t i = 0; i < DM_JOIN_MAX_PARTS; i++) {
        struct dm_table *table = &ret_tables[count];

        if (!join->parts[i].sectors)
            continue;
        *table = (struct dm_table){ .target = "linear", .sectors = join->parts[i].sectors };
        (void)snprintf(table->name, sizeof(table->name), "%s", join->name);
        (void)snprintf(table->parameters, sizeof(table->parameters), "%s %llu", join->parts[i].device,
                       (unsigned long long)start);
        start += table->sectors;
        count++;
    }
    return count;
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
    struct dm_table tables[DM_JOIN_MAX_PARTS];
    size_t count = tables_of(join, tables);

    return dm_create_of(tables, count, ret_path, NULL, why);
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
    struct dm_table tables[DM_JOIN_MAX_PARTS];
    size_t count = tables_of(join, tables);
    struct dm_info info;
    int r = dm_load(DM_DEVICE_RELOAD, tables, count, &info);

    if (r < 0)
        return reason_set(why, r, "device-mapper: %s cannot be loaded anew: %s", join->name, strerror(-r));
    r = dm_join_resume(join, why);
    return r < 0 ? r : dm_check_live(tables, count, why);
}
