/* The answers of what is not there: see guest.h. */
#include "tests/inject/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "init/button.h"
#include "init/init.h"
#include "luks/crypt.h"
#include "luks/verity.h"
#include "psp/firmware.h"
#include "tests/inject/leaks.h"

/* As in tests/inject/run. */
#define DISK_MAJOR 252
#define DISK_MINORS (1u << 20)

struct guest *guest;
const struct chip *guest_chip;

#pragma GCC diagnostic ignored "-Wunused-parameter"

/* ---- what would change the machine */

QUIET(mkdir, (const char *path, mode_t mode))
QUIET(mount, (const char *source, const char *target, const char *type, unsigned long flags, const void *data))
QUIET(umount2, (const char *target, int flags))
QUIET(mount_setattr, (int fd, const char *path, unsigned flags, struct mount_attr *attr, size_t size))
QUIET(mknod, (const char *path, mode_t mode, dev_t device))
QUIET(symlink, (const char *target, const char *path))
QUIET(unlink, (const char *path))
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

int __real_prctl(int option, ...);
int __wrap_prctl(int option, ...);
int __wrap_prctl(int option, ...)
{
    va_list args;
    unsigned long value;

    va_start(args, option);
    value = va_arg(args, unsigned long);
    va_end(args);
    if (inject_fails("prctl"))
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
    if (inject_fails("syscall"))
        return -1;
    if (number == SYS_landlock_create_ruleset)
        return __real_open("/", O_PATH | O_CLOEXEC);
    return number == SYS_pidfd_open || number == SYS_pidfd_send_signal ? __real_syscall(number, a[0], a[1], a[2], a[3]) : 0;
}

int __wrap_fstatfs(int fd, struct statfs *to);
int __wrap_fstatfs(int fd, struct statfs *to)
{
    memset(to, 0, sizeof(*to)); /* no file system in memory: nothing is deleted */
    return inject_fails("fstatfs") ? -1 : 0;
}

/* ---- the secure processor */

/* As drivers/virt/coco/sev-guest of Linux answers, with the firmware of psp/ behind it. */
static int ask_firmware(unsigned long command, struct snp_guest_request_ioctl *call)
{
    static struct psp_answer answer;
    struct psp_request request = { .message_version = call->msg_version };
    struct launch launch = { .policy = UINT64_C(0x30000), .report_version = 3, .certificates = true };
    struct snp_ext_report_req *extended = (void *)(uintptr_t)call->req_data; /* or what it starts with */
    struct reason why;

    memcpy(launch.report_id, guest->report_id, sizeof(launch.report_id));
    memcpy(launch.measurement, guest->measurement, sizeof(launch.measurement));
    memcpy(launch.host_data, guest->host_data, sizeof(launch.host_data));
    request.kind = command == SNP_GET_DERIVED_KEY ? WIRE_DERIVED_KEY : WIRE_EXTENDED_REPORT;
    request.message_size = command == SNP_GET_DERIVED_KEY ? KEY_REQUEST_BYTES : REPORT_REQUEST_BYTES;
    request.certificates_room = command == SNP_GET_DERIVED_KEY ? 0 : extended->certs_len;
    launch.certificates = request.certificates_room != 0;
    memcpy(request.message, extended, request.message_size);
    if (firmware_answer(guest_chip, &launch, &request, &answer, &why) < 0 || answer.firmware_error || answer.host_error)
        return -1;
    memcpy((void *)(uintptr_t)call->resp_data, answer.message, answer.message_size);
    if (answer.certificates_size)
        memcpy((void *)(uintptr_t)extended->certs_address, answer.certificates, answer.certificates_size);
    explicit_bzero(&answer, sizeof(answer));
    return 0;
}

int guest_warm_up(void)
{
    struct snp_ext_report_req report = { .certs_len = 0 };
    struct snp_derived_key_req key = { 0 };
    struct snp_report_resp answer = { .data = { 0 } };
    struct snp_guest_request_ioctl call = { .msg_version = 1, .req_data = (uintptr_t)&report,
                                            .resp_data = (uintptr_t)&answer };

    if (ask_firmware(SNP_GET_EXT_REPORT, &call) < 0)
        return -1;
    call.req_data = (uintptr_t)&key;
    return ask_firmware(SNP_GET_DERIVED_KEY, &call);
}

