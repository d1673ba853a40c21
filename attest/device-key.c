/* Derived keys by the guest device. The host relays the request and the encrypted answer. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/ioctl.h>

#include "attest/device.h"
#include "base/clock.h"
#include "base/cursor.h"
#include "base/file.h"

#define DEVICE_PATH "/dev/sev-guest"
#define KEY_OFFSET 0x20
#define BUSY_PAUSE_MS 500

static int submit(int fd, struct snp_guest_request_ioctl *request, uint64_t deadline_ms)
{
    for (;;) {
        request->exitinfo2 = 0;
        if (ioctl(fd, SNP_GET_DERIVED_KEY, request) == 0)
            return 0;
        if (errno != EINTR && errno != EAGAIN && request->vmm_error != SNP_GUEST_VMM_ERR_BUSY)
            return -errno;
        if (!clock_left_ms(deadline_ms))
            return -EBUSY;
        clock_sleep_ms(BUSY_PAUSE_MS);
    }
}

int device_derive_key(const struct device_key_request *wanted, const struct device_paths *paths, uint64_t deadline_ms,
                      struct secret *ret_key, struct reason *why)
{
    struct snp_derived_key_req in = { .root_key_select = wanted->vmrk,
                                      .guest_field_select = wanted->fields,
                                      .vmpl = wanted->vmpl,
                                      .guest_svn = wanted->guest_svn,
                                      .tcb_version = wanted->tcb_version };
    struct snp_derived_key_resp answer = { .data = { 0 } };
    struct snp_guest_request_ioctl request = { .msg_version = 1,
                                               .req_data = (uintptr_t)&in,
                                               .resp_data = (uintptr_t)&answer };
    CLEANUP_FD int fd = open(DEVICE_PATH, O_RDWR | O_CLOEXEC);
    int r;

    (void)paths;
    if (fd < 0)
        return reason_set(why, -ENODEV, DEVICE_PATH ": %s: not an SEV-SNP guest, or its driver is missing",
                          strerror(errno));
    r = submit(fd, &request, deadline_ms);
    if (r < 0)
        r = reason_set(why, r, "the secure processor derives no key: %s (code 0x%llx)", strerror(-r),
                       (unsigned long long)request.exitinfo2);
    else if (get_u32le(answer.data))
        r = reason_set(why, -EIO, "the secure processor derives no key: status 0x%x", get_u32le(answer.data));
    else
        r = secret_copy(answer.data + KEY_OFFSET, DEVICE_KEY_BYTES, ret_key);
    OPENSSL_cleanse(&answer, sizeof(answer));
    return r;
}
