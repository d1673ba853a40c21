/*
 * The kernel's answers about SEV-SNP, in /proc, /sys and /dev/sev. The node's administrator controls them, and they are
 * for him: a guest trusts none of this, its report says what it runs on.
 */
#include "cli/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/psp-sev.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attest/product.h"
#include "base/command.h"
#include "base/cursor.h"
#include "base/file.h"
#include "cli/child.h"

#define PROC_MAX_BYTES (4u * 1024 * 1024)
#define PLATFORM_STATUS_BYTES 32u
/* KVM starts SNP guests since Linux 6.11, QEMU since 9.1. */
#define KERNEL_LEAST_MAJOR 6u
#define KERNEL_LEAST_MINOR 11u
#define QEMU_LEAST_MAJOR 9u
#define QEMU_LEAST_MINOR 1u
/* AMD's SNP ABI (56860) 1.55 brought reports of version 3 with the CPUID fields. */
#define ABI_LEAST_MAJOR 1u
#define ABI_LEAST_MINOR 55u

struct look {
    const struct host_needs *needs;
    struct host_report *report;
    enum product product;
};

static void add(struct look *l, const char *name, enum host_outcome outcome, const char *advice, const char *format,
                ...) PRINTF_LIKE(5, 6);

static void add(struct look *l, const char *name, enum host_outcome outcome, const char *advice, const char *format,
                ...)
{
    struct host_finding *finding = &l->report->findings[l->report->count];
    va_list args;

    if (l->report->count == HOST_MAX_FINDINGS)
        return;
    finding->name = name;
    finding->outcome = outcome;
    va_start(args, format);
    (void)vsnprintf(finding->found, sizeof(finding->found), format, args);
    va_end(args);
    (void)snprintf(finding->advice, sizeof(finding->advice), "%s", outcome == HOST_GOOD ? "" : advice);
    l->report->count++;
}

/* The text of a file below the root without its last newline, or NULL. The caller frees it. */
static char *read_text(const struct look *l, const char *path)
{
    struct reason why = { "" };
    uint8_t *data = NULL;
    char *full = NULL;
    size_t size = 0;

    if (asprintf(&full, "%s%s", l->needs->root, path) < 0)
        return NULL;
    if (file_read(full, PROC_MAX_BYTES, &data, &size, &why) == 0 && size && data[size - 1] == '\n')
        data[size - 1] = '\0';
    free(full);
    return (char *)data;
}

/* The number behind "key" and blanks or a colon in lines of text. */
static bool number_after(const char *text, const char *key, uint64_t *ret_value)
{
    size_t length = strlen(key);

    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        if (strncmp(line, key, length) != 0 || !strchr(" \t:", line[length]))
            continue;
        line += length + strspn(line + length, " \t:");
        *ret_value = strtoull(line, NULL, 10);
        return *line >= '0' && *line <= '9';
    }
    return false;
}

static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        if ((at == text || strchr(" \t\n", at[-1])) && (!at[length] || strchr(" \t\n", at[length])))
            return true;
    return false;
}

static void look_at_processor(struct look *l)
{
    CLEANUP_FREE char *text = read_text(l, "/proc/cpuinfo");
    uint64_t family = 0, model = 0;

    if (!text || !strstr(text, "AuthenticAMD") || !number_after(text, "cpu family", &family) ||
        !number_after(text, "model", &model) || family > 255 || model > 255) {
        add(l, "processor", HOST_LACKING, "SEV-SNP needs an AMD EPYC of the 7003 series or later",
            "/proc/cpuinfo: no AMD processor");
        return;
    }
    l->product = product_from_cpuid((uint8_t)family, (uint8_t)model);
    add(l, "processor", l->product == PRODUCT_UNKNOWN ? HOST_LACKING : HOST_GOOD,
        "SEV-SNP needs an AMD EPYC of the 7003 series or later",
        "AMD family 0x%llx model 0x%llx: %s", (unsigned long long)family, (unsigned long long)model,
        l->product == PRODUCT_UNKNOWN ? "no EPYC that is known to have SEV-SNP" : product_name(l->product));
    if (l->product != PRODUCT_UNKNOWN)
        add(l, "sev_snp", has_word(text, "sev_snp") ? HOST_GOOD : HOST_LACKING,
            "enable SMEE, SEV-SNP and \"SNP Memory (RMP Table) Coverage\" in the firmware setup",
            "/proc/cpuinfo: flag sev_snp is %s", has_word(text, "sev_snp") ? "there" : "not there");
}

