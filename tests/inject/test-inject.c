/*
 * The whole way of PID 1, from its first instruction to power-off, with one call at a time made to fail: each allocation
 * (of libraries, too) and each system call of init/ and base/ that the list below names. Every run has to end the machine
 * in order: by no fault, with a documented code or the workload's status on the console, with no copy of a volume key
 * in the memory of PID 1, and with nothing taken that was not given back: memory, descriptors, mappings, and memory of
 * the secure heap (tests/inject/leaks.h).
 *
 * PID 1 is process 1 of a namespace here, in a folder that looks like a guest. What would change the machine (mounts,
 * modules, rights, device-mapper) only says that it worked; the report and the release, which have tests of their own,
 * give what PID 1 needs.
 *
 * usage: test-inject FOLDER [STRIDE]: of tests/inject/run; of allocations every STRIDEth is made to fail
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/crypto.h"
#include "init/attest-socket.h"
#include "init/button.h"
#include "init/init.h"
#include "init/refusal.h"
#include "tests/inject/leaks.h"

#define RUN_SECONDS 60
#define KEY_BYTES 64
#define LINE_ROOM 65536

/* Shared by all processes of a run. */
static struct {
    bool armed;
    int allocations, calls;       /* so far */
    int fail_allocation, fail_call; /* which one; 0: none */
    bool injected, off, key_left;
    char name[64];     /* of the call */
    const void *caller; /* of the allocation */
    char leak[256];     /* "": nothing */
    enum spoil { NOTHING, KEY, MEMORY, DESCRIPTOR, MAPPING, SECURE_HEAP } spoil; /* what is left behind on purpose */
} *shared;

int init_main(void);

/* ---- what fails */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *block);

static bool fails_to_allocate(const void *caller)
{
    if (!shared || !shared->armed || ++shared->allocations != shared->fail_allocation)
        return false;
    shared->injected = true;
    shared->caller = caller;
    return true;
}

void *malloc(size_t size)
{
    const void *caller = __builtin_return_address(0);
    void *block = fails_to_allocate(caller) ? NULL : __libc_malloc(size);

    leaks_note_block(block, size, caller);
    return block;
}

void *calloc(size_t count, size_t size)
{
    const void *caller = __builtin_return_address(0);
    void *block = fails_to_allocate(caller) ? NULL : __libc_calloc(count, size);

    leaks_note_block(block, block ? count * size : 0, caller);
    return block;
}

void *realloc(void *old, size_t size)
{
    const void *caller = __builtin_return_address(0);
    void *block = fails_to_allocate(caller) ? NULL : __libc_realloc(old, size);

    if (block || (old && !size))
        leaks_forget_block(old);
    leaks_note_block(block, size, caller);
    return block;
}

void free(void *block)
{
    leaks_forget_block(block);
    __libc_free(block);
}

static bool fails(const char *name)
{
    if (!shared->armed || ++shared->calls != shared->fail_call)
        return false;
    shared->injected = true;
    (void)snprintf(shared->name, sizeof(shared->name), "%s", name);
    errno = EIO;
    return true;
}

