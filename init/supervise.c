/*
 * The workload and the end. The workload controls when it exits and what it leaves running; the host controls the power
 * button.
 */
#include "init/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "init/button.h"
#include "luks/crypt.h"

#define GRACE_MS 10000u
#define REST_GRACE_MS 2000u
#define REAP_PAUSE_MS 5u
#define UNMOUNT_TRIES 5
#define UNMOUNT_PAUSE_MS 100u

/* In the child, up to execve(). Only async-signal-safe calls. Returns the errno that stopped it. */
static int become_workload(const struct config_workload *workload, int error_fd)
{
    sigset_t none;

    (void)sigemptyset(&none);
    if (setsid() < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return errno;
    /* Everything but 0 to 2 and the pipe, which closes at execve(). */
    if ((error_fd > 3 && close_range(3, (unsigned)error_fd - 1, 0) < 0) ||
        close_range((unsigned)error_fd + 1, ~0u, 0) < 0)
        return errno;
    if (chdir(workload->cwd) < 0 || setgroups(0, NULL) < 0 ||
        setresgid(workload->gid, workload->gid, workload->gid) < 0 ||
        setresuid(workload->uid, workload->uid, workload->uid) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return errno;
    (void)execve(workload->args[0], workload->args, workload->env);
    return errno;
}

int supervise_start(const struct config_workload *workload, pid_t *ret_pid, struct reason *why)
{
    CLEANUP_FD int read_end = -1;
    CLEANUP_FD int write_end = -1;
    int pipe_fds[2], error = 0;
    ssize_t n;
    pid_t pid;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    read_end = pipe_fds[0];
    write_end = pipe_fds[1];
    pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        error = become_workload(workload, write_end);
        n = write(write_end, &error, sizeof(error));
        _exit(n == sizeof(error) ? 127 : 126);
    }
    fd_close(&write_end);
    do
        n = read(read_end, &error, sizeof(error));
    while (n < 0 && errno == EINTR);
    if (n == sizeof(error)) {
        (void)waitpid(pid, NULL, 0);
        return reason_set(why, -error, "%s: cannot be started: %s", workload->args[0], strerror(error));
    }
    *ret_pid = pid;
    return 0;
}

struct supervisor {
    pid_t workload;
    bool running;
    int status;
    bool stopping;
    uint64_t kill_at_ms; /* while stopping */
};

static int exit_status(int wait_status)
{
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/* All children that have ended; orphans come to PID 1 from everywhere. Whether there are any left that run. */
static bool reap(struct supervisor *s)
{
    for (;;) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);

        if (pid < 0 && errno == EINTR)
            continue;
        if (pid <= 0)
            return pid == 0;
        if (pid == s->workload && (WIFEXITED(status) || WIFSIGNALED(status))) {
            s->running = false;
            s->status = exit_status(status);
        }
    }
}

static void ask_to_stop(struct supervisor *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    s->kill_at_ms = clock_ms() + GRACE_MS;
    (void)kill(-s->workload, SIGTERM);
}

static void take_signals(struct supervisor *s, int signal_fd)
{
    struct signalfd_siginfo info;

    while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            (void)reap(s);
        else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT || info.ssi_signo == SIGPWR)
            ask_to_stop(s);
    }
}

static int watch(struct supervisor *s, int signal_fd, int button_fd)
{
    struct pollfd fds[] = { { .fd = signal_fd, .events = POLLIN }, { .fd = button_fd, .events = POLLIN } };
    int timeout = s->stopping ? clock_left_ms(s->kill_at_ms) : -1;
    int r = poll(fds, ARRAY_SIZE(fds), timeout);

    if (r < 0 && errno != EINTR)
        return -errno;
    if (fds[0].revents)
        take_signals(s, signal_fd);
    if (fds[1].revents && button_pressed(button_fd))
        ask_to_stop(s);
    if (s->stopping && !clock_left_ms(s->kill_at_ms)) {
        (void)kill(-s->workload, SIGKILL);
        s->kill_at_ms = clock_ms() + GRACE_MS;
    }
    return 0;
}

/*
 * Everything that is left, first asked, then killed. PID 1 itself is not reached by kill(-1), and all that is left
 * are its children, by birth or as orphans.
 */
static void end_the_rest(struct supervisor *s)
{
    static const int signals[] = { SIGTERM, SIGKILL };

    for (size_t i = 0; i < ARRAY_SIZE(signals) && reap(s); i++) {
        uint64_t deadline_ms = clock_ms() + REST_GRACE_MS;

        (void)kill(-1, signals[i]);
        while (reap(s) && clock_left_ms(deadline_ms))
            clock_sleep_ms(REAP_PAUSE_MS);
    }
}

int supervise_run(pid_t workload)
{
    struct supervisor s = { .workload = workload, .running = true };
    CLEANUP_FD int signal_fd = -1;
    CLEANUP_FD int button_fd = button_open();
    sigset_t all;

    (void)sigfillset(&all);
    signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    (void)reap(&s); /* what ended before the descriptor was there */
    while (s.running && watch(&s, signal_fd, button_fd) == 0)
        ;
    end_the_rest(&s);
    return s.status;
}

/* A mapping is free a moment after the file system on it has been unmounted. */
static void unmount(const char *path)
{
    for (int i = 0; i < UNMOUNT_TRIES; i++) {
        if (umount2(path, UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT)
            return;
        clock_sleep_ms(UNMOUNT_PAUSE_MS);
    }
    (void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
}

void supervise_release_volumes(const struct config *config)
{
    for (size_t i = config->volume_count; i-- > 0;)
        unmount(config->volumes[i].mount);
    for (size_t i = config->volume_count; i-- > 0;)
        if (crypt_close(config->volumes[i].id) < 0)
            continue; /* the machine goes off next, and its memory with it */
}
