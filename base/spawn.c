/*
 * The child runs in the parent's memory, on a stack of its own, while the parent waits (clone(2), CLONE_VFORK): no page
 * is copied for what lasts until execve(2), and what failed is there when the parent goes on.
 */
#include "base/spawn.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define STACK_BYTES (256u * 1024) /* of which the lowest page is a guard */

struct child {
    spawn_become *become;
    const void *context;
    int error;
    struct spawn_failure failure;
};

int spawn_failed(struct spawn_failure *failure, const char *what, int error)
{
    size_t size = strnlen(what, sizeof(failure->what) - 1);

    memcpy(failure->what, what, size);
    failure->what[size] = '\0';
    return -error;
}

int spawn_exec_failed(struct spawn_failure *failure, const char *path, int error)
{
    failure->status = error == ENOENT || error == ENOTDIR ? SPAWN_STATUS_NOT_FOUND : SPAWN_STATUS_NOT_RUN;
    return spawn_failed(failure, path, error);
}

static int run_child(void *argument)
{
    struct child *child = argument;

    child->error = child->become(child->context, &child->failure);
    if (child->error >= 0)
        child->error = -EIO;
    return child->failure.status;
}

int spawn(spawn_become *become, const void *context, pid_t *ret_pid, struct spawn_failure *ret_failure)
{
    struct child child = { .become = become, .context = context, .failure = { .status = SPAWN_STATUS_BEFORE } };
    uint8_t *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    int r = 0;
    pid_t pid;

    *ret_failure = child.failure;
    if (stack == MAP_FAILED)
        return -ENOMEM;
    pid = mprotect(stack, PAGE_BYTES, PROT_NONE) < 0
              ? -1
              : clone(run_child, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
    if (pid < 0)
        r = -errno;
    (void)munmap(stack, STACK_BYTES);
    if (r < 0)
        return r;
    if (!child.error) {
        *ret_pid = pid;
        return 0;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *ret_failure = child.failure;
    return child.error;
}
