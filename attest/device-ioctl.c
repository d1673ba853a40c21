/* /dev/sev-guest. The host relays messages, answers for itself in the upper half of exitinfo2, owns certificates. */
#include <errno.h>
#include <linux/sev-guest.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "attest/device-back-ends.h"
#include "base/clock.h"
#include "base/cursor.h"

#define MESSAGE_VERSION 1
#define ANSWER_STATUS_OFFSET 0
#define ANSWER_SIZE_OFFSET 4
#define ANSWER_DATA_OFFSET 0x20
/* Linux holds a throttled request back for up to 60 s by itself; in between the firmware stands one a second or so. */
#define BUSY_PAUSE_MS 500u
/* What the kernel puts in place of a firmware code before it has called (SEV_RET_NO_FW_CALL, once 0xff). */
#define NOT_CALLED UINT32_MAX
#define NOT_CALLED_BEFORE_6_4 0xffu

/* Status codes of the ABI specification, as linux/psp-sev.h numbers them. */
static const char *const statuses[] = {
    [0x00] = "success",
    [0x01] = "the platform is not in the right state",
    [0x02] = "the guest is not in the right state",
    [0x03] = "the platform's configuration is invalid",
    [0x04] = "a length is wrong",
    [0x05] = "the platform is owned already",
    [0x06] = "a certificate is invalid",
    [0x07] = "the guest's policy forbids it",
    [0x08] = "the guest is not active",
    [0x09] = "an address is invalid",
    [0x0a] = "a signature is wrong",
    [0x0b] = "a measurement is wrong",
    [0x0c] = "the address space id is in use",
    [0x0d] = "the address space id is invalid",
    [0x0e] = "the host has to write back its caches first",
    [0x0f] = "the host has to flush the data fabric first",
    [0x10] = "the guest handle is invalid",
    [0x11] = "the command is invalid",
    [0x12] = "the guest is active",
    [0x13] = "the platform reports a hardware error that is safe",
    [0x14] = "the platform reports a hardware error that is not safe",
    [0x15] = "the feature is not supported",
    [0x16] = "a parameter is invalid: VMPL, guest SVN or TCB version above what the guest has, or reserved bits",
    [0x17] = "the firmware has run out of a resource",
    [0x18] = "the firmware's secure data is damaged",
    [0x19] = "a page has the wrong size",
    [0x1a] = "a page is in the wrong state",
    [0x1b] = "a metadata entry is invalid",
    [0x1c] = "a page has the wrong owner",
    [0x1d] = "the sequence number of messages has run over: the guest must be launched anew",
    [0x1f] = "the command was taken out of the ring buffer",
    [0x20] = "the reverse map table is not initialised",
    [0x21] = "the security version is too low",
    [0x22] = "the firmware version is too low",
    [0x23] = "the firmware has to be shut down first",
    [0x24] = "the firmware update failed",
    [0x25] = "the firmware has to be restored",
    [0x26] = "the reverse map table could not be initialised",
    [0x27] = "the key that was asked for is not there, as a VLEK that is not loaded",
};

const char *firmware_status_text(uint32_t status)
{
    const char *text = status < ARRAY_SIZE(statuses) ? statuses[status] : NULL;

    return text ? text : "see the firmware ABI specification, table of status codes";
}

/* What a failed request says: the firmware's or the host's code, or the kernel's errno when neither was reached. */
static int request_failed(int error, const struct snp_guest_request_ioctl *request, struct reason *why)
{
    bool called = request->fw_error && request->fw_error != NOT_CALLED && request->fw_error != NOT_CALLED_BEFORE_6_4;

    if (error == EBUSY || request->vmm_error == SNP_GUEST_VMM_ERR_BUSY)
        return reason_set(why, -EBUSY, "the host throttles requests, and did so until the deadline");
    if (request->vmm_error == SNP_GUEST_VMM_ERR_INVALID_LEN)
        return reason_set(why, -EIO, "the host has more certificates than there was room for");
    if (request->vmm_error)
        return reason_set(why, -EIO, "the host refused the request with code %u", request->vmm_error);
    if (called)
        return reason_set(why, -EIO, "the firmware refused the request with status 0x%x: %s", request->fw_error,
                          firmware_status_text(request->fw_error));
    /* The driver has then disabled the key of its messages: it will answer nothing until the next launch. */
    if (error == ENOTTY || error == EBADMSG)
        return reason_set(why, -EIO, "the driver does not take requests: the guest's message key is disabled, or the "
                          "device is another one");
    return reason_set(why, -error, "the request failed: %s", strerror(error));
}

/* Repeats while the host says that the firmware is busy. */
static int submit(int fd, unsigned long command, void *in, void *out, uint64_t deadline_ms,
                  struct snp_guest_request_ioctl *ret_request)
{
    struct snp_guest_request_ioctl request = { .msg_version = MESSAGE_VERSION,
                                               .req_data = (uintptr_t)in,
                                               .resp_data = (uintptr_t)out };

    for (;;) {
        int left, error;

        request.exitinfo2 = 0;
        error = ioctl(fd, command, &request) == 0 ? 0 : errno;
        *ret_request = request;
        if (error != EINTR && error != EAGAIN && !(error && request.vmm_error == SNP_GUEST_VMM_ERR_BUSY))
            return -error;
        left = clock_left_ms(deadline_ms);
        if (!left)
            return -EBUSY;
        clock_sleep_ms((unsigned)left < BUSY_PAUSE_MS ? (unsigned)left : BUSY_PAUSE_MS);
    }
}

