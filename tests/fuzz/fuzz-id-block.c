/*
 * measure/id-block-parse.c: the first 96 bytes are the ID block, the others its authentication. What is accepted has
 * known bytes alone, and verifying it ends in a verdict.
 */
#include "fuzz.h"
#include "measure/id-block.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t block_size = size < ID_BLOCK_BYTES ? size : ID_BLOCK_BYTES, auth_size = size - block_size;
    uint8_t *block_copy = fuzz_copy(data, block_size, 0), *auth_copy = fuzz_copy(data + block_size, auth_size, 0);
    uint8_t again[ID_BLOCK_BYTES];
    struct reason why = { "" };
    struct id_digests digests;
    struct id_block block;
    struct id_auth auth;
    int r;

    if (id_block_parse(block_copy, block_size, &block, &why) == 0) {
        id_block_encode(&block, again);
        REQUIRE(block_size == ID_BLOCK_BYTES && memcmp(again, block_copy, ID_BLOCK_BYTES) == 0);
        REQUIRE(id_policy_check(block.policy, NULL) == 0);
    } else {
        REQUIRE(why.text[0]);
    }
    why.text[0] = '\0';
    if (id_auth_parse(auth_copy, auth_size, &auth, &why) == 0)
        REQUIRE(auth_size == ID_AUTH_BYTES);
    else
        REQUIRE(why.text[0]);
    r = id_auth_verify(block_copy, block_size, auth_copy, auth_size, &digests, &why);
    REQUIRE(r == 0 || r == -EBADMSG || r == -EKEYREJECTED);
    free(block_copy);
    free(auth_copy);
    return 0;
}
