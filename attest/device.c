/* The guest device. The host relays requests and answers, can drop or delay them, and owns the certificates. */
#include "attest/device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/file.h"

#define DEVICE_PATH "/dev/sev-guest"
#define MESSAGE_VERSION 1
#define ANSWER_STATUS_OFFSET 0
#define ANSWER_SIZE_OFFSET 4
#define ANSWER_REPORT_OFFSET 0x20
/* Linux holds a throttled request back for up to 60 s by itself; in between the firmware stands one a second or so. */
#define BUSY_PAUSE_MS 500
/* What the kernel puts in place of a firmware code before it has called (SEV_RET_NO_FW_CALL, once 0xff). */
#define NOT_CALLED UINT32_MAX
#define NOT_CALLED_BEFORE_6_4 0xffu

/* Firmware statuses of ABI specification table 6 that a guest request can meet. */
static const char *firmware_error_text(uint32_t code)
{
    switch (code) {
    case 0x01:
        return "the platform is not in the right state";
    case 0x0c:
        return "the guest's policy forbids it";
    case 0x16:
        return "invalid parameter";
    case 0x19:
        return "the message's sequence number is not the expected one";
    default:
        return "see the firmware ABI specification, table of status codes";
    }
}

/* What a failed request says: the firmware's or the host's code, or the kernel's errno when neither was reached. */
static int request_failed(int error, const struct snp_guest_request_ioctl *request, struct reason *why)
{
    bool reached = request->exitinfo2 && request->fw_error != NOT_CALLED && request->fw_error != NOT_CALLED_BEFORE_6_4;

    if (reached && request->vmm_error)
        return reason_set(why, -EIO, "the host refused the request with code %u", request->vmm_error);
    if (reached)
        return reason_set(why, -EIO, "the firmware refused the request with status 0x%x: %s", request->fw_error,
                          firmware_error_text(request->fw_error));
    return reason_set(why, -error, DEVICE_PATH ": request failed: %s", strerror(error));
}

/* Repeats while the host says that the firmware is busy. */
static int submit(int fd, unsigned long command, struct snp_guest_request_ioctl *request, uint64_t deadline_ms)
{
    for (;;) {
        request->exitinfo2 = 0;
        if (ioctl(fd, command, request) == 0)
            return 0;
        if (errno != EINTR && errno != EAGAIN && request->vmm_error != SNP_GUEST_VMM_ERR_BUSY)
            return -errno;
        if (!clock_left_ms(deadline_ms))
            return -EBUSY;
        clock_sleep_ms(BUSY_PAUSE_MS);
    }
}

/* Takes the report out of an answer of the firmware and sees that it is for what was asked. */
static int take_report(const struct snp_report_resp *answer, const uint8_t report_data[REPORT_DATA_BYTES],
                       uint8_t ret_report[REPORT_BYTES], struct reason *why)
{
    uint32_t status = get_u32le(answer->data + ANSWER_STATUS_OFFSET);
    uint32_t size = get_u32le(answer->data + ANSWER_SIZE_OFFSET);

    if (status)
        return reason_set(why, -EIO, "the firmware answered with status 0x%x: %s", status, firmware_error_text(status));
    if (size != REPORT_BYTES)
        return reason_set(why, -EBADMSG, "the firmware's report has %u bytes, expected %u", size, REPORT_BYTES);
    if (memcmp(answer->data + ANSWER_REPORT_OFFSET + 0x50, report_data, REPORT_DATA_BYTES) != 0)
        return reason_set(why, -EBADMSG, "the report is for other data than was asked for");
    memcpy(ret_report, answer->data + ANSWER_REPORT_OFFSET, REPORT_BYTES);
    return 0;
}

/*
 * One extended request with room for certificates. When the host has more than fits, the plain request gives the report
 * alone: certificates can also come from elsewhere.
 */
static int exchange(int fd, const uint8_t report_data[REPORT_DATA_BYTES], uint8_t *certificates, uint64_t deadline_ms,
                    struct device_report *to, struct reason *why)
{
    struct snp_ext_report_req inner = { .certs_address = (uintptr_t)certificates, .certs_len = CERT_TABLE_MAX_BYTES };
    struct snp_report_resp answer = { .data = { 0 } };
    struct snp_guest_request_ioctl request = { .msg_version = MESSAGE_VERSION,
                                               .req_data = (uintptr_t)&inner,
                                               .resp_data = (uintptr_t)&answer };
    int r;

    memcpy(inner.data.user_data, report_data, REPORT_DATA_BYTES);
    r = submit(fd, SNP_GET_EXT_REPORT, &request, deadline_ms);
    if (r < 0 && request.vmm_error == SNP_GUEST_VMM_ERR_INVALID_LEN) {
        memset(certificates, 0, CERT_TABLE_MAX_BYTES);
        request.req_data = (uintptr_t)&inner.data;
        r = submit(fd, SNP_GET_REPORT, &request, deadline_ms);
    }
    if (r == -EBUSY)
        return reason_set(why, r, "the firmware stayed busy");
    if (r < 0)
        return request_failed(-r, &request, why);
    r = take_report(&answer, report_data, to->report, why);
    if (r < 0)
        return r;
    /* Hosts without certificates leave the buffer as it was. */
    to->certificates_size = all_zero(certificates, CERT_TABLE_MAX_BYTES) ? 0 : CERT_TABLE_MAX_BYTES;
    memcpy(to->certificates, certificates, CERT_TABLE_MAX_BYTES);
    return 0;
}

int device_get_report(enum purpose purpose, const char *label, const void *data, size_t size, uint64_t deadline_ms,
                      struct device_report *ret_report, struct reason *why)
{
    CLEANUP_FREE struct device_report *answer = calloc(1, sizeof(*answer));
    CLEANUP_FD int fd = -1;
    uint8_t report_data[REPORT_DATA_BYTES];
    uint8_t *certificates;
    int r = purpose_report_data(purpose, label, data, size, report_data);

    if (r < 0)
        return r;
    if (!answer)
        return -ENOMEM;
    fd = open(DEVICE_PATH, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return reason_set(why, -ENODEV, DEVICE_PATH ": %s: not an SEV-SNP guest, or its driver is missing",
                          strerror(errno));
    /* The device wants the certificates' place page aligned. */
    certificates = mmap(NULL, CERT_TABLE_MAX_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (certificates == MAP_FAILED)
        return -ENOMEM;
    r = exchange(fd, report_data, certificates, deadline_ms, answer, why);
    (void)munmap(certificates, CERT_TABLE_MAX_BYTES);
    if (r < 0)
        return r;
    *ret_report = *answer;
    return 0;
}
