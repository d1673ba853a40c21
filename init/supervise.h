/*
 * Being PID 1 while the workload runs: reaping, starting it again, passing on the wish to stop, and the orderly end.
 */
#pragma once

#include <sys/types.h>

#include "base/reason.h"
#include "init/workload.h"

/* How the workload ended. */
struct workload_end {
    int status;        /* its exit status, or 128 and the signal that ended it */
    int signal;        /* 0: none */
    bool oom;          /* the kernel killed it for want of memory */
    unsigned restarts; /* how often it was started again before */
    uint64_t asked_us; /* when the machine was asked to stop (clock_boot_us()); 0: it was not */
};

/*
 * Until the workload has ended for good, by itself or because the machine was asked to stop (SIGTERM, SIGINT, SIGPWR,
 * ACPI power button): SIGTERM to its group, SIGKILL after the configured grace or at another SIGTERM. Then ends
 * whatever else runs. `button` is of button_open(), `network` for workload_start().
 */
void supervise_run(const struct config_workload *workload, pid_t pid, int button, int network,
                   struct workload_end *ret_end);
