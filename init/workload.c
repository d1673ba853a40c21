/* From PID 1 to the workload: a child with every right, which gives them up step by step, led by measured data. */
#include "init/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/spawn.h"
#include "init/cgroup.h"
#include "init/mounts.h"
#include "init/privilege.h"
#include "init/sandbox.h"
#include "init/seccomp.h"

#define USER_NAMESPACES_PATH "/proc/sys/user/max_user_namespaces"

struct start {
    const struct config_workload *workload;
    int network;
};

/* PID 1 blocks nearly all signals. Its handlers of faults are gone with execve(2), and it ignores none. */
static int unblock_signals(void)
{
    sigset_t none;

    (void)sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

static int set_rlimits(const struct config_workload *workload)
{
    for (size_t i = 0; i < workload->rlimit_count; i++) {
        const struct rlimit limit = { .rlim_cur = workload->rlimits[i].soft, .rlim_max = workload->rlimits[i].hard };

        if (setrlimit((__rlimit_resource_t)workload->rlimits[i].resource, &limit) < 0)
            return -errno;
    }
    return 0;
}

static int join(const struct config_workload *workload, int network, struct spawn_failure *failure)
{
    char adjust[8];
    int r = file_poke(CGROUP_PROCS_PATH, "0");

    if (r < 0)
        return spawn_failed(failure, CGROUP_PROCS_PATH, -r);
    (void)snprintf(adjust, sizeof(adjust), "%d", workload->oom_score_adj);
    r = file_poke(OOM_PATH, adjust);
    if (r < 0)
        return spawn_failed(failure, "oomScoreAdj", -r);
    r = set_rlimits(workload);
    if (r < 0)
        return spawn_failed(failure, "rlimits", -r);
    if (network >= 0 && setns(network, CLONE_NEWNET) < 0)
        return spawn_failed(failure, "network namespace", errno);
    return 0;
}

/* Groups and user while the right to is there, the capability sets last. */
static int drop_privileges(const struct config_workload *workload, struct spawn_failure *failure)
{
    int r;

    (void)umask(workload->umask);
    if (setgroups(workload->group_count, workload->groups) < 0 ||
        setresgid(workload->gid, workload->gid, workload->gid) < 0)
        return spawn_failed(failure, "groups", errno);
    r = privilege_drop_bounding(workload->capabilities.bounding);
    if (r < 0)
        return spawn_failed(failure, "capabilities.bounding", -r);
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresuid(workload->uid, workload->uid, workload->uid) < 0 ||
        prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
        return spawn_failed(failure, "user", errno);
    r = privilege_set_capabilities(&workload->capabilities);
    return r < 0 ? spawn_failed(failure, "capabilities", -r) : 0;
}

/*
 * Landlock's domain, whatever it handles, takes away what neither rights of files nor capabilities decide: to look
 * into PID 1 and its helpers (/proc/1/mem), to change mounts. What it would forbid with that, to move files from one
 * folder to another, is allowed everywhere. Kernels before 5.19 do not know that right, or have no Landlock.
 */
static int enter_domain(void)
{
    const struct landlock_ruleset_attr handled = { .handled_access_fs = LANDLOCK_ACCESS_FS_REFER };
    CLEANUP_FD int root = open("/", O_PATH | O_CLOEXEC);
    CLEANUP_FD int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
    const struct landlock_path_beneath_attr everywhere = { .allowed_access = LANDLOCK_ACCESS_FS_REFER,
                                                           .parent_fd = root };

    if (rules < 0)
        return errno == ENOSYS || errno == EOPNOTSUPP || errno == EINVAL ? 0 : -errno;
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &everywhere, 0) < 0 ||
        syscall(SYS_landlock_restrict_self, rules, 0) < 0)
        return -errno;
    return 0;
}

/*
 * With noNewPrivileges the filter comes last, so that it need not allow what goes before; without it, loading takes a
 * right that is about to be given up.
 */
