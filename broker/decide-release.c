/* Decisions over resources; the session's guest is genuine, which says nothing yet about what it may have. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "broker/decide.h"
#include "broker/volumes.h"
#include "release/jwe.h"
#include "release/record.h"

/* Whether the volume's policy wants this launch; every check goes into the entry. */
static enum verdict check_policy(const struct volume *volume, const struct session *session, struct entry *entry)
{
    const struct policy_facts facts = { .report = &session->report,
                                        .product = session->product,
                                        .revocation_checked = session->revocation_checked };
    struct policy policy;
    int r;

    if (!volume->policy.size)
        return VERDICT_POLICY_MISSING;
    r = policy_parse(volume->policy.data, volume->policy.size, &policy, &entry->detail);
    if (r < 0)
        return r == -ENOMEM ? VERDICT_INTERNAL : VERDICT_STORE_DAMAGED;
    policy_evaluate(&policy, &facts, &entry->decision);
    policy_free(&policy);
    return entry->decision.failed ? VERDICT_POLICY : VERDICT_OK;
}

/* The record, signed for this session and encrypted to its key. */
static enum verdict make_answer(struct broker *broker, const struct session *session, const struct volume *volume,
                                struct entry *entry, struct buffer *to)
{
    CLEANUP_SECRET struct secret record = SECRET_NONE, release = SECRET_NONE;
    struct record_binding binding;
    int r = volume_unseal(volume, &broker->keys.kek, entry->resource, &record, &entry->detail);

    if (r == -EBADMSG)
        return VERDICT_STORE_DAMAGED;
    memcpy(binding.nonce, session->nonce, sizeof(binding.nonce));
    memcpy(binding.report_digest, session->report_digest, sizeof(binding.report_digest));
    if (r == 0)
        r = record_sign(&record, &binding, broker->keys.record, &release);
    if (r == -EBADMSG)
        return VERDICT_STORE_DAMAGED;
    if (r == 0)
        r = jwe_encrypt(&session->key, &release, to);
    if (r == 0)
        return VERDICT_OK;
    (void)reason_set(&entry->detail, 0, "the answer could not be made: %s", strerror(-r));
    return VERDICT_INTERNAL;
}

enum verdict decide_release(struct broker *broker, const uint8_t cookie[NONCE_SESSION_BYTES], const char *resource,
                            struct entry *entry, struct buffer *to)
{
    const struct session *session = session_find(&broker->sessions, cookie, clock_ms());
    CLEANUP_VOLUME struct volume volume = { .sealed = BUFFER_EMPTY, .policy = BUFFER_EMPTY };
    enum verdict verdict;
    int r;

    (void)snprintf(entry->resource, sizeof(entry->resource), "%s", resource);
    if (!session)
        return VERDICT_SESSION_UNKNOWN;
    entry->keep = ENTRY_LOG;
    entry_take_report(entry, &session->report, session->report_digest);
    r = volume_find(broker->store, resource, &volume, &entry->detail);
    if (r == -ENODATA)
        return VERDICT_RESOURCE_UNKNOWN;
    if (r < 0)
        return r == -ENOMEM ? VERDICT_INTERNAL : r == -EBADMSG ? VERDICT_STORE_DAMAGED : VERDICT_STORE;
    entry->version = volume.version;
    verdict = check_policy(&volume, session, entry);
    return verdict == VERDICT_OK ? make_answer(broker, session, &volume, entry, to) : verdict;
}
