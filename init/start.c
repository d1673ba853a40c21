/* Stages start and mounts: from nothing to a console, kernel file systems and a read configuration. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/file.h"
#include "base/secret.h"
#include "init/console.h"
#include "init/init.h"

struct api_mount {
    const char *target, *type;
    unsigned long flags;
    const char *data;
};

/* /dev comes first and by itself, since the console needs it. Sizes bound what a guest's processes can fill. */
static const struct api_mount dev_mount = { "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755" };

static const struct api_mount mounts[] = {
    { "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
    { "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
    { "/run", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=64m" },
    { "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=64m" },
    { "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5" },
    { "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=64m" },
};

static const struct {
    const char *path, *value;
    bool needed; /* some kernels lack the others */
} knobs[] = {
    { "/proc/sys/kernel/printk_devkmsg", "on\n", true }, /* no rate limit; the kernel wants the newline */
    { "/proc/sys/kernel/sysrq", "0", false },             /* the host has a keyboard */
    { "/proc/sys/kernel/core_pattern", "|/bin/false", false },
    { "/proc/sys/kernel/modprobe", "\n", false }, /* no module but those of our list */
    { "/proc/sys/kernel/kexec_load_disabled", "1", false },
    { "/proc/sys/kernel/dmesg_restrict", "1", false },
    { "/proc/sys/kernel/kptr_restrict", "2", false },
    { "/proc/sys/kernel/unprivileged_bpf_disabled", "1", false },
};

/* EBUSY: somebody has mounted it, as the kernel may do with /dev. */
static int mount_api(const struct api_mount *m, struct reason *why)
{
    if (mkdir(m->target, 0755) < 0 && errno != EEXIST)
        return reason_set(why, -errno, "%s: cannot be made: %s", m->target, strerror(errno));
    if (mount(m->type, m->target, m->type, m->flags, m->data) < 0 && errno != EBUSY)
        return reason_set(why, -errno, "%s: cannot be mounted: %s", m->target, strerror(errno));
    return 0;
}

/* Signals without a handler are not delivered to PID 1: they are blocked and waited for instead. */
static int set_signals(void)
{
    static const int faults[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS };
    sigset_t set;

    (void)sigfillset(&set);
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
        (void)sigdelset(&set, faults[i]);
    return sigprocmask(SIG_SETMASK, &set, NULL) < 0 ? -errno : 0;
}

int stage_start(struct boot *boot)
{
    int r;

    /* What the kernel passes on from its command line is no concern of ours. */
    if (clearenv() != 0 || chdir("/") < 0)
        return boot_refuse(boot, REFUSAL_START, -errno);
    (void)umask(022);
    r = set_signals();
    if (r == 0)
        r = mount_api(&dev_mount, &boot->why);
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
    return r < 0 ? boot_refuse(boot, REFUSAL_START, r) : 0;
}

static int read_config(struct boot *boot)
{
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0;
    int r = file_read(CONFIG_PATH, CONFIG_MAX_BYTES, &text, &size, &boot->why);

    if (r == 0) {
        r = config_parse(text, size, &boot->config, &boot->why);
        if (r < 0)
            reason_prefix(&boot->why, CONFIG_PATH);
    }
    return r < 0 ? boot_refuse(boot, REFUSAL_CONFIG, r) : 0;
}

int stage_mounts(struct boot *boot)
{
    /* Nothing that is mounted later shows outside, and the move of the root needs it. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return boot_refuse(boot, REFUSAL_START, -errno);
    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
        int r = mount_api(&mounts[i], &boot->why);

        if (r < 0)
            return boot_refuse(boot, REFUSAL_START, r);
    }
    for (size_t i = 0; i < ARRAY_SIZE(knobs); i++) {
        int r = file_poke(knobs[i].path, knobs[i].value);

        if (r < 0 && knobs[i].needed)
            return boot_refuse(boot, REFUSAL_START,
                               reason_set(&boot->why, r, "%s: cannot be set: %s", knobs[i].path, strerror(-r)));
    }
    return read_config(boot);
}
