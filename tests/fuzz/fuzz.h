/* What fuzz targets share: a check that is always there, and a copy of exact size, so that sanitizers see overreads. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                      \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The caller frees; `extra` bytes of zeros follow. */
static inline void *fuzz_copy(const void *data, size_t size, size_t extra)
{
    uint8_t *copy = calloc(1, size + extra ? size + extra : 1);

    REQUIRE(copy);
    if (size)
        memcpy(copy, data, size);
    return copy;
}
