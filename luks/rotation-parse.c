/* Slots of a rotation: bytes of a disk that nobody has authenticated yet. */
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/cursor.h"
#include "luks/rotation.h"

int rotation_parse_slot(const uint8_t bytes[ROTATION_TEXT_BYTES], const struct secret *key,
                        struct rotation_slot *ret_slot)
{
    struct rotation_slot slot = { .sequence = get_u64le(bytes + 8),
                                  .epoch = get_u64le(bytes + 16),
                                  .done = get_u64le(bytes + 24),
                                  .logged = get_u64le(bytes + 32) };
    uint8_t expected[ROTATION_TEXT_BYTES];
    int r;

    if (memcmp(bytes, "PSTNROT1", 8) != 0)
        return -ENODATA;
    memcpy(slot.digest, bytes + 40, sizeof(slot.digest));
    memcpy(slot.volume_id, bytes + 72, LABEL_ID_MAX_BYTES);
    r = rotation_make_slot(&slot, key, expected);
    if (r < 0)
        return r;
    if (CRYPTO_memcmp(bytes, expected, ROTATION_TEXT_BYTES) != 0)
        return -EKEYREJECTED;
    if (slot.logged > ROTATION_CHUNK_BYTES || slot.done > INT64_MAX || slot.done % 4096 || slot.logged % 4096)
        return -EBADMSG;
    *ret_slot = slot;
    return 0;
}
