/* Volume labels, made, read and written. */
#include "luks/label.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/file.h"
#include "luks/derive.h"

#define AUTHENTICATED_BYTES 88u

int label_derive_key(const struct secret *volume_key, struct secret *ret_key)
{
    return derive_key(volume_key, "postern volume label", LABEL_KEY_BYTES, ret_key);
}

int label_make(const struct label *label, const struct secret *key, uint8_t ret_bytes[LABEL_BYTES])
{
    uint8_t bytes[LABEL_BYTES] = { 0 };

    memcpy(bytes, "PSTNLBL2", 8);
    put_u64le(bytes + 8, label->epoch);
    memcpy(bytes + 16, label->volume_id, strnlen(label->volume_id, LABEL_ID_MAX_BYTES));
    put_u64le(bytes + 80, label->length);
    if (!HMAC(EVP_sha256(), key->bytes, (int)key->size, bytes, AUTHENTICATED_BYTES, bytes + AUTHENTICATED_BYTES, NULL))
        return -ENOMEM;
    memcpy(ret_bytes, bytes, sizeof(bytes));
    return 0;
}

/* Runs with O_DIRECT where the file knows it: the page cache would give what was read before. */
static int transfer(int volume, uint8_t *block, bool write)
{
    int flags = fcntl(volume, F_GETFL), r = 0;
    bool direct;

    if (flags < 0)
        return -errno;
    direct = fcntl(volume, F_SETFL, flags | O_DIRECT) == 0;
    if (!write)
        r = fd_read_at(volume, 0, block, LABEL_BLOCK_BYTES);
    else if (pwrite(volume, block, LABEL_BLOCK_BYTES, 0) != (ssize_t)LABEL_BLOCK_BYTES || fsync(volume) < 0)
        r = errno ? -errno : -EIO;
    if (direct && fcntl(volume, F_SETFL, flags) < 0 && r == 0)
        r = -errno;
    return r;
}

int label_read(int volume, const struct secret *key, struct label *ret_label)
{
    CLEANUP_FREE uint8_t *block = NULL;
    int r = memory_pages(LABEL_BLOCK_BYTES, &block);

    if (r == 0)
        r = transfer(volume, block, false);
    return r < 0 ? r : label_parse(block, key, ret_label);
}

int label_write(int volume, const struct secret *key, const struct label *label)
{
    CLEANUP_FREE uint8_t *block = NULL;
    int r = memory_pages(LABEL_BLOCK_BYTES, &block);

    if (r == 0)
        r = transfer(volume, block, false);
    if (r == 0)
        r = label_make(label, key, block);
    return r < 0 ? r : transfer(volume, block, true);
}
