/*
 * Two built-in lists, and what is configured. System calls of another architecture (32 bit, x32) end the process in
 * every filter: the numbers mean other calls there.
 */
#include "init/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Ways into the kernel, to the volumes' keys or around the mounts that no workload has use for. New calls of these
 * kinds are to be added; ptrace(2) among them means that a debugger needs a configured filter.
 */
static const int denied[] = {
    SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(init_module), SCMP_SYS(finit_module),
    SCMP_SYS(delete_module), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(keyctl), SCMP_SYS(add_key),
    SCMP_SYS(request_key), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(move_mount),
    SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr), SCMP_SYS(reboot), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(swapon), SCMP_SYS(swapoff),
    SCMP_SYS(acct), SCMP_SYS(open_by_handle_at),
};

/* Waiting, signalling, reading the signals; then unmounting, removing mappings, sync(2) in a child, and the end. */
static const int supervisor[] = {
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(close), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(recvfrom),
    SCMP_SYS(wait4), SCMP_SYS(kill), SCMP_SYS(pidfd_send_signal), SCMP_SYS(pidfd_open), SCMP_SYS(signalfd4),
    SCMP_SYS(getpgid), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(restart_syscall), SCMP_SYS(brk), SCMP_SYS(mmap),
    SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(getrandom),
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(lseek), SCMP_SYS(ioctl),
    SCMP_SYS(umount2), SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(gettid),
    SCMP_SYS(getpid), SCMP_SYS(sync), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(reboot), SCMP_SYS(pause),
    SCMP_SYS(pread64), SCMP_SYS(munlock), SCMP_SYS(uname), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(tgkill),
    SCMP_SYS(access), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(readlink), SCMP_SYS(statx), SCMP_SYS(prlimit64),
    SCMP_SYS(umask), SCMP_SYS(fcntl),
};

static int add_all(scmp_filter_ctx context, uint32_t action, const int *calls, size_t count)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++)
        r = seccomp_rule_add_array(context, action, calls[i], 0, NULL);
    return r;
}

/* An entry whose action is the default one says nothing, and libseccomp refuses it. */
static int add_configured(scmp_filter_ctx context, const struct workload_seccomp *configured)
{
    for (size_t i = 0; i < configured->rule_count; i++) {
        const struct workload_rule *rule = &configured->rules[i];
        struct scmp_arg_cmp compared[ARRAY_SIZE(rule->arguments)];
        int r;

        if (rule->action == configured->default_action)
            continue;
        for (size_t k = 0; k < rule->argument_count; k++) {
            const struct workload_argument *argument = &rule->arguments[k];

            compared[k] = (struct scmp_arg_cmp){ .arg = argument->index,
                                                 .op = (enum scmp_compare)argument->operation,
                                                 .datum_a = argument->value,
                                                 .datum_b = argument->value_two };
        }
        r = seccomp_rule_add_array(context, rule->action, rule->number, (unsigned)rule->argument_count, compared);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The program as the kernel takes it; releases the context. */
static int compile(scmp_filter_ctx context, struct seccomp_filter *ret_filter)
{
    struct seccomp_filter filter = { NULL, 0 };
    int r = seccomp_export_bpf_mem(context, NULL, &filter.size);

    if (r == 0) {
        filter.program = malloc(filter.size);
        r = filter.program ? seccomp_export_bpf_mem(context, filter.program, &filter.size) : -ENOMEM;
    }
    seccomp_release(context);
    if (r < 0)
        free(filter.program);
    else
        *ret_filter = filter;
    return r;
}

int seccomp_for_workload(const struct workload_seccomp *configured, struct seccomp_filter *ret_filter)
{
    scmp_filter_ctx context = seccomp_init(configured->given ? configured->default_action : SCMP_ACT_ALLOW);
    int r;

    if (!context)
        return -ENOMEM;
    r = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (r == 0)
        r = configured->given ? add_configured(context, configured)
                              : add_all(context, SCMP_ACT_ERRNO(EPERM), denied, ARRAY_SIZE(denied));
    if (r == 0)
        return compile(context, ret_filter);
    seccomp_release(context);
    return r;
}

int seccomp_for_supervisor(struct seccomp_filter *ret_filter)
{
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_TRAP);
    int r;

    if (!context)
        return -ENOMEM;
    r = add_all(context, SCMP_ACT_ALLOW, supervisor, ARRAY_SIZE(supervisor));
    if (r == 0)
        return compile(context, ret_filter);
    seccomp_release(context);
    return r;
}

int seccomp_load_filter(const struct seccomp_filter *filter)
{
    const struct sock_fprog program = { .len = (unsigned short)(filter->size / sizeof(struct sock_filter)),
                                        .filter = filter->program };

    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

void seccomp_filter_free(struct seccomp_filter *filter)
{
    free(filter->program);
    *filter = (struct seccomp_filter){ NULL, 0 };
}
