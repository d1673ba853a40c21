/*
 * Policies by name, with the manifests that count for each. A resource names the policy that it needs; a policy that
 * belongs to one resource alone has the resource's name.
 *
 * Whoever can write the store can write these rows. What he changes does not open any record: each is sealed under the
 * document and the manifests of its policy (seal.h), so a change through this file seals all of them anew.
 */
#pragma once

#include "attest/policy.h"
#include "base/base.h"
#include "base/buffer.h"
#include "base/reason.h"
#include "base/secret.h"
#include "broker/store.h"
#include "measure/measure.h"
#include "release/release.h"

#define POLICY_NAME_BYTES (RELEASE_MAX_RESOURCE_BYTES + 1)
#define POLICY_MAX_MANIFESTS 64

struct policy_row {
    struct buffer document;
    struct buffer manifests; /* SHA-256 of each envelope, one after the other */
};

#define POLICY_ROW_NONE ((struct policy_row){ .document = BUFFER_EMPTY, .manifests = BUFFER_EMPTY })

void policy_row_free(struct policy_row *row);

/* 1 to 64 of [A-Za-z0-9_.-], the first no dot; or a resource's name. */
bool policy_name_valid(const char *name);

/* Errors: -ENODATA when there is none of that name, -ENOMEM, those of store_open(). */
int policies_find(struct store *store, const char *name, struct policy_row *ret_row, struct reason *why) MUST_CHECK;

/*
 * Writes it, new or in place of the one that is there, and seals what names it anew. Errors: -EBADMSG when a record
 * does not open, -E2BIG for a document of more than POLICY_MAX_BYTES or too many manifests, those of store_open().
 */
int policies_put(struct store *store, const struct secret *kek, const char *name, const struct policy_row *row,
                 struct reason *why) MUST_CHECK;

/* Errors: -ENODATA when there is none, or something needs it; those of store_open(). */
int policies_remove(struct store *store, const char *name, struct reason *why) MUST_CHECK;

/* Calls `each` with every policy, in order of names, until it gives a negative errno. */
struct policy_summary {
    const char *name, *document;
    unsigned manifests, resources; /* how many of them count for it, need it */
};
int policies_each(struct store *store, int (*each)(void *context, const struct policy_summary *summary), void *context,
                  struct reason *why) MUST_CHECK;

/* Keeps an envelope under its digest. Errors: those of store_open(). */
int policies_keep_manifest(struct store *store, const void *envelope, size_t size, uint8_t ret_digest[SHA256_BYTES],
                           struct reason *why) MUST_CHECK;

/*
 * The envelope of that digest, which has been compared. Errors: -EBADMSG when it is not there or not what it was,
 * -ENOMEM, those of store_open().
 */
int policies_find_manifest(struct store *store, const uint8_t digest[SHA256_BYTES], struct buffer *to,
                           struct reason *why) MUST_CHECK;
