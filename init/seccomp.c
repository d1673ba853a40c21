/*
 * Built-in lists, ready as the kernel takes them, and what is configured, by libseccomp. System calls of another
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
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define X32_CALLS 0x40000000u
#define WORD_BITS 32u
#define MOST_WORDS 16u /* of a bit for each system call; they have fewer than 512 numbers */
#define PROGRAM_MAX (16u + 3 * MOST_WORDS)

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define GIVE(action) BPF_STMT(BPF_RET | BPF_K, action)

/* Ways into the kernel and to the volumes' keys. New calls of these kinds are to be added. */
#define WAYS_IN                                                                                                        \
    SYS_kexec_load, SYS_kexec_file_load, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_bpf,                \
        SYS_perf_event_open, SYS_userfaultfd, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_keyctl,     \
        SYS_add_key, SYS_request_key, SYS_iopl, SYS_ioperm, SYS_swapon, SYS_swapoff, SYS_acct, SYS_open_by_handle_at

/* What every program of ours does: descriptors, time, memory, its own signals and end. */
#define EVERYDAY                                                                                                       \
    SYS_read, SYS_write, SYS_close, SYS_poll, SYS_ppoll, SYS_recvfrom, SYS_rt_sigreturn, SYS_rt_sigprocmask,           \
        SYS_clock_gettime, SYS_clock_nanosleep, SYS_nanosleep, SYS_restart_syscall, SYS_brk, SYS_mmap, SYS_munmap,     \
        SYS_mremap, SYS_mprotect, SYS_madvise, SYS_munlock, SYS_futex, SYS_getrandom, SYS_open, SYS_openat, SYS_fstat, \
        SYS_newfstatat, SYS_lseek, SYS_ioctl, SYS_fcntl, SYS_gettid, SYS_getpid, SYS_tgkill, SYS_exit, SYS_exit_group

/* libdevmapper looks around before it asks its device. */
#define MAPPINGS                                                                                                       \
    SYS_uname, SYS_getuid, SYS_geteuid, SYS_access, SYS_stat, SYS_lstat, SYS_readlink, SYS_statx, SYS_prlimit64,       \
        SYS_umask, SYS_pread64

/* ptrace(2) among them means that a debugger needs a configured filter. */
static const uint16_t workload[] = {
    WAYS_IN, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsconfig,
    SYS_fsmount, SYS_fspick, SYS_mount_setattr, SYS_reboot,
};
static const uint16_t restarter[] = { WAYS_IN };
/* Waiting and signalling; then unmounting, removing mappings, sync(2) and the last word in a child, and the end. */
static const uint16_t supervisor[] = {
    EVERYDAY, MAPPINGS, SYS_wait4, SYS_kill, SYS_pidfd_send_signal, SYS_pidfd_open, SYS_signalfd4, SYS_getpgid,
    SYS_umount2, SYS_clone, SYS_clone3, SYS_set_robust_list, SYS_rseq, SYS_sync, SYS_getdents64, SYS_reboot, SYS_pause,
};
static const uint16_t server[] = { EVERYDAY, SYS_accept4, SYS_getsockopt, SYS_sendto, SYS_shutdown };
static const uint16_t mover[] = { EVERYDAY, MAPPINGS, SYS_pwrite64, SYS_fsync, SYS_rt_sigpending };

/* A call beyond its list ends PID 1 (fault.h); others are refused it. */
static const struct {
    const uint16_t *calls;
    size_t count;
    uint32_t listed, others;
} filters[] = {
    [SECCOMP_WORKLOAD] = { workload, ARRAY_SIZE(workload), SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW },
    [SECCOMP_RESTARTER] = { restarter, ARRAY_SIZE(restarter), SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW },
    [SECCOMP_SUPERVISOR] = { supervisor, ARRAY_SIZE(supervisor), SECCOMP_RET_ALLOW, SECCOMP_RET_TRAP },
    [SECCOMP_SERVER] = { server, ARRAY_SIZE(server), SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM },
    [SECCOMP_MOVER] = { mover, ARRAY_SIZE(mover), SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM },
};

static int load(struct sock_filter *program, size_t count)
{
    const struct sock_fprog filter = { .len = (unsigned short)count, .filter = program };

    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0 ? -errno : 0;
}

/*
 * Calls of the list are answered with one action and others with another. The list becomes words of a bit for each
 * call: to load a filter, the kernel walks through it once for each of its calls and turns it into machine code, which
 * takes a supervisor's time as long as its list is if that is gone through.
 */
int seccomp_enter(enum seccomp_filter filter)
{
    const uint16_t *calls = filters[filter].calls;
    struct sock_filter program[PROGRAM_MAX] = {
        BPF_STMT(BPF_LD | BPF_IMM, 0), /* where the walk ends: it follows no words of bits, so it need not begin */
        /* Of this machine's own calls alone; X is the bit, A the word. */
        LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0), GIVE(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 0, 1), GIVE(SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, WORD_BITS - 1), BPF_STMT(BPF_MISC | BPF_TAX, 0), LOAD(nr),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 5),
    };
    const struct sock_filter end[] = { GIVE(filters[filter].others), BPF_STMT(BPF_ALU | BPF_RSH | BPF_X, 0),
                                       BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1), GIVE(filters[filter].listed),
                                       GIVE(filters[filter].others) };
    uint32_t words[MOST_WORDS] = { 0 };
    size_t used = 0, at = 11;

    for (size_t i = 0; i < filters[filter].count; i++) {
        uint32_t *word = &words[calls[i] / WORD_BITS % MOST_WORDS];

        used += !*word;
        *word |= UINT32_C(1) << calls[i] % WORD_BITS;
    }
    for (uint32_t i = 0; i < MOST_WORDS; i++)
        if (words[i]) {
            program[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, i, 0, 2);
            program[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, words[i]);
            program[at++] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(3 * --used + 1));
        }
    memcpy(program + at, end, sizeof(end));
    return load(program, at + ARRAY_SIZE(end));
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
    return configured->given ? load_configured(configured) : seccomp_enter(SECCOMP_WORKLOAD);
}