/* "6.12.43-amd64", "10.0.2 (Debian …)": the first two numbers. */
static bool version_of(const char *text, unsigned *ret_major, unsigned *ret_minor)
{
    char *end = NULL;
    unsigned long major, minor;

    major = strtoul(text, &end, 10);
    if (end == text || *end != '.' || end[1] < '0' || end[1] > '9')
        return false;
    minor = strtoul(end + 1, NULL, 10);
    *ret_major = (unsigned)major;
    *ret_minor = (unsigned)minor;
    return true;
}

static bool at_least(unsigned major, unsigned minor, unsigned least_major, unsigned least_minor)
{
    return major > least_major || (major == least_major && minor >= least_minor);
}

static void look_at_kernel(struct look *l)
{
    CLEANUP_FREE char *release = read_text(l, "/proc/sys/kernel/osrelease");
    CLEANUP_FREE char *words = read_text(l, "/proc/cmdline");
    static const char *const bad[] = { "iommu=pt", "iommu.passthrough=1", "amd_iommu=off", "iommu=off",
                                       "kvm_amd.sev=0", "kvm_amd.sev_es=0", "kvm_amd.sev_snp=0" };
    unsigned major = 0, minor = 0;
    bool good = release && version_of(release, &major, &minor);

    add(l, "kernel", good && at_least(major, minor, KERNEL_LEAST_MAJOR, KERNEL_LEAST_MINOR) ? HOST_GOOD : HOST_LACKING,
        "KVM starts SNP guests since Linux 6.11; Debian 13 and Debian 12's backports have a newer one",
        "Linux %s", release ? release : "of unknown version");
    for (size_t i = 0; words && i < ARRAY_SIZE(bad); i++)
        if (has_word(words, bad[i]))
            add(l, "cmdline", HOST_LACKING, "take the word out of the kernel's command line and boot again",
                "/proc/cmdline: has %s", bad[i]);
}

static bool exists(const struct look *l, const char *path)
{
    char *full = NULL;
    bool there;

    if (asprintf(&full, "%s%s", l->needs->root, path) < 0)
        return false;
    there = access(full, F_OK) == 0;
    free(full);
    return there;
}

static void look_at_parameter(struct look *l, const char *name)
{
    CLEANUP_FREE char *path = NULL;
    CLEANUP_FREE char *value = NULL;

    if (asprintf(&path, "/sys/module/kvm_amd/parameters/%s", name) < 0) {
        path = NULL;
        return;
    }
    value = read_text(l, path);
    add(l, name, value && (*value == 'Y' || *value == '1') ? HOST_GOOD : HOST_LACKING,
        "KVM found it unusable: dmesg says why in lines with \"SEV\" (firmware setup, IOMMU, RMP table)", "%s: %.8s",
        path, value ? value : "not there");
}

