/*
 * Argon2id in static programs: OpenSSL 3.5 takes all of its working memory, as large as a LUKS2 header asks for, from
 * the secure heap, which is sized for keys. What could never fit there comes from the ordinary heap instead; OpenSSL
 * wipes it before it gives it back, on either (crypto/mem_sec.c looks whose it is).
 */
#include <openssl/crypto.h>

#include "base/secret.h"

/* The linker sends calls of CRYPTO_secure_zalloc() here (--wrap), and those of __real_… to OpenSSL. */
void *__real_CRYPTO_secure_zalloc(size_t size, const char *file, int line);
void *__wrap_CRYPTO_secure_zalloc(size_t size, const char *file, int line);

void *__wrap_CRYPTO_secure_zalloc(size_t size, const char *file, int line)
{
    return size > SECURE_HEAP_BYTES ? CRYPTO_zalloc(size, file, line) : __real_CRYPTO_secure_zalloc(size, file, line);
}
