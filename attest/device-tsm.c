/*
 * configfs-tsm: a report is a folder of attributes. The kernel gives them; whoever is root in this guest may write to
 * them as well, hence the generation; what is in the blobs passed through the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/device-back-ends.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"

#define PROVIDER "sev_guest"
#define ITEM_RANDOM_BYTES 8
#define ITEM_NAME_BYTES (sizeof("postern-") + 2 * ITEM_RANDOM_BYTES)
#define NUMBER_MAX_BYTES 24
/* Between reads that the kernel answers with EBUSY or EAGAIN while another request is under way. */
#define BUSY_PAUSE_MS 100u

/* At most `room` bytes of an attribute; -EFBIG when there is more. */
static int read_attribute(int item, const char *name, void *ret_data, size_t room, size_t *ret_size)
{
    CLEANUP_FD int fd = openat(item, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t size = 0, more = 0;
    uint8_t beyond;
    int r = fd < 0 ? -errno : fd_read_most(fd, ret_data, room, &size);

    if (r == 0 && size == room)
        r = fd_read_most(fd, &beyond, 1, &more);
    if (r < 0)
        return r;
    if (more)
        return -EFBIG;
    *ret_size = size;
    return 0;
}

/* A decimal number and a newline. */
static int read_number(int item, const char *name, uint64_t *ret_number, struct reason *why)
{
    char text[NUMBER_MAX_BYTES];
    size_t size = 0, digits;
    int r = read_attribute(item, name, text, sizeof(text), &size);

    if (r < 0)
        return r;
    digits = decimal_decode(text, size, UINT64_MAX, ret_number);
    return digits && (digits == size || text[digits] == '\n')
               ? 0
               : reason_set(why, -EBADMSG, "configfs-tsm: %s is not a number", name);
}

/* The kernel takes binary attributes when they are closed and tells nobody how it went: the generation does. */
static int write_attribute(int item, const char *name, const void *data, size_t size)
{
    CLEANUP_FD int fd = openat(item, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

    return fd < 0 ? -errno : fd_write_all(fd, data, size);
}

static int read_provider(int item, char ret_provider[TSM_PROVIDER_MAX_BYTES], struct reason *why)
{
    char text[TSM_PROVIDER_MAX_BYTES];
    size_t size = 0;
    int r = read_attribute(item, "provider", text, sizeof(text) - 1, &size);

    if (r < 0)
        return reason_set(why, -ENODEV, "configfs-tsm has no provider: %s", strerror(-r));
    text[size] = '\0';
    text[strcspn(text, "\n")] = '\0';
    memcpy(ret_provider, text, sizeof(text));
    return 0;
}

/* Asks for a privilege level and says how many writes that took. Kernels without the attributes have level 0 alone. */
static int set_level(int item, uint32_t vmpl, uint64_t *ret_writes, struct reason *why)
{
    uint64_t floor = 0, level;
    char text[NUMBER_MAX_BYTES];
    int r = read_number(item, "privlevel_floor", &floor, why);

    if (r == -ENOENT && (vmpl == 0 || vmpl == DEVICE_VMPL_OWN)) {
        *ret_writes = 0;
        return 0;
    }
    if (r < 0)
        return r;
    if (floor > DEVICE_VMPL_MAX)
        return reason_set(why, -EBADMSG, "configfs-tsm: privlevel_floor is %llu, expected 0 to %u",
                          (unsigned long long)floor, DEVICE_VMPL_MAX);
    level = vmpl == DEVICE_VMPL_OWN ? floor : vmpl;
    if (level < floor)
        return reason_set(why, -EINVAL, "VMPL %u was asked for, this guest may ask for %llu and above", vmpl,
                          (unsigned long long)floor);
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)level);
    r = write_attribute(item, "privlevel", text, strlen(text));
    if (r < 0)
        return reason_set(why, -EIO, "configfs-tsm: privlevel cannot be set to %s: %s", text, strerror(-r));
    *ret_writes = 1;
    return 0;
}

/* The attribute counts writes: another number than ours means that somebody else's were among them, or ours not. */
static int check_generation(int item, uint64_t expected, struct reason *why)
{
    uint64_t generation;
    int r = read_number(item, "generation", &generation, why);

    if (r < 0)
        return r;
    if (generation != expected)
        return reason_set(why, -EAGAIN, "configfs-tsm: the request was changed meanwhile: generation %llu, expected "
                          "%llu", (unsigned long long)generation, (unsigned long long)expected);
    return 0;
}

