/* Programs that a verb starts and that must not outlive it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/reason.h"

struct child_start {
    const char *const *words; /* NULL-terminated; the first is looked up in PATH unless it has a slash */
    int output;               /* becomes standard output; -1: /dev/null */
    bool interactive;         /* keeps our standard input, and stays in our process group with our terminal */
    int keep[2];              /* descriptors that stay open under their numbers; -1: none */
};

/*
 * Starts a program, with /dev/null as standard input unless it is interactive. It is killed when this process ends for
 * whatever reason. Errors:
 * -errno of execvp(3), with a sentence that names the program.
 */
int child_run(const struct child_start *start, pid_t *ret_pid, struct reason *why) MUST_CHECK;

/* Waits for the end. Returns the wait status, or -errno. */
int child_wait(pid_t pid) MUST_CHECK;

/* SIGTERM, SIGKILL after `grace_ms`; fine with pid 0. */
void child_end(pid_t *pid, unsigned grace_ms);
