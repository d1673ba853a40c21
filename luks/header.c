/* LUKS2 headers: reading them once, their codes, and what their digest says about a key. The disk is the host's. */
#include "luks/header.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/file.h"
#include "luks/derive.h"

#define MAC_PREFIX_BYTES 80u /* magic, id, sequence number */

static const char *const codes[] = {
#define X(name, code) [HEADER_##name] = code,
    HEADER_CODES(X)
#undef X
};

const char *header_code_text(enum header_code code)
{
    return codes[code];
}

int header_read(int disk, uint64_t offset, uint8_t ret_bytes[HEADER_BYTES])
{
    int flags = fcntl(disk, F_GETFL);
    CLEANUP_FREE uint8_t *aligned = NULL;
    bool direct;
    int r = flags < 0 ? -errno : memory_pages(HEADER_BYTES, &aligned);

    if (r < 0)
        return r;
    direct = fcntl(disk, F_SETFL, flags | O_DIRECT) == 0;
    r = fd_read_at(disk, offset, aligned, HEADER_BYTES);
    if (direct && fcntl(disk, F_SETFL, flags) < 0)
        return -errno;
    if (r == 0)
        memcpy(ret_bytes, aligned, HEADER_BYTES);
    return r;
}

int header_digest_key(const struct header *header, const struct secret *key, uint8_t ret_digest[HEADER_DIGEST_BYTES])
{
    if (PKCS5_PBKDF2_HMAC((const char *)key->bytes, (int)key->size, header->digest_salt,
                          (int)header->digest_salt_size, (int)header->digest_iterations, EVP_sha256(),
                          HEADER_DIGEST_BYTES, ret_digest) != 1)
        return -ENOMEM;
    return 0;
}

int header_check_key(const struct header *header, const struct secret *key)
{
    uint8_t digest[HEADER_DIGEST_BYTES];
    int r = header_digest_key(header, key, digest);

    if (r < 0)
        return r;
    return CRYPTO_memcmp(digest, header->digest, sizeof(digest)) == 0 ? 0 : -EKEYREJECTED;
}

int header_make_mac(const uint8_t bytes[HEADER_BYTES], const struct header *header, const char *volume_id,
                    const struct secret *key, uint8_t ret_mac[HEADER_MAC_BYTES])
{
    CLEANUP_SECRET struct secret mac_key = SECRET_NONE;
    CLEANUP_FREE uint8_t *text = calloc(1, MAC_PREFIX_BYTES + HEADER_BYTES);
    int r = text ? derive_key(key, "postern volume header", HEADER_MAC_BYTES, &mac_key) : -ENOMEM;

    if (r < 0)
        return r;
    memcpy(text, "PSTNHDR1", 8);
    memcpy(text + 8, volume_id, strnlen(volume_id, 63));
    put_u64le(text + 72, header->sequence);
    memcpy(text + MAC_PREFIX_BYTES, bytes, HEADER_BYTES);
    return HMAC(EVP_sha256(), mac_key.bytes, (int)mac_key.size, text, MAC_PREFIX_BYTES + HEADER_BYTES, ret_mac, NULL)
               ? 0
               : -ENOMEM;
}
