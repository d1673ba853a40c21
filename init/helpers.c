/* The helpers' numbers and names; what they end with is theirs, and may be the doing of the workload. */
#include "init/helpers.h"

#include <stdio.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "init/config.h"
#include "init/console.h"

static struct {
    pid_t pid;
    const char *name;
} helpers[CONFIG_MAX_VOLUMES + 2]; /* movers, the attestation server, DHCP's client */
static size_t count;

void helpers_add(pid_t pid, const char *name)
{
    if (count == ARRAY_SIZE(helpers))
        return;
    helpers[count].pid = pid;
    helpers[count++].name = name;
}

void helpers_note_end(pid_t pid, int wait_status)
{
    char note[64];

    for (size_t i = 0; i < count; i++) {
        if (helpers[i].pid != pid)
            continue;
        helpers[i].pid = 0; /* the number may be somebody else's from now on */
        if (wait_status == 0)
            continue;
        (void)snprintf(note, sizeof(note), "%s ended with status %d", helpers[i].name,
                       WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status));
        console_stage("helper", clock_boot_us(), note);
    }
}
