/* OpenSSL's start, and of its ciphers'. Keys are the caller's. */
#include "base/crypto.h"

#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <stdlib.h>
#include <string.h>

int crypto_library_init(void)
{
    return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 ? 0 : -ENOMEM;
}

int crypto_cipher_begin(EVP_CIPHER_CTX *context, const char *name, bool encrypt, const uint8_t *key, const uint8_t *iv)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    int ok = context && cipher && EVP_CipherInit_ex2(context, cipher, key, iv, encrypt, NULL) == 1;

    EVP_CIPHER_free(cipher);
    return ok ? 0 : -ENOMEM;
}

int crypto_derive(const char *name, const OSSL_PARAM *parameters, size_t size, struct secret *ret_secret)
{
    CLEANUP_SECRET struct secret secret = SECRET_NONE;
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    int r = secret_alloc(size, &secret);

    if (r == 0 && (!context || EVP_KDF_derive(context, secret.bytes, size, parameters) != 1))
        r = -ENOMEM;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    ERR_clear_error();
    if (r == 0)
        *ret_secret = secret_take(&secret);
    return r;
}

static void *wiping_malloc(size_t size, const char *file UNUSED, int line UNUSED)
{
    return malloc(size);
}

static void wiping_free(void *memory, const char *file UNUSED, int line UNUSED)
{
    if (memory)
        OPENSSL_cleanse(memory, malloc_usable_size(memory));
    free(memory);
}

/* Memory that grows in place would be realloc()'s to choose; what it moves it does not wipe. */
static void *wiping_realloc(void *memory, size_t size, const char *file, int line)
{
    size_t had = memory ? malloc_usable_size(memory) : 0;
    void *moved = memory;

    if (!memory || size > had) {
        moved = malloc(size);
        if (!moved)
            return NULL;
        if (had)
            memcpy(moved, memory, had);
        wiping_free(memory, file, line);
    }
    return moved;
}

int crypto_wipe_freed(void)
{
    return CRYPTO_set_mem_functions(wiping_malloc, wiping_realloc, wiping_free) == 1 ? 0 : -EBUSY;
}
