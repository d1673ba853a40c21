/*
 * What a workload sees of its guest. Runs as the workload, from an encrypted volume; what it finds out it serves on port
 * 8080, to one caller after the other, and a call of /exit ends it with the status it was started with.
 *
 * usage: workload-probe serve STATUS | again STATE TIMES | memory BYTES | deaf | orphans COUNT | die SIGNAL |
 *        shoot SIGNAL [HELPER] | insist
 *
 * As PID 1 itself, named "init": says on the kernel's log what it was given, and powers off.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT 8080

static void add_file_as(FILE *to, const char *name, const char *path)
{
    char line[4096];
    FILE *file = fopen(path, "re");

    if (!file) {
        (void)fprintf(to, "file %s: %s\n", name, strerror(errno));
        return;
    }
    while (fgets(line, sizeof(line), file))
        (void)fprintf(to, "file %s: %s%s", name, line, strchr(line, '\n') ? "" : "\n");
    (void)fclose(file);
}

static void add_file(FILE *to, const char *path)
{
    add_file_as(to, path, path);
}

/* The process that goes by that name; 0: none. */
static pid_t find_process(const char *name)
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    pid_t found = 0;

    while (folder && !found && (entry = readdir(folder))) {
        char path[300], line[64] = "";
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
        file = entry->d_name[0] >= '0' && entry->d_name[0] <= '9' ? fopen(path, "re") : NULL;
        if (!file)
            continue;
        if (fgets(line, sizeof(line), file) && strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == '\n')
            found = (pid_t)atoi(entry->d_name);
        (void)fclose(file);
    }
    if (folder)
        (void)closedir(folder);
    return found;
}

/* Those of PID 1 that are there, as /proc/NAME. */
static void add_helpers(FILE *to)
{
    static const char *const names[] = { "postern-attest", "postern-mover", "udhcpc" };
    static const char *const files[] = { "status", "oom_score_adj" };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        pid_t pid = find_process(names[i]);

        for (size_t k = 0; pid && k < sizeof(files) / sizeof(*files); k++) {
            char name[64], path[64];

            (void)snprintf(name, sizeof(name), "/proc/%s/%s", names[i], files[k]);
            (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[k]);
            add_file_as(to, name, path);
        }
    }
}

static void add_folder(FILE *to, const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, NULL, alphasort);

    (void)fprintf(to, "folder %s:", path);
    for (int i = 0; i < count; i++)
        if (entries[i]->d_name[0] != '.')
            (void)fprintf(to, " %s", entries[i]->d_name);
    (void)fprintf(to, "\n");
}

static void add_call(FILE *to, const char *name, long result)
{
    (void)fprintf(to, "call %s: %s\n", name, result < 0 ? strerror(errno) : "done");
}

static void add_write(FILE *to, const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    (void)fprintf(to, "write %s: %s\n", path, fd < 0 ? strerror(errno) : "open");
    if (fd >= 0)
        (void)close(fd);
}

static void add_create(FILE *to, const char *folder)
{
    char path[300];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/made-by-probe", folder);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    (void)fprintf(to, "create %s: %s\n", folder, fd < 0 ? strerror(errno) : "done");
    if (fd >= 0)
        (void)close(fd);
}

