/* Starting and ending programs; which ones is up to the user. */
#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define POLL_MS 10u

/* In the child; returns the errno that stopped it. */
static int become(const struct child_start *start)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;

    (void)sigemptyset(&none);
    if (null < 0 || (!start->interactive && dup2(null, STDIN_FILENO) < 0) ||
        dup2(start->output < 0 ? null : start->output, STDOUT_FILENO) < 0 ||
        sigprocmask(SIG_SETMASK, &none, NULL) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return errno;
    (void)signal(SIGPIPE, SIG_DFL);
    /* Ctrl-C at the terminal is for the verb, which ends its children in order. */
    if (!start->interactive && setpgid(0, 0) < 0)
        return errno;
    for (size_t i = 0; i < ARRAY_SIZE(start->keep); i++)
        if (start->keep[i] >= 0 && fcntl(start->keep[i], F_SETFD, 0) < 0)
            return errno;
    /* execvp() changes none of the words; its prototype is older than const. */
    (void)execvp(start->words[0], (char *const *)(uintptr_t)start->words);
    return errno;
}

int child_run(const struct child_start *start, pid_t *ret_pid, struct reason *why)
{
    CLEANUP_FD int read_end = -1;
    CLEANUP_FD int write_end = -1;
    int fds[2], error = 0;
    ssize_t n;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    read_end = fds[0];
    write_end = fds[1];
    pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        error = become(start);
        n = write(write_end, &error, sizeof(error));
        _exit(n == sizeof(error) ? 127 : 126);
    }
    fd_close(&write_end);
    do
        n = read(read_end, &error, sizeof(error));
    while (n < 0 && errno == EINTR);
    if (n == sizeof(error)) {
        (void)waitpid(pid, NULL, 0);
        return reason_set(why, -error, "%s: cannot be run: %s", start->words[0], strerror(error));
    }
    *ret_pid = pid;
    return 0;
}

int child_wait(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return status;
}

void child_end(pid_t *pid, unsigned grace_ms)
{
    uint64_t deadline_ms = clock_ms() + grace_ms;
    pid_t ended;

    if (*pid <= 0)
        return;
    (void)kill(*pid, SIGTERM);
    while ((ended = waitpid(*pid, NULL, WNOHANG)) == 0 && clock_left_ms(deadline_ms))
        clock_sleep_ms(POLL_MS);
    if (ended == 0) {
        (void)kill(*pid, SIGKILL);
        (void)waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}
