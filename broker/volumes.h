/*
 * What the broker holds for guests, sealed, the policy that each demands, and where each one stands: records of
 * volumes, and plain secrets, which are released as they are.
 */
#pragma once

#include "attest/policy.h"
#include "base/base.h"
#include "base/buffer.h"
#include "base/reason.h"
#include "base/secret.h"
#include "broker/policies.h"
#include "broker/store.h"
#include "release/record.h"

enum volume_kind {
    VOLUME_RECORD = 1, /* released once to each launch, signed, with generation and epoch */
    VOLUME_PLAIN = 2,  /* any bytes, released to whomever the policy allows */
};

struct volume {
    uint64_t version; /* of the key: a number of its own for each record that was ever registered */
    enum volume_kind kind;
    struct buffer sealed;
    char policy_name[POLICY_NAME_BYTES]; /* empty: there is none, nobody may have the record */
    struct buffer policy;                /* its document; empty as well when no policy has that name */
    struct buffer manifests;             /* that count for the policy: SHA-256 of each, one after the other */
    enum record_state state;
    uint64_t generation; /* of the newest release */
    uint64_t epoch;      /* the newest that a launch confirmed */
    bool pending;        /* whether epoch + 1 was given to a launch that has not confirmed it */
    uint8_t pending_report_id[REPORT_ID_BYTES];
};

#define VOLUME_NONE ((struct volume){ .sealed = BUFFER_EMPTY, .policy = BUFFER_EMPTY, .manifests = BUFFER_EMPTY })

void volume_free(struct volume *volume);

#define CLEANUP_VOLUME CLEANUP(volume_free)

/*
 * All functions that write are for the caller's transaction, which it ends as their result says.
 *
 * Seals and keeps a record or secret; `next`: as a later version of a resource that is there, with its policy and of
 * its kind. Errors: -EEXIST when the resource is taken, or is of another kind, -ENODATA with `next` when it is not
 * there, -EBADMSG when a record does not parse, -ENOMEM, those of store_open().
 */
int volume_add(struct store *store, const struct secret *kek, const char *resource, enum volume_kind kind,
               const struct secret *bytes, bool next, struct reason *why) MUST_CHECK;

/* The newest version. Errors: -ENODATA when there is none of that name, those of store_open(). */
int volume_find(struct store *store, const char *resource, struct volume *ret_volume, struct reason *why) MUST_CHECK;

/*
 * The record as it was registered. Errors: -EBADMSG when it does not open: another key, or somebody else changed the
 * record, the policy or the state.
 */
int volume_unseal(const struct volume *volume, const struct secret *kek, const char *resource,
                  struct secret *ret_record, struct reason *why) MUST_CHECK;

/* All versions are gone, or the one that is not 0; with the last the policy of that name. Errors as volume_find(). */
int volume_remove(struct store *store, const char *resource, uint64_t version, struct reason *why) MUST_CHECK;

/* From now on it needs the policy of that name, which is there. Errors as volume_find() and volume_unseal(). */
int volume_set_policy(struct store *store, const struct secret *kek, const char *resource, const char *name,
                      struct reason *why) MUST_CHECK;

/* A launch has got a release of that generation; the next epoch is its to confirm. */
int volume_note_release(struct store *store, const struct volume *volume, uint64_t generation,
                        const uint8_t report_id[REPORT_ID_BYTES], struct reason *why) MUST_CHECK;

/*
 * The pending epoch is confirmed, and with it the volume is ready unless it rotates. Errors: -EBADMSG as
 * volume_unseal().
 */
int volume_note_confirmation(struct store *store, const struct secret *kek, const char *resource,
                             const struct volume *volume, struct reason *why) MUST_CHECK;

/* Calls `each` with every resource, in order, until it gives a negative errno. */
int volume_each(struct store *store, int (*each)(void *context, const char *resource), void *context,
                struct reason *why) MUST_CHECK;
