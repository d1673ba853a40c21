/*
 * A workload that breaks into PID 1 is then no better off than it has to be. PID 1 stays able to end the machine and to
 * take the volumes away, which is its business. No input.
 */
#include "init/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "init/seccomp.h"

/* umount2(2) and device-mapper ask for the second. */
#define KEPT (CAP_BIT(CAP_KILL) | CAP_BIT(CAP_SYS_ADMIN) | CAP_BIT(CAP_SYS_BOOT))
/*
 * What the children of workload_start() use on their way: users and groups, sets of capabilities, limits and
 * oom_score_adj, nodes of /dev, folders that belong to others.
 */
#define KEPT_TO_START                                                                                                  \
    (CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SETGID) | CAP_BIT(CAP_SETPCAP) | CAP_BIT(CAP_SYS_RESOURCE) |                    \
     CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_DAC_OVERRIDE))

int privilege_drop_bounding(uint64_t kept)
{
    for (unsigned number = 0; number <= CAP_LAST_CAP; number++)
        if (!(kept >> number & 1) && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0 && errno != EINVAL)
            return -errno; /* EINVAL: a kernel that does not know it */
    return 0;
}

int privilege_set_capabilities(const struct workload_capabilities *sets)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2];

    for (unsigned i = 0; i < ARRAY_SIZE(data); i++)
        data[i] = (struct __user_cap_data_struct){ .effective = (uint32_t)(sets->effective >> 32 * i),
                                                   .permitted = (uint32_t)(sets->permitted >> 32 * i),
                                                   .inheritable = (uint32_t)(sets->inheritable >> 32 * i) };
    if (syscall(SYS_capset, &head, data) < 0)
        return -errno;
    for (unsigned number = 0; number <= CAP_LAST_CAP; number++)
        if (sets->ambient >> number & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0)
            return -errno;
    return 0;
}

int privilege_keep(uint64_t kept)
{
    const struct workload_capabilities sets = { .effective = kept, .permitted = kept };
    int r = privilege_drop_bounding(kept);

    return r < 0 ? r : privilege_set_capabilities(&sets);
}

int privilege_become_helper(uint64_t kept, enum seccomp_filter filter)
{
    int r = file_poke(OOM_PATH, "0");

    if (r == 0)
        r = privilege_keep(kept);
    if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        r = -errno;
    return r < 0 ? r : seccomp_enter(filter);
}

int privilege_drop(const struct config_workload *workload, int *ret_network, struct reason *why)
{
    bool starts_again = workload->restart != WORKLOAD_RESTART_NO;
    CLEANUP_FD int network = starts_again ? open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) : -1;
    int r;

    if ((starts_again && network < 0) || unshare(CLONE_NEWNET) < 0)
        return reason_set(why, -errno, "PID 1 cannot leave the network: %s", strerror(errno));
    /* What is inherited by a workload that is started again cannot be less than what its first start had. */
    r = privilege_keep(KEPT | (starts_again ? KEPT_TO_START | workload->capabilities.bounding : 0));
    if (r == 0 && !(starts_again && workload->seccomp.given))
        r = seccomp_enter(starts_again ? SECCOMP_RESTARTER : SECCOMP_SUPERVISOR);
    if (r < 0)
        return reason_set(why, r, "PID 1 cannot give up its rights: %s", strerror(-r));
    *ret_network = fd_take(&network);
    return 0;
}
