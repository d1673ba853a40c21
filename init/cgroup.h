/* The workload's control group (cgroup v2) and its limits, and whether the kernel ran out of memory. */
#pragma once

#include "init/workload.h"

#define CGROUP_PROCS_PATH "/sys/fs/cgroup/workload/cgroup.procs"

/* Makes the group with these limits. Errors: -errno, with the file. */
int cgroup_make(const struct workload_resources *limits, struct reason *why) MUST_CHECK;

/* How often the kernel killed a process for want of memory, its own or a group's; 0 when that cannot be told. */
uint64_t cgroup_oom_kills(void);
