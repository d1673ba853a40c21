/* Signed trees, verified. The block is the host's until a pinned key has vouched for it. */
#include "luks/tree.h"

#include <errno.h>
#include <string.h>

#include "base/key.h"

int tree_verify(const uint8_t block[TREE_BLOCK_BYTES], const struct tree_expectation *expected,
                struct tree_statement *ret_statement, struct reason *why)
{
    struct tree_statement statement;
    int r = tree_parse(block, &statement, why);

    if (r < 0)
        return r;
    if (!key_p384_verify(expected->signer, block, TREE_SIGNED_BYTES, statement.signature,
                         statement.signature_size))
        return reason_set(why, -EKEYREJECTED, "the tree is not signed by the configured signer");
    if (strcmp(statement.volume_id, expected->volume_id) != 0)
        return reason_set(why, -EKEYREJECTED, "the signed tree is that of \"%s\"", statement.volume_id);
    if (statement.version < expected->least_version)
        return reason_set(why, -EKEYREJECTED, "the signed tree is version %llu, expected %llu or later",
                          (unsigned long long)statement.version, (unsigned long long)expected->least_version);
    *ret_statement = statement;
    return 0;
}
