/*
 * Asking the secure processor for a report, from inside the guest: /dev/sev-guest of Linux (linux/sev-guest.h,
 * Documentation/virt/coco/sev-guest.rst).
 *
 * Callers name a purpose and data, never REPORT_DATA itself (attest/purpose.h). The answer passed through the host:
 * it is whatever it is until a broker has verified it.
 */
#pragma once

#include "attest/attest.h"
#include "attest/cert-table.h"
#include "attest/purpose.h"
#include "base/reason.h"
#include "base/secret.h"

struct device_report {
    uint8_t report[REPORT_BYTES];
    uint8_t certificates[CERT_TABLE_MAX_BYTES]; /* a certificate table, when the host gave one */
    size_t certificates_size;                   /* 0: none */
};

/*
 * A report for `purpose` over `data`, with the host's certificates when it has some. A busy firmware is asked again, at
 * most until `deadline_ms` (clock_ms()).
 * Errors: -ENODEV no device, -EIO the firmware or the host refused (named in `why`), -EBADMSG an answer that is no
 * report or is one for other REPORT_DATA, -EBUSY still busy at the deadline, -errno.
 */
int device_get_report(enum purpose purpose, const char *label, const void *data, size_t size, uint64_t deadline_ms,
                      struct device_report *ret_report, struct reason *why) MUST_CHECK;

#define DEVICE_KEY_BYTES 32u

/* What a derived key is made of (ABI specification, MSG_KEY_REQ). */
#define DEVICE_KEY_POLICY (UINT64_C(1) << 0)
#define DEVICE_KEY_MEASUREMENT (UINT64_C(1) << 3)
#define DEVICE_KEY_TCB_VERSION (UINT64_C(1) << 5)

struct device_key_request {
    bool vmrk;       /* from the migration root key instead of the chip's endorsement key */
    uint64_t fields; /* DEVICE_KEY_… */
    uint32_t vmpl;
    uint32_t guest_svn;
    uint64_t tcb_version;
};

struct device_paths;

/*
 * A key of DEVICE_KEY_BYTES that this guest alone can derive. `paths` is NULL. The caller frees the key. Errors:
 * -ENODEV, -EIO, -EBUSY, -errno.
 */
int device_derive_key(const struct device_key_request *request, const struct device_paths *paths, uint64_t deadline_ms,
                      struct secret *ret_key, struct reason *why) MUST_CHECK;
