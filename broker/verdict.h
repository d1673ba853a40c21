/*
 * What a request came to. Each verdict has one stable word, which is what the log says and the man page lists, the HTTP
 * status and error type that the client gets, and the outcome that people look for. Clients learn no more than that:
 * which of several reasons applied stands in the log alone.
 */
#pragma once

#include "base/base.h"

enum verdict {
    VERDICT_OK,
    VERDICT_REPEATED,

    VERDICT_HTTP_MALFORMED,
    VERDICT_HTTP_TOO_LARGE,
    VERDICT_HTTP_HEAD_TOO_LARGE,
    VERDICT_PATH_UNKNOWN,
    VERDICT_PLUGIN_UNKNOWN,
    VERDICT_METHOD,
    VERDICT_RATE_LIMITED,

    VERDICT_REQUEST_MALFORMED,
    VERDICT_PROTOCOL_VERSION,
    VERDICT_TEE,

    VERDICT_SESSION_MISSING,
    VERDICT_ATTESTATION_MALFORMED,
    VERDICT_NONCE_UNKNOWN,
    VERDICT_NONCE_EXPIRED,
    VERDICT_SESSION_MISMATCH,
    VERDICT_ATTESTATION_REPLAYED,
    VERDICT_NONCE_USED,
    VERDICT_SESSIONS_FULL,
    VERDICT_EVIDENCE_MALFORMED,
    VERDICT_EVIDENCE_CERTIFICATE,
    VERDICT_EVIDENCE_CHAIN,
    VERDICT_EVIDENCE_CHIP,
    VERDICT_EVIDENCE_SIGNATURE,
    VERDICT_PURPOSE,
    VERDICT_REPORT_DATA,

    VERDICT_TOKEN_MISSING,
    VERDICT_TOKEN_UNSUPPORTED,
    VERDICT_SESSION_UNKNOWN,
    VERDICT_RESOURCE_UNKNOWN,
    VERDICT_POLICY_MISSING,
    VERDICT_POLICY,
    VERDICT_RELEASED_ALREADY,

    VERDICT_CONFIRM_MALFORMED,
    VERDICT_CONFIRM_UNKNOWN,
    VERDICT_CONFIRM_EPOCH,
    VERDICT_SUPERSEDED,
    VERDICT_EPOCH_OLD,
    VERDICT_EPOCH_AHEAD,

    VERDICT_STORE_DAMAGED,
    VERDICT_STORE,
    VERDICT_INTERNAL,

    VERDICTS,
};

/* "ok", "nonce-used", "policy" … */
const char *verdict_reason(enum verdict verdict);

/* "granted", "denied", "busy" (come back later) or "failed" (our fault). */
const char *verdict_outcome(enum verdict verdict);

/* Whether it is VERDICT_OK or VERDICT_REPEATED. */
bool verdict_granted(enum verdict verdict);

/* 200, 401 … */
unsigned verdict_status(enum verdict verdict);

/* The last part of the error body's type, as Trustee calls it; NULL for what was granted. */
const char *verdict_type(enum verdict verdict);
