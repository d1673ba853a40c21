/* What all stages share of the way through them; no input. */
#include <errno.h>

#include "base/clock.h"
#include "init/init.h"

int boot_refuse(struct boot *boot, enum refusal refusal, int error)
{
    boot->refusal = refusal;
    return error < 0 ? error : -EIO;
}

uint64_t boot_deadline(const struct boot *boot, uint64_t wait_ms)
{
    uint64_t own_ms = clock_ms() + wait_ms;

    return own_ms < boot->deadline_ms ? own_ms : boot->deadline_ms;
}
