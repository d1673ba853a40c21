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
#include <unistd.h>

#include "base/file.h"
#include "base/spawn.h"
#include "init/dhcp-files.h"
#include "init/privilege.h"

#define PROGRAM "/usr/lib/postern/udhcpc"
#define HANDLER "/usr/lib/postern/dhcp-handler"
#define DHCP_UID 65533u /* nobody else's; nobody is 65534 */

#define CAPABILITIES (CAP_BIT(CAP_NET_RAW) | CAP_BIT(CAP_NET_ADMIN) | CAP_BIT(CAP_NET_BIND_SERVICE))

/* Only what the dhcp user needs to write lies in his folder; what a client before this one refused is forgotten. */
static int prepare_folder(void)
{
    CLEANUP_FD int handler = -1;

    if ((mkdir("/run/postern", 0755) < 0 && errno != EEXIST) || (mkdir(DHCP_FOLDER, 0755) < 0 && errno != EEXIST))
        return -errno;
    (void)unlink(DHCP_REFUSED);
    handler = open(DHCP_HANDLER, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    if (handler < 0 || chown(DHCP_FOLDER, DHCP_UID, DHCP_UID) < 0)
        return -errno;
    return 0;
}

/* The capabilities, and no others, for a user who is not root and for what he starts. */
static int keep_capabilities(void)
{
    const struct workload_capabilities kept = {
        .effective = CAPABILITIES, .permitted = CAPABILITIES, .inheritable = CAPABILITIES, .ambient = CAPABILITIES
    };
    int r = privilege_drop_bounding(CAPABILITIES);

    if (r < 0)
        return r;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresgid(DHCP_UID, DHCP_UID, DHCP_UID) < 0 ||
        setresuid(DHCP_UID, DHCP_UID, DHCP_UID) < 0)
        return -errno;
    r = privilege_set_capabilities(&kept);
    if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        r = -errno;
    return r < 0 ? r : seccomp_enter(SECCOMP_WORKLOAD);
}

/*
 * In the child. The handler is bound over an empty file outside of the initrd, so that it is there when the initrd is
 * not; /proc and /sys, which root's files lie in, are gone from sight.
 */
static int become_client(const void *context, struct spawn_failure *failure)
{
    const struct config_network *network = context;
    /* No option but those of -O is asked for; a lease that has more of them is cut down by the handler. */
    const char *const words[] = { "udhcpc", "-f", "-i", network->interface, "-s", DHCP_HANDLER, "-t", "5", "-T", "2",
                                  "-A", "3", "-o", "-O", "subnet", "-O", "router", "-O", "dns", "-O", "mtu", NULL };
    char mtu[32], *const environment[] = { network->mtu ? mtu : NULL, NULL };
    sigset_t none;
    int r;

    (void)snprintf(mtu, sizeof(mtu), DHCP_MEASURED_MTU "=%u", network->mtu);
    (void)sigemptyset(&none);
    r = file_poke(OOM_PATH, "0");
    if (r < 0)
        return spawn_failed(failure, OOM_PATH, -r);
    if (unshare(CLONE_NEWNS) < 0 || mount(HANDLER, DHCP_HANDLER, NULL, MS_BIND, NULL) < 0 ||
        umount2("/proc", MNT_DETACH) < 0 || umount2("/sys", MNT_DETACH) < 0)
        return spawn_failed(failure, "mounts", errno);
    r = keep_capabilities();
    if (r < 0)
        return spawn_failed(failure, "capabilities", -r);
    if (setsid() < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0 || close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        return spawn_failed(failure, "session", errno);
    (void)execve(PROGRAM, (char *const *)(uintptr_t)words, environment);
    return spawn_exec_failed(failure, PROGRAM, errno);
}

int dhcp_start(const struct config_network *network, pid_t *ret_pid, struct reason *why)
{
    struct spawn_failure failure = { .status = SPAWN_STATUS_BEFORE };
    int r = prepare_folder();

    if (r < 0)
        return reason_set(why, r, DHCP_FOLDER ": cannot be made: %s", strerror(-r));
    r = spawn(become_client, network, ret_pid, &failure);
    return r < 0 ? reason_set(why, r, PROGRAM ": cannot be started: %s: %s", failure.what, strerror(-r)) : 0;
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
