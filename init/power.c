/*
 * Powering off: PID 1 may not return, since the kernel would panic. Disks are the host's, and what waits for one may
 * wait for ever: so children wait, and PID 1 waits for them no longer than it wants to.
 */
#include "init/power.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "init/console.h"
#include "luks/crypt.h"

#define DISKS_MOST_MS 30000u
#define UNMOUNT_MS 1500u
#define UNMOUNT_PAUSE_MS 50u
#define POLL_MS 5u

/* What is said comes last: it goes through the host, which the disks should not wait for. */
static void sync_and_tell(const struct config *config)
{
    (void)config;
    sync();
    console_tell_host();
}

/* A file system is free a moment after the last process that used it has gone. */
static void unmount(const char *path, uint64_t deadline_ms)
{
    while (umount2(path, UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT) {
        if (!clock_left_ms(deadline_ms)) {
            (void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
            return;
        }
        clock_sleep_ms(UNMOUNT_PAUSE_MS);
    }
}

static void close_volumes(const struct config *config)
{
    uint64_t deadline_ms = clock_ms() + UNMOUNT_MS;

    for (size_t i = config->volume_count; i-- > 0;)
        unmount(config->volumes[i].mount, deadline_ms);
    for (size_t i = config->volume_count; i-- > 0;)
        while (crypt_close(config->volumes[i].id) == -EBUSY && clock_left_ms(deadline_ms))
            clock_sleep_ms(UNMOUNT_PAUSE_MS);
}

/* In a child, which is left behind when it does not come back. */
static void do_bounded(void (*work)(const struct config *config), const struct config *config)
{
    uint64_t deadline_ms = clock_ms() + DISKS_MOST_MS;
    pid_t child = fork();

    if (child == 0) {
        work(config);
        _exit(0);
    }
    while (child > 0 && waitpid(child, NULL, WNOHANG) == 0 && clock_left_ms(deadline_ms))
        clock_sleep_ms(POLL_MS);
}

void power_close_volumes(const struct config *config)
{
    do_bounded(close_volumes, config);
}

void power_off(void)
{
    do_bounded(sync_and_tell, NULL);
    console_off();
    (void)reboot(RB_POWER_OFF);
    (void)reboot(RB_AUTOBOOT);
    for (;;)
        (void)pause();
}
