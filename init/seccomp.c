/*
 * Two built-in lists, ready as the kernel takes them, and what is configured, by libseccomp. System calls of another
 * architecture (32 bit, x32) end the process in every filter: the numbers mean other calls there.
 */
#include "init/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define X32_CALLS 0x40000000u

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define GIVE(action) BPF_STMT(BPF_RET | BPF_K, action)
/* Of this machine's own calls alone; their number is loaded then. */
#define OWN_CALLS                                                                                                      \
    LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0), GIVE(SECCOMP_RET_KILL_PROCESS),          \
        LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 0, 1), GIVE(SECCOMP_RET_KILL_PROCESS)

/*
 * Ways into the kernel, to the volumes' keys or around the mounts that no workload has use for. New calls of these
 * kinds are to be added; ptrace(2) among them means that a debugger needs a configured filter.
 */
#define CALL(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), GIVE(SECCOMP_RET_ERRNO | EPERM)
static struct sock_filter denied[] = {
    OWN_CALLS,
    CALL(kexec_load), CALL(kexec_file_load), CALL(init_module), CALL(finit_module), CALL(delete_module), CALL(bpf),
    CALL(perf_event_open), CALL(userfaultfd), CALL(ptrace), CALL(process_vm_readv), CALL(process_vm_writev),
    CALL(keyctl), CALL(add_key), CALL(request_key), CALL(mount), CALL(umount2), CALL(pivot_root), CALL(move_mount),
    CALL(open_tree), CALL(fsopen), CALL(fsconfig), CALL(fsmount), CALL(fspick), CALL(mount_setattr), CALL(reboot),
    CALL(iopl), CALL(ioperm), CALL(swapon), CALL(swapoff), CALL(acct), CALL(open_by_handle_at),
    GIVE(SECCOMP_RET_ALLOW),
};
#undef CALL

/* Waiting, signalling, reading the signals; then unmounting, removing mappings, sync(2) in a child, and the end. */
#define CALL(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), GIVE(SECCOMP_RET_ALLOW)
static struct sock_filter supervisor[] = {
    OWN_CALLS,
    CALL(read), CALL(write), CALL(close), CALL(poll), CALL(ppoll), CALL(recvfrom), CALL(wait4), CALL(kill),
    CALL(pidfd_send_signal), CALL(pidfd_open), CALL(signalfd4), CALL(getpgid), CALL(rt_sigreturn),
    CALL(rt_sigprocmask), CALL(clock_gettime), CALL(clock_nanosleep), CALL(nanosleep), CALL(restart_syscall),
    CALL(brk), CALL(mmap), CALL(munmap), CALL(mremap), CALL(mprotect), CALL(madvise), CALL(futex), CALL(getrandom),
    CALL(open), CALL(openat), CALL(fstat), CALL(newfstatat), CALL(lseek), CALL(ioctl), CALL(umount2), CALL(clone),
    CALL(clone3), CALL(set_robust_list), CALL(rseq), CALL(gettid), CALL(getpid), CALL(sync), CALL(exit),
    CALL(exit_group), CALL(reboot), CALL(pause), CALL(pread64), CALL(munlock), CALL(uname), CALL(getuid),
    CALL(geteuid), CALL(tgkill), CALL(access), CALL(stat), CALL(lstat), CALL(readlink), CALL(statx), CALL(prlimit64),
    CALL(umask), CALL(fcntl),
    GIVE(SECCOMP_RET_TRAP),
};
#undef CALL

static int load(struct sock_filter *program, size_t count)
{
    const struct sock_fprog filter = { .len = (unsigned short)count, .filter = program };

    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0 ? -errno : 0;
}

int seccomp_load_supervisor(void)
{
    return load(supervisor, ARRAY_SIZE(supervisor));
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

static int load_configured(const struct workload_seccomp *configured)
{
    struct sock_filter *program = NULL;
    scmp_filter_ctx context = seccomp_init(configured->default_action);
    size_t size = 0;
    int r;

    if (!context)
        return -ENOMEM;
    r = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (r == 0)
        r = add_configured(context, configured);
    if (r == 0)
        r = seccomp_export_bpf_mem(context, NULL, &size);
    if (r == 0)
        r = (program = malloc(size)) ? seccomp_export_bpf_mem(context, program, &size) : -ENOMEM;
    if (r == 0)
        r = load(program, size / sizeof(*program));
    free(program);
    seccomp_release(context);
    return r;
}

int seccomp_load_workload(const struct workload_seccomp *configured)
{
    return configured->given ? load_configured(configured) : load(denied, ARRAY_SIZE(denied));
}
