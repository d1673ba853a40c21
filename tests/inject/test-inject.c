/*
 * The whole way of PID 1, from its first instruction to power-off, with one call at a time made to fail: each allocation
 * (of libraries, too) and each system call of its rooms that the link line names. Every run has to end the machine in
 * order: by no fault, with a documented code or the workload's status on the console, with no copy of a volume's key or
 * of a resource in the memory of PID 1, and with nothing taken that was not given back: memory, descriptors, mappings,
 * and memory of the secure heap (tests/inject/leaks.h).
 *
 * PID 1 is process 1 of a namespace here, in a folder that looks like a guest (tests/inject/guest.h).
 *
 * usage: test-inject CHIP INVERTED MEASUREMENT HOST_DATA STRIDE FOLDER [FOLDER…]: of tests/inject/run; CHIP is the
 * processor's directory, INVERTED the resource's value with all bits turned; of allocations every STRIDEth is made to fail,
 * and in folders behind the first each one of what these are for (tests/inject/parts.c)
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/encode.h"
#include "init/attest-socket.h"
#include "init/dhcp-files.h"
#include "init/refusal.h"
#include "tests/inject/guest.h"
#include "tests/inject/leaks.h"

#define RUN_SECONDS 120
#define LINE_ROOM 65536
/* As in tests/inject/run: of a workload that fails the first time; how the program ends that becomes PID 1. */
#define FAILED_ONCE "/tmp/failed-once"
#define BECAME 7
#define IN_ORDER " fail, one in each run: in order, with a code, without secrets and leaks"

int init_main(void);

/* ---- the end, and what is looked at there */

int __wrap_reboot(int how);
int __wrap_reboot(int how)
{
    if (inject_fails("reboot"))
        return -1;
    if (how != RB_POWER_OFF && how != RB_AUTOBOOT)
        return 0;
    injecting->armed = false;
    guest->secret_left = guest->secret_left || watched_is_left(&guest->watched);
    leaks_end(guest->leak, sizeof(guest->leak));
    guest->off = true;
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

/* And the files of the run before that would be taken for its own. */
static void clear_console(const char *folder)
{
    static const char *const left[] = { ATTEST_SOCKET_PATH, DHCP_LEASE, FAILED_ONCE };

    for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
        char path[4096];

        (void)snprintf(path, sizeof(path), "%s%s", folder, left[i]);
        (void)__real_unlink(path);
    }
    for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
        char path[4096];

        (void)snprintf(path, sizeof(path), "%s/dev/%s", folder, outputs[i]);
        if (truncate(path, 0) < 0)
            exit(2);
    }
}

static bool says_documented_code(enum refusal *ret_code)
{
    static const char mark[] = "\"code\":\"";
    const char *at = strstr(console, mark);
    enum refusal code;

    if (!at)
        return false;
    at += strlen(mark);
    for (code = REFUSAL_START; code <= REFUSAL_FAULT; code++)
        if (strncmp(at, refusal_code(code), strlen(refusal_code(code))) == 0 && at[strlen(refusal_code(code))] == '"') {
            *ret_code = code;
            return true;
        }
    return false;
}

/* In a namespace of its own, so that signals to everybody reach nobody else. */
static int run(const char *folder)
{
    int status = 0;
    pid_t outer = __real_fork();

    if (outer == 0) {
        pid_t inner;

        if (__real_syscall(SYS_unshare, CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWNS, 0, 0, 0) < 0)
            _exit(72);
        inner = __real_fork();
        if (inner == 0) {
            char path[4096];

            (void)snprintf(path, sizeof(path), "%s/dev/stderr-at-start", folder);
            (void)close(STDERR_FILENO);
            if (__real_open(path, O_WRONLY | O_TRUNC | O_CLOEXEC) != STDERR_FILENO)
                _exit(73);
            if (leaks_begin(0) < 0 || __real_syscall(SYS_chroot, folder, 0, 0, 0) < 0 || __real_chdir("/") < 0)
                _exit(73);
            injecting->armed = guest->part == WHOLE;
            _exit(74 + init_main());
        }
        for (int i = 0; i < RUN_SECONDS * 100; i++) {
            if (__real_waitpid(inner, &status, WNOHANG) == inner)
                _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status));
            (void)usleep(10000);
        }
        (void)kill(inner, SIGKILL);
        _exit(99);
    }
    if (outer < 0 || __real_waitpid(outer, &status, 0) != outer)
        return -1;
    injecting->armed = false;
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

    return dladdr(injecting->caller, &found) != 0 && found.dli_sname && strcmp(found.dli_sname, "__strdup") == 0 &&
           strstr(guest->leak, "/libjson-c.so.5") && strstr(console, "Cannot allocate memory");
}

