/*
 * A bare init, not part of the product: the least that a guest does before its workload. Mounts, loads modules where
 * there are any, opens an encrypted disk and a verified root with tables from the command line, changes root and
 * starts itself there as the workload. Says "floor: NAME NANOSECONDS" on the console, by the time stamp counter,
 * which under -icount shift=0 counts one a nanosecond from the machine's reset. bench-kernel.py, bench-boot.py and
 * tests/kernel/ run it. As the workload of postern-init it says the same.
 *
 * The command line, which this program takes from /proc/cmdline: floor.crypt=, floor.verity= and, for what the first is
 * put on, floor.tags= (dm tables with + for spaces), floor.network=ADDRESS+MASK+GATEWAY (of eth0), floor.counted (as bench-boot.py has it: a pause after
 * the modules, the files of the initrd are deleted, and the workload has a /dev of its own), floor.hold (no disks: says how many processors there are, and waits for the power button or powers
 * off).
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/dm-ioctl.h>
#include <net/if.h>
#include <net/route.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <x86intrin.h>

#include "tests/bench/first-stamp.h"
#include "tests/bench/mark.h"

#define MODULES "/usr/lib/postern/modules"
#define WAIT_STEPS 3000
#define WAIT_STEP_US 1000
#define REST_US 200000 /* as boot-stamps.c */

static void say(const char *name)
{
    printf("floor: %s %llu\n", name, (unsigned long long)__rdtsc());
    fflush(stdout);
}

_Noreturn static void fail(const char *what)
{
    printf("floor: failed %s: %s\n", what, strerror(errno));
    fflush(stdout);
    (void)reboot(RB_POWER_OFF);
    _exit(1);
}

static void mount_or_fail(const char *source, const char *target, const char *type, unsigned long flags)
{
    (void)mkdir(target, 0755);
    if (mount(source, target, type, flags, NULL) < 0 && errno != EBUSY)
        fail(target);
}

static void load_modules(void)
{
    FILE *list = fopen(MODULES ".list", "r");
    char line[128], path[256];

    while (list && fgets(line, sizeof(line), list)) {
        int fd;

        line[strcspn(line, " \n")] = '\0';
        (void)snprintf(path, sizeof(path), MODULES "/%s.ko", line);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            fail(path);
        (void)syscall(SYS_finit_module, fd, "", 0); /* some lack their device here */
        (void)close(fd);
    }
    if (list)
        (void)fclose(list);
}

/* The value of a word of the command line, + made spaces; NULL when it is not there. */
static char *word(const char *name)
{
    static char text[4096];
    char *found, *value;
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (n < 0)
        fail("/proc/cmdline");
    text[n] = '\0';
    (void)close(fd);
    found = strstr(text, name);
    if (!found)
        return NULL;
    value = strndup(found + strlen(name), strcspn(found + strlen(name), " \n"));
    for (char *c = value; c && *c; c++)
        if (*c == '+')
            *c = ' ';
    return value;
}

static void wait_for(const char *path)
{
    for (int i = 0; access(path, F_OK) < 0; i++) {
        if (i == WAIT_STEPS)
            fail(path);
        (void)usleep(WAIT_STEP_US);
    }
}

static void dm(int control, unsigned long command, const char *name, struct dm_ioctl *io, size_t size, uint32_t flags)
{
    io->version[0] = DM_VERSION_MAJOR;
    io->data_size = (uint32_t)size;
    io->data_start = sizeof(*io);
    io->flags = flags;
    (void)snprintf(io->name, sizeof(io->name), "%s", name);
    if (ioctl(control, command, io) < 0)
        fail(name);
}

