/* Signed trees, verified. The block is the host's until a pinned key has vouched for it. */
#include "luks/tree.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "base/key.h"

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

int tree_verify(const uint8_t block[TREE_BLOCK_BYTES], const struct tree_expectation *expected,
                struct tree_statement *ret_statement, struct reason *why)
{
    struct tree_statement statement;
    int r = tree_parse(block, &statement, why);

    if (r < 0)
        return r;
    if (!signature_holds(block, &statement, expected->signer))
        return reason_set(why, -EKEYREJECTED, "the tree is not signed by the configured signer");
    if (strcmp(statement.volume_id, expected->volume_id) != 0)
        return reason_set(why, -EKEYREJECTED, "the signed tree is that of \"%s\"", statement.volume_id);
    if (statement.version < expected->least_version)
        return reason_set(why, -EKEYREJECTED, "the signed tree is version %llu, expected %llu or later",
                          (unsigned long long)statement.version, (unsigned long long)expected->least_version);
    *ret_statement = statement;
    return 0;
}
