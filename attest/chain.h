/*
 * Certificate chains: pinned root (ARK) → ASK or ASVK → VCEK or VLEK, with AMD's algorithms, and what AMD revoked.
 */
#pragma once

#include <openssl/x509.h>
#include <time.h>

#include "attest/cert-table.h"
#include "attest/roots.h"
#include "attest/vek.h"
#include "base/reason.h"

#define CHAIN_MAX_CERTIFICATE_BYTES 8192

/* The steps of verification, in order; verify.h's report is the last two. */
enum verify_step {
    VERIFY_LAYOUT,      /* report and certificate can be read */
    VERIFY_CERTIFICATE, /* the endorsement key's certificate, its issuer's and a root for them are there */
    VERIFY_CHAIN,       /* root, intermediate and endorsement key hold together at the time, none is revoked */
    VERIFY_CHIP,        /* the report is of the chip, the TCB and the kind of key that the certificate is for */
    VERIFY_SIGNATURE,   /* the key signed the report */
    VERIFY_DONE,
};

struct trust_chain {
    X509 *certificate; /* the endorsement key's; its key may be used */
    struct vek vek;
    bool revocation_checked; /* against a revocation list of the root that was current at the time */
};

/*
 * Verifies the endorsement key of that kind in `table`. The intermediate is the built-in one, or one of the table's
 * where that has signed the endorsement key; a root in the table is ignored, those in `roots` alone count. Checked:
 * names in every part, signatures (RSASSA-PSS with SHA-384, MGF1-SHA-384 and a salt of 48 bytes; RSA keys of 4096
 * bits), CA flags, critical extensions, validity at `at`, AMD's extensions; and every revocation list in the table that
 * names the root as its issuer: signature, dates, and that the intermediate is not on it.
 * *ret_step is set in every case. The caller frees with trust_chain_free().
 * Errors: -EBADMSG malformed, -ENOKEY no certificate or no root for it, -EKEYREVOKED, -EKEYREJECTED everything that
 * does not verify.
 */
int trust_chain_verify(const struct cert_table *table, enum signing_key kind, const struct trust_roots *roots,
                       time_t at, struct trust_chain *ret_chain, enum verify_step *ret_step, struct reason *why)
    MUST_CHECK;

void trust_chain_free(struct trust_chain *chain);
