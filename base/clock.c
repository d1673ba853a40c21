/* Monotonic clocks. Under SEV-SNP even these tick as the host pleases: they bound waiting, they prove nothing. */
#include "base/clock.h"

#include <limits.h>
#include <time.h>

uint64_t clock_boot_us(void)
{
    struct timespec at = { 0, 0 };

    (void)clock_gettime(CLOCK_BOOTTIME, &at);
    return (uint64_t)at.tv_sec * 1000000u + (uint64_t)at.tv_nsec / 1000u;
}

uint64_t clock_ms(void)
{
    struct timespec at = { 0, 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000u + (uint64_t)at.tv_nsec / 1000000u;
}

int clock_left_ms(uint64_t deadline_ms)
{
    uint64_t at = clock_ms();

    if (at >= deadline_ms)
        return 0;
    return deadline_ms - at > INT_MAX ? INT_MAX : (int)(deadline_ms - at);
}

void clock_sleep_ms(unsigned ms)
{
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

    while (nanosleep(&left, &left) < 0)
        ;
}