/* Moving a file from one folder to another is everybody's business; who may look into PID 1 is not. */
static void add_domain(FILE *to)
{
    char target[64];
    int fd = open("/tmp/moved", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    add_call(to, "move", fd < 0 || (mkdir("/tmp/folder", 0700) < 0 && errno != EEXIST) ? -1
                                                                                      : rename("/tmp/moved", "/tmp/folder/moved"));
    add_call(to, "link", link("/tmp/folder/moved", "/tmp/linked"));
    add_call(to, "look-into-pid-1", readlink("/proc/1/root", target, sizeof(target)));
    if (fd >= 0)
        (void)close(fd);
}

/* Calls that no workload may make; harmless where they would be let through. */
static void add_calls(FILE *to)
{
    add_call(to, "mount", mount("tmpfs", "/tmp", "tmpfs", MS_RDONLY, ""));
    add_call(to, "umount2", umount2("/nowhere", 0));
    add_call(to, "keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
    add_call(to, "bpf", syscall(SYS_bpf, 0, NULL, 0));
    add_call(to, "ptrace", syscall(SYS_ptrace, 0, 0, 0, 0));
    add_call(to, "init_module", syscall(SYS_init_module, NULL, 0, ""));
    add_call(to, "kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
    add_call(to, "userfaultfd", syscall(SYS_userfaultfd, 0));
    add_call(to, "reboot", reboot(RB_ENABLE_CAD));
    add_call(to, "unshare-user", syscall(SYS_unshare, 0x10000000));
    add_call(to, "chmod", chmod("/tmp/made-by-probe", 0600));
    add_call(to, "socket", socket(AF_INET, SOCK_STREAM, 0));
}

static void add_limits(FILE *to)
{
    struct rlimit files = { 0, 0 };
    char text[256];

    (void)getrlimit(RLIMIT_NOFILE, &files);
    (void)fprintf(to, "nofile: %lu %lu\n", (unsigned long)files.rlim_cur, (unsigned long)files.rlim_max);
    (void)gethostname(text, sizeof(text));
    (void)fprintf(to, "hostname: %s\n", text);
    (void)fprintf(to, "cwd: %s\n", getcwd(text, sizeof(text)));
    (void)fprintf(to, "umask: %04o\n", (unsigned)umask(022));
    (void)fprintf(to, "session: %d\n", getsid(0) == getpid());
    for (char **word = environ; *word; word++)
        (void)fprintf(to, "env: %s\n", *word);
}

static void add_facts(FILE *to)
{
    static const char *const files[] = {
        "/proc/self/status",  "/proc/self/oom_score_adj", "/proc/self/cgroup",  "/proc/1/status", "/proc/1/oom_score_adj",
        "/proc/1/net/dev",    "/proc/self/mountinfo",     "/proc/kcore",        "/proc/keys",     "/proc/sysrq-trigger",
        "/sys/fs/cgroup/workload/memory.max", "/sys/fs/cgroup/workload/pids.max", "/sys/fs/cgroup/workload/cpu.max",
        "/proc/sys/kernel/modules_disabled", "/proc/sys/kernel/sysrq", "/proc/sys/kernel/kptr_restrict",
        "/proc/sys/kernel/dmesg_restrict", "/proc/sys/kernel/unprivileged_bpf_disabled", "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/kexec_load_disabled", "/proc/sys/kernel/yama/ptrace_scope", "/proc/sys/fs/suid_dumpable",
        "/proc/sys/fs/protected_symlinks", "/proc/sys/fs/protected_regular", "/proc/sys/kernel/modprobe",
        "/proc/sys/vm/unprivileged_userfaultfd", "/proc/sys/dev/tty/ldisc_autoload", "/run/postern/boot.json",
        "/proc/modules", "/proc/self/coredump_filter", "/proc/self/net/dev", "/proc/sys/kernel/perf_event_paranoid",
        "/proc/sys/kernel/printk_devkmsg", "/proc/sys/fs/protected_hardlinks", "/proc/sys/fs/protected_fifos",
        "/proc/sys/dev/tty/legacy_tiocsti", "/proc/sys/vm/swappiness", "/proc/sys/net/ipv6/conf/eth0/disable_ipv6",
    };
    static const char *const folders[] = { "/dev", "/sys/kernel/config", "/sys/firmware", "/proc/self/fd", "/proc/acpi" };
    static const char *const created[] = { "/tmp", "/run", "/data", "/etc", "/dev", "/dev/shm", "/data/scratch",
                                           "/data/bound" };

    add_limits(to);
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        add_file(to, files[i]);
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
        add_folder(to, folders[i]);
    for (size_t i = 0; i < sizeof(created) / sizeof(*created); i++)
        add_create(to, created[i]);
    add_write(to, "/proc/sys/kernel/hostname");
    add_write(to, "/sys/module/kernel/parameters/panic");
    add_write(to, "/sys/fs/cgroup/workload/cgroup.procs");
    add_write(to, "/dev/null");
    add_domain(to);
    add_calls(to);
    add_helpers(to);
    add_file(to, "/sys/kernel/rcu_expedited"); /* last: PID 1 sets it when this program runs */
    (void)fprintf(to, "time: %ld\n", (long)time(NULL));
}

/* Found once, for some of it changes what this program is: a caller who gives up and comes back is told the same. */
static void tell_facts(FILE *to)
{
    static char *facts;
    static size_t size;
    FILE *text = facts ? NULL : open_memstream(&facts, &size);

    if (text) {
        add_facts(text);
        (void)fclose(text);
    }
    if (facts)
        (void)fwrite(facts, 1, size, to);
}

/* Serves what was found until somebody asks for /exit. */
static int serve(int status)
{
    const struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    (void)signal(SIGPIPE, SIG_IGN); /* callers that hang up */
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 8) < 0)
        return 99;
    for (;;) {
        char request[2048] = "";
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        ssize_t n = client < 0 ? -1 : read(client, request, sizeof(request) - 1);
        FILE *to = n > 0 ? fdopen(client, "we") : NULL;

        if (!to) {
            if (client >= 0)
                (void)close(client);
            continue;
        }
        (void)fprintf(to, "HTTP/1.0 200 OK\r\n\r\n");
        if (strncmp(request, "GET /exit", 9) != 0)
            tell_facts(to);
        (void)fclose(to);
        if (strncmp(request, "GET /exit", 9) == 0)
            return status;
    }
}

/* Fails so many times, counted in a file, and then does not. */
static int again(const char *state, int times)
{
    int fd = open(state, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct stat status;

    if (fd < 0 || write(fd, "x", 1) != 1 || fstat(fd, &status) < 0)
        return 98;
    return status.st_size <= times ? 3 : 0;
}

static int fill_memory(size_t bytes)
{
    for (size_t done = 0; done < bytes; done += 1 << 20) {
        char *more = malloc(1 << 20);

        if (!more)
            return 97;
        memset(more, 1, 1 << 20);
    }
    return 96;
}

/*
 * Children whose parent ends at once, so that PID 1 gets them, some hundred at a time; then what PID 1 has become: its
 * size before and after, and how many zombies are left.
 */
static long resident(void)
{
    char line[256];
    long kib = -1;
    FILE *file = fopen("/proc/1/status", "re");

    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    if (file)
        (void)fclose(file);
    return kib;
}

static long zombies(void)
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    long count = 0;

    while (folder && (entry = readdir(folder))) {
        char path[300], line[512] = "";
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        file = entry->d_name[0] >= '0' && entry->d_name[0] <= '9' ? fopen(path, "re") : NULL;
        if (!file)
            continue;
        count += fgets(line, sizeof(line), file) && strstr(line, ") Z ");
        (void)fclose(file);
    }
    if (folder)
        (void)closedir(folder);
    return count;
}

static int orphans(long count)
{
    const long batch = 250;
    long before = resident();

    for (long done = 0; done < count; done += batch) {
        pid_t parent = fork();

        if (parent == 0) {
            for (long i = 0; i < batch; i++)
                if (vfork() == 0)
                    _exit(1);
            _exit(0);
        }
        if (parent < 0 || waitpid(parent, NULL, 0) < 0)
            return 95;
    }
    for (int i = 0; i < 600 && zombies() > 0; i++)
        (void)usleep(100000);
    if (zombies() > 0)
        return 94;
    return resident() > before + 64 ? 93 : 42;
}

/* PID 1, which ends with it, or one of its helpers, which is told of. */
static int shoot(int signal, const char *helper)
{
    pid_t pid = helper ? find_process(helper) : 1;

    if (!pid || kill(pid, signal) < 0)
        return 92;
    while (!helper || kill(pid, 0) == 0)
        (void)usleep(10000);
    return 0;
}

static int deaf(void)
{
    (void)signal(SIGTERM, SIG_IGN);
    return serve(0);
}

static void ask_to_stop(int signal)
{
    (void)kill(1, signal);
}

/* Asks PID 1 to stop, and again when it is asked to stop itself, which it does not. */
static int insist(void)
{
    (void)signal(SIGTERM, ask_to_stop);
    if (kill(1, SIGTERM) < 0)
        return 92;
    for (;;)
        (void)pause();
}

static void say_file(FILE *to, const char *name, const char *path)
{
    char line[64] = "";
    FILE *file = fopen(path, "re");

    if (!file || !fgets(line, sizeof(line), file))
        (void)snprintf(line, sizeof(line), "%s\n", strerror(errno));
    if (file)
        (void)fclose(file);
    (void)fprintf(to, "<5>probe: %s %s", name, line);
}

/* What an init finds: who it is, what it has from who was PID 1 before, and that ending the machine is up to it. */
_Noreturn static void be_init(void)
{
    static const char *const names[] = { "SigPnd:", "ShdPnd:", "SigBlk:", "SigIgn:", "SigCgt:", "CapEff:", "CapBnd:",
                                         "NoNewPrivs:", "Seccomp:" };
    FILE *to = fopen("/dev/kmsg", "we"), *status = fopen("/proc/self/status", "re");
    DIR *descriptors = opendir("/proc/self/fd");
    struct rlimit files = { 0, 0 };
    char text[64];
    int count = 0;

    if (!to || !status || !descriptors)
        (void)reboot(RB_POWER_OFF);
    (void)setvbuf(to, NULL, _IOLBF, BUFSIZ);
    while (readdir(descriptors))
        count++;
    (void)fprintf(to, "<5>probe: pid %d\n", getpid());
    (void)fprintf(to, "<5>probe: descriptors %d\n", count - 2 - 3); /* less . and .., and the three of this function */
    for (char line[256]; fgets(line, sizeof(line), status);)
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
            if (strncmp(line, names[i], strlen(names[i])) == 0)
                (void)fprintf(to, "<5>probe: %.*s %s", (int)strlen(names[i]) - 1, names[i], line + strlen(names[i]) + 1);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    (void)fprintf(to, "<5>probe: nofile %lu %lu\n", (unsigned long)files.rlim_cur, (unsigned long)files.rlim_max);
    for (char **word = environ; *word; word++)
        (void)fprintf(to, "<5>probe: env %s\n", *word);
    (void)fprintf(to, "<5>probe: record %d\n", access("/run/postern/boot.json", R_OK));
    (void)fprintf(to, "<5>probe: volume %d\n", access("/data/www/index.html", R_OK));
    say_file(to, "jit", "/proc/sys/net/core/bpf_jit_harden");
    say_file(to, "expedited", "/sys/kernel/rcu_expedited");
    if (gethostname(text, sizeof(text)) == 0)
        (void)fprintf(to, "<5>probe: hostname %s\n", text);
    (void)fclose(to);
    sync();
    (void)reboot(RB_POWER_OFF);
    _exit(1);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 90;
    if (strcmp(argv[1], "init") == 0 && getpid() == 1)
        be_init();
    if (strcmp(argv[1], "serve") == 0)
        return serve(atoi(argv[2]));
    if (strcmp(argv[1], "again") == 0)
        return again(argv[2], atoi(argv[3]));
    if (strcmp(argv[1], "memory") == 0)
        return fill_memory((size_t)atol(argv[2]));
    if (strcmp(argv[1], "deaf") == 0)
        return deaf();
    if (strcmp(argv[1], "orphans") == 0)
        return orphans(atol(argv[2]));
    if (strcmp(argv[1], "die") == 0)
        return raise(atoi(argv[2]));
    if (strcmp(argv[1], "once") == 0) /* not again: the program is gone */
        return unlink(argv[0]) < 0 ? 93 : raise(atoi(argv[2]));
    if (strcmp(argv[1], "shoot") == 0)
        return shoot(atoi(argv[2]), argv[3]);
    if (strcmp(argv[1], "insist") == 0)
        return insist();
    return 91;
}