static bool ended_well(int status)
{
    enum refusal code;

    if (guest->part == HANDOFF && status == BECAME)
        return true; /* what PID 1 had in its memory is gone with it */
    if (status != 0 || !guest->off || guest->secret_left || guest->child_broke)
        return false;
    if (strstr(console, "E-FAULT"))
        return is_start_of_openssl();
    return (!guest->leak[0] || is_loss_of_json_c()) && (says_documented_code(&code) || strstr(console, "\"stage\":\"exit\""));
}

static int run_once(const char *folder)
{
    int status;

    clear_console(folder);
    inject_reset();
    guest->off = guest->secret_left = guest->child_broke = false;
    guest->fast_from_ms = 0;
    guest->leak[0] = '\0';
    if (RAND_bytes(guest->report_id, sizeof(guest->report_id)) != 1)
        return -1;
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
    if (dladdr(injecting->caller, &found) != 0)
        (void)snprintf(injecting->name, sizeof(injecting->name), "%s %s", strrchr(found.dli_fname, '/'),
                       found.dli_sname ? found.dli_sname : "");
    (void)printf("# %s %d %s: status %d, off %d, secret left %d, leaked \"%s\"\n", kind, number, injecting->name, status,
                 guest->off, guest->secret_left, guest->leak);
    (void)printf("# %.*s\n", (int)strcspn(strstr(console, "refused") ? strstr(console, "refused") : console, "\n"),
                 strstr(console, "refused") ? strstr(console, "refused") : console);
    return false;
}

/* Fails the first, the one a stride further, … until there are no more. */
static int try_all(const char *folder, const char *kind, int stride, int *which, int *ret_runs)
{
    int wrong = 0, refused[REFUSAL_FAULT + 1] = { 0 };
    enum refusal code;

    *ret_runs = 0;
    for (*which = 1;; *which += stride, ++*ret_runs) {
        wrong += !check(folder, kind, *which);
        if (!injecting->injected)
            break;
        if (says_documented_code(&code))
            refused[code]++;
    }
    (void)printf("# %s: %d runs (at the end %d allocations and %d calls in each); those that did not go on:", kind, *ret_runs,
                 injecting->allocations, injecting->calls);
    for (code = REFUSAL_START; code <= REFUSAL_FAULT; code++)
        if (refused[code])
            (void)printf(" %d %s", refused[code], refusal_code(code));
    (void)printf("\n");
    *which = 0;
    return wrong;
}

/* Each of the things by itself, in a run in which nothing fails. */
static bool finds_what_is_left(const char *folder)
{
    static const struct {
        enum spoil spoil;
        bool secret;
        const char *leak;
    } left[] = { { NOTHING, false, "" }, { SECRET, true, "" }, { MEMORY, false, "33 bytes that " },
                 { DESCRIPTOR, false, "descriptor " }, { MAPPING, false, "4096 bytes mapped" },
                 { SECURE_HEAP, false, "bytes of the secure heap" } };
    bool all = true;

    for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
        bool good;

        guest->spoil = left[i].spoil;
        good = run_once(folder) == 0 && guest->secret_left == left[i].secret && strstr(guest->leak, left[i].leak) &&
               !guest->leak[0] == !left[i].leak[0];
        if (!good)
            (void)printf("# left behind, number %zu: key %d, \"%s\"\n", i, guest->secret_left, guest->leak);
        all = all && good;
    }
    guest->spoil = NOTHING;
    return all;
}

