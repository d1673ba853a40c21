/* luks/tree-parse.c: a signed tree's block; what is accepted has sizes that fit, and nothing behind the signature. */
#include "fuzz.h"
#include "luks/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t used = size < TREE_BLOCK_BYTES ? size : TREE_BLOCK_BYTES;
    uint8_t *copy = fuzz_copy(data, used, TREE_BLOCK_BYTES - used);
    struct tree_statement statement;
    struct dm_table table;
    struct reason why = { "" };

    if (tree_parse(copy, &statement, &why) < 0) {
        REQUIRE(why.text[0]);
    } else {
        REQUIRE(statement.signature_size && statement.signature_size <= TREE_MAX_SIGNATURE_BYTES);
        statement.tree.name = statement.volume_id;
        REQUIRE(verity_table(&statement.tree, "254:0", &table) == 0);
    }
    free(copy);
    return 0;
}
