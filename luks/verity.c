/* dm-verity devices; tree and root hash are measured, the disk is the host's. */
#include "luks/verity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "luks/luks.h"

/* Far beyond any disk; keeps products of block numbers and sizes from wrapping. */
#define MAX_BLOCKS (UINT64_C(1) << 40)

#define REST_SUFFIX ".disk"

int verity_table(const struct verity_tree *tree, const char *device, struct dm_table *ret_table)
{
    struct dm_table table = { .target = "verity", .read_only = true };
    char root[HEX_TEXT_BYTES(SHA256_BYTES)], salt[HEX_TEXT_BYTES(VERITY_MAX_SALT_BYTES)];
    int length;

    if (!tree->data_blocks || tree->data_blocks > MAX_BLOCKS || tree->hash_start_block < tree->data_blocks ||
        tree->hash_start_block > MAX_BLOCKS || tree->salt_size > sizeof(tree->salt) ||
        strlen(tree->name) >= DM_MAX_NAME_BYTES || tree->offset % VERITY_BLOCK_BYTES || tree->offset > INT64_MAX / 2)
        return -EINVAL;
    memcpy(table.name, tree->name, strlen(tree->name) + 1);
    table.sectors = tree->data_blocks * (VERITY_BLOCK_BYTES / SECTOR_BYTES);
    hex_encode(tree->root_hash, sizeof(tree->root_hash), root);
    hex_encode(tree->salt, tree->salt_size, salt);
    length = snprintf(table.parameters, sizeof(table.parameters),
                      "1 %s %s %u %u %llu %llu sha256 %s %s 1 panic_on_corruption", device, device, VERITY_BLOCK_BYTES,
                      VERITY_BLOCK_BYTES, (unsigned long long)tree->data_blocks,
                      (unsigned long long)tree->hash_start_block, root, tree->salt_size ? salt : "-");
    if (length < 0 || (size_t)length >= sizeof(table.parameters))
        return -EINVAL;
    *ret_table = table;
    return 0;
}

/* A tree that does not start where its disk does lies on a linear mapping of the rest of the disk. */
static int map_rest(const struct verity_tree *tree, const char *device, uint64_t bytes, char ret_device[32],
                    struct reason *why)
{
    struct dm_table table = { .target = "linear", .read_only = true };
    char path[32];

    (void)snprintf(table.name, sizeof(table.name), "%s" REST_SUFFIX, tree->name);
    (void)snprintf(table.parameters, sizeof(table.parameters), "%s %llu", device,
                   (unsigned long long)tree->offset / SECTOR_BYTES);
    table.sectors = (bytes - tree->offset) / SECTOR_BYTES;
    return dm_create(&table, path, ret_device, why);
}

int verity_open(const struct verity_tree *tree, int disk, char ret_path[32], struct reason *why)
{
    char device[32], name[DM_MAX_NAME_BYTES + 8];
    struct dm_table table;
    uint64_t bytes = 0, start = 0;
    int r = dm_describe_device(disk, device, &bytes);

    if (r < 0)
        return reason_set(why, r, "%s: its disk is not a block device: %s", tree->name, strerror(-r));
    r = verity_table(tree, device, &table);
    if (r < 0)
        return reason_set(why, r, "%s: the measured geometry of its hash tree is not possible", tree->name);
    start = tree->offset + tree->hash_start_block * VERITY_BLOCK_BYTES;
    /* The tree has at least one block. */
    if (bytes < start + VERITY_BLOCK_BYTES)
        return reason_set(why, -ENOSPC, "%s: its disk has %llu bytes, its hash tree starts at %llu", tree->name,
                          (unsigned long long)bytes, (unsigned long long)start);
    if (!tree->offset)
        return dm_create(&table, ret_path, NULL, why);
    r = map_rest(tree, device, bytes, device, why);
    if (r == 0)
        r = verity_table(tree, device, &table);
    if (r < 0)
        return r;
    r = dm_create(&table, ret_path, NULL, why);
    (void)snprintf(name, sizeof(name), "%s" REST_SUFFIX, tree->name);
    if (r < 0 && dm_remove(name) < 0)
        reason_prefix(why, "mapping left behind");
    return r;
}
