/*
 * A test program, not part of the product: stands where the production init would stand in a test guest, and tries
 * /dev/sev-guest in every way, with attest/device.h and with bare ioctls. Prints "probe: NAME ok|FAIL…" lines and, for
 * the test outside to verify, a report, certificates and keys in hexadecimal. tests/vm/test-psp-shim.py reads them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/device.h"
#include "base/clock.h"
#include "base/cursor.h"
#include "base/encode.h"

#define ROUNDS 50
#define REQUEST_MS 30000

static void result(const char *name, bool ok, const char *format, ...) PRINTF_LIKE(3, 4);

static void result(const char *name, bool ok, const char *format, ...)
{
    va_list arguments;

    printf("probe: %s %s ", name, ok ? "ok" : "FAIL");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
}

static void show(const char *name, const void *data, size_t size)
{
    char *text = malloc(HEX_TEXT_BYTES(size));

    if (!text)
        abort();
    hex_encode(data, size, text);
    printf("probe: hex %s %s\n", name, text);
    fflush(stdout);
    free(text);
}

/* What PID 1 finds: nothing of the shim but its process. */
static void check_surroundings(int argc, char **argv)
{
    struct stat root, dev, console;
    uint64_t started = clock_boot_us();

    result("started", started > 0, "%llu us after the kernel", (unsigned long long)started);
    result("pid", getpid() == 1, "%d", getpid());
    result("argv", argc == 2 && strcmp(argv[0], "/init") == 0 && strcmp(argv[1], "probe-argument") == 0, "%d %s %s",
           argc, argv[0], argc > 1 ? argv[1] : "");
    result("dev not mounted", stat("/", &root) == 0 && stat("/dev", &dev) == 0 && root.st_dev == dev.st_dev, "-");
    result("stdio", fstat(0, &console) == 0 && fstat(1, &console) == 0 && fstat(2, &console) == 0, "-");
    result("no more descriptors", fcntl(3, F_GETFD) < 0 && fcntl(4, F_GETFD) < 0 && fcntl(5, F_GETFD) < 0, "-");
}

/* No process but this one has a console; needs /proc. */
static void check_console_free(void)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    unsigned processes = 0, holders = 0;

    if (!proc)
        abort();
    while ((entry = readdir(proc))) {
        char path[300], target[300];
        ssize_t size;

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || strcmp(entry->d_name, "1") == 0)
            continue;
        for (int fd = 0; fd < 3; fd++) {
            (void)snprintf(path, sizeof(path), "/proc/%s/fd/%d", entry->d_name, fd);
            size = readlink(path, target, sizeof(target) - 1);
            if (size <= 0)
                continue;
            target[size] = '\0';
            processes += fd == 0;
            holders += strstr(target, "console") || strstr(target, "ttyS0");
        }
    }
    (void)closedir(proc);
    result("console is free", processes == 1 && !holders, "%u processes, %u hold it", processes, holders);
}

static int submit(int fd, unsigned long command, void *in, void *out, uint8_t version,
                  struct snp_guest_request_ioctl *ret_request)
{
    struct snp_guest_request_ioctl request = { .msg_version = version,
                                               .req_data = (uintptr_t)in,
                                               .resp_data = (uintptr_t)out,
                                               .exitinfo2 = 0x1234 };
    int r = ioctl(fd, command, &request) == 0 ? 0 : -errno;

    *ret_request = request;
    return r;
}

static void check_report(void)
{
    static struct device_report answer;
    struct reason why = { "" };
    const struct device_request request = { PURPOSE_SELF, "probe", "hello", 5, DEVICE_VMPL_OWN };
    int r = device_get_report(&request, NULL, clock_ms() + REQUEST_MS, &answer, &why);

    result("device_get_report", r == 0, "%d %s", r, why.text);
    if (r < 0)
        return;
    show("report", answer.report, sizeof(answer.report));
    show("certificates", answer.certificates, answer.certificates_size);
}

