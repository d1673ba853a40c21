/*
 * Whether a report is what a genuine secure processor signed: root → ASK or ASVK → VCEK or VLEK → report.
 */
#pragma once

#include <time.h>

#include "attest/cert-table.h"
#include "attest/chain-cache.h"
#include "attest/chain.h"
#include "attest/report.h"
#include "attest/roots.h"
#include "attest/vek.h"
#include "base/reason.h"

struct verified {
    struct report report;
    enum product product;
    struct tcb reported_tcb;
    struct vek vek;
    bool revocation_checked; /* a current revocation list of the root was among the certificates */
    bool software;           /* the root was a software secure processor's */
};

/*
 * 2026-11-22, this version's date. A machine whose clock is behind it, by accident or because its host likes old
 * certificates, verifies as of this date.
 */
#define VERIFY_TIME_FLOOR ((time_t)1795305600)

/* What a clock says, at least VERIFY_TIME_FLOOR; and that of the present time. */
time_t verify_time_of(time_t clock);
time_t verify_time_now(void);

struct verify_options {
    time_t at;           /* when certificates and revocation lists have to be valid */
    bool allow_reserved; /* reserved bytes of the report that are not zero are left to the caller, TCBs' as well */
    struct chain_cache *cache; /* of chains under the same roots; NULL: each is verified */
};

/*
 * Verifies the received bytes. `table` holds the endorsement key's certificate (VCEK or VLEK) and may hold the
 * intermediate and revocation lists; a root in it is ignored, those in `roots` alone count. Checked: layout with
 * reserved bytes zero, those of TCB versions included, the chain (chain.h), product, every TCB component against the
 * reported TCB, chip id, the kind of key that the report names, and the signature over the first REPORT_SIGNED_BYTES.
 * *ret_step, set in every case, is the step that did not hold, for those who must explain.
 * Errors: -EBADMSG malformed, -ENOKEY no certificate or no root for it, -EKEYREVOKED, -EKEYREJECTED everything that
 * does not verify.
 */
int verify_report_with(const void *data, size_t size, const struct cert_table *table, const struct trust_roots *roots,
                       const struct verify_options *options, struct verified *ret_verified, enum verify_step *ret_step,
                       struct reason *why) MUST_CHECK;

/* The same with every check on. */
int verify_report_step(const void *data, size_t size, const struct cert_table *table, const struct trust_roots *roots,
                       time_t at, struct verified *ret_verified, enum verify_step *ret_step, struct reason *why)
    MUST_CHECK;
int verify_report(const void *data, size_t size, const struct cert_table *table, const struct trust_roots *roots,
                  time_t at, struct verified *ret_verified, struct reason *why) MUST_CHECK;
