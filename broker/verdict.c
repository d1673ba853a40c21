/* The table of verdicts. Statuses and types: kbs.md of Trustee's protocol, 401 for nearly everything. */
#include "broker/verdict.h"

static const struct {
    const char *reason;
    unsigned status;
    const char *type;
} verdicts[VERDICTS] = {
    [VERDICT_OK] = { "ok", 200, NULL },
    [VERDICT_REPEATED] = { "repeated", 200, NULL },

    [VERDICT_HTTP_MALFORMED] = { "http-malformed", 400, "InvalidRequest" },
    [VERDICT_HTTP_TOO_LARGE] = { "http-too-large", 413, "InvalidRequest" },
    [VERDICT_HTTP_HEAD_TOO_LARGE] = { "http-head-too-large", 431, "InvalidRequest" },
    [VERDICT_PATH_UNKNOWN] = { "path-unknown", 404, "InvalidRequestPath" },
    [VERDICT_PLUGIN_UNKNOWN] = { "plugin-unknown", 404, "PluginNotFound" },
    [VERDICT_RATE_LIMITED] = { "rate-limited", 429, "InvalidRequest" },
    [VERDICT_METHOD] = { "method", 405, "InvalidRequest" },

    [VERDICT_REQUEST_MALFORMED] = { "request-malformed", 401, "AttestationError" },
    [VERDICT_PROTOCOL_VERSION] = { "protocol-version", 401, "AttestationError" },
    [VERDICT_TEE] = { "tee", 401, "AttestationError" },

    [VERDICT_SESSION_MISSING] = { "session-missing", 401, "AttestationError" },
    [VERDICT_ATTESTATION_MALFORMED] = { "attestation-malformed", 401, "AttestationError" },
    [VERDICT_NONCE_UNKNOWN] = { "nonce-unknown", 401, "AttestationError" },
    [VERDICT_NONCE_EXPIRED] = { "nonce-expired", 401, "AttestationError" },
    [VERDICT_SESSION_MISMATCH] = { "session-mismatch", 401, "AttestationError" },
    [VERDICT_ATTESTATION_REPLAYED] = { "attestation-replayed", 401, "AttestationError" },
    [VERDICT_NONCE_USED] = { "nonce-used", 401, "AttestationError" },
    [VERDICT_SESSIONS_FULL] = { "sessions-full", 503, "AttestationError" },
    [VERDICT_EVIDENCE_MALFORMED] = { "evidence-malformed", 401, "AttestationError" },
    [VERDICT_EVIDENCE_CERTIFICATE] = { "evidence-certificate", 401, "AttestationError" },
    [VERDICT_EVIDENCE_CHAIN] = { "evidence-chain", 401, "AttestationError" },
    [VERDICT_EVIDENCE_CHIP] = { "evidence-chip", 401, "AttestationError" },
    [VERDICT_EVIDENCE_SIGNATURE] = { "evidence-signature", 401, "AttestationError" },
    [VERDICT_PURPOSE] = { "purpose", 401, "AttestationError" },
    [VERDICT_REPORT_DATA] = { "report-data", 401, "AttestationError" },

    [VERDICT_TOKEN_MISSING] = { "token-missing", 401, "TokenNotFound" },
    [VERDICT_TOKEN_UNSUPPORTED] = { "token-unsupported", 401, "TokenVerifierError" },
    [VERDICT_SESSION_UNKNOWN] = { "session-unknown", 401, "TokenNotFound" },
    [VERDICT_RESOURCE_UNKNOWN] = { "resource-unknown", 401, "PolicyDeny" },
    [VERDICT_POLICY_MISSING] = { "policy-missing", 401, "PolicyDeny" },
    [VERDICT_POLICY] = { "policy", 401, "PolicyDeny" },
    [VERDICT_RELEASED_ALREADY] = { "released-already", 401, "PolicyDeny" },

    [VERDICT_CONFIRM_MALFORMED] = { "confirm-malformed", 401, "PolicyDeny" },
    [VERDICT_CONFIRM_UNKNOWN] = { "confirm-unknown", 401, "PolicyDeny" },
    [VERDICT_CONFIRM_EPOCH] = { "confirm-epoch", 401, "PolicyDeny" },
    [VERDICT_SUPERSEDED] = { "superseded", 401, "PolicyDeny" },
    [VERDICT_EPOCH_OLD] = { "epoch-old", 401, "PolicyDeny" },
    [VERDICT_EPOCH_AHEAD] = { "epoch-ahead", 401, "PolicyDeny" },

    [VERDICT_STORE_DAMAGED] = { "store-damaged", 500, "PluginInternalError" },
    [VERDICT_STORE] = { "store", 500, "PluginInternalError" },
    [VERDICT_INTERNAL] = { "internal", 500, "PluginInternalError" },
};

const char *verdict_reason(enum verdict verdict)
{
    return verdicts[verdict].reason;
}

const char *verdict_outcome(enum verdict verdict)
{
    switch (verdicts[verdict].status) {
    case 200:
        return "granted";
    case 500:
        return "failed";
    case 429:
    case 503:
        return "busy";
    default:
        return "denied";
    }
}

bool verdict_granted(enum verdict verdict)
{
    return verdict == VERDICT_OK || verdict == VERDICT_REPEATED;
}

unsigned verdict_status(enum verdict verdict)
{
    return verdicts[verdict].status;
}

const char *verdict_type(enum verdict verdict)
{
    return verdicts[verdict].type;
}
