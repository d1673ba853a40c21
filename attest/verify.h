/*
 * Whether a report is what a genuine secure processor signed: root → ASK or ASVK → VCEK or VLEK → report.
 */
#pragma once

#include <time.h>

#include "attest/cert-table.h"
#include "attest/report.h"
#include "attest/roots.h"
#include "attest/vek.h"
#include "base/reason.h"

#define VERIFY_MAX_CERTIFICATE_BYTES 8192

struct verified {
    struct report report;
    enum product product;
    struct tcb reported_tcb;
    struct vek vek;
    bool software; /* the root was a software secure processor's */
};

/* The steps of verification, in order. */
enum verify_step {
    VERIFY_LAYOUT,      /* report and certificate can be read */
    VERIFY_CERTIFICATE, /* the endorsement key's certificate, its issuer's and a root for them are there */
    VERIFY_CHAIN,       /* root, intermediate and endorsement key hold together at the time */
    VERIFY_CHIP,        /* the report is of the chip, the TCB and the kind of key that the certificate is for */
    VERIFY_SIGNATURE,   /* the key signed the report */
    VERIFY_DONE,
};

/*
 * Verifies the received bytes. `table` holds the endorsement key's certificate (VCEK or VLEK) and may hold the
 * intermediate; a root in it is ignored, those in `roots` alone count. Checked: layout with reserved bytes zero,
 * names, chain, validity at `at`, extensions, product, every TCB component against the reported TCB, chip id, the
 * kind of key that the report names, and the signature over the first REPORT_SIGNED_BYTES.
 * Errors: -EBADMSG malformed, -ENOKEY no certificate or no root for it, -EKEYREJECTED everything that does not verify.
 */
int verify_report(const void *data, size_t size, const struct cert_table *table, const struct trust_roots *roots,
                  time_t at, struct verified *ret_verified, struct reason *why) MUST_CHECK;

/* The same; *ret_step, set in every case, is the step that did not hold, for those who must explain. */
int verify_report_step(const void *data, size_t size, const struct cert_table *table, const struct trust_roots *roots,
                       time_t at, struct verified *ret_verified, enum verify_step *ret_step, struct reason *why)
    MUST_CHECK;
