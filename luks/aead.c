/* Sector encryption with tags for images; the contents are the builder's own. */
#include "luks/aead.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "luks/luks.h"
#include "luks/xts.h"

#define BLOCK_BYTES 4096u
#define ASSOCIATED_BYTES 24u /* sector number and IV */

struct aead {
    struct xts *xts;
    EVP_PKEY *mac_key;
    EVP_MD_CTX *mac;
};

int aead_new(const struct secret *key, struct aead **ret_aead)
{
    struct secret cipher_key = { key->bytes, XTS_KEY_BYTES };
    struct aead *aead;

    if (key->size != AEAD_KEY_BYTES)
        return -EINVAL;
    aead = calloc(1, sizeof(*aead));
    if (!aead)
        return -ENOMEM;
    aead->mac_key = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, key->bytes + XTS_KEY_BYTES,
                                                 AEAD_KEY_BYTES - XTS_KEY_BYTES);
    aead->mac = EVP_MD_CTX_new();
    if (!aead->mac_key || !aead->mac || xts_new(&cipher_key, &aead->xts) < 0 ||
        EVP_DigestSignInit(aead->mac, NULL, EVP_sha256(), NULL, aead->mac_key) != 1) {
        aead_free(&aead);
        return -ENOMEM;
    }
    *ret_aead = aead;
    return 0;
}

static int tag_block(struct aead *aead, uint64_t offset, const uint8_t *block, uint8_t ret_tag[AEAD_TAG_BYTES])
{
    uint8_t associated[ASSOCIATED_BYTES] = { 0 };
    size_t size = AEAD_TAG_BYTES;

    put_u64le(associated, offset / SECTOR_BYTES);
    put_u64le(associated + 8, offset / SECTOR_BYTES);
    if (EVP_DigestSignInit(aead->mac, NULL, NULL, NULL, NULL) != 1 ||
        EVP_DigestSignUpdate(aead->mac, associated, sizeof(associated)) != 1 ||
        EVP_DigestSignUpdate(aead->mac, block, BLOCK_BYTES) != 1 ||
        EVP_DigestSignFinal(aead->mac, ret_tag, &size) != 1 || size != AEAD_TAG_BYTES)
        return -EIO;
    return 0;
}

int aead_encrypt(struct aead *aead, uint64_t offset, uint8_t *data, size_t size, uint8_t *ret_tags)
{
    int r = xts_encrypt(aead->xts, offset, data, size);

    for (size_t at = 0; r == 0 && at < size; at += BLOCK_BYTES)
        r = tag_block(aead, offset + at, data + at, ret_tags + at / BLOCK_BYTES * AEAD_TAG_BYTES);
    return r;
}

void aead_free(struct aead **aead)
{
    if (!*aead)
        return;
    xts_free(&(*aead)->xts);
    EVP_MD_CTX_free((*aead)->mac);
    EVP_PKEY_free((*aead)->mac_key);
    free(*aead);
    *aead = NULL;
}
