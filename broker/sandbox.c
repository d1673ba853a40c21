/* A list of system calls as a BPF program (Linux Documentation/userspace-api/seccomp_filter.rst). */
#include "broker/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__SANITIZE_ADDRESS__)

int sandbox_enter(void)
{
    return 0;
}

#else

/* What libevent, OpenSSL, the C library's memory and our own reading and writing need once everything is open. */
static const uint16_t allowed[] = {
    SYS_read,          SYS_write,       SYS_readv,        SYS_writev,         SYS_recvfrom,     SYS_recvmsg,
    SYS_sendto,        SYS_sendmsg,     SYS_epoll_wait,   SYS_epoll_pwait,    SYS_epoll_ctl,    SYS_accept,
    SYS_accept4,       SYS_close,       SYS_shutdown,     SYS_setsockopt,     SYS_getsockopt,   SYS_getpeername,
    SYS_getsockname,   SYS_fcntl,       SYS_ioctl,        SYS_brk,            SYS_munmap,       SYS_mremap,
    SYS_madvise,       SYS_mlock,       SYS_munlock,      SYS_futex,          SYS_clock_gettime, SYS_gettimeofday,
    SYS_getrandom,     SYS_exit,        SYS_exit_group,   SYS_rt_sigreturn,   SYS_rt_sigprocmask, SYS_rt_sigaction,
    SYS_getpid,        SYS_timerfd_settime, SYS_restart_syscall, SYS_sched_yield, SYS_fstat,    SYS_newfstatat,
    SYS_lseek,         SYS_gettid,      SYS_tgkill,       SYS_pread64,
};

/* Memory may be had, but not such as could be executed: the third argument of both. */
static const uint16_t memory[] = { SYS_mmap, SYS_mprotect };

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset))
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define FIXED_STEPS 5
#define MEMORY_STEPS 5

static struct sock_filter program[FIXED_STEPS + 2 * ARRAY_SIZE(allowed) + MEMORY_STEPS * ARRAY_SIZE(memory)];

static size_t write_program(void)
{
    const struct sock_filter start[] = {
        LOAD(offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        ANSWER(SECCOMP_RET_KILL_PROCESS),
        LOAD(offsetof(struct seccomp_data, nr)),
    };
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_SIZE(start); i++)
        program[count++] = start[i];
    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
        program[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
        program[count++] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
    }
    for (size_t i = 0; i < ARRAY_SIZE(memory); i++) {
        program[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, memory[i], 0, 4);
        program[count++] = (struct sock_filter)LOAD(offsetof(struct seccomp_data, args[2]));
        program[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1);
        program[count++] = (struct sock_filter)ANSWER(SECCOMP_RET_KILL_PROCESS);
        program[count++] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
    }
    program[count++] = (struct sock_filter)ANSWER(SECCOMP_RET_KILL_PROCESS);
    return count;
}

int sandbox_enter(void)
{
    const struct sock_fprog filter = { .len = (unsigned short)write_program(), .filter = program };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
        return -errno;
    return 0;
}

#endif
