/* HKDF by OpenSSL. */
#include "luks/derive.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <string.h>

int derive_key(const struct secret *from, const char *info, size_t size, struct secret *ret_key)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, from->bytes, from->size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info, strlen(info)),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    int r = secret_alloc(size, &key);

    if (r == 0 && (!context || EVP_KDF_derive(context, key.bytes, key.size, parameters) != 1))
        r = -ENOMEM;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    if (r < 0)
        return r;
    *ret_key = key;
    key = SECRET_NONE;
    return 0;
}
