/*
 * Being PID 1 while the workload runs: reaping, passing on the wish to stop, and the orderly end.
 */
#pragma once

#include <sys/types.h>

#include "init/config.h"
#include "base/reason.h"

/*
 * Starts the workload as a child: new session, clean signals, no descriptors of ours, its user and groups, no way to
 * gain privileges. Returns when its program runs. Errors: the errno with which execve(2) or what comes before it
 * failed, with a sentence.
 */
int supervise_start(const struct config_workload *workload, pid_t *ret_pid, struct reason *why) MUST_CHECK;

/*
 * Until the workload has ended, by itself or because the machine was asked to stop (SIGTERM, SIGINT, SIGPWR, ACPI
 * power button): SIGTERM to its group, SIGKILL after a grace. Then ends whatever else runs. Returns the workload's
 * exit status, or 128 and the signal that ended it.
 */
int supervise_run(pid_t workload);

/* Unmounts everything writable below /, deepest first, and removes the volumes' mappings: keys leave the kernel. */
void supervise_release_volumes(const struct config *config);
