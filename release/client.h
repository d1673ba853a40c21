/*
 * One key release, from the guest's side: /auth, /attest, the resource; then the signed record.
 *
 * Used by PID 1 and by tests of a broker. Where the report comes from is the caller's: PID 1 asks the guest device.
 */
#pragma once

#include "attest/cert-table.h"
#include "base/reason.h"
#include "base/secret.h"
#include "base/tls.h"
#include "release/message.h"
#include "release/payload.h"
#include "release/record.h"
#include "release/release.h"
#include "release/tee-key.h"

/* How a release ended, by what the guest does about it. */
enum release_outcome {
    RELEASE_GRANTED,
    RELEASE_TRANSPORT,     /* the network or the broker failed: try again while the deadline lasts */
    RELEASE_BUSY,          /* the broker asked to come back later: the same */
    RELEASE_DENIED,        /* final; the reason is in the broker's log, under the request id */
    RELEASE_MISCONFIGURED, /* final: what was asked for is not there, or elsewhere; `why` says what to change */
    RELEASE_BROKER_KEY,    /* final: the peer does not hold a pinned key; nothing was sent to it */
    RELEASE_PROTOCOL,      /* final: it speaks another version, or not this protocol */
    RELEASE_RECORD,        /* final: the answer does not decrypt, is not signed for us, or not of the expected kind */
    RELEASE_DEVICE,        /* final: no report to be had */
};

#define RELEASE_REQUEST_ID_BYTES 40

/* What a launch needs to speak about a release again, until the broker's session ends. */
struct release_session {
    char cookie[RELEASE_SESSION_TEXT_BYTES];
    struct record_binding binding;
};

struct release_result {
    enum release_outcome outcome;
    char request_id[RELEASE_REQUEST_ID_BYTES]; /* the broker's, [0-9a-f-]; empty when it gave none */
    unsigned retry_after_s;                    /* with RELEASE_BUSY; 0: not said */
    struct release_session session;            /* with RELEASE_GRANTED */
    int64_t broker_time_s; /* since 1970, by the broker's Date; 0: it gave none */
};

/* Gives a report whose REPORT_DATA is for PURPOSE_RELEASE over the canonical text. Errors: negative errno. */
struct release_reporter {
    int (*get_report)(void *context, const void *canonical, size_t size, uint64_t deadline_ms,
                      uint8_t ret_report[REPORT_BYTES], uint8_t ret_certificates[CERT_TABLE_MAX_BYTES],
                      size_t *ret_certificates_size, struct reason *why);
    void *context;
};

struct release_request {
    struct tls_peer broker;
    EVP_PKEY *record_key;      /* pinned; with PAYLOAD_RECORD */
    const char *resource;      /* "repository/type/tag" */
    const char *plugin;        /* of the broker; NULL: "resource" */
    enum payload_kind payload; /* what the answer has to hold */
    const char *payload_name;  /* with PAYLOAD_CONFDATA: the volume's name in it */
    const char *init_data;     /* the text that HOST_DATA binds, or NULL */
    enum tee_key_kind tee_key; /* of the session's key */
    struct release_reporter reporter;
};

/*
 * One try, until `deadline_ms` at the latest. 0 when what was asked for was granted: a record and its volume key, or
 * the secret of another payload, which leaves ret_record as it was; the caller frees the key. Otherwise a
 * negative errno, with the class in ret_result (which is filled in every case) and a sentence in `why` that says no
 * more than the console may show.
 */
int release_once(const struct release_request *request, uint64_t deadline_ms, struct record *ret_record,
                 struct secret *ret_key, struct release_result *ret_result, struct reason *why) MUST_CHECK;

/*
 * The same again after transport errors and busy answers, with exponential back-off and jitter, until the deadline. All
 * tries have the same session key: a broker that has released to this launch, and whose answer was lost, gives it again
 * to the same key alone. When the deadline cuts a try short, the error is what was answered before it, if anything was.
 */
int release_until(const struct release_request *request, uint64_t deadline_ms, struct record *ret_record,
                  struct secret *ret_key, struct release_result *ret_result, struct reason *why) MUST_CHECK;

/*
 * Tells the broker that the volume is open at the record's epoch, and takes its acknowledgement: only then may it be
 * mounted writable. Repeated as release_until() does, and may be said again later, when a rotation has ended.
 * RELEASE_GRANTED: acknowledged. RELEASE_RECORD: the acknowledgement is not the broker's. RELEASE_DENIED: another
 * launch was given the volume since, or the disk is of another epoch.
 */
int release_confirm(const struct release_request *request, const struct release_session *session,
                    const struct message_confirmation *confirmation, uint64_t deadline_ms,
                    struct release_result *ret_result, struct reason *why) MUST_CHECK;

const char *release_outcome_name(enum release_outcome outcome);
