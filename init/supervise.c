/*
 * The workload and the end. The workload controls when it exits and what it leaves running; the host controls the power
 * button. From here on PID 1 neither exits nor gives up for want of anything: what cannot be done is left out.
 */
#include "init/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "init/button.h"
#include "init/cgroup.h"
#include "init/console.h"
#include "init/helpers.h"

/* After the workload's own grace, and with the closing of the volumes, at most five seconds where disks answer. */
#define REST_ASKED_MS 2000u
#define REST_KILLED_MS 1000u
#define REAP_PAUSE_MS 5u
#define BLIND_PAUSE_MS 100 /* without a descriptor for signals */

#define RESTART_FIRST_MS 1000u
#define RESTART_MOST_MS 60000u

struct supervisor {
    const struct config_workload *workload;
    int network;
    pid_t pid;
    int signal_fd; /* -1: not yet */
    int pid_fd; /* the workload and nobody who has its number later; -1: by number */
    bool running, stopping, over;
    uint64_t kill_at_ms;    /* while stopping */
    uint64_t restart_at_ms; /* while waiting to start it again; 0: not */
    uint64_t oom_kills;     /* counted before this start */
    struct workload_end end;
};

/* Without memory for it now there may be some later; until then PID 1 looks around from time to time. */
static void open_signals(struct supervisor *s)
{
    sigset_t all;

    (void)sigfillset(&all);
    s->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void note_start(struct supervisor *s, pid_t pid)
{
    s->pid = pid;
    s->running = true;
    fd_close(&s->pid_fd);
    s->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    s->restart_at_ms = 0;
    s->oom_kills = cgroup_oom_kills();
}

static void note_end(struct supervisor *s, int wait_status)
{
    s->running = false;
    s->end.signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
    s->end.status = s->end.signal ? 128 + s->end.signal : WEXITSTATUS(wait_status);
    s->end.oom = s->end.signal == SIGKILL && cgroup_oom_kills() > s->oom_kills;
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
        if (!WIFEXITED(status) && !WIFSIGNALED(status))
            continue;
        if (s->running && pid == s->pid)
            note_end(s, status);
        else if (!s->over)
            helpers_note_end(pid, status);
    }
}

/*
 * The group of the workload's session. Its number stays taken as long as somebody is in the group; the workload itself
 * gets the signal by its descriptor should it have moved out.
 */
static void signal_workload(const struct supervisor *s, int signal)
{
    if (!s->running)
        return;
    (void)kill(-s->pid, signal);
    if (s->pid_fd >= 0 && getpgid(s->pid) != s->pid)
        (void)syscall(SYS_pidfd_send_signal, s->pid_fd, signal, NULL, 0);
}

static void ask_to_stop(struct supervisor *s)
{
    s->restart_at_ms = 0;
    if (s->stopping)
        return;
    s->stopping = true;
    s->end.asked_us = clock_boot_us();
    s->kill_at_ms = clock_ms() + s->workload->stop_grace_ms;
    signal_workload(s, SIGTERM);
}

static void take_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;

    while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGTERM && s->stopping)
            s->kill_at_ms = clock_ms(); /* asked twice: no more grace */
        else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT || info.ssi_signo == SIGPWR)
            ask_to_stop(s);
    }
    /* Signals of a kind coalesce, so each look is at all children. */
    (void)reap(s);
}

static int next_timeout(const struct supervisor *s)
{
    if (s->signal_fd < 0)
        return BLIND_PAUSE_MS;
    if (s->stopping)
        return clock_left_ms(s->kill_at_ms);
    return s->restart_at_ms ? clock_left_ms(s->restart_at_ms) : -1;
}

/* Waits for the next thing to happen and does what it asks for. */
static int watch(struct supervisor *s, int button_fd)
{
    struct pollfd fds[] = { { .fd = s->signal_fd, .events = POLLIN }, { .fd = button_fd, .events = POLLIN } };
    int r = poll(fds, ARRAY_SIZE(fds), next_timeout(s));

    if (r < 0 && errno != EINTR)
        return -errno;
    if (s->signal_fd < 0)
        open_signals(s);
    if (fds[0].revents || fds[0].fd < 0)
        take_signals(s);
    if (fds[1].revents && button_pressed(button_fd))
        ask_to_stop(s);
    if (s->stopping && !clock_left_ms(s->kill_at_ms)) {
        signal_workload(s, SIGKILL);
        s->kill_at_ms = clock_ms() + REST_KILLED_MS;
    }
    return 0;
}

static bool may_restart(const struct supervisor *s)
{
    if (s->stopping || s->workload->restart == WORKLOAD_RESTART_NO || s->end.restarts >= s->workload->restart_attempts)
        return false;
    return s->workload->restart == WORKLOAD_RESTART_ALWAYS || s->end.status != 0;
}

/* One second, then twice as long each time. */
static void plan_restart(struct supervisor *s)
{
    uint64_t pause_ms = RESTART_FIRST_MS << (s->end.restarts < 6 ? s->end.restarts : 6);

    s->restart_at_ms = clock_ms() + (pause_ms < RESTART_MOST_MS ? pause_ms : RESTART_MOST_MS);
}

static void restart(struct supervisor *s)
{
    struct workload_failure failure;
    uint64_t begin_us = clock_boot_us();
    pid_t pid;

    console_exit(&s->end);
    s->end.restarts++;
    if (workload_start(s->workload, s->network, &pid, &failure) < 0) {
        s->restart_at_ms = 0;
        s->end = (struct workload_end){ .status = failure.status, .restarts = s->end.restarts };
        console_refusal("restart", begin_us, REFUSAL_WORKLOAD, reason_text(&failure.why, -EIO), NULL,
                        failure.status);
        return;
    }
    note_start(s, pid);
    console_stage("restart", begin_us, NULL);
}

/* As long as the workload runs or is to run again. */
static void run(struct supervisor *s, int button_fd)
{
    for (;;) {
        if (!s->running && !s->restart_at_ms) {
            if (!may_restart(s))
                return;
            plan_restart(s);
        }
        if (watch(s, button_fd) < 0)
            return;
        if (!s->running && s->stopping)
            return;
        if (!s->running && s->restart_at_ms && !clock_left_ms(s->restart_at_ms)) {
            restart(s);
            if (!s->running)
                return;
        }
    }
}

/*
 * Everything that is left, first asked, then killed. PID 1 itself is not reached by kill(-1), and all that is left
 * are its children, by birth or as orphans.
 */
static void end_the_rest(struct supervisor *s)
{
    static const struct {
        int signal;
        unsigned wait_ms;
    } steps[] = { { SIGTERM, REST_ASKED_MS }, { SIGKILL, REST_KILLED_MS } };

    s->over = true;
    for (size_t i = 0; i < ARRAY_SIZE(steps) && reap(s); i++) {
        uint64_t deadline_ms = clock_ms() + steps[i].wait_ms;

        (void)kill(-1, steps[i].signal);
        while (reap(s) && clock_left_ms(deadline_ms))
            clock_sleep_ms(REAP_PAUSE_MS);
    }
}

void supervise_run(const struct config_workload *workload, pid_t pid, int button, int network,
                   struct workload_end *ret_end)
{
    struct supervisor s = { .workload = workload, .network = network, .pid_fd = -1 };

    open_signals(&s);
    note_start(&s, pid);
    (void)reap(&s); /* what ended before the descriptor was there */
    run(&s, button);
    end_the_rest(&s);
    fd_close(&s.signal_fd);
    fd_close(&s.pid_fd);
    *ret_end = s.end;
}
