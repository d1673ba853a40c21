/* Decisions over evidence; whoever sent it controls every byte until verify_report_step() is through with it. */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "attest/purpose.h"
#include "attest/verify.h"
#include "base/clock.h"
#include "base/encode.h"
#include "broker/chips.h"
#include "broker/decide.h"
#include "release/message.h"
#include "release/record.h"

#define PURPOSE_TAG_BYTES 16
#define PURPOSE_TAG_OFFSET (REPORT_DATA_BYTES - PURPOSE_TAG_BYTES)

static bool key_is_good(const struct message_attestation *message, struct entry *entry)
{
    CLEANUP_KEY EVP_PKEY *key = NULL;

    if (guest_key_load(&message->key, &key) == 0)
        return true;
    (void)reason_set(&entry->detail, 0, "runtime-data.tee-pubkey: not a point of its curve, or an even modulus");
    return false;
}

/* Whether this is our nonce, in time, of this session, and not used before. */
static enum verdict check_nonce(struct broker *broker, const uint8_t cookie[NONCE_SESSION_BYTES],
                                const struct message_attestation *message, const uint8_t digest[SHA384_BYTES],
                                struct challenge *ret_challenge)
{
    uint64_t at = clock_ms();
    const struct session *used;

    switch (nonce_check(&broker->nonces, message->nonce, at, ret_challenge)) {
    case NONCE_UNKNOWN:
        return VERDICT_NONCE_UNKNOWN;
    case NONCE_EXPIRED:
        return VERDICT_NONCE_EXPIRED;
    case NONCE_GOOD:
        break;
    }
    if (CRYPTO_memcmp(ret_challenge->session, cookie, NONCE_SESSION_BYTES) != 0)
        return VERDICT_SESSION_MISMATCH;
    used = session_find(&broker->sessions, cookie, at);
    if (used)
        return memcmp(used->report_digest, digest, SHA384_BYTES) == 0 ? VERDICT_ATTESTATION_REPLAYED
                                                                      : VERDICT_NONCE_USED;
    return sessions_full(&broker->sessions, at) ? VERDICT_SESSIONS_FULL : VERDICT_OK;
}

static bool has_certificate(const struct cert_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->entries[i].kind == CERTIFICATE_VCEK || table->entries[i].kind == CERTIFICATE_VLEK)
            return true;
    return false;
}

/* What the evidence brought, or what is known of its chip. `room` holds the latter. */
static struct cert_table find_certificates(struct broker *broker, const struct message_attestation *message,
                                           struct buffer *room, struct entry *entry)
{
    struct cert_table known;
    struct report report;

    if (!has_certificate(&message->evidence.table) &&
        report_parse(message->evidence.report, REPORT_BYTES, &report, NULL) == 0 &&
        chips_find(broker->store, &report, room, &known, &entry->detail) == 1)
        return known;
    return message->evidence.table;
}

static enum verdict verify(struct broker *broker, const struct message_attestation *message, struct entry *entry,
                           struct verified *ret_verified)
{
    static const enum verdict verdicts[] = {
        [VERIFY_LAYOUT] = VERDICT_EVIDENCE_MALFORMED,     [VERIFY_CERTIFICATE] = VERDICT_EVIDENCE_CERTIFICATE,
        [VERIFY_CHAIN] = VERDICT_EVIDENCE_CHAIN,          [VERIFY_CHIP] = VERDICT_EVIDENCE_CHIP,
        [VERIFY_SIGNATURE] = VERDICT_EVIDENCE_SIGNATURE, [VERIFY_DONE] = VERDICT_OK,
    };
    const struct verify_options options = { .at = verify_time_of(entry->time.tv_sec), .cache = &broker->chains };
    CLEANUP_BUFFER struct buffer room = BUFFER_EMPTY;
    const struct cert_table table = find_certificates(broker, message, &room, entry);
    enum verify_step step;
    int r = verify_report_with(message->evidence.report, REPORT_BYTES, &table, broker->roots,
                               &options, ret_verified, &step, &entry->detail);

    return r == -ENOMEM ? VERDICT_INTERNAL : verdicts[step];
}

static void add_check(struct entry *entry, const char *name, const uint8_t *wanted, const uint8_t *found, size_t size)
{
    struct policy_check *check = &entry->decision.checks[entry->decision.count++];

    check->name = name;
    check->passed = memcmp(wanted, found, size) == 0;
    hex_encode(wanted, size, check->wanted);
    hex_encode(found, size, check->found);
}

/* Whether the report was made for this: the purpose's tag, and the hash over this nonce and this key. */
static enum verdict check_binding(const struct message_attestation *message, const struct report *report,
                                  struct entry *entry)
{
    CLEANUP_BUFFER struct buffer canonical = BUFFER_EMPTY;
    uint8_t wanted[REPORT_DATA_BYTES];

    message_write_canonical(message->nonce, &message->key, &canonical);
    if (buffer_error(&canonical) < 0 ||
        purpose_report_data(PURPOSE_RELEASE, NULL, canonical.data, canonical.size, wanted, NULL) < 0)
        return VERDICT_INTERNAL;
    if (!purpose_is_release(report->report_data)) {
        add_check(entry, "purpose", wanted + PURPOSE_TAG_OFFSET, report->report_data + PURPOSE_TAG_OFFSET,
                  PURPOSE_TAG_BYTES);
        return VERDICT_PURPOSE;
    }
    if (memcmp(wanted, report->report_data, sizeof(wanted)) != 0) {
        add_check(entry, "report_data", wanted, report->report_data, sizeof(wanted));
        return VERDICT_REPORT_DATA;
    }
    return VERDICT_OK;
}

static enum verdict open_session(struct broker *broker, const struct challenge *challenge,
                                 const struct message_attestation *message, const struct verified *verified,
                                 const uint8_t digest[SHA384_BYTES], const struct session **ret_session)
{
    struct session session = { .expires_ms = challenge->expires_ms,
                               .key = message->key,
                               .report = verified->report,
                               .product = verified->product,
                               .revocation_checked = verified->revocation_checked };

    memcpy(session.id, challenge->session, sizeof(session.id));
    memcpy(session.nonce, challenge->nonce, sizeof(session.nonce));
    memcpy(session.report_digest, digest, sizeof(session.report_digest));
    if (session_add(&broker->sessions, &session) < 0)
        return VERDICT_INTERNAL;
    *ret_session = session_find(&broker->sessions, session.id, 0);
    return VERDICT_OK;
}

enum verdict decide_attest(struct broker *broker, const uint8_t cookie[NONCE_SESSION_BYTES],
                           const struct message_attestation *message, struct entry *entry,
                           const struct session **ret_session)
{
    uint8_t digest[SHA384_BYTES];
    struct challenge challenge;
    struct verified verified;
    enum verdict verdict;

    if (record_report_digest(message->evidence.report, digest) < 0)
        return VERDICT_INTERNAL;
    verdict = check_nonce(broker, cookie, message, digest, &challenge);
    if (verdict == VERDICT_OK && !key_is_good(message, entry))
        verdict = VERDICT_ATTESTATION_MALFORMED;
    if (verdict == VERDICT_OK)
        verdict = verify(broker, message, entry, &verified);
    if (verdict != VERDICT_OK)
        return verdict;
    entry_take_report(entry, &verified.report, digest);
    verdict = check_binding(message, &verified.report, entry);
    if (verdict == VERDICT_OK)
        verdict = open_session(broker, &challenge, message, &verified, digest, ret_session);
    if (verdict == VERDICT_OK)
        entry->keep = ENTRY_LOG;
    return verdict;
}
