/*
 * luks/integrity-parse.c and luks/label-parse.c: what is read of an opened disk. The input is the volume's length (8
 * bytes), a label, and a superblock; what is accepted is what we would have written, but for the field that the kernel
 * rewrites.
 */
#include "base/cursor.h"
#include "fuzz.h"
#include "luks/integrity.h"
#include "luks/label.h"

static void check_superblock(uint64_t length, uint8_t *bytes)
{
    uint8_t expected[INTEGRITY_SUPERBLOCK_BYTES];
    struct integrity_layout layout;
    struct reason why = { "" };

    if (integrity_make_layout(length, length, &layout) < 0)
        return;
    REQUIRE(layout.end > layout.provided && layout.provided * 512 == length);
    REQUIRE(integrity_data_place(&layout, length / 4096 - 1) + 4096 == layout.end * 512);
    if (integrity_check_superblock(bytes, &layout, &why) < 0) {
        REQUIRE(why.text[0]);
        return;
    }
    integrity_make_superblock(&layout, expected);
    REQUIRE(memcmp(bytes, expected, 16) == 0 && memcmp(bytes + 24, expected + 24, 5) == 0);
}

static void check_label(const uint8_t *bytes)
{
    uint8_t key_bytes[LABEL_KEY_BYTES] = { 1 }, again[LABEL_BYTES];
    const struct secret key = { key_bytes, sizeof(key_bytes) };
    struct label label, made = { .epoch = get_u64le(bytes + 8), .volume_id = "data" };

    if (label_parse(bytes, &key, &label) == 0)
        REQUIRE(label_make(&label, &key, again) == 0 && memcmp(again, bytes, sizeof(again)) == 0);
    REQUIRE(label_make(&made, &key, again) == 0 && label_parse(again, &key, &label) == 0);
    REQUIRE(label.epoch == made.epoch && strcmp(label.volume_id, "data") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size, 8 + LABEL_BYTES + INTEGRITY_SUPERBLOCK_BYTES);

    check_label(copy + 8);
    check_superblock(get_u64le(copy), copy + 8 + LABEL_BYTES);
    free(copy);
    return 0;
}
