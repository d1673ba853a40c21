/*
 * What proofs share. CBMC reads these programs, nothing runs them: a value without a definition is any value. Each
 * proof_NAME() is one proof; tests/prove/run gives CBMC the checks and the number of turns of each loop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/base.h"
#include "base/cursor.h"
#include "base/reason.h"

size_t nondet_size(void);
uint64_t nondet_u64(void);
uint32_t nondet_u32(void);
uint8_t nondet_u8(void);
bool nondet_bool(void);

#define ASSUME(condition) __CPROVER_assume(condition)
#define PROVE(condition, text) __CPROVER_assert(condition, text)

/* The sentence does not matter to a proof, the error does. */
int reason_set(struct reason *why, int error, const char *format, ...)
{
    (void)why;
    (void)format;
    return error;
}

/* Bytes of any value; exactly `size` of them, so that a read beyond is seen. */
static inline uint8_t *any_bytes(size_t size)
{
    uint8_t *bytes = malloc(size);

    ASSUME(bytes != NULL);
    return bytes;
}
