/*
 * Asking the secure processor, from inside the guest: for reports and for derived keys.
 *
 * Two ways lead there: configfs-tsm of Linux 6.7 and later (Documentation/ABI/testing/configfs-tsm-report) and the
 * device /dev/sev-guest (linux/sev-guest.h, Documentation/virt/coco/sev-guest.rst). Callers name a purpose and data,
 * never REPORT_DATA itself (attest/purpose.h). The answer passed through the host: it is whatever it is until it has
 * been verified.
 */
#pragma once

#include "attest/attest.h"
#include "attest/cert-table.h"
#include "attest/purpose.h"
#include "base/reason.h"
#include "base/secret.h"

#define DEVICE_VMPL_MAX 3u
/* The most privileged level that this guest may ask for. */
#define DEVICE_VMPL_OWN UINT32_MAX
#define DEVICE_KEY_BYTES 32

enum device_back_end {
    DEVICE_TSM,   /* configfs-tsm */
    DEVICE_IOCTL, /* /dev/sev-guest */
};

struct device_report {
    uint8_t report[REPORT_BYTES];
    uint8_t certificates[CERT_TABLE_MAX_BYTES]; /* a certificate table, when the host gave one */
    size_t certificates_size;                   /* 0: none */
    enum device_back_end back_end;              /* the one that gave it */
    struct reason passed_over;                  /* DEVICE_IOCTL: why configfs-tsm did not; for the log */
};

struct device_request {
    enum purpose purpose;
    const char *label; /* the domain, see purpose_report_data() */
    const void *data;
    size_t size;
    uint32_t vmpl; /* 0 to DEVICE_VMPL_MAX, or DEVICE_VMPL_OWN */
};

/* Where the two ways lie; all zero: in the places where Linux has them. For tests and for looking at another root. */
struct device_paths {
    const char *tsm;    /* the folder of reports */
    const char *device; /* the character device */
};

/* "configfs-tsm", "/dev/sev-guest". */
const char *device_back_end_name(enum device_back_end back_end);

/*
 * A report for a request, with the host's certificates when it has some. configfs-tsm is asked first; when it is not
 * there or says no more than an errno, the device is asked. Data that is not what was asked for is final. A busy
 * firmware is asked again, at most until `deadline_ms` (clock_ms()).
 * Errors: -ENODEV no way leads to a secure processor, -EIO the firmware or the host refused (named in `why`), -EBADMSG
 * an answer that is no report or is one for other REPORT_DATA, -EBUSY still busy at the deadline, -EPERM a purpose that
 * may not have this data, -EINVAL, -errno.
 */
int device_get_report(const struct device_request *request, const struct device_paths *paths, uint64_t deadline_ms,
                      struct device_report *ret_report, struct reason *why) MUST_CHECK;

/* What a derived key is made of (ABI specification, MSG_KEY_REQ). */
#define DEVICE_KEY_POLICY (UINT64_C(1) << 0)
#define DEVICE_KEY_IMAGE_ID (UINT64_C(1) << 1)
#define DEVICE_KEY_FAMILY_ID (UINT64_C(1) << 2)
#define DEVICE_KEY_MEASUREMENT (UINT64_C(1) << 3)
#define DEVICE_KEY_GUEST_SVN (UINT64_C(1) << 4)
#define DEVICE_KEY_TCB_VERSION (UINT64_C(1) << 5)
#define DEVICE_KEY_ALL UINT64_C(0x3f)

struct device_key_request {
    bool vmrk;       /* from the migration root key instead of the chip's endorsement key */
    uint64_t fields; /* DEVICE_KEY_… */
    uint32_t vmpl;   /* 0 to DEVICE_VMPL_MAX */
    uint32_t guest_svn;
    uint64_t tcb_version;
};

/*
 * A key of DEVICE_KEY_BYTES that this guest alone can derive; configfs-tsm has none, so the device is asked. The caller
 * frees the key. Errors: -ENODEV, -EIO, -EBUSY, -EINVAL, -errno.
 */
int device_derive_key(const struct device_key_request *request, const struct device_paths *paths, uint64_t deadline_ms,
                      struct secret *ret_key, struct reason *why) MUST_CHECK;
