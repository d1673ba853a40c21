/* Capabilities, and what PID 1 gives up once the workload runs. */
#pragma once

#include "init/workload.h"

/* The calling thread's own: drops from the bounding set all but these; sets the others. Errors: -errno. */
int privilege_drop_bounding(uint64_t kept) MUST_CHECK;
int privilege_set_capabilities(const struct workload_capabilities *sets) MUST_CHECK;

/*
 * Moves PID 1 into a network namespace without any interface, and drops all capabilities but those to signal, unmount,
 * unmap and turn off, for itself and whatever it starts. When the workload may be started again it keeps what that
 * takes; otherwise its system calls are filtered as well. *ret_network is the namespace that a workload belongs into,
 * or -1. Errors: -errno.
 */
int privilege_drop(const struct config_workload *workload, int *ret_network, struct reason *why) MUST_CHECK;