static int confine(const struct start *start, struct spawn_failure *failure)
{
    bool late = start->workload->no_new_privileges;
    int r = start->workload->seccomp.given ? 0 : enter_domain();

    if (r < 0)
        return spawn_failed(failure, "landlock", -r);
    r = late ? 0 : seccomp_load_workload(&start->workload->seccomp);
    if (r < 0)
        return spawn_failed(failure, "seccomp", -r);
    r = drop_privileges(start->workload, failure);
    if (r < 0 || !late)
        return r;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return spawn_failed(failure, "noNewPrivileges", errno);
    r = seccomp_load_workload(&start->workload->seccomp);
    return r < 0 ? spawn_failed(failure, "seccomp", -r) : 0;
}

/* In the child. Descriptors of PID 1 all close at execve(2). */
static int become(const void *context, struct spawn_failure *failure)
{
    const struct start *start = context;
    const struct config_workload *workload = start->workload;
    int r = unblock_signals();

    if (r < 0 || setsid() < 0)
        return spawn_failed(failure, "signals and session", r < 0 ? -r : errno);
    if (close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        return spawn_failed(failure, "descriptors", errno);
    r = join(workload, start->network, failure);
    if (r == 0)
        r = sandbox_enter(workload, failure);
    if (r < 0)
        return r;
    if (chdir(workload->cwd) < 0)
        return spawn_failed(failure, workload->cwd, errno);
    r = confine(start, failure);
    if (r < 0)
        return r;
    (void)execve(workload->args[0], workload->args, workload->env);
    return spawn_exec_failed(failure, workload->args[0], errno);
}

static int set_hostname(const struct config_workload *workload)
{
    size_t size = strlen(workload->hostname);

    return size && sethostname(workload->hostname, size) < 0 ? -errno : 0;
}

static int fail(struct workload_failure *failure, const struct spawn_failure *child, const char *program, int error)
{
    const char *what = child->what[0] ? child->what : program;
    const char *sentence = child->status == SPAWN_STATUS_BEFORE ? "the workload cannot be set up" : "cannot be started";

    failure->status = child->status;
    return reason_set(&failure->why, error, "%s: %s: %s", what, sentence, strerror(-error));
}

int workload_start(const struct config_workload *workload, int network, pid_t *ret_pid,
                   struct workload_failure *ret_failure)
{
    const struct start start = { .workload = workload, .network = network };
    struct spawn_failure child = { .status = SPAWN_STATUS_BEFORE };
    int r = set_hostname(workload);

    ret_failure->status = SPAWN_STATUS_BEFORE;
    if (r < 0)
        return fail(ret_failure, &child, "hostname", r);
    if (!workload->user_namespaces) {
        r = file_poke(USER_NAMESPACES_PATH, "0");
        if (r < 0 && r != -ENOENT)
            return fail(ret_failure, &child, USER_NAMESPACES_PATH, r);
    }
    r = cgroup_make(&workload->resources, &ret_failure->why);
    if (r < 0)
        return r;
    r = spawn(become, &start, ret_pid, &child);
    return r < 0 ? fail(ret_failure, &child, workload->args[0], r) : 0;
}

int workload_become(const struct config_workload *workload, struct workload_failure *ret_failure)
{
    struct spawn_failure failure = { .status = SPAWN_STATUS_BEFORE };
    int r = set_hostname(workload);

    if (r == 0)
        r = file_poke(OOM_PATH, "0");
    if (r == 0)
        r = set_rlimits(workload);
    if (r == 0)
        r = mounts_link_dev();
    if (r == 0 && chdir(workload->cwd) < 0)
        r = -errno;
    if (r == 0 && close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        r = -errno;
    if (r == 0)
        r = unblock_signals();
    if (r < 0)
        return fail(ret_failure, &failure, workload->args[0], r);
    (void)execve(workload->args[0], workload->args, workload->env);
    return fail(ret_failure, &failure, workload->args[0], spawn_exec_failed(&failure, workload->args[0], errno));
}