/* REAL: goes on to the kernel. QUIET: says that it worked. `given` are the parameters, `passed` their names. */
#define REAL(type, name, given, passed)                                                                                \
    type __real_##name given;                                                                                          \
    type __wrap_##name given;                                                                                          \
    type __wrap_##name given                                                                                           \
    {                                                                                                                  \
        return fails(#name) ? (type)-1 : __real_##name passed;                                                         \
    }
#define QUIET(name, given)                                                                                             \
    int __wrap_##name given;                                                                                           \
    int __wrap_##name given                                                                                            \
    {                                                                                                                  \
        return fails(#name) ? -1 : 0;                                                                                  \
    }
#pragma GCC diagnostic ignored "-Wunused-parameter"

REAL(pid_t, fork, (void), ())
REAL(int, clone, (int (*child)(void *), void *stack, int flags, void *argument, ...), (child, stack, flags, argument))
REAL(int, pipe2, (int *ends, int flags), (ends, flags))
REAL(ssize_t, read, (int fd, void *to, size_t size), (fd, to, size))
REAL(ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size))
REAL(int, dup2, (int from, int to), (from, to))
REAL(int, chdir, (const char *path), (path))
REAL(int, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags))
REAL(int, poll, (struct pollfd *fds, nfds_t count, int timeout), (fds, count, timeout))
REAL(int, sigaltstack, (const stack_t *stack, stack_t *old), (stack, old))
REAL(int, sigaction, (int number, const struct sigaction *action, struct sigaction *old), (number, action, old))
REAL(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old), (how, set, old))
REAL(pid_t, setsid, (void), ())
REAL(int, close_range, (unsigned from, unsigned to, int flags), (from, to, flags))
REAL(int, setrlimit, (__rlimit_resource_t resource, const struct rlimit *limit), (resource, limit))
REAL(int, execve, (const char *path, char *const *args, char *const *env), (path, args, env))
REAL(int, socket, (int family, int type, int protocol), (family, type, protocol))
REAL(ssize_t, send, (int fd, const void *from, size_t size, int flags), (fd, from, size, flags))
REAL(ssize_t, recv, (int fd, void *to, size_t size, int flags), (fd, to, size, flags))
REAL(int, clock_gettime, (clockid_t clock, struct timespec *to), (clock, to))
REAL(int, fsync, (int fd), (fd))
REAL(int, rename, (const char *from, const char *to), (from, to))
REAL(int, mlock, (const void *at, size_t size), (at, size))
REAL(int, mprotect, (void *at, size_t size, int protection), (at, size, protection))
REAL(int, madvise, (void *at, size_t size, int advice), (at, size, advice))
REAL(int, chmod, (const char *path, mode_t mode), (path, mode))
REAL(int, lstat, (const char *path, struct stat *to), (path, to))
REAL(int, clearenv, (void), ())

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *mapping = fails("mmap") ? MAP_FAILED : __real_mmap(at, size, protection, flags, fd, offset);

    leaks_note_mapping(mapping == MAP_FAILED ? 0 : (long)size);
    return mapping;
}

/* Never fails for what was mapped. */
int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size)
{
    leaks_note_mapping(-(long)size);
    return __real_munmap(at, size);
}

QUIET(mkdir, (const char *path, mode_t mode))
QUIET(mount, (const char *source, const char *target, const char *type, unsigned long flags, const void *data))
QUIET(umount2, (const char *target, int flags))
QUIET(mount_setattr, (int fd, const char *path, unsigned flags, struct mount_attr *attr, size_t size))
QUIET(mknod, (const char *path, mode_t mode, dev_t device))
QUIET(symlink, (const char *target, const char *path))
QUIET(unlink, (const char *path))
int __real_unlink(const char *path);
QUIET(klogctl, (int type, char *to, int size))
QUIET(unshare, (int flags))
QUIET(setns, (int fd, int type))
QUIET(sethostname, (const char *name, size_t size))
QUIET(clock_settime, (clockid_t clock, const struct timespec *time))
QUIET(setgroups, (size_t count, const gid_t *groups))
QUIET(setresgid, (gid_t a, gid_t b, gid_t c))
QUIET(setresuid, (uid_t a, uid_t b, uid_t c))
QUIET(chroot, (const char *path))
QUIET(crypto_wipe_freed, (void))
int __real_crypto_wipe_freed(void);

/* Of these the arguments vary. */
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails("open") ? -1 : __real_open(path, flags, mode);
}

