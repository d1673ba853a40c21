/* What PID 1 gives up once the workload runs. */
#pragma once

#include "init/workload.h"

/*
 * Moves PID 1 into a network namespace without any interface, and drops all capabilities but those to signal, unmount,
 * unmap and turn off, for itself and whatever it starts. When the workload may be started again it keeps what that
 * takes; otherwise its system calls are filtered as well. *ret_network is the namespace that a workload belongs into,
 * or -1. Errors: -errno.
 */
int privilege_drop(const struct config_workload *workload, int *ret_network, struct reason *why) MUST_CHECK;
