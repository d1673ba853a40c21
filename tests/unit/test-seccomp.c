/* init/seccomp.c: the built-in filters, run over every number of a system call, of this architecture and of others. */
#include "unit.h"

#include <sys/prctl.h>
#include <sys/wait.h>

/* What would be loaded is kept instead; load() is called once for a filter. */
static long keep(long number, unsigned operation, unsigned flags, const void *filter);
#define syscall keep
#include "init/seccomp.c" /* for its lists */
#undef syscall

#define NUMBERS 1024u

static struct sock_filter kept[BPF_MAXINSNS];
static size_t kept_count;

static long keep(long number, unsigned operation, unsigned flags, const void *filter)
{
    const struct sock_fprog *program = filter;

    assert_true(number == SYS_seccomp && operation == SECCOMP_SET_MODE_FILTER && flags == 0);
    assert_in_range(program->len, 1, BPF_MAXINSNS);
    memcpy(kept, program->filter, program->len * sizeof(*kept));
    kept_count = program->len;
    return 0;
}

/* Classic BPF as far as the filters use it; what else comes up fails the test. */
static uint32_t answer(uint32_t arch, uint32_t number)
{
    const struct seccomp_data data = { .nr = (int)number, .arch = arch };
    uint32_t a = 0, x = 0;

    for (size_t at = 0; at < kept_count; at++) {
        const struct sock_filter *f = &kept[at];

        switch (f->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            assert_true(f->k % 4 == 0 && f->k + 4 <= sizeof(data));
            memcpy(&a, (const char *)&data + f->k, sizeof(a));
            break;
        case BPF_LD | BPF_IMM: a = f->k; break;
        case BPF_MISC | BPF_TAX: x = a; break;
        case BPF_ALU | BPF_AND | BPF_K: a &= f->k; break;
        case BPF_ALU | BPF_RSH | BPF_K: a >>= f->k; break;
        case BPF_ALU | BPF_RSH | BPF_X: assert_true(x < 32); a >>= x; break;
        case BPF_JMP | BPF_JA: at += f->k; break;
        case BPF_JMP | BPF_JEQ | BPF_K: at += a == f->k ? f->jt : f->jf; break;
        case BPF_JMP | BPF_JGE | BPF_K: at += a >= f->k ? f->jt : f->jf; break;
        case BPF_JMP | BPF_JSET | BPF_K: at += a & f->k ? f->jt : f->jf; break;
        case BPF_RET | BPF_K: return f->k;
        default: fail_msg("instruction 0x%x", f->code);
        }
    }
    fail_msg("the program has no end");
    return 0;
}

static bool stands_in(const uint16_t *calls, size_t count, uint32_t number)
{
    for (size_t i = 0; i < count; i++)
        if (calls[i] == number)
            return true;
    return false;
}

static void check(const uint16_t *calls, size_t count, uint32_t listed, uint32_t others)
{
    for (size_t i = 0; i < count; i++)
        assert_true(calls[i] < WORD_BITS * MOST_WORDS);
    for (uint32_t number = 0; number < NUMBERS; number++) {
        assert_int_equal(answer(AUDIT_ARCH_X86_64, number), stands_in(calls, count, number) ? listed : others);
        assert_int_equal(answer(AUDIT_ARCH_X86_64, number | X32_CALLS), SECCOMP_RET_KILL_PROCESS);
        assert_int_equal(answer(AUDIT_ARCH_I386, number), SECCOMP_RET_KILL_PROCESS);
    }
    /* Other numbers with the same low bits as one of the list are others, not that call. */
    for (uint32_t bit = WORD_BITS * MOST_WORDS; bit < X32_CALLS; bit <<= 1)
        assert_int_equal(answer(AUDIT_ARCH_X86_64, calls[0] | bit), others);
    assert_int_equal(answer(AUDIT_ARCH_X86_64, UINT32_MAX), SECCOMP_RET_KILL_PROCESS);
}

static void lists_of_what_is_denied(void **state UNUSED)
{
    const struct workload_seccomp none = { .given = false };

    assert_int_equal(seccomp_load_workload(&none), 0);
    check(workload, ARRAY_SIZE(workload), SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW);
    assert_int_equal(seccomp_enter(SECCOMP_RESTARTER), 0);
    check(restarter, ARRAY_SIZE(restarter), SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < ARRAY_SIZE(restarter); i++)
        assert_true(stands_in(workload, ARRAY_SIZE(workload), restarter[i]));
}

static void lists_of_what_is_allowed(void **state UNUSED)
{
    assert_int_equal(seccomp_enter(SECCOMP_SUPERVISOR), 0);
    check(supervisor, ARRAY_SIZE(supervisor), SECCOMP_RET_ALLOW, SECCOMP_RET_TRAP);
    assert_int_equal(seccomp_enter(SECCOMP_SERVER), 0);
    check(server, ARRAY_SIZE(server), SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM);
    assert_int_equal(seccomp_enter(SECCOMP_MOVER), 0);
    check(mover, ARRAY_SIZE(mover), SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM);
}

/* The kernel's own check of programs has the last word. */
static void the_kernel_takes_the_programs(void **state UNUSED)
{
    for (size_t which = 0; which < ARRAY_SIZE(filters); which++) {
        int status = 0;
        pid_t pid;

        assert_int_equal(seccomp_enter((enum seccomp_filter)which), 0);
        pid = fork();
        if (pid == 0) {
            const struct sock_fprog program = { .len = (unsigned short)kept_count, .filter = kept };

            (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            _exit(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? 0 : 1);
        }
        assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_what_is_denied),
        cmocka_unit_test(lists_of_what_is_allowed),
        cmocka_unit_test(the_kernel_takes_the_programs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
