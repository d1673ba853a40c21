/* release/jwe-parse.c: encrypted answers from the network, up to the decryption with keys of the guest's. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "release/jwe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tee_key keys[TEE_KEY_RSA + 1];
    static struct jwe jwe;

    for (int kind = TEE_KEY_P256; kind <= TEE_KEY_RSA; kind++) {
        CLEANUP_SECRET struct secret plaintext = SECRET_NONE;
        struct reason why = { "" };

        if (!keys[kind].key && tee_key_generate((enum tee_key_kind)kind, &keys[kind]) < 0)
            abort();
        if (jwe_parse(data, size, (enum tee_key_kind)kind, &jwe, &why) < 0)
            continue;
        if (!jwe.ciphertext_size || jwe.ciphertext_size > sizeof(jwe.ciphertext) ||
            jwe.wrapped_size > sizeof(jwe.wrapped_key))
            abort();
        if (jwe_decrypt(&jwe, keys[kind].key, &plaintext) == 0)
            abort(); /* nobody knows this key */
    }
    return 0;
}
