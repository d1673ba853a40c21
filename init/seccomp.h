/* Filters of system calls (seccomp(2)), compiled by libseccomp. */
#pragma once

#include "base/base.h"
#include "init/workload.h"

/* A compiled filter; the caller frees with seccomp_filter_free(). */
struct seccomp_filter {
    void *program;
    size_t size;
};

/* The workload's: what is configured, or everything but the deny list. Errors: -errno. */
int seccomp_for_workload(const struct workload_seccomp *configured, struct seccomp_filter *ret_filter) MUST_CHECK;

/*
 * What PID 1 needs while the workload runs and for the end: all other calls raise SIGSYS, which is its end (fault.h).
 * Errors: -errno.
 */
int seccomp_for_supervisor(struct seccomp_filter *ret_filter) MUST_CHECK;

/* Puts the calling thread under it. Async-signal-safe. Errors: -errno. */
int seccomp_load_filter(const struct seccomp_filter *filter) MUST_CHECK;

void seccomp_filter_free(struct seccomp_filter *filter);
