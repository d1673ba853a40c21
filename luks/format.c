/* Formatting: the template is measured, the disk is the host's, and nobody comes here because opening failed. */
#include "luks/format.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/file.h"
#include "luks/integrity.h"
#include "luks/luks.h"

#define BLOCK_BYTES 4096u
#define CHUNK_BYTES (1024u * 1024)
#define ENTRY_BYTES (4u + BLOCK_BYTES)

static int write_at(int fd, uint64_t place, const void *data, size_t size)
{
    const uint8_t *from = data;

    while (size) {
        ssize_t n = pwrite(fd, from, size, (off_t)place);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        from += n;
        place += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

int format_prepare(const struct crypt_volume *volume, int disk, struct reason *why)
{
    CLEANUP_FREE uint8_t *section = NULL;
    struct integrity_layout layout;
    char device[32];
    uint64_t bytes = 0, end = 0;
    int r;

    if (strcmp(volume->integrity, "none") == 0)
        return 0;
    r = integrity_make_layout(volume->length, volume->layout_length, &layout);
    if (r == 0)
        r = dm_describe_device(disk, device, &bytes);
    if (r == 0 && (__builtin_add_overflow(volume->offset, layout.end * SECTOR_BYTES, &end) || end > bytes))
        r = -ENOSPC;
    if (r == 0)
        r = memory_pages(INTEGRITY_SECTION_BYTES, &section);
    for (uint32_t i = 0; r == 0 && i < layout.journal_sections; i++) {
        integrity_make_section(i, section);
        r = write_at(disk, volume->offset + INTEGRITY_SUPERBLOCK_BYTES + (uint64_t)i * INTEGRITY_SECTION_BYTES,
                     section, INTEGRITY_SECTION_BYTES);
    }
    if (r == 0) { /* aligned like the sections: the descriptor may be one for O_DIRECT */
        integrity_make_superblock(&layout, section);
        r = write_at(disk, volume->offset, section, INTEGRITY_SUPERBLOCK_BYTES);
    }
    if (r == 0 && fsync(disk) < 0)
        r = -errno;
    return r < 0 ? reason_set(why, r, "volume %s: its tags cannot be prepared: %s", volume->name, strerror(-r)) : 0;
}

static int write_zeros(int mapping, uint64_t from, uint64_t length)
{
    CLEANUP_FREE uint8_t *zeros = NULL;
    int r = memory_pages(CHUNK_BYTES, &zeros);

    for (uint64_t at = from; r == 0 && at < length; at += CHUNK_BYTES)
        r = write_at(mapping, at, zeros, length - at < CHUNK_BYTES ? (size_t)(length - at) : CHUNK_BYTES);
    return r;
}

/* The blocks but block 0, or block 0 alone. */
static int write_template(int mapping, const uint8_t *template, size_t size, bool first)
{
    CLEANUP_FREE uint8_t *block = NULL;
    int r = memory_pages(BLOCK_BYTES, &block);

    for (size_t at = 0; r == 0 && at < size; at += ENTRY_BYTES) {
        uint32_t number = get_u32le(template + at);

        if (!number != first)
            continue;
        memcpy(block, template + at + 4, BLOCK_BYTES);
        r = write_at(mapping, (uint64_t)number * BLOCK_BYTES, block, BLOCK_BYTES);
    }
    if (r == 0 && fsync(mapping) < 0)
        r = -errno;
    return r;
}

static bool template_is_one(const uint8_t *template, size_t size)
{
    bool has_first = false;

    for (size_t at = 0; at + ENTRY_BYTES <= size; at += ENTRY_BYTES) {
        uint32_t number = get_u32le(template + at);

        if (number >= FORMAT_TEMPLATE_VOLUME_BYTES / BLOCK_BYTES)
            return false;
        has_first = has_first || !number;
    }
    return has_first && size % ENTRY_BYTES == 0;
}

int format_fill(const struct crypt_volume *volume, int mapping, const uint8_t *template, size_t size,
                struct reason *why)
{
    bool tags = strcmp(volume->integrity, "none") != 0;
    int flags = fcntl(mapping, F_GETFL), r;

    if (!template_is_one(template, size) || volume->length < FORMAT_TEMPLATE_VOLUME_BYTES)
        return reason_set(why, -EBADMSG, "volume %s: the template of its file system does not fit", volume->name);
    if (flags < 0 || fcntl(mapping, F_SETFL, flags | O_DIRECT) < 0)
        return -errno;
    r = write_zeros(mapping, 0, tags ? volume->length : FORMAT_TEMPLATE_VOLUME_BYTES);
    if (r == 0)
        r = write_template(mapping, template, size, false);
    if (r == 0)
        r = write_template(mapping, template, size, true);
    return r < 0 ? reason_set(why, r, "volume %s: cannot be formatted: %s", volume->name, strerror(-r)) : 0;
}

int format_extend(int mapping, uint64_t from, uint64_t to)
{
    int flags = fcntl(mapping, F_GETFL), r;

    if (flags < 0 || fcntl(mapping, F_SETFL, flags | O_DIRECT) < 0)
        return -errno;
    r = write_zeros(mapping, from, to);
    return r == 0 && fsync(mapping) < 0 ? -errno : r;
}

int format_is_blank(const struct crypt_volume *volume, int disk, bool *ret_blank)
{
    const uint64_t places[] = { 0, volume->offset };
    CLEANUP_FREE uint8_t *data = NULL;
    bool blank = true;
    int r = memory_pages(CHUNK_BYTES, &data);

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(places); i++) {
        r = fd_read_at(disk, places[i], data, CHUNK_BYTES);
        blank = blank && all_zero(data, CHUNK_BYTES);
    }
    if (r == 0)
        *ret_blank = blank;
    return r;
}
