/* Starting udhcpc for PID 1. All that comes back is whether two files are there; what the second says is only shown. */
#include "init/dhcp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "init/dhcp-files.h"

#define PROGRAM "/usr/lib/postern/udhcpc"
#define SELF "/usr/lib/postern/postern-init"
#define DHCP_UID 65533u /* nobody else's; nobody is 65534 */

#define CAPABILITIES (1u << CAP_NET_RAW | 1u << CAP_NET_ADMIN | 1u << CAP_NET_BIND_SERVICE)

/* Only what the dhcp user needs to write lies in his folder. */
static int make_folder(void)
{
    CLEANUP_FD int handler = -1;

    if ((mkdir("/run/postern", 0755) < 0 && errno != EEXIST) || (mkdir(DHCP_FOLDER, 0755) < 0 && errno != EEXIST))
        return -errno;
    handler = open(DHCP_HANDLER, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    if (handler < 0 || chown(DHCP_FOLDER, DHCP_UID, DHCP_UID) < 0)
        return -errno;
    return 0;
}

/* The capabilities, and no others, for a user who is not root and for what he starts. */
static int keep_capabilities(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { { CAPABILITIES, CAPABILITIES, CAPABILITIES }, { 0, 0, 0 } };

    for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
        if ((i >= 32 || !(CAPABILITIES & 1u << i)) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
            return -errno;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresgid(DHCP_UID, DHCP_UID, DHCP_UID) < 0 ||
        setresuid(DHCP_UID, DHCP_UID, DHCP_UID) < 0 || syscall(SYS_capset, &head, data) < 0)
        return -errno;
    for (unsigned long i = 0; i < 32; i++)
        if (CAPABILITIES & 1u << i && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
            return -errno;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/*
 * In the child. The handler is bound over an empty file outside of the initrd, so that it is there when the initrd is
 * not; /proc and /sys, which root's files lie in, are gone from sight.
 */
static int become_client(const char *interface)
{
    /* No option but those of -O is asked for; a lease that has more of them is cut down by the handler. */
    const char *const words[] = { "udhcpc", "-f",     "-i", interface, "-s", DHCP_HANDLER, "-t", "5",   "-T",  "2",
                                  "-A",     "3",      "-o", "-O",      "subnet", "-O", "router", "-O", "dns", "-O",
                                  "mtu",    NULL };
    static char *const environment[] = { NULL };
    sigset_t none;
    int r;

    (void)sigemptyset(&none);
    if (unshare(CLONE_NEWNS) < 0 || mount(SELF, DHCP_HANDLER, NULL, MS_BIND, NULL) < 0 ||
        umount2("/proc", MNT_DETACH) < 0 || umount2("/sys", MNT_DETACH) < 0)
        return -errno;
    r = keep_capabilities();
    if (r < 0)
        return r;
    if (setsid() < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0 || close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        return -errno;
    (void)execve(PROGRAM, (char *const *)(uintptr_t)words, environment);
    return -errno;
}

int dhcp_start(const char *interface, pid_t *ret_pid, struct reason *why)
{
    CLEANUP_FD int read_end = -1;
    CLEANUP_FD int write_end = -1;
    int pipe_fds[2], r = make_folder();
    pid_t pid;

    if (r < 0)
        return reason_set(why, r, DHCP_FOLDER ": cannot be made: %s", strerror(-r));
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    read_end = pipe_fds[0];
    write_end = pipe_fds[1];
    pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        r = become_client(interface);
        _exit(fd_write_all(write_end, &r, sizeof(r)) < 0 ? 126 : 127);
    }
    fd_close(&write_end);
    if (fd_read_exact(read_end, &r, sizeof(r)) == 0)
        return reason_set(why, r, PROGRAM ": cannot be started: %s", strerror(-r));
    *ret_pid = pid;
    return 0;
}

bool dhcp_has_lease(struct reason *ret_refused)
{
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0;

    if (access(DHCP_LEASE, F_OK) == 0)
        return true;
    if (file_read(DHCP_REFUSED, DHCP_REFUSED_MAX_BYTES, &text, &size, NULL) == 0)
        (void)reason_set(ret_refused, -EBADMSG, "%s", (const char *)text);
    return false;
}

void dhcp_forget_refused(void)
{
    (void)unlink(DHCP_REFUSED);
}
