/* Signed trees: a block of the host's disk. */
#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "luks/tree.h"

/* As luks/verity.c accepts it. */
#define MAX_BLOCKS (UINT64_C(1) << 40)

static bool id_is_one(const char id[TREE_ID_MAX_BYTES + 1])
{
    size_t length = strlen(id);

    return length && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

int tree_parse(const uint8_t block[TREE_BLOCK_BYTES], struct tree_statement *ret_statement, struct reason *why)
{
    struct cursor c = cursor_over(block, TREE_BLOCK_BYTES);
    struct tree_statement statement = { .version = 0 };
    uint8_t magic[8], id[TREE_ID_MAX_BYTES + 1];
    bool padded;

    cursor_copy(&c, magic, sizeof(magic));
    if (memcmp(magic, "PSTNTRE1", sizeof(magic)) != 0)
        return reason_set(why, -EBADMSG, "there is no signed tree where the configuration says");
    statement.version = cursor_u64le(&c);
    cursor_copy(&c, id, sizeof(id));
    memcpy(statement.volume_id, id, TREE_ID_MAX_BYTES);
    cursor_copy(&c, statement.tree.root_hash, sizeof(statement.tree.root_hash));
    statement.tree.data_blocks = cursor_u64le(&c);
    statement.tree.hash_start_block = cursor_u64le(&c);
    statement.tree.salt_size = cursor_u8(&c);
    cursor_copy(&c, statement.tree.salt, sizeof(statement.tree.salt));
    statement.signature_size = cursor_u16le(&c);
    padded = !id[TREE_ID_MAX_BYTES] && statement.tree.salt_size <= sizeof(statement.tree.salt) &&
             all_zero(statement.tree.salt + statement.tree.salt_size,
                      sizeof(statement.tree.salt) - statement.tree.salt_size);
    if (!padded || !id_is_one(statement.volume_id) || !statement.tree.data_blocks ||
        statement.tree.data_blocks > MAX_BLOCKS || statement.tree.hash_start_block < statement.tree.data_blocks ||
        statement.tree.hash_start_block > MAX_BLOCKS || !statement.signature_size ||
        statement.signature_size > sizeof(statement.signature))
        return reason_set(why, -EBADMSG, "the signed tree does not have the layout of version 1");
    cursor_copy(&c, statement.signature, statement.signature_size);
    if (c.failed || !all_zero(block + TREE_BLOCK_BYTES - c.left, c.left))
        return reason_set(why, -EBADMSG, "the signed tree has more behind its signature");
    *ret_statement = statement;
    return 0;
}
