/* Signed trees in the making; the statement is the builder's own. */
#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "base/cursor.h"
#include "base/key.h"
#include "luks/tree.h"

int tree_sign(const struct tree_statement *statement, EVP_PKEY *key, uint8_t ret_block[TREE_BLOCK_BYTES])
{
    uint8_t block[TREE_BLOCK_BYTES] = { 0 };
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = TREE_MAX_SIGNATURE_BYTES;
    struct tree_statement again;
    bool good;

    memcpy(block, "PSTNTRE1", 8);
    put_u64le(block + 8, statement->version);
    memcpy(block + 16, statement->volume_id, strnlen(statement->volume_id, TREE_ID_MAX_BYTES));
    memcpy(block + 80, statement->tree.root_hash, sizeof(statement->tree.root_hash));
    put_u64le(block + 112, statement->tree.data_blocks);
    put_u64le(block + 120, statement->tree.hash_start_block);
    block[128] = (uint8_t)statement->tree.salt_size;
    if (statement->tree.salt_size <= VERITY_MAX_SALT_BYTES)
        memcpy(block + 129, statement->tree.salt, statement->tree.salt_size);
    good = context && key_is_p384(key) && EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL, key) == 1 &&
           EVP_DigestSign(context, block + TREE_SIGNED_BYTES + 2, &size, block, TREE_SIGNED_BYTES) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    if (!good)
        return -EINVAL;
    put_u16le(block + TREE_SIGNED_BYTES, (uint16_t)size);
    if (tree_parse(block, &again, NULL) < 0)
        return -EINVAL;
    memcpy(ret_block, block, sizeof(block));
    return 0;
}
