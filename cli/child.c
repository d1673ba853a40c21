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
#include "base/spawn.h"

#define POLL_MS 10u

/* In the child, up to the program. */
static int become(const void *context, struct spawn_failure *failure)
{
    const struct child_start *start = context;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;

    (void)sigemptyset(&none);
    if (null < 0 || (!start->interactive && dup2(null, STDIN_FILENO) < 0) ||
        dup2(start->output < 0 ? null : start->output, STDOUT_FILENO) < 0 ||
        sigprocmask(SIG_SETMASK, &none, NULL) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -errno;
    (void)signal(SIGPIPE, SIG_DFL);
    /* Ctrl-C at the terminal is for the verb, which ends its children in order. */
    if (!start->interactive && setpgid(0, 0) < 0)
        return -errno;
    for (size_t i = 0; i < ARRAY_SIZE(start->keep); i++)
        if (start->keep[i] >= 0 && fcntl(start->keep[i], F_SETFD, 0) < 0)
            return -errno;
    /* execvp() changes none of the words; its prototype is older than const. */
    (void)execvp(start->words[0], (char *const *)(uintptr_t)start->words);
    return spawn_exec_failed(failure, start->words[0], errno);
}

int child_run(const struct child_start *start, pid_t *ret_pid, struct reason *why)
{
    struct spawn_failure failure = { .status = 0 };
    int r = spawn(become, start, ret_pid, &failure);

    return r < 0 ? reason_set(why, r, "%s: cannot be run: %s", start->words[0], strerror(-r)) : 0;
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
