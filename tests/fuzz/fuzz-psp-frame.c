/*
 * psp/frame-parse.c. Frames in arbitrary bytes. The scan has to come to an end, use no more than there is, find what
 * it finds whole, and read the same stream in the same way wherever it is cut.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "psp/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

/* A digest of everything that is found in the bytes when at most `step` more arrive at a time. */
static uint32_t read_stream(const uint8_t *data, size_t size, size_t max_payload, size_t step)
{
    uint32_t seen[3] = { 0 };
    size_t at = 0, known = 0;

    while (known < size) {
        known += step < size - known ? step : size - known;
        for (;;) {
            struct frame_scan scan = frame_scan(data + at, known - at, max_payload);

            REQUIRE(scan.used <= known - at && scan.skipped <= scan.used);
            if (scan.found == FRAME_WHOLE) {
                REQUIRE(scan.frame.size <= max_payload);
                REQUIRE(scan.used == scan.skipped + WIRE_FRAME_BYTES(scan.frame.size));
                seen[1] = frame_crc(scan.frame.payload, scan.frame.size);
            }
            if (scan.found == FRAME_REFUSED)
                REQUIRE(scan.refusal && scan.used == scan.skipped + WIRE_HEAD_BYTES);
            at += scan.used;
            if (scan.found == FRAME_NONE)
                break;
            seen[2] = scan.frame.id + (uint32_t)scan.found;
            seen[0] = frame_crc(seen, sizeof(seen));
        }
    }
    return seen[0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t max_payload = size > 64 ? WIRE_REQUEST_MAX_BYTES : 16;
    uint32_t whole = read_stream(data, size, max_payload, size ? size : 1);

    REQUIRE(read_stream(data, size, max_payload, 1) == whole);
    REQUIRE(read_stream(data, size, max_payload, 7) == whole);
    return 0;
}
