/* Sector encryption for images; the contents are the builder's own. */
#include "luks/xts.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/cursor.h"
#include "luks/luks.h"

#define ENCRYPTION_SECTOR_BYTES 4096u
#define IV_BYTES 16

struct xts {
    EVP_CIPHER_CTX *context;
};

int xts_new(const struct secret *key, struct xts **ret_xts)
{
    struct xts *xts;

    if (key->size != XTS_KEY_BYTES)
        return -EINVAL;
    xts = calloc(1, sizeof(*xts));
    if (!xts)
        return -ENOMEM;
    xts->context = EVP_CIPHER_CTX_new();
    if (crypto_cipher_begin(xts->context, "AES-256-XTS", true, key->bytes, NULL) < 0) {
        xts_free(&xts);
        return -ENOMEM;
    }
    *ret_xts = xts;
    return 0;
}

int xts_encrypt(struct xts *xts, uint64_t offset, uint8_t *data, size_t size)
{
    if (offset % ENCRYPTION_SECTOR_BYTES || size % ENCRYPTION_SECTOR_BYTES)
        return -EINVAL;
    for (size_t at = 0; at < size; at += ENCRYPTION_SECTOR_BYTES) {
        uint8_t iv[IV_BYTES] = { 0 };
        int done = 0;

        put_u64le(iv, (offset + at) / SECTOR_BYTES);
        if (EVP_EncryptInit_ex2(xts->context, NULL, NULL, iv, NULL) != 1 ||
            EVP_EncryptUpdate(xts->context, data + at, &done, data + at, (int)ENCRYPTION_SECTOR_BYTES) != 1 ||
            done != (int)ENCRYPTION_SECTOR_BYTES)
            return -EIO;
    }
    return 0;
}

void xts_free(struct xts **xts)
{
    if (!*xts)
        return;
    EVP_CIPHER_CTX_free((*xts)->context);
    free(*xts);
    *xts = NULL;
}
