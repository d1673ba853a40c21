/* The software processor of a launch: postern-psp as a child, listening before QEMU connects. */
#pragma once

#include <sys/types.h>

#include "base/reason.h"
#include "measure/measure.h"

struct launch_psp {
    const char *program;           /* NULL: postern-psp beside this program */
    const char *directory;         /* its keys */
    const char *policy, *host_data; /* as it takes them; NULL: its defaults */
    const char *socket_path;       /* where it listens; at most 107 bytes */
    const uint8_t *digest;         /* LAUNCH_DIGEST_BYTES: what it reports */
};

/* Returns when it is ready. The caller ends the child, also after an error. Errors: -errno with a sentence. */
int launch_psp_start(const struct launch_psp *psp, pid_t *ret_pid, struct reason *why) MUST_CHECK;
