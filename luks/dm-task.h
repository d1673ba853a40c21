/* Between dm.c and dm-join.c: libdevmapper's tasks. */
#pragma once

#include <libdevmapper.h>

#include "luks/dm.h"

void dm_task_done(struct dm_task **task);

#define CLEANUP_TASK CLEANUP(dm_task_done)

/* A task of that type for that device; NULL when there is no memory. */
struct dm_task *dm_task_for(int type, const char *name);

/* Runs it. Errors: -errno of the ioctl. */
int dm_task_do(struct dm_task *task) MUST_CHECK;

/*
 * Devices of several parts, which have one name, in their order. Loads them into a device (DM_DEVICE_CREATE a new one,
 * DM_DEVICE_RELOAD one that is suspended). Errors: -errno.
 */
int dm_load(int type, const struct dm_table *parts, size_t count, struct dm_info *ret_info)
    MUST_CHECK;

/* Whether the live table is these, option by option, and no more. Errors as dm_create(). */
int dm_check_live(const struct dm_table *parts, size_t count, struct reason *why) MUST_CHECK;

/* Both, as dm_create(). */
int dm_create_of(const struct dm_table *parts, size_t count, char ret_path[32], char ret_device[32],
                 struct reason *why) MUST_CHECK;
