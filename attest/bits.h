/*
 * Names of single bits in reports, the same in policies, in what is displayed and in JSON: GUEST_POLICY (ABI
 * specification 56860, 4.3) and PLATFORM_INFO (table 24).
 */
#pragma once

#include "attest/attest.h"
#include "base/buffer.h"

struct bit_names {
    const char *names[64]; /* NULL: no meaning is known */
};

extern const struct bit_names guest_policy_bits;
extern const struct bit_names platform_info_bits;

/* The bit of that name, or 0. */
uint64_t bit_find(const struct bit_names *bits, const char *name);

/* "smt debug bit-40": every bit that is set, those without a name by their number; "none". At most `room` bytes. */
void bit_describe(const struct bit_names *bits, uint64_t value, char *to, size_t room);