static void check_plain(int fd)
{
    struct snp_guest_request_ioctl request;
    struct snp_report_req in = { .vmpl = 1 };
    struct snp_report_resp out;
    int r;

    memset(in.user_data, 0xa5, sizeof(in.user_data));
    memset(&out, 0xff, sizeof(out));
    r = submit(fd, SNP_GET_REPORT, &in, &out, 1, &request);
    result("plain report", r == 0 && get_u32le(out.data) == 0 && get_u32le(out.data + 4) == REPORT_BYTES, "%d", r);
    result("rest of the response is zero", all_zero(out.data + 0x20 + REPORT_BYTES, 4000 - 0x20 - REPORT_BYTES), "-");
    result("exitinfo2 untouched", request.exitinfo2 == 0x1234, "%llx", request.exitinfo2);
    show("plain", out.data + 0x20, REPORT_BYTES);
    in.vmpl = 4;
    r = submit(fd, SNP_GET_REPORT, &in, &out, 1, &request);
    result("vmpl 4", r == 0 && get_u32le(out.data) == 0x16, "%d status %x", r, get_u32le(out.data));
}

static void check_refusals(int fd)
{
    struct snp_guest_request_ioctl request;
    struct snp_report_req in = { .vmpl = 0 };
    struct snp_report_resp out;
    int r = submit(fd, SNP_GET_REPORT, &in, &out, 0, &request);

    result("message version 0", r == -EINVAL && request.exitinfo2 == 0xff, "%d %llx", r, request.exitinfo2);
    r = submit(fd, SNP_GET_REPORT, NULL, &out, 1, &request);
    result("no request", r == -EINVAL && request.exitinfo2 == 0xff, "%d %llx", r, request.exitinfo2);
    r = submit(fd, SNP_GET_REPORT, &in, NULL, 1, &request);
    result("no response", r == -EINVAL && request.exitinfo2 == 0xff, "%d %llx", r, request.exitinfo2);
    r = submit(fd, SNP_GET_REPORT, (void *)(uintptr_t)0x10, &out, 1, &request);
    result("bad address", r == -EFAULT, "%d", r);
    r = submit(fd, SNP_GET_REPORT, &in, (void *)(uintptr_t)0x10, 1, &request);
    result("bad response address", r == -EFAULT, "%d", r);
    r = submit(fd, SNP_GET_REPORT, &in, &out, 2, &request);
    result("message version 2", r == -EIO && request.fw_error == 0x16 && !request.vmm_error, "%d %llx", r,
           request.exitinfo2);
    r = ioctl(fd, _IO('S', 77), 0) == 0 ? 0 : -errno;
    result("unknown ioctl", r == -ENOTTY, "%d", r);
}

