/* Frames: whoever writes to the line controls every byte, and the line may lose some. Pure. */
#include "psp/frame.h"

#include <string.h>

#include "base/cursor.h"

#define CRC_POLYNOMIAL 0xedb88320u

static const uint8_t magic[4] = { 0x9b, 'P', 'S', 'P' };

/* Bit by bit: frames have a few KiB and the line is slower than this. */
uint32_t frame_crc(const void *data, size_t size)
{
    const uint8_t *p = data;
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ CRC_POLYNOMIAL : crc >> 1;
    }
    return ~crc;
}

/* Where the next magic starts, or as much of one as the bytes end with; `size` when there is neither. */
static size_t find_magic(const uint8_t *data, size_t size)
{
    size_t at;

    for (at = 0; at < size; at++) {
        size_t left = size - at;

        if (memcmp(data + at, magic, left < sizeof(magic) ? left : sizeof(magic)) == 0)
            break;
    }
    return at;
}

/* A head at the start of `c`. False when its checksum does not hold: then it is no head. */
static bool read_head(struct cursor c, struct frame *ret_frame, size_t *ret_size, const char **ret_refusal)
{
    const uint8_t *start = c.p;
    uint8_t version, kind;
    uint16_t zero;
    uint32_t id, size;

    cursor_skip(&c, sizeof(magic));
    version = cursor_u8(&c);
    kind = cursor_u8(&c);
    zero = cursor_u16le(&c);
    id = cursor_u32le(&c);
    size = cursor_u32le(&c);
    if (cursor_u32le(&c) != frame_crc(start, WIRE_HEAD_BYTES - sizeof(uint32_t)) || c.failed)
        return false;
    *ret_frame = (struct frame){ .kind = kind, .id = id };
    *ret_size = size;
    if (version != WIRE_VERSION)
        *ret_refusal = "unknown version of the wire";
    else if (zero)
        *ret_refusal = "reserved bytes that are not zero";
    return true;
}

/* The head at `at` has been seen to be complete. False: no head there, look further on. */
static bool scan_at(const uint8_t *data, size_t size, size_t max_payload, size_t at, struct frame_scan *scan)
{
    struct cursor c = cursor_over(data + at, size - at);
    size_t payload;

    scan->refusal = NULL;
    if (!read_head(cursor_sub(&c, WIRE_HEAD_BYTES), &scan->frame, &payload, &scan->refusal))
        return false;
    if (!scan->refusal && payload > max_payload)
        scan->refusal = "payload longer than any that is expected";
    if (!scan->refusal && c.left < payload + WIRE_TAIL_BYTES) {
        scan->used = at;
        return true;
    }
    if (!scan->refusal) {
        const uint8_t *bytes = cursor_bytes(&c, payload);

        if (cursor_u32le(&c) == frame_crc(bytes, payload)) {
            scan->found = FRAME_WHOLE;
            scan->frame.payload = bytes;
            scan->frame.size = payload;
            scan->used = size - c.left;
            return true;
        }
        scan->refusal = "wrong checksum of the payload";
    }
    scan->found = FRAME_REFUSED;
    scan->used = at + WIRE_HEAD_BYTES;
    return true;
}

struct frame_scan frame_scan(const void *data, size_t size, size_t max_payload)
{
    struct frame_scan scan = { .found = FRAME_NONE };
    const uint8_t *bytes = data;
    size_t at = 0;

    for (;;) {
        at += find_magic(bytes + at, size - at);
        scan.skipped = at;
        scan.used = at;
        if (size - at < WIRE_HEAD_BYTES || scan_at(bytes, size, max_payload, at, &scan))
            return scan;
        at++;
    }
}

void frame_encode(uint8_t kind, uint32_t id, const void *payload, size_t size, uint8_t *ret_frame)
{
    memcpy(ret_frame, magic, sizeof(magic));
    ret_frame[4] = WIRE_VERSION;
    ret_frame[5] = kind;
    put_u16le(ret_frame + 6, 0);
    put_u32le(ret_frame + 8, id);
    put_u32le(ret_frame + 12, (uint32_t)size);
    put_u32le(ret_frame + 16, frame_crc(ret_frame, WIRE_HEAD_BYTES - sizeof(uint32_t)));
    if (size)
        memcpy(ret_frame + WIRE_HEAD_BYTES, payload, size);
    put_u32le(ret_frame + WIRE_HEAD_BYTES + size, frame_crc(payload, size));
}
