/*
 * Read-only trees: dm-verity with geometry, salt and root hash from measured data. Nothing is read from the disk to set
 * it up; what does not match later panics the kernel.
 */
#pragma once

#include "base/reason.h"
#include "luks/dm.h"
#include "measure/measure.h"

#define VERITY_BLOCK_BYTES 4096u
#define VERITY_MAX_SALT_BYTES 32

struct verity_tree {
    const char *name; /* of the mapping */
    uint64_t data_blocks;
    uint64_t hash_start_block; /* where the tree starts on the same disk, in blocks; no superblock */
    uint64_t offset;           /* where all of it starts on the disk, bytes: a multiple of 4096 */
    uint8_t salt[VERITY_MAX_SALT_BYTES];
    size_t salt_size;
    uint8_t root_hash[SHA256_BYTES];
};

/* Errors: -EINVAL for a geometry that is none. */
int verity_table(const struct verity_tree *tree, const char *device, struct dm_table *ret_table) MUST_CHECK;

/*
 * Maps the tree on the opened disk, read-only. A wrong root hash is only noticed at the first read. Errors: -ENOSPC for
 * a disk that is too small, -EINVAL, those of dm_create().
 */
int verity_open(const struct verity_tree *tree, int disk, char ret_path[32], struct reason *why) MUST_CHECK;