/* A mapping of one target: "LENGTH TYPE PARAMETERS"; its node is /dev/NAME. */
static void map(const char *name, const char *table, uint32_t flags)
{
    struct {
        struct dm_ioctl io;
        struct dm_target_spec target;
        char parameters[2048];
    } request = { .io = { .target_count = 1 } };
    struct dm_ioctl plain = { .dev = 0 };
    int control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC), used = 0;
    char path[64];

    if (control < 0)
        fail("/dev/mapper/control");
    dm(control, DM_DEV_CREATE, name, &plain, sizeof(plain), 0);
    request.target.length = strtoull(table, NULL, 10);
    table += strcspn(table, " ") + 1;
    used = (int)strcspn(table, " ");
    (void)snprintf(request.target.target_type, sizeof(request.target.target_type), "%.*s", used, table);
    (void)snprintf(request.parameters, sizeof(request.parameters), "%s", table + used + 1);
    dm(control, DM_TABLE_LOAD, name, &request.io, sizeof(request), flags);
    plain = (struct dm_ioctl){ .dev = 0 };
    dm(control, DM_DEV_SUSPEND, name, &plain, sizeof(plain), 0);
    (void)snprintf(path, sizeof(path), "/dev/%s", name);
    if (mknod(path, S_IFBLK | 0600, plain.dev) < 0)
        fail(path);
    (void)close(control);
}

static void up(int control, const char *name)
{
    struct ifreq request = { .ifr_flags = IFF_UP };

    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (ioctl(control, SIOCSIFFLAGS, &request) < 0)
        fail(name);
}

static struct sockaddr address(const char *text)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr any;

    if (!text || inet_pton(AF_INET, text, &in.sin_addr) != 1)
        fail("floor.network");
    memcpy(&any, &in, sizeof(any));
    return any;
}

/* lo, and eth0 with an address, its mask and a gateway. */
static void open_network(char *words)
{
    struct ifreq request = { .ifr_name = "eth0" };
    struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    wait_for("/sys/class/net/eth0");
    up(control, "lo");
    up(control, "eth0");
    wait_for("/sys/class/net/eth0/carrier");
    request.ifr_addr = address(strsep(&words, " "));
    if (ioctl(control, SIOCSIFADDR, &request) < 0)
        fail("the address");
    request.ifr_netmask = address(strsep(&words, " "));
    if (ioctl(control, SIOCSIFNETMASK, &request) < 0)
        fail("its mask");
    route.rt_gateway = address(strsep(&words, " "));
    route.rt_dst = route.rt_genmask = address("0.0.0.0");
    if (ioctl(control, SIOCADDRT, &route) < 0)
        fail("the route");
    (void)close(control);
}

static int delete_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)place;
    if ((kind == FTW_DP ? rmdir(path) : unlink(path)) < 0)
        return 0; /* what is mounted on, and what lies below */
    return 0;
}

static void open_disks(void)
{
    static const char *const moved[] = { "/dev", "/proc", "/sys", "/run", "/tmp" };

    wait_for("/dev/vdb");
    MARK(MARK_STAGE + 8);
    if (word("floor.tags="))
        map("tags", word("floor.tags="), 0);
    map("crypt", word("floor.crypt="), 0);
    MARK(MARK_LEAVE);
    say("crypt");
    MARK(MARK_STAGE + 9);
    map("verity", word("floor.verity="), DM_READONLY_FLAG);
    say("verity");
    mount_or_fail("/dev/verity", "/sysroot", "erofs", MS_RDONLY);
    mount_or_fail("/dev/crypt", "/sysroot/data", "ext4", 0);
    say("mounted");
    if (word("floor.counted") && nftw("/", delete_one, 16, FTW_DEPTH | FTW_MOUNT | FTW_PHYS) < 0)
        fail("/");
    if (chdir("/sysroot") < 0)
        fail("/sysroot");
    for (size_t i = 0; i < sizeof(moved) / sizeof(*moved); i++)
        if (mount(moved[i], moved[i] + 1, NULL, MS_MOVE, NULL) < 0)
            fail(moved[i]);
    if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
        fail("/sysroot");
    MARK(MARK_LEAVE);
}

/* What postern-init hides from a workload whose configuration says nothing of it, and what it leaves only to read. */
static const char *const masked[] = {
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/proc/sysrq-trigger", "/sys/firmware",
    "/sys/kernel/config", "/sys/kernel/security", "/sys/kernel/debug", "/sys/devices/virtual/powercap",
};
static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys" };

