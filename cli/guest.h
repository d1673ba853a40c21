/*
 * A running guest: its console read line by line, the user's wish to stop passed on, its end awaited.
 */
#pragma once

#include <sys/types.h>

#include "base/reason.h"
#include "cli/boot-record.h"

/* Exit codes of `postern launch`. */
enum launch_exit {
    LAUNCH_CANNOT_START = 2, /* QEMU or postern-psp */
    LAUNCH_REFUSED = 3,      /* postern-init refused */
    LAUNCH_NO_BOOT = 4,      /* the guest never got to the workload, and said nothing */
    LAUNCH_WORKLOAD = 5,     /* the workload ended with an error */
};

struct guest {
    pid_t qemu;
    int console;         /* read end of QEMU's first serial line */
    int monitor;         /* our end of the QMP socket */
    int console_copy;    /* file for all that the console says; -1 for none */
    bool shown;          /* the console goes to standard output, too */
    unsigned boot_timeout_s;
    uint64_t started_us; /* when QEMU was started, by clock_boot_us() */
    void (*on_stage)(const struct boot_record_stage *stage); /* may be NULL */
    struct boot_record record;
    bool stops_at_workload; /* the power button is pressed once the workload runs */
    bool stop_asked;
    bool timed_out; /* no hand-over within boot_timeout_s */
    int wait_status;
};

/*
 * Returns when QEMU has ended. SIGINT and SIGTERM, which the caller has blocked, press the guest's power button; the
 * second one ends QEMU, as does the first one while the guest has no workload yet that could stop in order. Errors:
 * -errno of the waiting itself.
 */
int guest_watch(struct guest *guest) MUST_CHECK;
