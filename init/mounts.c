/*
 * Stage mounts: the kernel's file systems, its settings, the configuration, and a clock that is not before the image.
 * All of it is measured but the clock, which is the host's: nothing depends on it.
 */
#include "init/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "init/init.h"
#include "init/privilege.h"

struct api_mount {
    const char *target, *type;
    unsigned long flags;
    const char *data;
    enum { THERE, MADE, OPTIONAL } place; /* the initrd or the kernel has the folder, we make it, kernels may lack it */
};

static const struct api_mount dev_mount = { "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755", THERE };

/* Sizes bound what a guest's processes can fill. Neither debugfs nor tracefs nor the first version of cgroups. */
static const struct api_mount mounts[] = {
    { "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, THERE },
    { "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, THERE },
    { "/run", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=64m", THERE },
    { "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=64m", MADE },
    { "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5", MADE },
    { "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=64m", MADE },
    { "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, "nsdelegate,memory_recursiveprot", THERE },
    { "/sys/kernel/security", "securityfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, OPTIONAL },
};

static const struct {
    const char *path, *target;
} links[] = {
    { "/dev/fd", "/proc/self/fd" },       { "/dev/stdin", "/proc/self/fd/0" }, { "/dev/stdout", "/proc/self/fd/1" },
    { "/dev/stderr", "/proc/self/fd/2" }, { "/dev/ptmx", "pts/ptmx" },
};

static const struct {
    const char *path, *value;
    bool needed; /* some kernels lack the others */
} knobs[] = {
    { "/sys/kernel/rcu_expedited", "1", false },          /* until the hand-over; tens of milliseconds, sysrq's alone */
    { "/proc/sys/kernel/printk_devkmsg", "on\n", true },  /* no rate limit; the kernel wants the newline */
    { OOM_PATH, "-1000", true },
    { "/proc/sys/kernel/sysrq", "0", false },             /* the host has a keyboard */
    { "/proc/sys/kernel/core_pattern", "|/bin/false", false },
    { "/proc/sys/fs/suid_dumpable", "0", false },
    { "/proc/sys/kernel/modprobe", "\n", false }, /* no module but those of our list */
    { "/proc/sys/kernel/kexec_load_disabled", "1", false },
    { "/proc/sys/kernel/dmesg_restrict", "1", false },
    { "/proc/sys/kernel/kptr_restrict", "2", false },
    { "/proc/sys/kernel/perf_event_paranoid", "3", false },
    { "/proc/sys/kernel/unprivileged_bpf_disabled", "1", false },
    { "/proc/sys/net/core/bpf_jit_harden", "2", false },
    { "/proc/sys/kernel/yama/ptrace_scope", "2", false },
    { "/proc/sys/fs/protected_symlinks", "1", true },
    { "/proc/sys/fs/protected_hardlinks", "1", true },
    { "/proc/sys/fs/protected_fifos", "2", true },
    { "/proc/sys/fs/protected_regular", "2", true },
    { "/proc/sys/dev/tty/ldisc_autoload", "0", false },
    { "/proc/sys/dev/tty/legacy_tiocsti", "0", false },
    { "/proc/sys/vm/unprivileged_userfaultfd", "0", false },
    { "/proc/sys/vm/swappiness", "0", false }, /* there is no swap, and none is to come */
};

/* EBUSY: somebody has mounted it, as the kernel may do with /dev. */
static int mount_api(const struct api_mount *m, struct reason *why)
{
    if (m->place == MADE && mkdir(m->target, 0755) < 0 && errno != EEXIST)
        return reason_set(why, -errno, "%s: cannot be made: %s", m->target, strerror(errno));
    if (mount(m->type, m->target, m->type, m->flags, m->data) < 0 && errno != EBUSY && m->place != OPTIONAL)
        return reason_set(why, -errno, "%s: cannot be mounted: %s", m->target, strerror(errno));
    return 0;
}

int mounts_dev(struct reason *why)
{
    return mount_api(&dev_mount, why);
}

/* What devtmpfs does not make, and its /dev/ptmx, which is of another instance than our /dev/pts. */
int mounts_link_dev(void)
{
    (void)unlink("/dev/ptmx");
    for (size_t i = 0; i < ARRAY_SIZE(links); i++)
        if (symlink(links[i].target, links[i].path) < 0)
            return -errno;
    return 0;
}

static int set_knobs(struct reason *why)
{
    for (size_t i = 0; i < ARRAY_SIZE(knobs); i++) {
        int r = file_poke(knobs[i].path, knobs[i].value);

        if (r < 0 && (knobs[i].needed || r != -ENOENT))
            return reason_set(why, r, "%s: cannot be set: %s", knobs[i].path, strerror(-r));
    }
    return 0;
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

/*
 * The clock comes from the host and may say anything. Before the image was built it cannot be, and programs take files
 * from the future badly; a clock that is ahead is left as it is.
 */
static int clamp_clock(uint64_t build_epoch, struct reason *why)
{
    const struct timespec built = { .tv_sec = (time_t)build_epoch };
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) < 0 || now.tv_sec >= built.tv_sec)
        return 0;
    return clock_settime(CLOCK_REALTIME, &built) < 0
               ? reason_set(why, -errno, "the clock cannot be set: %s", strerror(errno))
               : 0;
}

int stage_mounts(struct boot *boot)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(mounts); i++)
        r = mount_api(&mounts[i], &boot->why);
    if (r == 0)
        r = set_knobs(&boot->why);
    if (r < 0)
        return boot_refuse(boot, REFUSAL_START, r);
    r = read_config(boot);
    if (r < 0)
        return r;
    boot->deadline_ms = clock_ms() + boot->config.deadline_ms;
    r = clamp_clock(boot->config.build_epoch, &boot->why);
    return r < 0 ? boot_refuse(boot, REFUSAL_START, r) : 0;
}
