/*
 * Devices joined of parts of others: a volume while it moves from one mapping to another. Each part lies at the place
 * in its own device that it has in the joined one (device-mapper's target linear).
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"

#define DM_JOIN_MAX_PARTS 2

struct dm_join {
    const char *name;
    struct {
        char device[32];  /* "MAJOR:MINOR" */
        uint64_t sectors; /* of 512 bytes; a part of 0 is left out */
    } parts[DM_JOIN_MAX_PARTS];
};

/* Creates the device and compares its live table. ret_path is its node. Errors as dm_create(). */
int dm_join_create(const struct dm_join *join, char ret_path[32], struct reason *why) MUST_CHECK;

/*
 * Stops a device: what was asked of it is done when this returns, what is asked later waits for dm_join_change(). A
 * file system on it is not told. Errors: -errno.
 */
int dm_join_suspend(const struct dm_join *join, struct reason *why) MUST_CHECK;

/* Loads these parts into the suspended device, lets it go on, and compares its live table. Errors as dm_create(). */
int dm_join_change(const struct dm_join *join, struct reason *why) MUST_CHECK;

/* Lets a suspended device go on as it was. Errors: -errno. */
int dm_join_resume(const struct dm_join *join, struct reason *why) MUST_CHECK;
