/*
 * Starting a program such that the parent learns whether it runs. Until it does, the child shares the parent's memory
 * and the parent waits. For processes with one thread.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"

/* Exit statuses of shells and container runtimes. */
#define SPAWN_STATUS_BEFORE 125     /* something before the program */
#define SPAWN_STATUS_NOT_RUN 126    /* the program is there and cannot be executed */
#define SPAWN_STATUS_NOT_FOUND 127

struct spawn_failure {
    int status;
    char what[96]; /* what was being done; may be empty */
};

/*
 * In the child: does what has to be done and executes. Returns only on failure, -errno; the failure may be filled. What
 * it writes into memory stays in the parent's; descriptors, signals, limits and the like are the child's own.
 */
typedef int spawn_become(const void *context, struct spawn_failure *failure);

/*
 * Returns once the program runs, or with the child's error when it never will; the child is then gone. `context` goes
 * to `become`. Errors: those of `become`, -ENOMEM, -errno of clone(2).
 */
int spawn(spawn_become *become, const void *context, pid_t *ret_pid, struct spawn_failure *ret_failure) MUST_CHECK;

/* For `become`: notes what was being done, gives back the negative errno. */
int spawn_failed(struct spawn_failure *failure, const char *what, int error);

/* For `become`, behind execve(2): the status that goes with its errno. */
int spawn_exec_failed(struct spawn_failure *failure, const char *path, int error);
