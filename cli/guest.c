/* Watching a guest. What it prints is shown and kept, never interpreted beyond the boot record. */
#include "cli/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define LINE_MAX_BYTES 4096
/* A workload may answer before the line that says so has come over the serial console. */
#define HANDOFF_GRACE_MS 2000u

struct watcher {
    struct guest *guest;
    int signals;
    uint64_t deadline_ms; /* for the hand-over */
    bool pressed;         /* the power button */
    char line[LINE_MAX_BYTES];
    size_t line_size;
    bool running;
    bool first_stage; /* its line is in what was read last */
};

/* With the first stage it is known how long the firmware took; the copy of the console says so, too. */
static void note_firmware(struct guest *guest)
{
    CLEANUP_BUFFER struct buffer line = BUFFER_EMPTY;

    boot_record_note_arrival(&guest->record, clock_boot_us() - guest->started_us);
    boot_record_write_host(&guest->record, &line);
    if (guest->console_copy >= 0 && line.size && fd_write_all(guest->console_copy, line.data, line.size) < 0)
        fd_close(&guest->console_copy);
}

static void take_line(struct watcher *w)
{
    struct boot_record *record = &w->guest->record;
    size_t before = record->count;

    if (boot_record_add(record, w->line, w->line_size) && record->count > before) {
        if (!before)
            w->first_stage = true;
        if (w->guest->on_stage)
            w->guest->on_stage(&record->stages[before]);
    }
    w->line_size = 0;
}

/* Longer lines are cut: a record line is never that long. */
static void take_bytes(struct watcher *w, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n')
            take_line(w);
        else if (w->line_size < sizeof(w->line))
            w->line[w->line_size++] = data[i];
    }
}

/* What there is on the console; false at its end. */
static bool read_console(struct watcher *w)
{
    char data[4096];
    ssize_t n = read(w->guest->console, data, sizeof(data));

    if (n <= 0)
        return n < 0 && (errno == EINTR || errno == EAGAIN);
    if (w->guest->console_copy >= 0 && fd_write_all(w->guest->console_copy, data, (size_t)n) < 0)
        fd_close(&w->guest->console_copy); /* the guest goes on without a copy */
    if (w->guest->shown && fd_write_all(STDOUT_FILENO, data, (size_t)n) < 0)
        w->guest->shown = false;
    take_bytes(w, data, (size_t)n);
    if (w->first_stage && data[n - 1] == '\n') { /* between two lines of the copy */
        w->first_stage = false;
        note_firmware(w->guest);
    }
    return true;
}

/* The guest's power button; QEMU wants the handshake of QMP first. Its answers are not needed. */
static void press_power_button(struct watcher *w)
{
    static const char commands[] = "{\"execute\":\"qmp_capabilities\"}{\"execute\":\"system_powerdown\"}";

    w->pressed = true;
    if (fd_write_all(w->guest->monitor, commands, strlen(commands)) < 0)
        (void)kill(w->guest->qemu, SIGTERM);
}

static void take_signals(struct watcher *w)
{
    struct guest *guest = w->guest;
    struct signalfd_siginfo info;

    while (read(w->signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD) {
            if (waitpid(guest->qemu, &guest->wait_status, WNOHANG) == guest->qemu)
                w->running = false;
        } else if (guest->stop_asked) {
            (void)kill(guest->qemu, SIGKILL);
        } else {
            guest->stop_asked = true;
            if (!guest->record.handed_off)
                w->deadline_ms = clock_ms() + HANDOFF_GRACE_MS;
        }
    }
}

/* What is due: the power button once there is a workload, the end of the waiting for one. */
static void act(struct watcher *w)
{
    struct guest *guest = w->guest;

    if (guest->record.handed_off) {
        guest->stop_asked |= guest->stops_at_workload;
        if (guest->stop_asked && !w->pressed)
            press_power_button(w);
    } else if (!clock_left_ms(w->deadline_ms) && !guest->timed_out) {
        guest->timed_out = true;
        (void)kill(guest->qemu, SIGKILL);
    }
}

static int watch_once(struct watcher *w)
{
    struct guest *guest = w->guest;
    struct pollfd fds[] = { { .fd = guest->console, .events = POLLIN },
                            { .fd = w->signals, .events = POLLIN },
                            { .fd = guest->monitor, .events = POLLIN } };
    bool waiting = !guest->record.handed_off && !guest->timed_out;
    char drop[1024];

    if (poll(fds, ARRAY_SIZE(fds), waiting ? clock_left_ms(w->deadline_ms) : -1) < 0)
        return errno == EINTR ? 0 : -errno;
    if (fds[0].revents && !read_console(w))
        fd_close(&guest->console);
    if (fds[2].revents && read(guest->monitor, drop, sizeof(drop)) <= 0)
        fd_close(&guest->monitor);
    if (fds[1].revents)
        take_signals(w);
    act(w);
    return 0;
}

int guest_watch(struct guest *guest)
{
    struct watcher w = { .guest = guest, .signals = -1, .running = true };
    CLEANUP_FD int signals = -1;
    sigset_t set;
    int r = 0;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGCHLD);
    signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        return -errno;
    w.signals = signals;
    w.deadline_ms = clock_ms() + 1000u * (uint64_t)guest->boot_timeout_s;
    while (r == 0 && w.running)
        r = watch_once(&w);
    while (r == 0 && guest->console >= 0 && read_console(&w))
        ;
    return r;
}