static void look_at_kvm(struct look *l)
{
    CLEANUP_FREE char *capacity = read_text(l, "/sys/fs/cgroup/misc.capacity");
    CLEANUP_FREE char *swap = read_text(l, "/sys/module/kvm_amd/parameters/debug_swap");
    uint64_t asids = 0;

    add(l, "kvm", exists(l, "/dev/kvm") ? HOST_GOOD : HOST_LACKING, "enable virtualisation (SVM) in the firmware setup",
        "/dev/kvm is %s", exists(l, "/dev/kvm") ? "there" : "not there");
    if (!exists(l, "/sys/module/kvm_amd")) {
        add(l, "kvm_amd", HOST_LACKING, "load it: modprobe kvm_amd", "the module is not loaded");
    } else {
        look_at_parameter(l, "sev");
        look_at_parameter(l, "sev_es");
        look_at_parameter(l, "sev_snp");
    }
    if (capacity && number_after(capacity, "sev_es", &asids))
        add(l, "asids", asids < l->needs->guests ? HOST_LACKING : HOST_GOOD,
            "raise \"SEV-ES ASID Space Limit\" in the firmware setup: SNP guests take ASIDs below it",
            "room for %llu SEV-ES and SNP guests, %llu wanted", (unsigned long long)asids,
            (unsigned long long)l->needs->guests);
    if (swap && (*swap == 'Y' || *swap == '1'))
        add(l, "debug_swap", HOST_WARNING,
            "load kvm_amd with debug_swap=0, or expect digests of --guest-features 0x21",
            "kvm_amd swaps debug registers: some kernels add this to SEV_FEATURES");
}

static void look_at_iommu(struct look *l)
{
    CLEANUP_FREE char *path = NULL;
    bool any = false;
    DIR *directory;

    if (asprintf(&path, "%s/sys/class/iommu", l->needs->root) < 0) {
        path = NULL;
        return;
    }
    directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;)
        any |= entry->d_name[0] != '.';
    if (directory)
        closedir(directory);
    add(l, "iommu", any ? HOST_GOOD : HOST_LACKING, "enable the IOMMU in the firmware setup; SNP needs it",
        "/sys/class/iommu: %s", any ? "an IOMMU is there" : "empty");
}

/* The answer to SNP_PLATFORM_STATUS: of the driver, or as it was recorded in a file. */
static int read_status(const char *path, uint8_t ret_status[PLATFORM_STATUS_BYTES])
{
    CLEANUP_FD int fd = open(path, O_RDWR | O_CLOEXEC);
    struct sev_user_data_snp_status status;
    struct sev_issue_cmd command = { .cmd = SNP_PLATFORM_STATUS, .data = (uintptr_t)&status };
    struct stat info;

    _Static_assert(sizeof(status) == PLATFORM_STATUS_BYTES, "as in the ABI");
    if (fd < 0 && errno == EACCES)
        fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0)
        return -errno;
    if (S_ISREG(info.st_mode))
        return fd_read_exact(fd, ret_status, PLATFORM_STATUS_BYTES);
    memset(&status, 0, sizeof(status));
    if (ioctl(fd, SEV_ISSUE_CMD, &command) < 0)
        return -errno;
    memcpy(ret_status, &status, PLATFORM_STATUS_BYTES);
    return 0;
}

static void look_at_firmware(struct look *l)
{
    uint8_t status[PLATFORM_STATUS_BYTES];
    CLEANUP_FREE char *path = NULL;
    struct cursor c;
    struct tcb current, reported;
    uint8_t major, minor, state, initialized;
    uint32_t build;
    int r;

    if (asprintf(&path, "%s/dev/sev", l->needs->root) < 0) {
        path = NULL;
        return;
    }
    r = read_status(path, status);
    if (r < 0) {
        add(l, "firmware", HOST_LACKING, r == -EACCES ? "run this as root" :
            "load the module ccp, and enable the secure processor in the firmware setup",
            "/dev/sev: the secure processor does not say its state: %s", strerror(-r));
        return;
    }
    c = cursor_over(status, sizeof(status));
    major = cursor_u8(&c);
    minor = cursor_u8(&c);
    state = cursor_u8(&c);
    initialized = cursor_u8(&c) & 1;
    build = cursor_u32le(&c);
    cursor_skip(&c, 8);
    current = tcb_decode(l->product, cursor_u64le(&c));
    reported = tcb_decode(l->product, cursor_u64le(&c));
    add(l, "firmware", at_least(major, minor, ABI_LEAST_MAJOR, ABI_LEAST_MINOR) ? HOST_GOOD : HOST_WARNING,
        "update the machine's firmware: reports before ABI 1.55 do not name their processor",
        "SNP ABI %u.%u, build %u", major, minor, build);
    add(l, "rmp", initialized ? HOST_GOOD : HOST_LACKING, "boot a kernel with SNP for hosts, and see dmesg for \"RMP\"",
        "the RMP table is %s, SNP is in state %u", initialized ? "initialized" : "not initialized", state);
    add(l, "tcb", tcb_equal(&current, &reported) ? HOST_GOOD : HOST_WARNING,
        "snphost config reset, where no guest depends on the older one",
        "bootloader %u, tee %u, snp %u, microcode %u%s",
        current.bootloader, current.tee, current.snp, current.microcode,
        tcb_equal(&current, &reported) ? "" : "; an older one is reported");
}