static void check_extended(int fd)
{
    uint8_t *certificates = mmap(NULL, 32768, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct snp_ext_report_req in = { .certs_address = (uintptr_t)certificates, .certs_len = 4096 };
    struct snp_guest_request_ioctl request;
    struct snp_report_resp out;
    int r = submit(fd, SNP_GET_EXT_REPORT, &in, &out, 1, &request);

    result("too little room", r == -EIO && request.vmm_error == SNP_GUEST_VMM_ERR_INVALID_LEN && !request.fw_error,
           "%d %llx", r, request.exitinfo2);
    result("needed room", in.certs_len == 8192, "%u", in.certs_len);
    in.certs_len = 0;
    r = submit(fd, SNP_GET_EXT_REPORT, &in, &out, 1, &request);
    result("no room", r == -EIO && request.vmm_error == 1 && in.certs_len == 8192, "%d %u", r, in.certs_len);
    r = submit(fd, SNP_GET_EXT_REPORT, &in, &out, 1, &request);
    result("right room", r == 0 && get_u32le(out.data) == 0 && !all_zero(certificates, 8192), "%d", r);
    in.certs_len = 4097;
    r = submit(fd, SNP_GET_EXT_REPORT, &in, &out, 1, &request);
    result("crooked room", r == -EINVAL && request.exitinfo2 == 0xff, "%d", r);
    in.certs_len = 32768;
    r = submit(fd, SNP_GET_EXT_REPORT, &in, &out, 1, &request);
    result("too much room", r == -EINVAL, "%d", r);
    in.certs_len = 16384;
    in.certs_address = 0x10000;
    r = submit(fd, SNP_GET_EXT_REPORT, &in, &out, 1, &request);
    result("bad certificates address", r == -EFAULT, "%d", r);
    (void)munmap(certificates, 32768);
}

static void derive(int fd, const char *name, uint64_t fields, uint32_t root)
{
    struct snp_derived_key_req in = { .root_key_select = root, .guest_field_select = fields };
    struct snp_guest_request_ioctl request;
    struct snp_derived_key_resp out;
    int r = submit(fd, SNP_GET_DERIVED_KEY, &in, &out, 1, &request);

    result(name, r == 0 && get_u32le(out.data) == 0, "%d", r);
    show(name, out.data + 0x20, 32);
}

static void measure_time(int fd)
{
    uint8_t *certificates = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct snp_ext_report_req in = { .certs_address = (uintptr_t)certificates, .certs_len = 16384 };
    struct snp_guest_request_ioctl request;
    struct snp_report_resp out;
    uint64_t start = clock_boot_us(), plain;
    bool ok = true;

    for (int i = 0; i < ROUNDS; i++)
        ok = submit(fd, SNP_GET_REPORT, &in.data, &out, 1, &request) == 0 && ok;
    plain = (clock_boot_us() - start) / ROUNDS;
    start = clock_boot_us();
    for (int i = 0; i < ROUNDS; i++)
        ok = submit(fd, SNP_GET_EXT_REPORT, &in, &out, 1, &request) == 0 && ok;
    result("timing", ok, "%llu us for a report, %llu us with certificates", (unsigned long long)plain,
           (unsigned long long)(clock_boot_us() - start) / ROUNDS);
}

/* As a production init does: the device tree moves, the old root's files go, the new root takes its place. */
static void switch_root(void)
{
    bool ok = mkdir("/new", 0755) == 0 && mount("tmpfs", "/new", "tmpfs", 0, "") == 0 && mkdir("/new/dev", 0755) == 0 &&
              mkdir("/new/proc", 0755) == 0 && mount("/dev", "/new/dev", NULL, MS_MOVE, NULL) == 0 &&
              mount("/proc", "/new/proc", NULL, MS_MOVE, NULL) == 0 && unlink("/init") == 0 &&
              (unlink("/usr/lib/postern-psp/cuse.ko") == 0 || errno == ENOENT) && chdir("/new") == 0 &&
              mount(".", "/", NULL, MS_MOVE, NULL) == 0 && chroot(".") == 0 && chdir("/") == 0;

    result("switch_root", ok, "%s", strerror(errno));
}

/* "wait" on the command line: the test takes postern-psp away now, and gives it back some time later. */
static void check_interrupted(int fd)
{
    struct snp_guest_request_ioctl request;
    struct snp_report_req in = { .vmpl = 0 };
    struct snp_report_resp out;
    uint64_t start;
    int r;

    printf("probe: kill\n");
    fflush(stdout);
    clock_sleep_ms(2000);
    start = clock_ms();
    r = submit(fd, SNP_GET_REPORT, &in, &out, 1, &request);
    result("report across a restart", r == 0 && get_u32le(out.data) == 0, "%d %llx after %llu ms", r, request.exitinfo2,
           (unsigned long long)(clock_ms() - start));
    show("restarted", out.data + 0x20, REPORT_BYTES);
}

int main(int argc, char **argv)
{
    int fd;

    check_surroundings(argc, argv);
    (void)mkdir("/dev", 0755);
    (void)mkdir("/proc", 0755);
    if (mount("devtmpfs", "/dev", "devtmpfs", 0, "") < 0 || mount("proc", "/proc", "proc", 0, "") < 0)
        result("mounts", false, "%s", strerror(errno));
    check_console_free();
    check_report();
    fd = open("/dev/sev-guest", O_RDWR | O_CLOEXEC);
    check_plain(fd);
    check_refusals(fd);
    check_extended(fd);
    derive(fd, "key-measurement", 8, 0);
    derive(fd, "key-measurement-again", 8, 0);
    derive(fd, "key-policy", 1, 0);
    derive(fd, "key-vmrk", 8, 1);
    measure_time(fd);
    (void)close(fd);
    switch_root();
    fd = open("/dev/sev-guest", O_RDWR | O_CLOEXEC);
    check_plain(fd);
    check_interrupted(fd);
    printf("probe: end\n");
    fflush(stdout);
    clock_sleep_ms(200);
    (void)reboot(RB_POWER_OFF);
    for (;;)
        (void)pause();
}