int __real_ioctl(int fd, unsigned long command, ...);
int __wrap_ioctl(int fd, unsigned long command, ...);
int __wrap_ioctl(int fd, unsigned long command, ...)
{
    bool armed = guest->injecting.armed;
    va_list args;
    void *argument;
    int r;

    va_start(args, command);
    argument = va_arg(args, void *);
    va_end(args);
    if (inject_fails("ioctl"))
        return -1;
    if (command != SNP_GET_EXT_REPORT && command != SNP_GET_DERIVED_KEY)
        return __real_ioctl(fd, command, argument);
    guest->injecting.armed = false;
    r = ask_firmware(command, argument);
    guest->injecting.armed = armed;
    return r;
}

/* ---- disks and what is mapped on them */

/* Disks are files with the sticky bit; the folder has their serials under these numbers, too. */
int __real_fstat(int fd, struct stat *to);
int __wrap_fstat(int fd, struct stat *to);
int __wrap_fstat(int fd, struct stat *to)
{
    int r = inject_fails("fstat") ? -1 : __real_fstat(fd, to);

    if (r == 0 && S_ISREG(to->st_mode) && to->st_mode & S_ISVTX) {
        to->st_mode = S_IFBLK | 0600;
        to->st_rdev = makedev(DISK_MAJOR, to->st_ino % DISK_MINORS);
    }
    return r;
}

int __wrap_verity_open(const struct verity_tree *tree, int disk, char ret_path[32], struct reason *why);
int __wrap_verity_open(const struct verity_tree *tree, int disk, char ret_path[32], struct reason *why)
{
    memcpy(ret_path, "/dev/dm-0", 10);
    return inject_fails("verity_open") ? reason_set(why, -EIO, "no") : 0;
}

/* So that it shows that what is left is found. */
static void leave_something(const struct secret *key)
{
    static uint8_t copy[WATCHED_BYTES];
    void *taken = guest->spoil == MEMORY ? malloc(33) : NULL;

    if (guest->spoil == SECRET)
        memcpy(copy, key->bytes, sizeof(copy));
    if (guest->spoil == DESCRIPTOR)
        (void)open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (guest->spoil == MAPPING)
        taken = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guest->spoil == SECURE_HEAP)
        taken = OPENSSL_secure_malloc(33);
    __asm__ volatile("" : : "r"(taken), "r"(copy) : "memory");
}

/* As `postern volume create` would have left it, the first time that its key is there. */
static int label_once(const struct crypt_volume *volume, const char *path, const struct secret *key)
{
    struct label label = { .length = volume->length };
    CLEANUP_SECRET struct secret label_key = SECRET_NONE;
    CLEANUP_FD int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int r = file < 0 && errno == EEXIST ? -EEXIST : ftruncate(file, LABEL_BLOCK_BYTES);

    if (r < 0)
        return r == -EEXIST ? 0 : r;
    (void)snprintf(label.volume_id, sizeof(label.volume_id), "%s", volume->name);
    r = label_derive_key(key, &label_key);
    return r < 0 ? r : label_write(file, &label_key, &label);
}

int __wrap_crypt_open(const struct crypt_volume *volume, int disk, const struct secret *key, char ret_path[32],
                      struct reason *why);
int __wrap_crypt_open(const struct crypt_volume *volume, int disk, const struct secret *key, char ret_path[32],
                      struct reason *why)
{
    bool armed = guest->injecting.armed;
    int r;

    if (inject_fails("crypt_open"))
        return reason_set(why, -EIO, "no");
    (void)snprintf(ret_path, 32, "/dev/dm-%s", volume->name);
    guest->injecting.armed = false;
    r = label_once(volume, ret_path, key);
    watched_add(&guest->watched, key->bytes);
    if (strcmp(volume->name, "data") == 0)
        leave_something(key);
    guest->injecting.armed = armed;
    return r < 0 ? reason_set(why, r, "no label") : 0;
}

int __wrap_crypt_close(const char *name);
int __wrap_crypt_close(const char *name)
{
    return inject_fails("crypt_close") ? -EIO : 0;
}

/* The kernel's events are not for namespaces: a socket on which nothing comes. */
int __real_button_open(void);
int __wrap_button_open(void);
int __wrap_button_open(void)
{
    int fd = __real_button_open();

    return fd < 0 ? __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : fd;
}

