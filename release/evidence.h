/*
 * SNP evidence as Trustee's protocol carries it: the JSON that Rust's serde makes of the sev crate's structures
 * (kbs.md section 4). It names fields, not bytes, so reserved bits cannot be told; both directions refuse what would
 * be lost.
 */
#pragma once

#include "attest/attest.h"
#include "attest/cert-table.h"
#include "base/buffer.h"
#include "base/json.h"
#include "base/reason.h"

/* The chain of one processor: three certificates, some room. */
#define EVIDENCE_MAX_CERTIFICATES 8
#define EVIDENCE_MAX_CERTIFICATE_BYTES 4096

struct evidence {
    uint8_t report[REPORT_BYTES]; /* re-encoded; its signature verifies when nothing was lost */
    struct cert_table table;      /* points into storage */
    uint8_t storage[EVIDENCE_MAX_CERTIFICATES * EVIDENCE_MAX_CERTIFICATE_BYTES];
};

/*
 * Appends {"attestation_report":…,"cert_chain":…}; no certificates are written as null, which Trustee takes as "fetch
 * them yourself". Errors: -EBADMSG when the report does not survive the translation.
 */
int evidence_write(const uint8_t report[REPORT_BYTES], const struct cert_table *table, struct buffer *to,
                   struct reason *why) MUST_CHECK;

/*
 * The members of the evidence object that `reader` is at; arrays of bytes may be folded (release/fold.h). Problems go
 * into the reader's status.
 */
void evidence_read(struct json_reader *reader, struct evidence *ret_evidence);
