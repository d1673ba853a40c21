/* Children of PID 1 that work for it beside the workload: known by name, so that it is told when one is gone. */
#pragma once

#include <sys/types.h>

#include "base/base.h"

/* `name` is kept as it is given; there is room for every helper that a configuration can ask for. */
void helpers_add(pid_t pid, const char *name);

/*
 * What waitpid(2) said of a child: when it was a helper's end other than by exit status 0, a line of the boot record
 * says so. Nobody starts it again.
 */
void helpers_note_end(pid_t pid, int wait_status);
