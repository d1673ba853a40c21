/* Filters of system calls (seccomp(2)). */
#pragma once

#include "init/workload.h"

/*
 * Puts the calling thread under the workload's filter: what is configured, or everything but the deny list. For a child
 * that is about to become the workload: libseccomp, which compiles what is configured, ends the process when it gets no
 * memory (2.6.0). Errors: -errno.
 */
int seccomp_load_workload(const struct workload_seccomp *configured) MUST_CHECK;

/*
 * Puts PID 1 under what it needs while the workload runs and for the end: any other call raises SIGSYS, which is its
 * end (fault.h). Errors: -errno.
 */
int seccomp_load_supervisor(void) MUST_CHECK;
