/*
 * One-target device-mapper devices, through libdevmapper.
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"

#define DM_MAX_NAME_BYTES 72
#define DM_MAX_PARAMETERS_BYTES 1024

struct dm_table {
    char name[DM_MAX_NAME_BYTES + 8]; /* room for a suffix */
    const char *target; /* "crypt", "verity" */
    uint64_t sectors;   /* of 512 bytes */
    bool read_only;
    char parameters[DM_MAX_PARAMETERS_BYTES]; /* devices as MAJOR:MINOR, which is how the kernel gives them back */
};

/*
 * Creates the device and reads the live table back: it must be the loaded one, option by option, or the device is
 * removed again. ret_path is its node, "/dev/dm-N"; ret_device its "MAJOR:MINOR", or NULL. Errors: -errno of the ioctl,
 * -EKEYREJECTED when the kernel's table is not the expected one; with a sentence.
 */
int dm_create(const struct dm_table *table, char ret_path[32], char ret_device[32], struct reason *why) MUST_CHECK;

/* The status line of a one-target device, at most 127 bytes. Errors: -EMSGSIZE, -errno. */
int dm_read_status(const char *name, char ret_status[128]) MUST_CHECK;

/* Removes a device. Errors: -EBUSY while it is in use, -errno. */
int dm_remove(const char *name) MUST_CHECK;

/* "MAJOR:MINOR" of the block device behind a descriptor, and its size. Errors: -ENOTBLK, -errno. */
int dm_describe_device(int fd, char ret_device[32], uint64_t *ret_bytes) MUST_CHECK;