int __real_prctl(int option, ...);
int __wrap_prctl(int option, ...);
int __wrap_prctl(int option, ...)
{
    va_list args;
    unsigned long value;

    va_start(args, option);
    value = va_arg(args, unsigned long);
    va_end(args);
    if (fails("prctl"))
        return -1;
    return option == PR_SET_NAME ? __real_prctl(option, value, 0, 0, 0) : 0;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    va_list args;
    long a[4];

    va_start(args, number);
    for (size_t i = 0; i < ARRAY_SIZE(a); i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (fails("syscall"))
        return -1;
    return number == SYS_pidfd_open || number == SYS_pidfd_send_signal ? __real_syscall(number, a[0], a[1], a[2], a[3]) : 0;
}

int __wrap_fstatfs(int fd, struct statfs *to);
int __wrap_fstatfs(int fd, struct statfs *to)
{
    memset(to, 0, sizeof(*to)); /* no file system in memory: nothing is deleted */
    return fails("fstatfs") ? -1 : 0;
}

/* ---- what PID 1 gets from others */

static uint8_t key_byte(size_t index)
{
    return (uint8_t)(index * 37 + 11); /* made as it is needed: the key itself must be nowhere else */
}

int __wrap_device_get_report(const struct device_request *request, const struct device_paths *paths, uint64_t deadline_ms,
                             struct device_report *ret_report, struct reason *why);
int __wrap_device_get_report(const struct device_request *request, const struct device_paths *paths, uint64_t deadline_ms,
                             struct device_report *ret_report, struct reason *why)
{
    memset(ret_report, 0, sizeof(*ret_report));
    return 0;
}

int __wrap_report_parse(const void *bytes, size_t size, struct report *ret_report, struct reason *why);
int __wrap_report_parse(const void *bytes, size_t size, struct report *ret_report, struct reason *why)
{
    memset(ret_report, 0, sizeof(*ret_report));
    return 0;
}

void __wrap_policy_evaluate(const struct policy *policy, const struct policy_facts *facts, struct policy_decision *ret);
void __wrap_policy_evaluate(const struct policy *policy, const struct policy_facts *facts, struct policy_decision *ret)
{
    memset(ret, 0, sizeof(*ret));
}

/* So that it shows that what is left is found. */
static void leave_something(const struct secret *key)
{
    static uint8_t copy[KEY_BYTES];
    void *taken = shared->spoil == MEMORY ? malloc(33) : NULL;

    if (shared->spoil == KEY)
        memcpy(copy, key->bytes, sizeof(copy));
    if (shared->spoil == DESCRIPTOR)
        (void)open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (shared->spoil == MAPPING)
        taken = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (shared->spoil == SECURE_HEAP)
        taken = OPENSSL_secure_malloc(33);
    __asm__ volatile("" : : "r"(taken), "r"(copy) : "memory");
}

/* In the place of the stages release and volumes: a key, which is used and wiped as they do it. */
int __wrap_stage_release(struct boot *boot);
int __wrap_stage_release(struct boot *boot)
{
    int r = secret_alloc(KEY_BYTES, &boot->volumes[0].key);

    for (size_t i = 0; r == 0 && i < KEY_BYTES; i++)
        boot->volumes[0].key.bytes[i] = key_byte(i);
    if (r == 0)
        leave_something(&boot->volumes[0].key);
    if (r == 0)
        r = secret_copy(boot->volumes[0].key.bytes, KEY_BYTES, &boot->resources[0]);
    return r < 0 ? boot_refuse(boot, REFUSAL_RELEASE_RECORD, r) : 0;
}

int __wrap_stage_volumes(struct boot *boot);
int __wrap_stage_volumes(struct boot *boot)
{
    return fails("stage_volumes") ? boot_refuse(boot, REFUSAL_VOLUME_OPEN, reason_set(&boot->why, -EIO, "no")) : 0;
}

int __wrap_verity_open(const struct verity_tree *tree, int disk, char ret_path[32], struct reason *why);
int __wrap_verity_open(const struct verity_tree *tree, int disk, char ret_path[32], struct reason *why)
{
    memcpy(ret_path, "/dev/dm-0", 10);
    return fails("verity_open") ? reason_set(why, -EIO, "no") : 0;
}

/* Found by its serial; what lies in its place is a file, which has no number. */
int __real_devices_open_disk(const char *serial, bool read_only, uint64_t deadline_ms, int *ret_fd, struct reason *why);
int __wrap_devices_open_disk(const char *serial, bool read_only, uint64_t deadline_ms, int *ret_fd, struct reason *why);
int __wrap_devices_open_disk(const char *serial, bool read_only, uint64_t deadline_ms, int *ret_fd, struct reason *why)
{
    int r = __real_devices_open_disk(serial, read_only, deadline_ms, ret_fd, why);

    if (r != -ENOENT)
        return r;
    *ret_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return *ret_fd < 0 ? reason_set(why, -EIO, "no disk") : 0;
}

int __wrap_crypt_close(const char *name);
int __wrap_crypt_close(const char *name)
{
    return fails("crypt_close") ? -EIO : 0;
}

/* The kernel's events are not for namespaces: a socket on which nothing comes. */
int __real_button_open(void);
int __wrap_button_open(void);
int __wrap_button_open(void)
{
    int fd = __real_button_open();

    return fd < 0 ? __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : fd;
}

/* ---- the end, and what is looked at there */

static bool holds_key(const uint8_t *at, size_t size)
{
    for (size_t i = 0; i + KEY_BYTES <= size; i++) {
        size_t k = 0;

        while (k < KEY_BYTES && at[i + k] == key_byte(k))
            k++;
        if (k == KEY_BYTES)
            return true;
    }
    return false;
}

static bool memory_holds_key(void)
{
    unsigned long from, to;
    bool found = false;

    for (const char *line = leaks_read_maps(); *line; line = strchr(line, '\n') + 1)
        found = found || (leaks_is_writable(line, &from, &to) && holds_key((const uint8_t *)from, to - from));
    return found;
}

int __wrap_reboot(int how);
int __wrap_reboot(int how)
{
    if (fails("reboot"))
        return -1;
    if (how != RB_POWER_OFF && how != RB_AUTOBOOT)
        return 0;
    shared->armed = false;
    shared->key_left = memory_holds_key();
    leaks_end(shared->leak, sizeof(shared->leak));
    shared->off = true;
    _exit(0);
}

/* ---- the runs */

static char console[LINE_ROOM];

static const char *const outputs[] = { "kmsg", "console", "stderr-at-start" };

static void read_console(const char *folder)
{
    size_t size = 0;

    for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
        char path[4096];
        FILE *file;

        (void)snprintf(path, sizeof(path), "%s/dev/%s", folder, outputs[i]);
        file = fopen(path, "re");
        size += file ? fread(console + size, 1, sizeof(console) - 1 - size, file) : 0;
        if (file)
            (void)fclose(file);
    }
    console[size] = '\0';
}

