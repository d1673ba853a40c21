/* Volume labels: bytes from a volume that nobody has authenticated yet. */
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/cursor.h"
#include "luks/label.h"

int label_parse(const uint8_t bytes[LABEL_BYTES], const struct secret *key, struct label *ret_label)
{
    struct label label = { .epoch = get_u64le(bytes + 8), .length = get_u64le(bytes + 80) };
    uint8_t expected[LABEL_BYTES];
    size_t length;
    int r;

    if (memcmp(bytes, "PSTNLBL2", 8) != 0)
        return -ENODATA;
    memcpy(label.volume_id, bytes + 16, LABEL_ID_MAX_BYTES);
    r = label_make(&label, key, expected);
    if (r < 0)
        return r;
    /* Also what stands behind the id is compared: made labels have zeros there. */
    if (CRYPTO_memcmp(bytes, expected, LABEL_BYTES) != 0)
        return -EKEYREJECTED;
    length = strlen(label.volume_id);
    if (!length || strspn(label.volume_id, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
        return -EBADMSG;
    *ret_label = label;
    return 0;
}
