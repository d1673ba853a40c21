/* Decisions over resources; the session's guest is genuine, which says nothing yet about what it may have. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "broker/decide.h"
#include "broker/releases.h"
#include "broker/rotation.h"
#include "broker/volumes.h"
#include "release/jwe.h"
#include "release/record.h"

/* Whether the volume's policy wants this launch; every check goes into the entry. */
static enum verdict check_policy(struct broker *broker, const struct volume *volume, const struct session *session,
                                 struct entry *entry)
{
    struct policy_facts facts = { .report = &session->report,
                                  .product = session->product,
                                  .revocation_checked = session->revocation_checked };
    const struct policy_entry *policy = NULL;
    int r;

    if (!volume->policy.size)
        return VERDICT_POLICY_MISSING;
    r = policy_cache_find(&broker->policies, broker->store, volume, &policy, &entry->detail);
    if (r < 0)
        return r == -EBADMSG || r == -EMSGSIZE ? VERDICT_STORE_DAMAGED
               : r == -ENOMEM                  ? VERDICT_INTERNAL
                                               : VERDICT_STORE;
    entry->has_policy = true;
    memcpy(entry->policy_digest, policy->digest, sizeof(entry->policy_digest));
    policy_entry_facts(policy, &facts);
    policy_evaluate(&policy->policy, &facts, &entry->decision);
    return entry->decision.failed ? VERDICT_POLICY : VERDICT_OK;
}

static struct record_binding binding_of(const struct session *session)
{
    struct record_binding binding;

    memcpy(binding.nonce, session->nonce, sizeof(binding.nonce));
    memcpy(binding.report_digest, session->report_digest, sizeof(binding.report_digest));
    return binding;
}

/* What is encrypted to the guest: a record restated and signed for this session, a plain secret as it is. */
static int make_payload(struct broker *broker, const struct session *session, enum volume_kind kind,
                        const struct secret *registered, const struct release_row *row, struct secret *ret_payload)
{
    CLEANUP_SECRET struct secret record = SECRET_NONE;
    const struct record_binding binding = binding_of(session);
    int r;

    if (kind == VOLUME_PLAIN)
        return secret_copy(registered->bytes, registered->size, ret_payload);
    r = record_restate(registered, row->generation, row->state, &record);
    return r < 0 ? r : record_sign(&record, &binding, row->epoch, broker->keys.record, ret_payload);
}

/* The answer for this launch, encrypted to its key. */
static enum verdict make_answer(struct broker *broker, const struct session *session, const struct volume *volume,
                                const struct release_row *row, struct entry *entry, struct buffer *to)
{
    CLEANUP_SECRET struct secret registered = SECRET_NONE, payload = SECRET_NONE;
    int r = volume_unseal(volume, &broker->keys.kek, entry->resource, &registered, &entry->detail);

    if (r == 0)
        r = make_payload(broker, session, volume->kind, &registered, row, &payload);
    if (r == -EBADMSG || r == -EINVAL)
        return VERDICT_STORE_DAMAGED;
    if (r == 0)
        r = jwe_encrypt(&session->key, &payload, to);
    if (r == 0)
        return VERDICT_OK;
    (void)reason_set(&entry->detail, 0, "the answer could not be made: %s", strerror(-r));
    return VERDICT_INTERNAL;
}

static enum verdict store_verdict(int error)
{
    return error == -ENOMEM ? VERDICT_INTERNAL : error == -EBADMSG ? VERDICT_STORE_DAMAGED : VERDICT_STORE;
}

static enum verdict find_volume(struct broker *broker, struct volume *volume, struct entry *entry)
{
    int r = volume_find(broker->store, entry->resource, volume, &entry->detail);

    if (r == -ENODATA)
        return VERDICT_RESOURCE_UNKNOWN;
    if (r < 0)
        return store_verdict(r);
    entry->version = volume->version;
    return VERDICT_OK;
}

/*
 * What this launch gets of a volume: what it got before, when it asks with the same key; otherwise the next generation,
 * with the epoch after the last confirmed one. Plain secrets have neither epochs nor a disk that two could open.
 */
static enum verdict choose(struct broker *broker, const struct session *session, const struct volume *volume,
                           struct entry *entry, struct release_row *ret_row)
{
    int r = release_find(broker->store, volume->version, session->report.report_id, ret_row, &entry->detail);
    uint8_t key[GUEST_KEY_NAME_BYTES];

    if (r < 0)
        return store_verdict(r);
    if (guest_key_name(&session->key, key) < 0)
        return VERDICT_INTERNAL;
    if (r == 1 && volume->kind == VOLUME_RECORD && memcmp(ret_row->key, key, sizeof(key)) != 0)
        return VERDICT_RELEASED_ALREADY;
    /* What was released while it rotated is released again as it is now. */
    if (r == 1 && ret_row->state == RECORD_ROTATING)
        ret_row->state = volume->state;
    if (r == 0) {
        *ret_row = (struct release_row){ .state = volume->state,
                                         .generation = volume->generation + 1,
                                         .epoch = volume->kind == VOLUME_RECORD ? volume->epoch + 1 : 0 };
        memcpy(ret_row->key, key, sizeof(key));
    }
    entry->generation = ret_row->generation;
    entry->epoch = ret_row->epoch;
    return r == 1 ? VERDICT_REPEATED : VERDICT_OK;
}

/*
 * The last step: nothing that is written here is undone but by giving up the transaction. A launch that asks again
 * renews its lease.
 */
