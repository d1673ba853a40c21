/*
 * What a report may be used for. REPORT_DATA is a hash and a purpose tag, never bytes that a caller chose: a report
 * that was obtained for one thing proves nothing for another.
 *
 *     bytes 0..47   release: SHA-384 of the key-release protocol's canonical runtime data
 *                   others: SHA-384 of "postern:" label NUL data
 *     bytes 48..63  the tag: all zero for the release of keys to PID 1 (the KBS protocol pads with zeros), otherwise
 *                   the purpose's name in ASCII, padded with zeros
 */
#pragma once

#include "attest/attest.h"

enum purpose {
    PURPOSE_RELEASE,  /* PID 1's key release, and nothing else */
    PURPOSE_SELF,     /* PID 1 looking at its own launch */
    PURPOSE_WORKLOAD, /* evidence for the workload */
};

/*
 * REPORT_DATA for a purpose over `data`. `label` names the domain; ignored for PURPOSE_RELEASE. Errors: -EINVAL without
 * a label where one is needed, -ENOMEM.
 */
int purpose_report_data(enum purpose purpose, const char *label, const void *data, size_t size,
                        uint8_t ret_report_data[REPORT_DATA_BYTES]) MUST_CHECK;

/* Whether the tag is the one reserved for key release. */
bool purpose_is_release(const uint8_t report_data[REPORT_DATA_BYTES]);
