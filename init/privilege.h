/* Capabilities, and what PID 1 gives up once the workload runs. */
#pragma once

#include "init/seccomp.h"
#include "init/workload.h"

#define OOM_PATH "/proc/self/oom_score_adj"
#define CAP_BIT(capability) (UINT64_C(1) << (capability))

/* The calling thread's own: drops from the bounding set all but these; sets the others. Errors: -errno. */
int privilege_drop_bounding(uint64_t kept) MUST_CHECK;
int privilege_set_capabilities(const struct workload_capabilities *sets) MUST_CHECK;

/* Both, for a process that needs these and starts nobody. Errors: -errno. */
int privilege_keep(uint64_t kept) MUST_CHECK;

/*
 * In a child that goes on as a helper of PID 1: it may be ended for want of memory, keeps these capabilities and can
 * get no others, and its system calls are filtered. Errors: -errno.
 */
int privilege_become_helper(uint64_t kept, enum seccomp_filter filter) MUST_CHECK;

/*
 * Moves PID 1 into a network namespace without any interface, and drops all capabilities but those to signal, unmount,
 * unmap and turn off, for itself and whatever it starts. When the workload may be started again it keeps what that
 * takes, and its filter denies it no more than the workload's own, none where one is configured. *ret_network is the
 * namespace that a workload belongs into, or -1. Errors: -errno.
 */
int privilege_drop(const struct config_workload *workload, int *ret_network, struct reason *why) MUST_CHECK;
