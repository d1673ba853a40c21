/* dm-integrity superblocks. Their bytes are the host's, and so may be what the kernel reads a moment later. */
#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "luks/integrity.h"

static const struct {
    const char *name;
    size_t at, size;
} fields[] = {
    { "version", 8, 1 },
    { "log2_interleave_sectors", 9, 1 },
    { "tag size", 10, 2 },
    { "journal_sections", 12, 4 },
    { "flags", 24, 4 },
    { "log2_sectors_per_block", 28, 1 },
};

static uint32_t number_at(const uint8_t *bytes, size_t at, size_t size)
{
    return size == 4 ? get_u32le(bytes + at) : size == 2 ? get_u16le(bytes + at) : bytes[at];
}

int integrity_check_superblock(const uint8_t bytes[INTEGRITY_SUPERBLOCK_BYTES], const struct integrity_layout *layout,
                               struct reason *why)
{
    uint8_t expected[INTEGRITY_SUPERBLOCK_BYTES];

    integrity_make_superblock(layout, expected);
    if (memcmp(bytes, expected, 8) != 0)
        return reason_set(why, -ENOMEDIUM, "there is no integrity superblock where the record says");
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        uint32_t found = number_at(bytes, fields[i].at, fields[i].size);
        uint32_t wanted = number_at(expected, fields[i].at, fields[i].size);

        if (found != wanted)
            return reason_set(why, -EBADMSG, "integrity superblock: %s is %u, expected %u", fields[i].name, found,
                              wanted);
    }
    return 0;
}
