/*
 * Volumes on their way to another key, while the workload runs: one process each, which moves them chunk by chunk
 * (luks/rotation.h). It holds no volume key, only the one that authenticates its notes on the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "init/console.h"
#include "init/helpers.h"
#include "init/init.h"
#include "init/privilege.h"

#define NICE 10
#define LEAST_PAUSE_MS 1u
#define MOST_PAUSE_MS 10000u

/* All signals are blocked since PID 1's start; the end of the machine is asked for with this one. */
static bool is_asked_to_end(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && sigismember(&pending, SIGTERM);
}

static void report(const struct rotation *rotation, uint64_t begin_us, const char *what)
{
    char note[160];

    (void)snprintf(note, sizeof(note), "volume %s: %s", rotation->name, what);
    console_stage("rotation", begin_us, note);
}

/*
 * Half of the time belongs to the others: each step is followed by a pause of its own length, within bounds, since the
 * clock is the host's.
 */
static void work(struct rotation *rotation)
{
    uint64_t begin_us = clock_boot_us();
    struct reason why = { "" };
    int named = prctl(PR_SET_NAME, "postern-mover");
    int r = named < 0 ? -errno : privilege_become_helper(CAP_BIT(CAP_SYS_ADMIN), SECCOMP_MOVER);

    while (r == 0 && !is_asked_to_end()) {
        uint64_t step_us = clock_boot_us(), took_ms;

        r = rotation_step(rotation, &why);
        took_ms = (clock_boot_us() - step_us) / 1000;
        clock_sleep_ms(LEAST_PAUSE_MS + (took_ms < MOST_PAUSE_MS ? (unsigned)took_ms : MOST_PAUSE_MS));
    }
    if (r == -ENODATA)
        report(rotation, begin_us, "all of it is under its new key; the next launch tells the broker");
    else if (r < 0)
        report(rotation, begin_us, reason_text(&why, r));
}

/* The child's copy of a secret is all zeros: it comes through a pipe. */
static int start(struct rotation *rotation)
{
    int pipe_fds[2], r = 0;
    pid_t child;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    child = fork();
    if (child == 0) {
        (void)close(pipe_fds[1]);
        (void)setpriority(PRIO_PROCESS, 0, NICE);
        if (fd_read_exact(pipe_fds[0], rotation->key.bytes, rotation->key.size) == 0)
            work(rotation);
        rotation_free(rotation);
        _exit(0);
    }
    if (child < 0)
        r = -errno;
    else
        helpers_add(child, "postern-mover");
    if (r == 0)
        r = fd_write_all(pipe_fds[1], rotation->key.bytes, rotation->key.size);
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
    return r;
}

int rotations_start(struct boot *boot)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < boot->config.volume_count; i++) {
        struct rotation *rotation = boot->volumes[i].rotation;

        if (!rotation)
            continue;
        if (rotation->slot.done < rotation->length)
            r = start(rotation);
        rotation_free(rotation);
        free(rotation);
        boot->volumes[i].rotation = NULL;
        if (r < 0)
            (void)reason_set(&boot->why, r, "volume %s: its rotation cannot be started: %s",
                             boot->config.volumes[i].id, strerror(-r));
    }
    return r;
}