static void mask(const char *path)
{
    struct stat status;
    int r = 0;

    if (lstat(path, &status) == 0)
        r = S_ISDIR(status.st_mode) ? mount("none", path, "tmpfs", MS_RDONLY, NULL)
                                    : mount("/dev/null", path, NULL, MS_BIND, NULL);
    if (r < 0)
        fail(path);
}

/* The mounts that postern-init makes for its workload: a /dev of its own, and the lists above; /sys only to read. */
static void make_private(void)
{
    struct mount_attr change = { .attr_set = MOUNT_ATTR_RDONLY };

    if (unshare(CLONE_NEWNS) < 0)
        fail("mount namespace");
    mount_or_fail("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC);
    mount_or_fail("pts", "/dev/pts", "devpts", 0);
    mount_or_fail("shm", "/dev/shm", "tmpfs", 0);
    if (mknod("/dev/console", S_IFCHR | 0600, makedev(5, 1)) < 0 ||
        mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3)) < 0)
        fail("/dev");
    for (size_t i = 0; i < sizeof(masked) / sizeof(*masked); i++)
        mask(masked[i]);
    for (size_t i = 0; i < sizeof(read_only) / sizeof(*read_only); i++)
        if (mount(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL) == 0 &&
            mount_setattr(AT_FDCWD, read_only[i], AT_RECURSIVE, &change, sizeof(change)) < 0)
            fail(read_only[i]);
    if (mount_setattr(AT_FDCWD, "/dev", 0, &change, sizeof(change)) < 0 ||
        mount_setattr(AT_FDCWD, "/sys", AT_RECURSIVE, &change, sizeof(change)) < 0)
        fail("/dev");
}

/* Processors, and that the host's request to power off arrives. */
_Noreturn static void hold(void)
{
    printf("floor: processors %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
    say("hold");
    (void)reboot(RB_POWER_OFF);
    fail("power off");
}

/* Those of postern-init; a kernel may lack the last ones. */
static void mount_api(void)
{
    mount_or_fail("proc", "/proc", "proc", 0);
    mount_or_fail("sys", "/sys", "sysfs", 0);
    mount_or_fail("run", "/run", "tmpfs", 0);
    mount_or_fail("tmp", "/tmp", "tmpfs", 0);
    mount_or_fail("pts", "/dev/pts", "devpts", 0);
    mount_or_fail("shm", "/dev/shm", "tmpfs", 0);
    (void)mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL);
    (void)mount("securityfs", "/sys/kernel/security", "securityfs", 0, NULL);
    (void)mount("configfs", "/sys/kernel/config", "configfs", 0, NULL);
}

int main(int argc, char **argv)
{
    if (argc > 1 ? strcmp(argv[1], "workload") == 0 : strcmp(argv[0], "/workload") == 0) {
        unsigned long long now = __rdtsc();

        if (dup2(open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC), 1) < 0)
            return 1;
        printf("floor: workload %llu\n", now);
        fflush(stdout);
        (void)reboot(RB_POWER_OFF);
        fail("power off");
    }
    mount_or_fail("dev", "/dev", "devtmpfs", 0);
    if (dup2(open("/dev/console", O_RDWR | O_CLOEXEC), 1) < 0)
        return 1;
    printf("floor: first %llu\n", (unsigned long long)first_stamp_ns());
    say("init");
    MARK(MARK_STAGE + 1);
    mount_api();
    MARK(MARK_LEAVE);
    say("api");
    MARK(MARK_MODULES);
    load_modules();
    if (word("floor.counted"))
        (void)usleep(REST_US);
    MARK(MARK_LEAVE);
    say("modules");
    if (word("floor.hold"))
        hold();
    if (word("floor.network=")) {
        MARK(MARK_STAGE + 4);
        open_network(word("floor.network="));
        MARK(MARK_LEAVE);
        say("network");
    }
    open_disks();
    if (word("floor.counted")) {
        MARK(MARK_STAGE + 10);
        make_private();
        MARK(MARK_LEAVE);
    }
    MARK(MARK_EXEC);
    (void)execl("/init", "/init", "workload", NULL);
    fail("/init");
}
