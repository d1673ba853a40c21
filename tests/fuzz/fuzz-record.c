/* release/record-parse.c: records, registered and released; what is read would be written in the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "release/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_registered(const uint8_t *data, size_t size)
{
    CLEANUP_SECRET struct secret copy = SECRET_NONE, again = SECRET_NONE;
    const uint8_t *key;
    struct reason why = { "" };
    struct record record;
    size_t key_size;

    if (record_parse_fields(data, size, &record, &key, &key_size, &why) < 0)
        return;
    if (key < data || key + key_size != data + size || secret_copy(key, key_size, &copy) < 0 ||
        record_encode(&record, &copy, &again) < 0 || again.size != size || memcmp(again.bytes, data, size) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_release_parts parts;

    check_registered(data, size);
    if (record_split_release(data, size, &parts) < 0)
        return 0;
    if (parts.signed_bytes != data || parts.signed_size + 2 + parts.signature_size != size ||
        parts.registered + parts.registered_size != data + parts.signed_size)
        abort();
    check_registered(parts.registered, parts.registered_size);
    return 0;
}
