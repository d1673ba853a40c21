/* Filters of system calls (seccomp(2)). */
#pragma once

#include "init/workload.h"

/* The built-in ones. */
enum seccomp_filter {
    SECCOMP_WORKLOAD,   /* everything but what no workload has use for */
    SECCOMP_RESTARTER,  /* PID 1 that may start such a workload again: its children have the filter, too */
    SECCOMP_SUPERVISOR, /* PID 1 for the rest of its life; any other call raises SIGSYS, which is its end (fault.h) */
    SECCOMP_SERVER,     /* answers on the attestation socket */
    SECCOMP_MOVER,      /* moves a volume to another key */
};

/* Puts the calling thread under a filter. Errors: -errno. */
int seccomp_enter(enum seccomp_filter filter) MUST_CHECK;

/*
 * The workload's: what is configured, or SECCOMP_WORKLOAD. For a child that is about to become the workload:
 * libseccomp, which compiles what is configured, ends the process when it gets no memory (2.6.0). Errors: -errno.
 */
int seccomp_load_workload(const struct workload_seccomp *configured) MUST_CHECK;
