/* OpenSSL's start. The environment is that of whoever started us; what it says about modules is overruled. */
#include "base/crypto.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>

int crypto_library_init(void)
{
    /* A path that cannot be a directory, so that no file can ever be put there. */
    if (setenv("OPENSSL_MODULES", "/dev/null", 1) < 0 ||
        OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
        return -ENOMEM;
    return 0;
}
