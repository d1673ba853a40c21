/* Between dm.c and dm-join.c: libdevmapper's tasks. */
#pragma once

#include <libdevmapper.h>

#include "base/base.h"

void dm_task_done(struct dm_task **task);

#define CLEANUP_TASK CLEANUP(dm_task_done)

/* A task of that type for that device; NULL when there is no memory. */
struct dm_task *dm_task_for(int type, const char *name);

/* Runs it. Errors: -errno of the ioctl. */
int dm_task_do(struct dm_task *task) MUST_CHECK;