/* And the socket of the run before. */
static void clear_console(const char *folder)
{
    char socket_path[4096];

    (void)snprintf(socket_path, sizeof(socket_path), "%s" ATTEST_SOCKET_PATH, folder);
    (void)__real_unlink(socket_path);
    for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
        char path[4096];

        (void)snprintf(path, sizeof(path), "%s/dev/%s", folder, outputs[i]);
        if (truncate(path, 0) < 0)
            exit(2);
    }
}

static bool says_documented_code(void)
{
    static const char mark[] = "\"code\":\"";
    const char *at = strstr(console, mark);
    enum refusal code;

    if (!at)
        return false;
    at += strlen(mark);
    for (code = REFUSAL_START; code <= REFUSAL_FAULT; code++)
        if (strncmp(at, refusal_code(code), strlen(refusal_code(code))) == 0 && at[strlen(refusal_code(code))] == '"')
            return true;
    return false;
}

/* In a namespace of its own, so that signals to everybody reach nobody else. */
static int run(const char *folder)
{
    int status = 0;
    pid_t outer = __real_fork();

    if (outer == 0) {
        pid_t inner;

        if (__real_syscall(SYS_unshare, CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWNS, 0, 0, 0) < 0)
            _exit(72);
        inner = __real_fork();
        if (inner == 0) {
            char path[4096];

            (void)snprintf(path, sizeof(path), "%s/dev/stderr-at-start", folder);
            (void)close(STDERR_FILENO);
            if (__real_open(path, O_WRONLY | O_TRUNC | O_CLOEXEC) != STDERR_FILENO)
                _exit(73);
            if (leaks_begin() < 0 || __real_syscall(SYS_chroot, folder, 0, 0, 0) < 0 || __real_chdir("/") < 0)
                _exit(73);
            shared->armed = true;
            _exit(74 + init_main());
        }
        for (int i = 0; i < RUN_SECONDS * 100; i++) {
            if (waitpid(inner, &status, WNOHANG) == inner)
                _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status));
            (void)usleep(10000);
        }
        (void)kill(inner, SIGKILL);
        _exit(99);
    }
    if (outer < 0 || waitpid(outer, &status, 0) != outer)
        return -1;
    shared->armed = false;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/*
 * OpenSSL (3.5) asserts that it gets memory for the administration of its secure heap. That is before the first stage is
 * over, and PID 1 holds no secret yet: the handler of faults ends the machine in order.
 */
static bool is_start_of_openssl(void)
{
    return strstr(console, "E-FAULT") && strstr(console, "signal 006") && !strstr(console, "\"ok\"");
}

/*
 * json-c (0.18) loses the value of a member whose name it cannot copy: its parser gives up and nobody has the value yet.
 * PID 1 refuses then. What else json-c takes has to be given back.
 */
static bool is_loss_of_json_c(void)
{
    Dl_info found;

    return dladdr(shared->caller, &found) != 0 && found.dli_sname && strcmp(found.dli_sname, "__strdup") == 0 &&
           strstr(shared->leak, "/libjson-c.so.5") && strstr(console, "E-CONFIG") && strstr(console, "Cannot allocate memory");
}

