/*
 * What a report may be used for. REPORT_DATA is a hash and a purpose tag, never bytes that a caller chose: a report
 * that was obtained for one thing proves nothing for another.
 *
 *     bytes 0..47   release: SHA-384 of the key-release protocol's canonical runtime data
 *                   others: SHA-384 of "postern:" label NUL data
 *     bytes 48..63  the tag: all zero for the release of keys to PID 1 (the KBS protocol pads with zeros), otherwise
 *                   the purpose's name in ASCII, padded with zeros
 *
 * The exception is PURPOSE_CHOSEN, for people who debug an image with snpguest's guides at hand: 64 bytes as they chose
 * them, but none that end in a tag of the others.
 */
#pragma once

#include "attest/attest.h"
#include "base/reason.h"

enum purpose {
    PURPOSE_RELEASE,  /* PID 1's key release, and nothing else */
    PURPOSE_SELF,     /* PID 1 looking at its own launch */
    PURPOSE_WORKLOAD, /* evidence for the workload */
    PURPOSE_TOOL,     /* a command that wants what comes with a report, as the host's certificates */
    PURPOSE_CHOSEN,   /* `postern report`, in debug images alone */
};

#define PURPOSE_SELF_LABEL "launch"

/*
 * REPORT_DATA for a purpose over `data`. `label` names the domain; PURPOSE_RELEASE and PURPOSE_CHOSEN have none.
 * Errors: -EINVAL without a label where one is needed or for PURPOSE_CHOSEN with another size than 64 bytes, -EPERM for
 * PURPOSE_CHOSEN with a tail that is reserved, -ENOMEM.
 */
int purpose_report_data(enum purpose purpose, const char *label, const void *data, size_t size,
                        uint8_t ret_report_data[REPORT_DATA_BYTES], struct reason *why) MUST_CHECK;

/* Whether the tag is the one reserved for key release. */
bool purpose_is_release(const uint8_t report_data[REPORT_DATA_BYTES]);
