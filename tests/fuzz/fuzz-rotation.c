/* luks/rotation-parse.c: a slot of a rotation; what is accepted is what we would have written, and fits. */
#include "base/cursor.h"
#include "fuzz.h"
#include "luks/rotation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t key_bytes[ROTATION_KEY_BYTES] = { 1 }, again[ROTATION_TEXT_BYTES];
    const struct secret key = { key_bytes, sizeof(key_bytes) };
    uint8_t *copy = fuzz_copy(data, size < ROTATION_TEXT_BYTES ? size : ROTATION_TEXT_BYTES,
                              size < ROTATION_TEXT_BYTES ? ROTATION_TEXT_BYTES - size : 0);
    struct rotation_slot slot, made = { .sequence = get_u64le(copy + 8), .epoch = get_u64le(copy + 16) };

    if (rotation_parse_slot(copy, &key, &slot) == 0) {
        REQUIRE(rotation_make_slot(&slot, &key, again) == 0 && memcmp(again, copy, sizeof(again)) == 0);
        REQUIRE(slot.logged <= ROTATION_CHUNK_BYTES && slot.done % 4096 == 0);
    }
    made.done = get_u64le(copy + 24) % (UINT64_C(1) << 62) / 4096 * 4096;
    REQUIRE(rotation_make_slot(&made, &key, again) == 0 && rotation_parse_slot(again, &key, &slot) == 0);
    REQUIRE(slot.sequence == made.sequence && slot.epoch == made.epoch && slot.done == made.done);
    free(copy);
    return 0;
}
