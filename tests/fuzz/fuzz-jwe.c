/* release/jwe-parse.c: encrypted answers from the network, up to the decryption with a key of the guest's. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "release/jwe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static EVP_PKEY *key;
    struct guest_public_key point;
    CLEANUP_SECRET struct secret plaintext = SECRET_NONE;
    struct reason why = { "" };
    static struct jwe jwe;

    if (!key && guest_key_generate(&key, &point) < 0)
        abort();
    if (jwe_parse(data, size, &jwe, &why) < 0)
        return 0;
    if (!jwe.ciphertext_size || jwe.ciphertext_size > sizeof(jwe.ciphertext))
        abort();
    if (jwe_decrypt(&jwe, key, &plaintext) == 0)
        abort(); /* nobody knows this key */
    return 0;
}
