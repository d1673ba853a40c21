/* HKDF by OpenSSL. */
#include "luks/derive.h"

#include <openssl/core_names.h>
#include <string.h>

#include "base/crypto.h"

int derive_key(const struct secret *from, const char *info, size_t size, struct secret *ret_key)
{
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, from->bytes, from->size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info, strlen(info)),
        OSSL_PARAM_construct_end(),
    };

    return crypto_derive("HKDF", parameters, size, ret_key);
}
