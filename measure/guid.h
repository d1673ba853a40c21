/* GUIDs as firmware tables and QEMU store them: their first three fields little-endian (UEFI appendix A). */
#pragma once

#include "base/base.h"

#define GUID_BYTES 16

struct guid {
    uint8_t bytes[GUID_BYTES];
};

/* GUID(0x96b582de, 0x1fb2, 0x45f7, 0xba, 0xea, 0xa3, …): the fields as the usual text form writes them. */
#define GUID(a, b, c, d0, d1, d2, d3, d4, d5, d6, d7)                                                                  \
    { { (a) & 0xff, (a) >> 8 & 0xff, (a) >> 16 & 0xff, (a) >> 24 & 0xff, (b) & 0xff, (b) >> 8 & 0xff, (c) & 0xff,      \
        (c) >> 8 & 0xff, d0, d1, d2, d3, d4, d5, d6, d7 } }

bool guid_equal(const struct guid *a, const struct guid *b);
