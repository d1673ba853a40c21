/* Powering off: PID 1 may not return, since the kernel would panic. No input. */
#include "init/power.h"

#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define SYNC_MOST_MS 30000u
#define POLL_MS 10u

/* sync(2) hangs for as long as a hostile disk likes, so a child does it. */
static void sync_bounded(void)
{
    uint64_t deadline_ms = clock_ms() + SYNC_MOST_MS;
    pid_t child = fork();

    if (child == 0) {
        sync();
        _exit(0);
    }
    while (child > 0 && waitpid(child, NULL, WNOHANG) == 0 && clock_left_ms(deadline_ms))
        clock_sleep_ms(POLL_MS);
}

void power_off(void)
{
    sync_bounded();
    (void)reboot(RB_POWER_OFF);
    (void)reboot(RB_AUTOBOOT);
    for (;;)
        (void)pause();
}
