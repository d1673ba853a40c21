/*
 * Stage start: from nothing to a console, with signals, memory for secrets and nothing left of what the kernel handed
 * over. Arguments and environment of PID 1 are words of the command line that the kernel did not know: not looked at.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/secret.h"
#include "init/console.h"
#include "init/fault.h"
#include "init/init.h"
#include "init/mounts.h"

static int set_up(struct boot *boot)
{
    int r;

    /* The kernel makes the initrd's file system as /tmp, for everybody to write into. */
    if (clearenv() != 0 || chdir("/") < 0 || chmod("/", 0755) < 0 || prctl(PR_SET_NAME, "postern-init") < 0)
        return -errno;
    (void)umask(022);
    r = secret_protect_process();
    if (r == 0)
        r = fault_set_signals();
    /* Nothing that is mounted later shows outside, and the move of the root needs it. */
    if (r == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        r = -errno;
    if (r == 0)
        r = mounts_dev(&boot->why);
    if (r == 0)
        r = console_open();
    if (r == 0)
        r = crypto_wipe_freed();
    if (r == 0)
        r = crypto_library_init();
    if (r == 0)
        r = secret_library_init();
    if (r == 0 && reboot(RB_DISABLE_CAD) < 0)
        r = -errno; /* Ctrl-Alt-Delete becomes SIGINT, an orderly stop */
    return r;
}

int stage_start(struct boot *boot)
{
    int r = set_up(boot);

    return r < 0 ? boot_refuse(boot, REFUSAL_START, r) : 0;
}
