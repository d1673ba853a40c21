/*
 * In the place of the DHCP handler in a test guest: what udhcpc starts, and so what a lease of a hostile network could
 * reach. Says what it runs with where the handler says why a lease is refused, which PID 1 writes on the console; asked
 * by the event that udhcpc begins with. Started in the handler's surroundings there is no /proc to read it from.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/dhcp-files.h"

#define MOST_DESCRIPTORS 1024

static void add_capabilities(FILE *to)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = { { 0, 0, 0 } };
    unsigned long long bounding = 0, ambient = 0;

    if (syscall(SYS_capget, &header, have) < 0)
        (void)fprintf(to, " capget=%d", errno);
    for (unsigned i = 0; i < 64; i++) {
        bounding |= (unsigned long long)(prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1) << i;
        ambient |= (unsigned long long)(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1) << i;
    }
    (void)fprintf(to, " eff=%llx prm=%llx inh=%llx bnd=%llx amb=%llx", (unsigned long long)have[1].effective << 32 | have[0].effective,
                  (unsigned long long)have[1].permitted << 32 | have[0].permitted,
                  (unsigned long long)have[1].inheritable << 32 | have[0].inheritable, bounding, ambient);
}

static void add_descriptors(FILE *to)
{
    struct stat null, status;
    const char *separator = "";

    (void)fprintf(to, " fds=");
    for (int fd = 0; fd < MOST_DESCRIPTORS; fd++) {
        if (fd == fileno(to) || fstat(fd, &status) < 0)
            continue;
        (void)fprintf(to, "%s%d%s", separator, fd,
                      stat("/dev/null", &null) == 0 && status.st_rdev == null.st_rdev ? "" : "(not null)");
        separator = ",";
    }
}

/* Where a file can be made. */
static void add_writable(FILE *to)
{
    static const char *const folders[] = { "", "/dev", "/etc", "/run", "/run/postern", "/usr/lib/postern", "/tmp", DHCP_FOLDER };
    const char *separator = "";

    (void)fprintf(to, " writes=");
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
        char path[64];
        int fd;

        (void)snprintf(path, sizeof(path), "%s/probe", folders[i]);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            continue;
        (void)close(fd);
        (void)unlink(path);
        (void)fprintf(to, "%s%s", separator, folders[i]);
        separator = ",";
    }
}

static void add_opened(FILE *to)
{
    static const char *const paths[] = { "/proc/self/status", "/proc/1/status", "/sys/class/net", "/dev/kmsg", "/dev/console",
                                         "/dev/sev-guest", "/dev/mem", "/dev/vda" };
    const char *separator = "";

    (void)fprintf(to, " opens=");
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        int fd = open(paths[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0)
            continue;
        (void)close(fd);
        (void)fprintf(to, "%s%s", separator, paths[i]);
        separator = ",";
    }
}

/* What PID 1 says about the interface's MTU. */
static const char *measured_mtu(char *const words[])
{
    static const char name[] = DHCP_MEASURED_MTU "=";

    for (; *words; words++)
        if (strncmp(*words, name, sizeof(name) - 1) == 0)
            return *words + sizeof(name) - 1;
    return "";
}

int main(int argc, char **argv, char **environment)
{
    uid_t uid[3] = { 0 };
    gid_t gid[3] = { 0 };
    FILE *to;

    if (argc != 2 || strcmp(argv[1], "deconfig") != 0)
        return 0;
    to = fopen(DHCP_FOLDER "/told", "we");
    if (!to || getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0)
        return 1;
    (void)fprintf(to, "uid=%u,%u,%u gid=%u,%u,%u groups=%d", uid[0], uid[1], uid[2], gid[0], gid[1], gid[2], getgroups(0, NULL));
    add_capabilities(to);
    (void)fprintf(to, " nnp=%d seccomp=%d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
    (void)fprintf(to, " mtu=%s", measured_mtu(environment));
    add_descriptors(to);
    add_writable(to);
    add_opened(to);
    return fclose(to) == 0 && rename(DHCP_FOLDER "/told", DHCP_REFUSED) == 0 ? 0 : 1;
}