static void look_at_memory(struct look *l)
{
    CLEANUP_FREE char *text = read_text(l, "/proc/meminfo");
    CLEANUP_FREE char *smt = read_text(l, "/sys/devices/system/cpu/smt/active");
    uint64_t available_kib = 0, wanted_mib = 0;

    if (__builtin_mul_overflow(l->needs->memory_mib, l->needs->guests, &wanted_mib))
        wanted_mib = UINT64_MAX;
    if (!text || !number_after(text, "MemAvailable", &available_kib))
        add(l, "memory", HOST_WARNING, "see /proc/meminfo", "/proc/meminfo: no MemAvailable");
    else
        add(l, "memory", available_kib / 1024 >= wanted_mib ? HOST_GOOD : HOST_LACKING,
            "SNP guests cannot be swapped out: give them less (--memory, --guests), or the machine more",
            "%llu MiB available, %llu wanted", (unsigned long long)(available_kib / 1024),
            (unsigned long long)wanted_mib);
    if (smt && *smt == '1')
        add(l, "smt", HOST_WARNING, "switch SMT off where the images' policy forbids it (PLATFORM_INFO.SMT_EN)",
            "two threads on each core");
    else if (smt)
        add(l, "smt", HOST_GOOD, "", "one thread on each core");
}

static void look_at_qemu(struct look *l)
{
    const char *const words[] = { l->needs->qemu, "--version", NULL };
    struct reason why = { "" };
    unsigned major = 0, minor = 0;
    char text[HOST_TEXT_BYTES] = "";
    const char *version;
    int fds[2], status;
    ssize_t n = 0;
    pid_t pid = 0;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return;
    status = child_run(&(struct child_start){ .words = words, .output = fds[1], .keep = { -1, -1 } }, &pid, &why);
    close(fds[1]);
    if (status == 0) {
        for (size_t have = 0; have < sizeof(text) - 1 && (n = read(fds[0], text + have, sizeof(text) - 1 - have)) > 0;)
            have += (size_t)n;
        status = child_wait(pid);
    }
    close(fds[0]);
    text[strcspn(text, "\n")] = '\0';
    version = strstr(text, "version ");
    if (status < 0)
        add(l, "qemu", HOST_LACKING, "install qemu-system-x86, or name the program with --qemu", "%s",
            reason_text(&why, status));
    else if (status != 0 || !version || !version_of(version + 8, &major, &minor))
        add(l, "qemu", HOST_LACKING, "name QEMU's program for x86-64 with --qemu", "%s --version: says no version",
            l->needs->qemu);
    else
        add(l, "qemu", at_least(major, minor, QEMU_LEAST_MAJOR, QEMU_LEAST_MINOR) ? HOST_GOOD : HOST_LACKING,
            "sev-snp-guest came with QEMU 9.1; Debian 13 and Debian 12's backports have a newer one", "version %u.%u",
            major, minor);
}

void host_look(const struct host_needs *needs, struct host_report *ret_report)
{
    struct look l = { .needs = needs, .report = ret_report, .product = PRODUCT_UNKNOWN };

    ret_report->count = 0;
    look_at_processor(&l);
    look_at_kernel(&l);
    look_at_kvm(&l);
    look_at_iommu(&l);
    look_at_firmware(&l);
    look_at_memory(&l);
    look_at_qemu(&l);
}

bool host_ready(const struct host_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        if (report->findings[i].outcome == HOST_LACKING)
            return false;
    return true;
}
