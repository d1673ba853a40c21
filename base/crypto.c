/* OpenSSL's start. No input. */
#include "base/crypto.h"

#include <errno.h>
#include <openssl/crypto.h>

int crypto_library_init(void)
{
    return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 ? 0 : -ENOMEM;
}