static int read_report(int item, uint64_t deadline_ms, uint8_t ret_report[REPORT_BYTES], struct reason *why)
{
    uint8_t report[REPORT_BYTES];
    size_t size = 0;
    int r;

    while ((r = read_attribute(item, "outblob", report, sizeof(report), &size)) == -EBUSY || r == -EAGAIN) {
        int left = clock_left_ms(deadline_ms);

        if (!left)
            return reason_set(why, -EBUSY, "configfs-tsm: still busy at the deadline");
        clock_sleep_ms((unsigned)left < BUSY_PAUSE_MS ? (unsigned)left : BUSY_PAUSE_MS);
    }
    if (r == -EFBIG)
        return reason_set(why, -EBADMSG, "configfs-tsm: the report has more than %u bytes", REPORT_BYTES);
    if (r < 0)
        return reason_set(why, r == -EBADMSG || r == -EINVAL ? -EIO : r, "configfs-tsm: no report: %s", strerror(-r));
    if (size != REPORT_BYTES)
        return reason_set(why, -EBADMSG, "configfs-tsm: the report has %zu bytes, expected %u", size, REPORT_BYTES);
    memcpy(ret_report, report, sizeof(report));
    return 0;
}

int tsm_exchange(int item, const uint8_t report_data[REPORT_DATA_BYTES], uint32_t vmpl, uint64_t deadline_ms,
                 struct device_report *to, struct reason *why)
{
    uint64_t writes = 0;
    size_t size = 0;
    int r = set_level(item, vmpl, &writes, why);

    if (r < 0)
        return r;
    r = write_attribute(item, "inblob", report_data, REPORT_DATA_BYTES);
    if (r < 0)
        return reason_set(why, -EIO, "configfs-tsm: inblob cannot be written: %s", strerror(-r));
    writes++;
    r = check_generation(item, writes, why);
    if (r == 0)
        r = read_report(item, deadline_ms, to->report, why);
    if (r < 0)
        return r;
    /* The host's certificates: missing ones, and more than anybody reads, are no reason to do without the report. */
    if (read_attribute(item, "auxblob", to->certificates, sizeof(to->certificates), &size) < 0)
        size = 0;
    r = check_generation(item, writes, why);
    if (r == 0)
        r = device_check_report_data(to->report, report_data, why);
    to->certificates_size = size;
    to->back_end = DEVICE_TSM;
    return r;
}

/* Makes an item under a name of its own. */
static int make_item(const char *folder, int *ret_folder, char ret_name[ITEM_NAME_BYTES], int *ret_item,
                     struct reason *why)
{
    CLEANUP_FD int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char name[ITEM_NAME_BYTES] = "postern-";
    uint8_t random[ITEM_RANDOM_BYTES];
    int item;

    if (folder_fd < 0)
        return reason_set(why, -ENODEV, "there is no configfs-tsm: %s: %s", folder, strerror(errno));
    if (RAND_bytes(random, sizeof(random)) != 1)
        return -EIO;
    hex_encode(random, sizeof(random), name + strlen(name));
    /* Without a provider the kernel refuses: ENXIO. */
    if (mkdirat(folder_fd, name, 0700) < 0)
        return reason_set(why, errno == EACCES || errno == EPERM ? -errno : -ENODEV,
                          "configfs-tsm takes no request: %s", strerror(errno));
    item = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (item < 0) {
        int r = reason_set(why, -errno, "configfs-tsm: %s: %s", name, strerror(errno));

        (void)unlinkat(folder_fd, name, AT_REMOVEDIR);
        return r;
    }
    *ret_folder = fd_take(&folder_fd);
    *ret_item = item;
    memcpy(ret_name, name, sizeof(name));
    return 0;
}

static int try_once(const char *folder, const uint8_t *report_data, uint32_t vmpl, uint64_t deadline_ms,
                    struct device_report *to, struct reason *why)
{
    CLEANUP_FD int folder_fd = -1;
    CLEANUP_FD int item = -1;
    char name[ITEM_NAME_BYTES], provider[TSM_PROVIDER_MAX_BYTES];
    int r = make_item(folder, &folder_fd, name, &item, why);

    if (r < 0)
        return r;
    r = read_provider(item, provider, why);
    if (r == 0 && strcmp(provider, PROVIDER) != 0)
        r = reason_set(why, -ENODEV, "configfs-tsm: the provider is \"%s\", expected " PROVIDER, provider);
    if (r == 0)
        r = tsm_exchange(item, report_data, vmpl, deadline_ms, to, why);
    fd_close(&item);
    (void)unlinkat(folder_fd, name, AT_REMOVEDIR);
    return r;
}

int tsm_get_report(const char *folder, const uint8_t report_data[REPORT_DATA_BYTES], uint32_t vmpl,
                   uint64_t deadline_ms, struct device_report *to, struct reason *why)
{
    int r = -EAGAIN;

    for (int tries = 0; tries < TSM_TRIES && r == -EAGAIN; tries++)
        r = try_once(folder, report_data, vmpl, deadline_ms, to, why);
    return r;
}

int tsm_get_provider(const char *folder, char ret_provider[TSM_PROVIDER_MAX_BYTES], struct reason *why)
{
    CLEANUP_FD int folder_fd = -1;
    CLEANUP_FD int item = -1;
    char name[ITEM_NAME_BYTES];
    int r = make_item(folder, &folder_fd, name, &item, why);

    if (r < 0)
        return r;
    r = read_provider(item, ret_provider, why);
    fd_close(&item);
    (void)unlinkat(folder_fd, name, AT_REMOVEDIR);
    return r;
}
