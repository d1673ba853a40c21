/* What comes through the pipe is our own child's, before it gave way to another program. */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

struct message {
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

static void run_child(spawn_become *become, const void *context, int fd)
{
    struct message message = { .failure = { .status = SPAWN_STATUS_BEFORE } };

    message.error = become(context, &message.failure);
    if (message.error >= 0)
        message.error = -EIO;
    _exit(fd_write_all(fd, &message, sizeof(message)) < 0 ? SPAWN_STATUS_BEFORE : message.failure.status);
}

int spawn(spawn_become *become, const void *context, pid_t *ret_pid, struct spawn_failure *ret_failure)
{
    CLEANUP_FD int read_end = -1;
    CLEANUP_FD int write_end = -1;
    struct message message;
    int fds[2], r;
    pid_t pid;

    *ret_failure = (struct spawn_failure){ .status = SPAWN_STATUS_BEFORE };
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    read_end = fds[0];
    write_end = fds[1];
    pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        run_child(become, context, write_end);
    fd_close(&write_end);
    r = fd_read_exact(read_end, &message, sizeof(message));
    if (r == -ENODATA) {
        *ret_pid = pid;
        return 0;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (r < 0)
        return r;
    *ret_failure = message.failure;
    return message.error;
}
