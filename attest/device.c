/* Choosing between the ways to the secure processor. The host relays requests and answers, can drop or delay them. */
#include "attest/device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/device-back-ends.h"
#include "base/file.h"

#define TSM_FOLDER "/sys/kernel/config/tsm/report"
#define DEVICE_PATH "/dev/sev-guest"
#define REPORT_DATA_OFFSET 0x50

const char *device_back_end_name(enum device_back_end back_end)
{
    return back_end == DEVICE_TSM ? "configfs-tsm" : DEVICE_PATH;
}

int device_check_report_data(const uint8_t report[REPORT_BYTES], const uint8_t report_data[REPORT_DATA_BYTES],
                             struct reason *why)
{
    if (memcmp(report + REPORT_DATA_OFFSET, report_data, REPORT_DATA_BYTES) != 0)
        return reason_set(why, -EBADMSG, "the report is for other data than was asked for");
    return 0;
}

static int open_device(const struct device_paths *paths, int *ret_fd, struct reason *why)
{
    const char *path = paths && paths->device ? paths->device : DEVICE_PATH;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0 && (errno == EACCES || errno == EPERM))
        return reason_set(why, -errno, "%s: %s: root alone may use it", path, strerror(errno));
    if (fd < 0)
        return reason_set(why, -ENODEV, "%s: %s: not an SEV-SNP guest, or its driver is missing", path,
                          strerror(errno));
    *ret_fd = fd;
    return 0;
}

/* What configfs-tsm says that the device cannot say better. */
static bool is_final(int error)
{
    return error == 0 || error == -EBADMSG || error == -EBUSY || error == -EINVAL;
}

/* The device's answer after configfs-tsm gave none; when both fail, both reasons are told. */
static int ask_device(const uint8_t *report_data, const struct device_request *request,
                      const struct device_paths *paths, uint64_t deadline_ms, struct device_report *answer,
                      struct reason *why)
{
    CLEANUP_FD int fd = -1;
    struct reason device_why = { "" };
    int r = open_device(paths, &fd, &device_why);

    answer->back_end = DEVICE_IOCTL;
    if (r == 0)
        r = sev_guest_get_report(fd, report_data, request->vmpl, deadline_ms, answer, &device_why);
    if (r < 0)
        return reason_set(why, r, "%s (%s)", reason_text(&device_why, r), answer->passed_over.text);
    return 0;
}

int device_get_report(const struct device_request *request, const struct device_paths *paths, uint64_t deadline_ms,
                      struct device_report *ret_report, struct reason *why)
{
    CLEANUP_FREE struct device_report *answer = calloc(1, sizeof(*answer));
    uint8_t report_data[REPORT_DATA_BYTES];
    int r;

    if (!answer)
        return -ENOMEM;
    if (request->vmpl > DEVICE_VMPL_MAX && request->vmpl != DEVICE_VMPL_OWN)
        return reason_set(why, -EINVAL, "VMPL %u, expected 0 to %u", request->vmpl, DEVICE_VMPL_MAX);
    r = purpose_report_data(request->purpose, request->label, request->data, request->size, report_data, why);
    if (r < 0)
        return r;
    r = tsm_get_report(paths && paths->tsm ? paths->tsm : TSM_FOLDER, report_data, request->vmpl, deadline_ms, answer,
                       &answer->passed_over);
    if (r < 0 && is_final(r))
        return reason_set(why, r, "%s", reason_text(&answer->passed_over, r));
    if (r < 0)
        r = ask_device(report_data, request, paths, deadline_ms, answer, why);
    if (r < 0)
        return r;
    *ret_report = *answer;
    return 0;
}

int device_derive_key(const struct device_key_request *request, const struct device_paths *paths, uint64_t deadline_ms,
                      struct secret *ret_key, struct reason *why)
{
    CLEANUP_FD int fd = -1;
    int r;

    if (request->vmpl > DEVICE_VMPL_MAX)
        return reason_set(why, -EINVAL, "VMPL %u, expected 0 to %u", request->vmpl, DEVICE_VMPL_MAX);
    if (request->fields & ~DEVICE_KEY_ALL)
        return reason_set(why, -EINVAL, "fields 0x%llx, expected bits of 0x%llx", (unsigned long long)request->fields,
                          (unsigned long long)DEVICE_KEY_ALL);
    r = open_device(paths, &fd, why);
    return r < 0 ? r : sev_guest_derive_key(fd, request, deadline_ms, ret_key, why);
}
