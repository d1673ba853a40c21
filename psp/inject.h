/* Failures on demand: what firmware and host answer to the first, second … request of a launch. For tests of guests. */
#pragma once

#include "base/reason.h"
#include "psp/wire.h"

#define INJECTION_MAX 64

enum injection_kind {
    INJECT_NOTHING,
    INJECT_FIRMWARE,    /* the firmware's error beside the answer */
    INJECT_HOST,        /* the host's */
    INJECT_STATUS,      /* the status in the firmware's answer */
    INJECT_REPORT_SIZE, /* the size that the answer says the report has */
    INJECT_OTHER_DATA,  /* a report about other data */
};

struct injection {
    enum injection_kind kind;
    uint32_t value;
};

/*
 * "none", "firmware=N", "host=N", "status=N", "report-size=N", "other-data"; "*N" behind it repeats it; several with
 * commas between them. Appends to the list. Errors: -EINVAL, also when the list is full.
 */
int injection_parse(const char *words, struct injection list[INJECTION_MAX], size_t *count,
                    struct reason *why) MUST_CHECK;

void injection_apply(const struct injection *injection, struct psp_answer *answer);