/* The secret of the resource that the workload's socket serves; inverted, as it must not be in memory here. */
static int watch_resource(const char *inverted)
{
    uint8_t bytes[WATCHED_BYTES];

    if (hex_decode(inverted, strlen(inverted), bytes, sizeof(bytes)) < 0)
        return -1;
    memcpy(guest->watched.inverted[guest->watched.count++], bytes, sizeof(bytes));
    return 0;
}

/* OpenSSL's own start and its generators', which happen once, are not what is looked at; and it loads what the folder
 * does not have. */
static int begin(char **words)
{
    uint8_t random[8];

    guest = inject_begin(sizeof(*guest));
    if (!guest || __real_crypto_wipe_freed() < 0 || crypto_library_init() < 0 || RAND_bytes(random, sizeof(random)) != 1 ||
        RAND_priv_bytes(random, sizeof(random)) != 1 || watch_resource(words[1]) < 0 ||
        hex_decode(words[2], strlen(words[2]), guest->measurement, sizeof(guest->measurement)) < 0 ||
        hex_decode(words[3], strlen(words[3]), guest->host_data, sizeof(guest->host_data)) < 0)
        return -1;
    return 0;
}

static int told;

static void tell(bool good, const char *folder, int runs, const char *what)
{
    (void)printf("%s %d - %s: ", good ? "ok" : "not ok", ++told, strrchr(folder, '/') + 1);
    if (runs)
        (void)printf("%d ", runs);
    (void)printf("%s\n", what);
}

/* What a run says in which nothing fails. */
static bool went_on(void)
{
    static const char *const says[] = { [HANDOFF] = "\"note\":\"exec\"", [RESTART] = "\"restarts\":1,",
                                        [ROTATION] = "all of it is under its new key" };
    const char *wanted = guest->part >= HANDOFF ? says[guest->part] : "";

    return strstr(console, wanted) && (guest->part == HANDOFF || strstr(console, "\"status\":0,"));
}

static void try_folder(const char *folder, int stride)
{
    bool good = check(folder, "none", 0) && went_on();
    int wrong, runs = 0;

    tell(good, folder, 0, "nothing fails: the workload runs to its end");
    if (!good)
        (void)printf("# %s\n", console);
    wrong = try_all(folder, "allocation", stride, &injecting->fail_allocation, &runs);
    tell(!wrong && runs, folder, runs, "allocations" IN_ORDER);
    wrong = try_all(folder, "call", 1, &injecting->fail_call, &runs);
    tell(!wrong && runs, folder, runs, "system calls" IN_ORDER);
}

/* By the folder's name. */
static enum part part_of(const char *folder)
{
    static const char *const names[] = { [HANDOFF] = "exec", [RESTART] = "restart", [ROTATION] = "rotation" };
    const char *name = strrchr(folder, '/') + 1;

    for (enum part part = HANDOFF; part <= ROTATION; part++)
        if (strcmp(name, names[part]) == 0)
            return part;
    return NETWORK;
}

int main(int argc, char **argv)
{
    struct reason why = { "" };
    struct chip *chip = NULL;
    int stride = argc > 5 ? atoi(argv[5]) : 0;

    if (argc < 7 || stride < 1 || begin(argv + 1) < 0)
        return 2;
    if (chip_load(argv[1], false, &chip, &why) < 0) {
        (void)fprintf(stderr, "test-inject: %s\n", why.text);
        return 2;
    }
    guest_chip = chip;
    if (guest_warm_up() < 0)
        return 2;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    tell(finds_what_is_left(argv[6]), argv[6], 0,
         "a key, memory, a descriptor, a mapping and secure memory that are left behind are found");
    try_folder(argv[6], stride);
    for (int i = 7; i < argc; i++) {
        guest->part = part_of(argv[i]);
        try_folder(argv[i], 1);
    }
    (void)printf("1..%d\n", told);
    chip_free(&chip);
    return 0;
}
