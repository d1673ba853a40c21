/* release/identity-parse.c: what is accepted is written in the same words, and no envelope holds without a signature. */
#include <openssl/ec.h>

#include "fuzz.h"
#include "release/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static EVP_PKEY *root;
    char *text = fuzz_copy(data, size, 0);
    struct identity identity, again;

    if (!root)
        root = EVP_EC_gen("P-384");
    REQUIRE(identity_verify(text, size, root, 1, &identity, NULL) < 0); /* nobody knows this key */
    if (identity_parse(text, size, &identity, NULL) == 0) {
        CLEANUP_BUFFER struct buffer first = BUFFER_EMPTY, second = BUFFER_EMPTY;

        REQUIRE(identity.address_count && identity.pin_count && identity.first_release <= identity.last_release);
        REQUIRE(identity_write(&identity, &first) == 0);
        REQUIRE(identity_parse(first.data, first.size, &again, NULL) == 0);
        REQUIRE(identity_write(&again, &second) == 0);
        REQUIRE(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    }
    free(text);
    return 0;
}
