/* Registered volumes: records, sealed, and the policy that each one demands. */
#pragma once

#include "attest/policy.h"
#include "base/base.h"
#include "base/buffer.h"
#include "base/reason.h"
#include "base/secret.h"
#include "broker/store.h"

struct volume {
    uint64_t version;
    struct buffer sealed;
    struct buffer policy; /* its document; empty: there is none, nobody may have the record */
};

void volume_free(struct volume *volume);

#define CLEANUP_VOLUME CLEANUP(volume_free)

/* Seals and keeps a record. Errors: -EEXIST when the resource is taken, -ENOMEM, those of store_open(). */
int volume_add(struct store *store, const struct secret *kek, const char *resource, const struct secret *record,
               struct reason *why) MUST_CHECK;

/* Errors: -ENODATA when there is none of that name, those of store_open(). */
int volume_find(struct store *store, const char *resource, struct volume *ret_volume, struct reason *why) MUST_CHECK;

/* The record. Errors: -EBADMSG when it does not open: another key, or the store was changed by somebody else. */
int volume_unseal(const struct volume *volume, const struct secret *kek, const char *resource,
                  struct secret *ret_record, struct reason *why) MUST_CHECK;

/* Record and policy are gone. Errors as volume_find(). */
int volume_remove(struct store *store, const char *resource, struct reason *why) MUST_CHECK;

/* Errors as volume_find(). */
int volume_set_policy(struct store *store, const char *resource, const char *document, struct reason *why) MUST_CHECK;

/* Calls `each` with every resource, in order, until it gives a negative errno. */
int volume_each(struct store *store, int (*each)(void *context, const char *resource), void *context,
                struct reason *why) MUST_CHECK;
