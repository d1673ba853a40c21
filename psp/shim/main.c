/* PID 1 of a test guest until the device is there; then the production init, which finds all as the kernel left it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "psp/shim/shim.h"

#define FOLDER "/usr/lib/postern-psp/"
#define CUSE_MODULE FOLDER "cuse.ko"
/* Of our module for configfs-tsm, as insmod's words; an overlay that has them, if none, wants configfs-tsm. */
#define TSM_PARAMETERS FOLDER "postern-psp-tsm.parameters"
#define PARAMETERS_MAX_BYTES 256u
#define INIT_PATH "/usr/lib/postern/postern-init"
#define DEVICE_PATH "/dev/sev-guest"
#define READY_MS 10000
#define POLL_MS 5
/* No ioctl of the device: its answer, ENOTTY, comes from the server itself. */
#define PROBE_IOCTL _IO(SNP_GUEST_REQ_IOC_TYPE, 0xff)

/* One line for the console's reader, then the machine goes off: without the device nothing that follows makes sense. */
_Noreturn static void give_up(const struct reason *why, int error)
{
    CLEANUP_FD int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);

    (void)dprintf(fd >= 0 ? fd : STDERR_FILENO, "psp-shim: %s\n", reason_text(why, error));
    sync();
    clock_sleep_ms(100); /* serial drivers still have the line to send */
    (void)reboot(RB_POWER_OFF);
    for (;;)
        (void)pause();
}

/* Mounts /dev unless something is mounted there; says whether it did. */
static int mount_dev(bool *ret_mounted, struct reason *why)
{
    struct stat root, dev;

    if (mkdir("/dev", 0755) < 0 && errno != EEXIST)
        return reason_set(why, -errno, "/dev: cannot be made: %s", strerror(errno));
    if (stat("/", &root) < 0 || stat("/dev", &dev) < 0)
        return -errno;
    *ret_mounted = root.st_dev == dev.st_dev;
    if (*ret_mounted && mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755") < 0)
        return reason_set(why, -errno, "/dev: devtmpfs cannot be mounted: %s", strerror(errno));
    return 0;
}

static int load_module(const char *path, const char *parameters, struct reason *why)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return reason_set(why, -errno, "%s: %s", path, strerror(errno));
    if (syscall(SYS_finit_module, fd, parameters, 0) < 0 && errno != EEXIST)
        return reason_set(why, -errno, "%s: cannot be loaded: %s: is it this kernel's?", path, strerror(errno));
    return 0;
}

static bool has_tsm(void)
{
    return access(TSM_PARAMETERS, F_OK) == 0;
}

/* The kernel of our own, for tests, has all of them built in and takes none; parameters come by its command line. */
static int load_modules(struct reason *why)
{
    CLEANUP_FREE uint8_t *parameters = NULL;
    size_t size = 0;
    int r = access("/dev/cuse", F_OK) == 0 ? 0 : load_module(CUSE_MODULE, "", why);

    if (r < 0 || !has_tsm() || access(TSM_DEVICE, F_OK) == 0)
        return r;
    r = load_module(FOLDER "configfs.ko", "", why);
    if (r == 0)
        r = load_module(FOLDER "tsm.ko", "", why);
    if (r == 0)
        r = file_read(TSM_PARAMETERS, PARAMETERS_MAX_BYTES, &parameters, &size, why);
    return r < 0 ? r : load_module(FOLDER "postern-psp-tsm.ko", parameters ? (const char *)parameters : "", why);
}

/* The server's process: no console, a session of its own, nothing that a change of the root file system takes away. */
_Noreturn static void run_server(int why_fd)
{
    struct reason why = { "" };
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), line_fd = -1, r = 0;

    (void)setsid();
    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0 ||
        dup2(null_fd, STDERR_FILENO) < 0 || chdir("/") < 0)
        r = reason_set(&why, -errno, "/dev/null: %s", strerror(errno));
    if (r == 0)
        r = line_open(&line_fd, &why);
    if (r == 0 && has_tsm())
        r = tsm_start(line_fd, &why);
    if (r == 0)
        r = device_serve(line_fd, &why);
    _exit(fd_write_all(why_fd, why.text, strlen(why.text)) == 0 ? 1 : 2);
}

/* Opens the device and waits for an answer; in a process of its own, as that may take for ever. */
_Noreturn static void run_prober(void)
{
    for (;;) {
        CLEANUP_FD int fd = open(DEVICE_PATH, O_RDWR | O_CLOEXEC);

        if (fd >= 0 && ioctl(fd, PROBE_IOCTL, 0) < 0 && errno == ENOTTY)
            _exit(0);
        clock_sleep_ms(POLL_MS);
    }
}

/* Why the server ended, as far as it said so. */
static int server_ended(int why_fd, struct reason *why)
{
    char text[REASON_MAX_BYTES] = "";
    ssize_t got = read(why_fd, text, sizeof(text) - 1);

    return reason_set(why, -EIO, "%s cannot be served: %s", DEVICE_PATH, got > 0 ? text : "its server was killed");
}

static int wait_ready(pid_t server, pid_t prober, int why_fd, struct reason *why)
{
    uint64_t deadline_ms = clock_ms() + READY_MS;

    while (clock_left_ms(deadline_ms)) {
        int status;
        pid_t ended = waitpid(-1, &status, WNOHANG);

        if (ended == server)
            return server_ended(why_fd, why);
        if (ended == prober)
            return 0;
        if (ended <= 0)
            clock_sleep_ms(POLL_MS);
    }
    (void)kill(prober, SIGKILL);
    return reason_set(why, -ETIMEDOUT, "%s does not answer within %u s", DEVICE_PATH, READY_MS / 1000);
}

static int start_server(struct reason *why)
{
    int why_fds[2], r;
    pid_t server, prober;

    if (pipe2(why_fds, O_CLOEXEC) < 0)
        return -errno;
    server = fork();
    if (server == 0) {
        (void)close(why_fds[0]);
        run_server(why_fds[1]);
    }
    (void)close(why_fds[1]);
    prober = server > 0 ? fork() : -1;
    if (prober == 0)
        run_prober();
    r = prober > 0 ? wait_ready(server, prober, why_fds[0], why) : -EAGAIN; /* no more processes */
    (void)close(why_fds[0]);
    return r;
}

int main(int argc, char **argv)
{
    struct reason why = { "" };
    bool mounted = false;
    int r;

    (void)argc;
    if (getpid() != 1) {
        (void)dprintf(STDERR_FILENO, "psp-shim: this is /init of a test overlay and runs as process 1 only\n");
        return 1;
    }
    r = mount_dev(&mounted, &why);
    if (r == 0)
        r = load_modules(&why);
    if (r == 0)
        r = start_server(&why);
    if (r < 0)
        give_up(&why, r);
    if (mounted)
        (void)umount2("/dev", MNT_DETACH);
    (void)execv(INIT_PATH, argv);
    give_up(&why, reason_set(&why, -errno, INIT_PATH ": cannot be started: %s", strerror(errno)));
}
