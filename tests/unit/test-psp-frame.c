/* Frames: found again in whatever stands around them, every refusal named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cursor.h"
#include "psp/frame.h"

#define MAX_PAYLOAD 100
#define ID UINT32_C(0x12345678)

static const uint8_t payload[] = "the payload";

static size_t make_frame(uint8_t *to)
{
    frame_encode(WIRE_REPORT, ID, payload, sizeof(payload), to);
    return WIRE_FRAME_BYTES(sizeof(payload));
}

/* Puts the head's checksum right after a change. */
static void seal_head(uint8_t *frame)
{
    put_u32le(frame + 16, frame_crc(frame, 16));
}

static void crc_is_zlibs(void **state)
{
    (void)state;
    assert_int_equal(frame_crc("123456789", 9), 0xcbf43926);
    assert_int_equal(frame_crc(NULL, 0), 0);
}

static void whole_frame(void **state)
{
    uint8_t data[200];
    size_t size = make_frame(data);
    struct frame_scan scan = frame_scan(data, size, MAX_PAYLOAD);

    (void)state;
    assert_int_equal(scan.found, FRAME_WHOLE);
    assert_int_equal(scan.skipped, 0);
    assert_int_equal(scan.used, size);
    assert_int_equal(scan.frame.kind, WIRE_REPORT);
    assert_int_equal(scan.frame.id, ID);
    assert_int_equal(scan.frame.size, sizeof(payload));
    assert_memory_equal(scan.frame.payload, payload, sizeof(payload));
}

static void empty_payload(void **state)
{
    uint8_t data[WIRE_FRAME_BYTES(0)];
    struct frame_scan scan;

    (void)state;
    frame_encode(WIRE_ERROR, 7, NULL, 0, data);
    scan = frame_scan(data, sizeof(data), 0);
    assert_int_equal(scan.found, FRAME_WHOLE);
    assert_int_equal(scan.frame.size, 0);
    assert_int_equal(scan.used, sizeof(data));
}

/* Nothing is given up before it is known to be noise, and a frame is found however it is cut. */
static void every_cut(void **state)
{
    uint8_t data[200];
    size_t size;

    (void)state;
    size = make_frame(data);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = malloc(cut ? cut : 1);
        struct frame_scan scan;

        assert_non_null(copy);
        memcpy(copy, data, cut);
        scan = frame_scan(copy, cut, MAX_PAYLOAD);
        free(copy);
        assert_int_equal(scan.found, FRAME_NONE);
        assert_int_equal(scan.used, 0);
        assert_int_equal(scan.skipped, 0);
    }
}

static void noise_in_front(void **state)
{
    static const char *const noise[] = { "x", "\x9b", "\x9bP", "\x9bPS", "\x9b\x9bPS",
                                         "\x9bPSPnot a head at all here" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(noise); i++) {
        uint8_t data[300];
        size_t before = strlen(noise[i]), size;
        struct frame_scan scan;

        memcpy(data, noise[i], before);
        size = make_frame(data + before);
        scan = frame_scan(data, before + size, MAX_PAYLOAD);
        assert_int_equal(scan.found, FRAME_WHOLE);
        assert_int_equal(scan.skipped, before);
        assert_int_equal(scan.used, before + size);
        assert_memory_equal(scan.frame.payload, payload, sizeof(payload));
    }
}

static void noise_alone_is_dropped(void **state)
{
    static const uint8_t noise[] = "nothing that looks like a frame\x9bPS";
    struct frame_scan scan = frame_scan(noise, sizeof(noise) - 1, MAX_PAYLOAD);

    (void)state;
    assert_int_equal(scan.found, FRAME_NONE);
    /* The end may be the start of a magic and stays. */
    assert_int_equal(scan.used, sizeof(noise) - 1 - 3);
    assert_int_equal(scan.skipped, scan.used);
}

