/* Signed trees, verified and made. The block is the host's until a pinned key has vouched for it. */
#include "luks/tree.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <string.h>

#include "base/cursor.h"

static bool key_is_p384(EVP_PKEY *key)
{
    char group[32] = "";

    return EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 && strcmp(group, SN_secp384r1) == 0;
}

static bool signature_holds(const uint8_t *block, const struct tree_statement *statement, EVP_PKEY *key)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool holds = context && key_is_p384(key) &&
                 EVP_DigestVerifyInit(context, NULL, EVP_sha384(), NULL, key) == 1 &&
                 EVP_DigestVerify(context, statement->signature, statement->signature_size, block,
                                  TREE_SIGNED_BYTES) == 1;

    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return holds;
}

int tree_verify(const uint8_t block[TREE_BLOCK_BYTES], EVP_PKEY *const keys[], size_t count,
                struct tree_statement *ret_statement, struct reason *why)
{
    struct tree_statement statement;
    int r = tree_parse(block, &statement, why);

    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++)
        if (signature_holds(block, &statement, keys[i])) {
            *ret_statement = statement;
            return 0;
        }
    return reason_set(why, -EKEYREJECTED, "the tree is not signed by one of the configured signers");
}

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
