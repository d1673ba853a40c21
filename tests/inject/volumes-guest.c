/*
 * Test code, not part of the product: the production's init once more, with its stage volumes gone through by a child for
 * each call that can fail: allocations, and system calls of libraries, too, libdevmapper's requests among them. It runs in
 * a guest, on disks and with the kernel's device-mapper; the confirmation alone, which has a test without a guest
 * (tests/inject/test-inject.c), only says that it worked. After each, nothing may be mapped any more, no copy of a volume's
 * key may be in memory, everything that was taken is given back, and a refusal has a code. In the end the boot goes on.
 *
 * Tells tests/vm/test-inject.py on the console, in lines that begin with "inject: ". Of allocations every STRIDEth fails,
 * which is the text of /etc/inject-stride.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "init/init.h"
#include "init/power.h"
#include "luks/crypt.h"
#include "tests/inject/inject.h"
#include "tests/inject/leaks.h"
#include "tests/inject/watched.h"

#define STRIDE_PATH "/etc/inject-stride"
#define CLOSE_MS 10000u
#define MOST_TOLD 20
/* base/secret.c: a page between two that nobody may touch. */
#define KEY_MAPPED_BYTES (3L * PAGE_BYTES)

extern const char __executable_start; /* the linker's, for addr2line */

/* Shared with the children. */
static struct volumes_run {
    struct injecting injecting;
    struct watched watched;
    long held; /* bytes mapped for the keys */
    bool ended, secret_left;
    int result;
    enum refusal refusal;
    char leak[256], why[256];
} *run;

int __real_stage_volumes(struct boot *boot);
int __wrap_stage_volumes(struct boot *boot);

REAL(int, fstat, (int fd, struct stat *to), (fd, to))

#pragma GCC diagnostic ignored "-Wunused-parameter"

int __real_ioctl(int fd, unsigned long command, ...);
int __wrap_ioctl(int fd, unsigned long command, ...);
int __wrap_ioctl(int fd, unsigned long command, ...)
{
    va_list args;
    void *argument;

    va_start(args, command);
    argument = va_arg(args, void *);
    va_end(args);
    return inject_fails("ioctl") ? -1 : __real_ioctl(fd, command, argument);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    va_list args;
    long a[6];

    va_start(args, number);
    for (size_t i = 0; i < ARRAY_SIZE(a); i++)
        a[i] = va_arg(args, long);
    va_end(args);
    return inject_fails("syscall") ? -1 : __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int __wrap_release_confirm_open(struct boot *boot, size_t index, const struct message_confirmation *confirmation);
int __wrap_release_confirm_open(struct boot *boot, size_t index, const struct message_confirmation *confirmation)
{
    return inject_fails("release_confirm_open")
               ? boot_refuse(boot, REFUSAL_RELEASE_TRANSPORT, reason_set(&boot->why, -EIO, "no"))
               : 0;
}

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...)
{
    int console = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
    va_list args;

    va_start(args, format);
    (void)dprintf(console, "\ninject: ");
    (void)vdprintf(console, format, args);
    (void)dprintf(console, "\n");
    va_end(args);
    (void)close(console);
}

static unsigned count_mappings(void)
{
    DIR *disks = opendir("/sys/block");
    struct dirent *entry;
    unsigned count = 0;

    while (disks && (entry = readdir(disks)))
        count += strncmp(entry->d_name, "dm-", 3) == 0;
    if (disks)
        (void)closedir(disks);
    return disks ? count : UINT32_MAX;
}

/* As at the machine's end. */
static void close_volumes(const struct config *config)
{
    uint64_t deadline_ms = clock_ms() + CLOSE_MS;

    for (size_t i = config->volume_count; i-- > 0;)
        while (crypt_close(config->volumes[i].id) == -EBUSY && clock_left_ms(deadline_ms))
            clock_sleep_ms(5);
}

static _Noreturn void go_through(struct boot *boot)
{
    if (leaks_begin(run->held) < 0)
        _exit(1);
    injecting->armed = true;
    run->result = __real_stage_volumes(boot);
    injecting->armed = false;
    run->refusal = boot->refusal;
    (void)snprintf(run->why, sizeof(run->why), "%s", run->result < 0 ? reason_text(&boot->why, run->result) : "");
    boot_wipe(boot);
    close_volumes(&boot->config);
    run->secret_left = watched_is_left(&run->watched);
    leaks_end(run->leak, sizeof(run->leak));
    run->ended = true;
    _exit(0);
}

/* The keys are of memory that children do not get, unless they are to. */
static int hand_on(const struct boot *boot)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < boot->config.volume_count; i++)
        if (boot->volumes[i].key.bytes) {
            watched_add(&run->watched, boot->volumes[i].key.bytes);
            run->held += KEY_MAPPED_BYTES;
            r = secret_hand_on(&boot->volumes[i].key);
        }
    return r;
}

/* One run; whether it ended as it should. */
static bool check(struct boot *boot, const char *kind, int number)
{
    static unsigned told;
    unsigned mappings;
    int status = -1;
    bool good;
    pid_t child;

    inject_reset();
    run->ended = run->secret_left = false;
    run->leak[0] = run->why[0] = '\0';
    run->result = 0;
    run->refusal = REFUSAL_NONE;
    child = fork();
    if (child == 0)
        go_through(boot);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    mappings = count_mappings();
    if (mappings)
        close_volumes(&boot->config);
    good = status == 0 && run->ended && !run->secret_left && !run->leak[0] && !mappings &&
           (run->result == 0 || (run->refusal != REFUSAL_NONE && run->why[0]));
    if (!good && told++ < MOST_TOLD)
        tell("wrong: %s %d %s%#lx: status %d, result %d, code %s, \"%s\", secret left %d, leaked \"%s\", %u mappings", kind,
             number, injecting->name, (unsigned long)((uintptr_t)injecting->caller - (uintptr_t)&__executable_start), status, run->result, refusal_code(run->refusal), run->why, run->secret_left, run->leak,
             mappings);
    return good;
}

static void try_all(struct boot *boot, const char *kind, int stride, int *which)
{
    int runs = 0, wrong = 0, refused = 0;

    for (*which = 1;; *which += stride, runs++) {
        wrong += !check(boot, kind, *which);
        if (!injecting->injected)
            break;
        refused += run->result < 0;
    }
    tell("%s: %d runs, %d refused, %d wrong; %d allocations and %d calls in the last", kind, runs, refused, wrong,
         injecting->allocations, injecting->calls);
    *which = 0;
}

static int read_stride(void)
{
    FILE *file = fopen(STRIDE_PATH, "re");
    int stride = 0;

    if (!file || fscanf(file, "%d", &stride) != 1)
        stride = 0;
    if (file)
        (void)fclose(file);
    return stride;
}

int __wrap_stage_volumes(struct boot *boot)
{
    int stride = read_stride();

    run = inject_begin(sizeof(*run));
    if (stride < 1 || !run || hand_on(boot) < 0)
        return boot_refuse(boot, REFUSAL_VOLUME_OPEN, reason_set(&boot->why, -EINVAL, "nothing to try"));
    close_volumes(&boot->config); /* libdevmapper's own start: it keeps its control device open */
    tell("nothing fails: %s", check(boot, "none", 0) && run->result == 0 ? "good" : "wrong");
    try_all(boot, "allocation", stride, &injecting->fail_allocation);
    try_all(boot, "call", 1, &injecting->fail_call);
    tell("done");
    return __real_stage_volumes(boot);
}