static void two_frames(void **state)
{
    uint8_t data[400];
    size_t first = make_frame(data);
    struct frame_scan scan;

    (void)state;
    frame_encode(WIRE_DERIVED_KEY, 9, NULL, 0, data + first);
    scan = frame_scan(data, first + WIRE_FRAME_BYTES(0), MAX_PAYLOAD);
    assert_int_equal(scan.used, first);
    scan = frame_scan(data + scan.used, WIRE_FRAME_BYTES(0), MAX_PAYLOAD);
    assert_int_equal(scan.found, FRAME_WHOLE);
    assert_int_equal(scan.frame.kind, WIRE_DERIVED_KEY);
    assert_int_equal(scan.frame.id, 9);
}

/* Each byte of the head changed: no head, so nothing is waited for. */
static void damaged_head(void **state)
{
    (void)state;
    for (size_t at = 0; at < WIRE_HEAD_BYTES; at++) {
        uint8_t data[200];
        size_t size = make_frame(data);
        struct frame_scan scan;

        data[at] ^= 0x40;
        scan = frame_scan(data, size, MAX_PAYLOAD);
        assert_int_equal(scan.found, FRAME_NONE);
        assert_int_equal(scan.used, size);
    }
}

static void expect_refusal(const uint8_t *data, size_t size, const char *refusal)
{
    struct frame_scan scan = frame_scan(data, size, MAX_PAYLOAD);

    assert_int_equal(scan.found, FRAME_REFUSED);
    assert_string_equal(scan.refusal, refusal);
    assert_int_equal(scan.frame.id, ID);
    assert_int_equal(scan.used, WIRE_HEAD_BYTES);
    assert_null(scan.frame.payload);
}

static void refusals(void **state)
{
    uint8_t data[200];
    size_t size = make_frame(data);

    (void)state;
    data[4] = WIRE_VERSION + 1;
    seal_head(data);
    expect_refusal(data, size, "unknown version of the wire");
    (void)make_frame(data);
    data[6] = 1;
    seal_head(data);
    expect_refusal(data, size, "reserved bytes that are not zero");
    (void)make_frame(data);
    put_u32le(data + 12, MAX_PAYLOAD + 1);
    seal_head(data);
    expect_refusal(data, size, "payload longer than any that is expected");
    put_u32le(data + 12, UINT32_MAX);
    seal_head(data);
    expect_refusal(data, size, "payload longer than any that is expected");
    (void)make_frame(data);
    data[WIRE_HEAD_BYTES + 3] ^= 1;
    expect_refusal(data, size, "wrong checksum of the payload");
    (void)make_frame(data);
    data[size - 1] ^= 1;
    expect_refusal(data, size, "wrong checksum of the payload");
}

/* A frame that lost a byte takes the first byte of the next: the next one is found all the same. */
static void lost_byte_costs_one_frame(void **state)
{
    uint8_t data[400];
    size_t size = make_frame(data), total;
    struct frame_scan scan;

    (void)state;
    memmove(data + WIRE_HEAD_BYTES + 2, data + WIRE_HEAD_BYTES + 3, size - WIRE_HEAD_BYTES - 3);
    total = size - 1 + make_frame(data + size - 1);
    scan = frame_scan(data, total, MAX_PAYLOAD);
    assert_int_equal(scan.found, FRAME_REFUSED);
    scan = frame_scan(data + scan.used, total - scan.used, MAX_PAYLOAD);
    assert_int_equal(scan.found, FRAME_WHOLE);
    assert_memory_equal(scan.frame.payload, payload, sizeof(payload));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_is_zlibs),  cmocka_unit_test(whole_frame),
        cmocka_unit_test(empty_payload), cmocka_unit_test(every_cut),
        cmocka_unit_test(noise_in_front), cmocka_unit_test(noise_alone_is_dropped),
        cmocka_unit_test(two_frames),    cmocka_unit_test(damaged_head),
        cmocka_unit_test(refusals),      cmocka_unit_test(lost_byte_costs_one_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
