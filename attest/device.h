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
