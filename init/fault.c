/*
 * The handler of the signals that mean that PID 1 is broken. It must neither return, as the fault would come again, nor
 * exit, as the kernel would panic with the secrets in memory. No input but the signal's number.
 */
#include "init/fault.h"

#include <errno.h>
#include <signal.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "base/secret.h"
#include "init/console.h"

static const int faults[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS };

/* A stack of its own: the fault may be that the other one is used up. */
static uint8_t stack[16384] __attribute__((aligned(16)));

static void end_machine(int signal, siginfo_t *info, void *context)
{
    (void)context;
    if (getpid() != 1)
        _exit(128 + signal); /* a child before it has become another program */
    secret_wipe_all();
    console_fault(signal, signal == SIGSYS ? info->si_syscall : 0);
    (void)reboot(RB_POWER_OFF);
    for (;;)
        (void)pause();
}

int fault_set_signals(void)
{
    const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
    struct sigaction action = { .sa_sigaction = end_machine, .sa_flags = SA_ONSTACK | SA_SIGINFO };
    sigset_t blocked;

    (void)sigfillset(&action.sa_mask);
    (void)sigfillset(&blocked);
    if (sigaltstack(&alternate, NULL) < 0)
        return -errno;
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
        (void)sigdelset(&blocked, faults[i]);
        if (sigaction(faults[i], &action, NULL) < 0)
            return -errno;
    }
    return sigprocmask(SIG_SETMASK, &blocked, NULL) < 0 ? -errno : 0;
}