/* Takes the report out of an answer of the firmware and sees that it is for what was asked. */
static int take_report(const struct snp_report_resp *answer, const uint8_t report_data[REPORT_DATA_BYTES],
                       uint8_t ret_report[REPORT_BYTES], struct reason *why)
{
    uint32_t status = get_u32le(answer->data + ANSWER_STATUS_OFFSET);
    uint32_t size = get_u32le(answer->data + ANSWER_SIZE_OFFSET);
    int r;

    if (status)
        return reason_set(why, -EIO, "the firmware answered with status 0x%x: %s", status,
                          firmware_status_text(status));
    if (size != REPORT_BYTES)
        return reason_set(why, -EBADMSG, "the firmware's report has %u bytes, expected %u", size, REPORT_BYTES);
    r = device_check_report_data(answer->data + ANSWER_DATA_OFFSET, report_data, why);
    if (r == 0)
        memcpy(ret_report, answer->data + ANSWER_DATA_OFFSET, REPORT_BYTES);
    return r;
}

/*
 * One extended request with all the room that Linux allows, again with what the host says that it needs when that is
 * less (some hosts count pages), and a plain one when it is more: certificates can also come from elsewhere.
 */
static int exchange(int fd, struct snp_ext_report_req *inner, struct snp_report_resp *answer, uint8_t *certificates,
                    uint64_t deadline_ms, struct snp_guest_request_ioctl *ret_request)
{
    int r = submit(fd, SNP_GET_EXT_REPORT, inner, answer, deadline_ms, ret_request);

    if (r < 0 && ret_request->vmm_error == SNP_GUEST_VMM_ERR_INVALID_LEN && inner->certs_len &&
        inner->certs_len < CERT_TABLE_MAX_BYTES)
        r = submit(fd, SNP_GET_EXT_REPORT, inner, answer, deadline_ms, ret_request);
    if (r < 0 && ret_request->vmm_error == SNP_GUEST_VMM_ERR_INVALID_LEN) {
        memset(certificates, 0, CERT_TABLE_MAX_BYTES);
        r = submit(fd, SNP_GET_REPORT, &inner->data, answer, deadline_ms, ret_request);
    }
    return r;
}

int sev_guest_get_report(int fd, const uint8_t report_data[REPORT_DATA_BYTES], uint32_t vmpl, uint64_t deadline_ms,
                         struct device_report *to, struct reason *why)
{
    /* The device wants the certificates' place page aligned. */
    uint8_t *certificates =
        mmap(NULL, CERT_TABLE_MAX_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct snp_ext_report_req inner = { .certs_address = (uintptr_t)certificates, .certs_len = CERT_TABLE_MAX_BYTES };
    struct snp_report_resp answer = { .data = { 0 } };
    struct snp_guest_request_ioctl request;
    int r;

    if (certificates == MAP_FAILED)
        return -ENOMEM;
    memcpy(inner.data.user_data, report_data, REPORT_DATA_BYTES);
    inner.data.vmpl = vmpl == DEVICE_VMPL_OWN ? 0 : vmpl;
    r = exchange(fd, &inner, &answer, certificates, deadline_ms, &request);
    r = r < 0 ? request_failed(-r, &request, why) : take_report(&answer, report_data, to->report, why);
    if (r == 0) {
        /* Hosts without certificates leave the buffer as it was. */
        to->certificates_size = all_zero(certificates, CERT_TABLE_MAX_BYTES) ? 0 : CERT_TABLE_MAX_BYTES;
        memcpy(to->certificates, certificates, CERT_TABLE_MAX_BYTES);
    }
    (void)munmap(certificates, CERT_TABLE_MAX_BYTES);
    return r;
}

int sev_guest_derive_key(int fd, const struct device_key_request *request, uint64_t deadline_ms,
                         struct secret *ret_key, struct reason *why)
{
    struct snp_derived_key_req inner = { .root_key_select = request->vmrk ? 1 : 0,
                                         .guest_field_select = request->fields,
                                         .vmpl = request->vmpl,
                                         .guest_svn = request->guest_svn,
                                         .tcb_version = request->tcb_version };
    struct snp_derived_key_resp answer = { .data = { 0 } };
    struct snp_guest_request_ioctl submitted;
    int r = submit(fd, SNP_GET_DERIVED_KEY, &inner, &answer, deadline_ms, &submitted);
    uint32_t status = get_u32le(answer.data + ANSWER_STATUS_OFFSET);

    if (r < 0)
        r = request_failed(-r, &submitted, why);
    else if (status)
        r = reason_set(why, -EIO, "the firmware answered with status 0x%x: %s", status, firmware_status_text(status));
    else if (all_zero(answer.data + ANSWER_DATA_OFFSET, DEVICE_KEY_BYTES))
        r = reason_set(why, -EBADMSG, "the derived key is all zero: nobody derived it");
    else
        r = secret_copy(answer.data + ANSWER_DATA_OFFSET, DEVICE_KEY_BYTES, ret_key);
    OPENSSL_cleanse(&answer, sizeof(answer));
    return r;
}
