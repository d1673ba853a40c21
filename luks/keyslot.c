/* LUKS2 keyslots on OpenSSL: what decrypts is kept in secrets, stripe by stripe; the host's bytes are read once. */
#include "luks/keyslot.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/cursor.h"
#include "base/file.h"
#include "measure/measure.h"

#define AREA_KEY_BYTES 64
#define AREA_SECTOR_BYTES 512u
#define MAX_CHUNK_BYTES 1536u /* whole sectors and whole stripes of 96 bytes */
#define IV_BYTES 16

static int derive_pbkdf2(const struct header_keyslot *slot, const struct secret *passphrase, struct secret *ret_key)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    int r = secret_alloc(AREA_KEY_BYTES, &key);

    if (r == 0 && PKCS5_PBKDF2_HMAC((const char *)passphrase->bytes, (int)passphrase->size, slot->salt,
                                    (int)slot->salt_size, (int)slot->iterations, EVP_sha256(), AREA_KEY_BYTES,
                                    key.bytes) != 1)
        r = -ENOMEM;
    if (r == 0)
        *ret_key = secret_take(&key);
    return r;
}

/* Lanes one after the other: the result is the same, and PID 1 has one thread. */
static int derive_argon2id(const struct header_keyslot *slot, const struct secret *passphrase, struct secret *ret_key)
{
    uint32_t passes = slot->iterations, memory = slot->memory_kib, lanes = slot->lanes, threads = 1;
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, passphrase->bytes, passphrase->size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)slot->salt, slot->salt_size),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ITER, &passes),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ARGON2_MEMCOST, &memory),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ARGON2_LANES, &lanes),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_THREADS, &threads),
        OSSL_PARAM_construct_end(),
    };

    return crypto_derive("ARGON2ID", parameters, AREA_KEY_BYTES, ret_key);
}

/* The splitter's hash over a block, in pieces of a digest, each with its number before it. */
static int diffuse(EVP_MD_CTX *context, uint8_t *block, size_t size)
{
    for (size_t at = 0, number = 0; at < size; at += SHA256_BYTES, number++) {
        uint8_t be[4] = { 0, 0, 0, (uint8_t)number };

        if (EVP_DigestInit_ex2(context, EVP_sha256(), NULL) != 1 || EVP_DigestUpdate(context, be, sizeof(be)) != 1 ||
            EVP_DigestUpdate(context, block + at, SHA256_BYTES) != 1 ||
            EVP_DigestFinal_ex(context, block + at, NULL) != 1)
            return -ENOMEM;
    }
    return 0;
}

struct merge {
    EVP_CIPHER_CTX *cipher;
    EVP_MD_CTX *digest;
    struct secret chunk, key;
    size_t chunk_size, stripe;
};

static int decrypt_chunk(struct merge *m, const uint8_t *from, uint64_t sector)
{
    for (size_t at = 0; at < m->chunk_size; at += AREA_SECTOR_BYTES) {
        uint8_t iv[IV_BYTES] = { 0 };
        int done = 0;

        put_u64le(iv, sector++);
        if (EVP_DecryptInit_ex2(m->cipher, NULL, NULL, iv, NULL) != 1 ||
            EVP_DecryptUpdate(m->cipher, m->chunk.bytes + at, &done, from + at, (int)AREA_SECTOR_BYTES) != 1 ||
            done != (int)AREA_SECTOR_BYTES)
            return -EIO;
    }
    return 0;
}

/* Each stripe is added to the key; the sum is hashed but after the last. */
static int merge_chunk(struct merge *m)
{
    int r = 0;

    for (size_t at = 0; r == 0 && at < m->chunk_size; at += m->key.size) {
        for (size_t i = 0; i < m->key.size; i++)
            m->key.bytes[i] ^= m->chunk.bytes[at + i];
        if (++m->stripe < HEADER_AF_STRIPES_COUNT)
            r = diffuse(m->digest, m->key.bytes, m->key.size);
    }
    return r;
}

static int merge_area(const uint8_t *area, size_t area_size, const struct secret *area_key, size_t key_size,
                      struct secret *ret_key)
{
    struct merge m = { .chunk_size = key_size == 64 ? AREA_SECTOR_BYTES : MAX_CHUNK_BYTES };
    int r = secret_alloc(m.chunk_size, &m.chunk);

    if (r == 0)
        r = secret_alloc(key_size, &m.key);
    m.cipher = EVP_CIPHER_CTX_new();
    m.digest = EVP_MD_CTX_new();
    if (r == 0)
        r = m.digest ? crypto_cipher_begin(m.cipher, "AES-256-XTS", false, area_key->bytes, NULL) : -ENOMEM;
    for (size_t at = 0; r == 0 && at < area_size; at += m.chunk_size) {
        r = decrypt_chunk(&m, area + at, at / AREA_SECTOR_BYTES);
        if (r == 0)
            r = merge_chunk(&m);
    }
    EVP_CIPHER_CTX_free(m.cipher);
    EVP_MD_CTX_free(m.digest);
    ERR_clear_error();
    secret_free(&m.chunk);
    if (r < 0)
        secret_free(&m.key);
    else
        *ret_key = m.key;
    return r;
}

int keyslot_open(int disk, uint64_t offset, const struct header *header, const struct secret *passphrase,
                 struct secret *ret_key, struct reason *why)
{
    const struct header_keyslot *slot = &header->keyslot;
    size_t area_size = HEADER_AF_STRIPES_COUNT * header->key_size;
    CLEANUP_SECRET struct secret area_key = SECRET_NONE;
    CLEANUP_FREE uint8_t *area = malloc(area_size);
    int r;

    if (!header->has_keyslot)
        return reason_set(why, -ENOENT, "the header has no keyslot that a passphrase could open");
    if (!area)
        return -ENOMEM;
    r = fd_read_at(disk, offset + slot->area_offset, area, area_size);
    if (r < 0)
        return reason_set(why, r, "the keyslot cannot be read: %s", strerror(-r));
    r = slot->argon2id ? derive_argon2id(slot, passphrase, &area_key) : derive_pbkdf2(slot, passphrase, &area_key);
    if (r < 0 && slot->argon2id)
        return reason_set(why, r, "the keyslot's argon2id wants %u KiB of memory, which this guest does not have",
                          slot->memory_kib);
    return r < 0 ? r : merge_area(area, area_size, &area_key, header->key_size, ret_key);
}
