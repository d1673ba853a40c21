/*
 * What the kernel has to say of an open volume: the tables by which crypt_open() maps it, and whether the live ones are
 * these.
 */
#pragma once

#include "luks/crypt.h"

#define EXPECT_MAX_TABLES 2

struct expect_table {
    struct dm_table table;
    char live[DM_MAX_PARAMETERS_BYTES + 128]; /* "SECTORS TARGET PARAMETERS"; empty: there is no such device */
    bool same;
};

/*
 * The tables of a volume on a disk ("MAJOR:MINOR"), from the disk up, beside the live ones. With tags the second one is
 * on the first, whose number the kernel gives; "0:0" while it is not there. Errors: -EINVAL for a volume that
 * crypt_open() would not map, -errno where there is no device-mapper.
 */
int expect_tables(const struct crypt_volume *volume, const char *device, size_t key_size,
                  struct expect_table ret_tables[EXPECT_MAX_TABLES], size_t *ret_count) MUST_CHECK;
