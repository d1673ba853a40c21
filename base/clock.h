/* Time that only goes forward. Wall-clock time is the host's word and decides nothing here. */
#pragma once

#include "base/base.h"

/* Microseconds since the machine started (CLOCK_BOOTTIME). */
uint64_t clock_boot_us(void);

/* Milliseconds since some fixed point (CLOCK_MONOTONIC). Deadlines are values of this clock. */
uint64_t clock_ms(void);

/* Milliseconds until `deadline_ms`, at least 0 and at most INT_MAX, as poll(2) takes them. */
int clock_left_ms(uint64_t deadline_ms);

void clock_sleep_ms(unsigned ms);
