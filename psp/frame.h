/* Frames of the wire (psp/psp.h): found in a stream of bytes that anybody may have written, and made. */
#pragma once

#include "base/base.h"
#include "psp/psp.h"

struct frame {
    uint8_t kind;
    uint32_t id;
    const uint8_t *payload; /* in the scanned bytes; NULL when the frame was refused */
    size_t size;
};

enum frame_found {
    FRAME_NONE,    /* no whole frame yet: more bytes are needed */
    FRAME_WHOLE,   /* a frame */
    FRAME_REFUSED, /* a head whose checksum holds, of something that is not acceptable */
};

struct frame_scan {
    enum frame_found found;
    size_t skipped;      /* bytes in front that belong to no frame */
    size_t used;         /* bytes that are done with, the skipped ones included */
    struct frame frame;  /* FRAME_REFUSED: kind and id alone */
    const char *refusal; /* FRAME_REFUSED: why, a few words */
};

/*
 * Looks for the first frame in `data`. Payloads above `max_payload` are refused. After a refusal the scan goes on right
 * behind the head: a frame that swallowed the start of the next one does not cost the next one.
 */
struct frame_scan frame_scan(const void *data, size_t size, size_t max_payload);

/* Writes a frame of WIRE_FRAME_BYTES(size) bytes to ret_frame. */
void frame_encode(uint8_t kind, uint32_t id, const void *payload, size_t size, uint8_t *ret_frame);

/* CRC-32 of IEEE 802.3, as zlib's crc32() has it. */
uint32_t frame_crc(const void *data, size_t size);