static bool ended_well(int status)
{
    if (status != 0 || !shared->off || shared->key_left)
        return false;
    if (strstr(console, "E-FAULT"))
        return is_start_of_openssl();
    return (!shared->leak[0] || is_loss_of_json_c()) && (says_documented_code() || strstr(console, "\"stage\":\"exit\""));
}

static int run_once(const char *folder)
{
    int status;

    clear_console(folder);
    shared->caller = NULL;
    shared->allocations = shared->calls = 0;
    shared->injected = shared->off = shared->key_left = false;
    shared->name[0] = shared->leak[0] = '\0';
    status = run(folder);
    read_console(folder);
    return status;
}

/* One run; whether it ended as it should. */
static bool check(const char *folder, const char *kind, int number)
{
    Dl_info found;
    int status = run_once(folder);

    if (ended_well(status))
        return true;
    if (dladdr(shared->caller, &found) != 0)
        (void)snprintf(shared->name, sizeof(shared->name), "%s %s", strrchr(found.dli_fname, '/'),
                       found.dli_sname ? found.dli_sname : "");
    (void)printf("# %s %d %s: status %d, off %d, key left %d, leaked \"%s\"\n", kind, number, shared->name, status,
                 shared->off, shared->key_left, shared->leak);
    (void)printf("# %.*s\n", (int)strcspn(strstr(console, "refused") ? strstr(console, "refused") : console, "\n"),
                 strstr(console, "refused") ? strstr(console, "refused") : console);
    return false;
}

/* Fails the first, the one a stride further, … until there are no more. */
static int try_all(const char *folder, const char *kind, int stride, int *which, int *ret_runs)
{
    int wrong = 0, refused = 0;

    *ret_runs = 0;
    for (*which = 1;; *which += stride, ++*ret_runs) {
        wrong += !check(folder, kind, *which);
        if (!shared->injected)
            break;
        refused += says_documented_code();
    }
    (void)printf("# %s: %d runs, %d of them refused, the others went on\n", kind, *ret_runs, refused);
    *which = 0;
    return wrong;
}

/* Each of the things by itself, in a run in which nothing fails. */
static bool finds_what_is_left(const char *folder)
{
    static const struct {
        enum spoil spoil;
        bool key;
        const char *leak;
    } left[] = { { NOTHING, false, "" }, { KEY, true, "" }, { MEMORY, false, "33 bytes that " },
                 { DESCRIPTOR, false, "descriptor " }, { MAPPING, false, "4096 bytes mapped" },
                 { SECURE_HEAP, false, "bytes of the secure heap" } };
    bool all = true;

    for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
        bool good;

        shared->spoil = left[i].spoil;
        good = run_once(folder) == 0 && shared->key_left == left[i].key && strstr(shared->leak, left[i].leak) &&
               !shared->leak[0] == !left[i].leak[0];
        if (!good)
            (void)printf("# left behind, number %zu: key %d, \"%s\"\n", i, shared->key_left, shared->leak);
        all = all && good;
    }
    shared->spoil = NOTHING;
    return all;
}

int main(int argc, char **argv)
{
    bool good;
    int wrong, runs = 0, stride = argc == 3 ? atoi(argv[2]) : 1;

    if (argc < 2 || stride < 1)
        return 2;
    shared = __real_mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 2;
    /* OpenSSL's own start, which happens once, is not what is looked at; and it loads what the folder does not have. */
    if (__real_crypto_wipe_freed() < 0 || crypto_library_init() < 0)
        return 2;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    good = check(argv[1], "none", 0) && strstr(console, "\"status\":0,");
    (void)printf("%s 1 - nothing fails: the workload runs and ends with 0\n%s%s", good ? "ok" : "not ok", good ? "" : "# ",
                 good ? "" : console);
    (void)printf("%s 2 - a key, memory, a descriptor, a mapping and secure memory that are left behind are found\n",
                 finds_what_is_left(argv[1]) ? "ok" : "not ok");
    wrong = try_all(argv[1], "allocation", stride, &shared->fail_allocation, &runs);
    (void)printf("%s 3 - %d allocations fail, one in each run: in order, with a code, without the key and leaks\n",
                 wrong || runs < 100 ? "not ok" : "ok", runs);
    wrong = try_all(argv[1], "call", 1, &shared->fail_call, &runs);
    (void)printf("%s 4 - %d system calls fail, one in each run: in order, with a code, without the key and leaks\n1..4\n",
                 wrong || runs < 100 ? "not ok" : "ok", runs);
    return 0;
}