static enum verdict write_release(struct broker *broker, const struct volume *volume, const struct release_row *row,
                                  bool again, struct entry *entry)
{
    int r = release_count_live(broker->store, entry, broker->lease_ms, &entry->live, &entry->detail);

    if (r == 0 && again)
        return release_renew(broker->store, entry, &entry->detail) < 0 ? VERDICT_STORE : VERDICT_OK;
    if (r == 0)
        r = volume_note_release(broker->store, volume, row->generation, entry->report_id, &entry->detail);
    if (r == 0)
        r = release_add(broker->store, entry, row, &entry->detail);
    return r < 0 ? VERDICT_STORE : VERDICT_OK;
}

static const struct session *begin(struct broker *broker, const uint8_t cookie[NONCE_SESSION_BYTES],
                                   const char *resource, struct entry *entry)
{
    const struct session *session = session_find(&broker->sessions, cookie, clock_ms());

    (void)snprintf(entry->resource, sizeof(entry->resource), "%s", resource);
    if (session) {
        entry->keep = ENTRY_LOG;
        entry_take_report(entry, &session->report, session->report_digest);
    }
    return session;
}

enum verdict decide_release(struct broker *broker, const uint8_t cookie[NONCE_SESSION_BYTES], const char *resource,
                            struct entry *entry, struct buffer *to)
{
    const struct session *session = begin(broker, cookie, resource, entry);
    CLEANUP_VOLUME struct volume volume = VOLUME_NONE;
    enum verdict verdict, chosen;
    struct release_row row;

    if (!session)
        return VERDICT_SESSION_UNKNOWN;
    verdict = find_volume(broker, &volume, entry);
    if (verdict == VERDICT_OK)
        verdict = check_policy(broker, &volume, session, entry);
    if (verdict != VERDICT_OK)
        return verdict;
    chosen = choose(broker, session, &volume, entry, &row);
    if (!verdict_granted(chosen))
        return chosen;
    verdict = make_answer(broker, session, &volume, &row, entry, to);
    if (verdict == VERDICT_OK)
        verdict = write_release(broker, &volume, &row, chosen == VERDICT_REPEATED, entry);
    return verdict == VERDICT_OK ? chosen : verdict;
}

/* Whether the disk that the guest found is one that this epoch may follow. */
static enum verdict check_epoch(const struct volume *volume, const struct release_row *row,
                                const struct message_confirmation *confirmation, struct entry *entry)
{
    if (confirmation->epoch != row->epoch) {
        (void)reason_set(&entry->detail, 0, "confirms epoch %llu, was given %llu",
                         (unsigned long long)confirmation->epoch, (unsigned long long)row->epoch);
        return VERDICT_CONFIRM_EPOCH;
    }
    if (confirmation->has_found && confirmation->found != row->epoch && confirmation->found != row->epoch - 1) {
        (void)reason_set(&entry->detail, 0, "the disk is at epoch %llu, expected %llu or %llu",
                         (unsigned long long)confirmation->found, (unsigned long long)row->epoch - 1,
                         (unsigned long long)row->epoch);
        return confirmation->found < row->epoch ? VERDICT_EPOCH_OLD : VERDICT_EPOCH_AHEAD;
    }
    if (row->confirmed && volume->epoch == row->epoch)
        return VERDICT_REPEATED;
    if (!volume->pending || memcmp(volume->pending_report_id, entry->report_id, REPORT_ID_BYTES) != 0)
        return VERDICT_SUPERSEDED;
    return VERDICT_OK;
}

static enum verdict acknowledge(struct broker *broker, const struct session *session, uint64_t epoch,
                                const struct entry *entry, struct buffer *to)
{
    const struct record_binding binding = binding_of(session);
    uint8_t signature[RECORD_MAX_SIGNATURE_BYTES];
    size_t size = 0;

    if (record_acknowledge(entry->resource, &binding, epoch, broker->keys.record, signature, &size) < 0)
        return VERDICT_INTERNAL;
    message_write_acknowledgement(epoch, signature, size, to);
    return VERDICT_OK;
}

enum verdict decide_confirm(struct broker *broker, const uint8_t cookie[NONCE_SESSION_BYTES], const char *resource,
                            const struct message_confirmation *confirmation, struct entry *entry, struct buffer *to)
{
    const struct session *session = begin(broker, cookie, resource, entry);
    CLEANUP_VOLUME struct volume volume = VOLUME_NONE;
    enum verdict verdict, checked;
    struct release_row row;
    int r;

    if (!session)
        return VERDICT_SESSION_UNKNOWN;
    verdict = find_volume(broker, &volume, entry);
    if (verdict != VERDICT_OK)
        return verdict;
    r = release_find(broker->store, volume.version, session->report.report_id, &row, &entry->detail);
    if (r <= 0 || volume.kind != VOLUME_RECORD)
        return r < 0 ? store_verdict(r) : VERDICT_CONFIRM_UNKNOWN;
    entry->epoch = row.epoch;
    checked = check_epoch(&volume, &row, confirmation, entry);
    if (!verdict_granted(checked))
        return checked;
    verdict = acknowledge(broker, session, row.epoch, entry, to);
    if (verdict != VERDICT_OK)
        return verdict;
    if (checked == VERDICT_OK) {
        r = volume_note_confirmation(broker->store, &broker->keys.kek, resource, &volume, &entry->detail);
        if (r == -EBADMSG)
            return VERDICT_STORE_DAMAGED;
        if (r < 0)
            return VERDICT_STORE;
    }
    if (confirmation->rotated && volume.state == RECORD_ROTATING) {
        r = rotation_end(broker->store, &broker->keys.kek, resource, &entry->detail);
        if (r < 0)
            return store_verdict(r);
    }
    r = release_confirm(broker->store, entry, &entry->detail);
    return r < 0 ? VERDICT_STORE : checked;
}
