/*
 * Policies as decisions need them: parsed, with every launch digest of the manifests that enough of their signers have
 * signed. Reading a manifest takes milliseconds, so what was read last is kept, under the digest of the document and
 * those of the manifests.
 */
#pragma once

#include "attest/policy.h"
#include "base/base.h"
#include "base/buffer.h"
#include "base/reason.h"
#include "broker/store.h"
#include "broker/volumes.h"
#include "measure/dsse.h"
#include "measure/measure.h"

struct policy_launch {
    uint8_t measurement[MEASUREMENT_BYTES];
    enum coverage coverage;
};

struct policy_entry {
    uint8_t digest[SHA256_BYTES]; /* of the document */
    struct buffer manifests;      /* their digests; of those that are too little signed by now, no launch is here */
    struct policy policy;
    struct policy_launch *launches; /* ascending */
    size_t launch_count;
    bool used;
};

#define POLICY_ENTRY_NONE ((struct policy_entry){ .manifests = BUFFER_EMPTY })

/*
 * Reads a document and its manifests. The caller frees. Errors: -EBADMSG when one of them is not what it should be,
 * -ENOMEM, those of store_open().
 */
int policy_entry_read(struct store *store, const struct buffer *document, const struct buffer *manifests,
                      struct policy_entry *ret_entry, struct reason *why) MUST_CHECK;
void policy_entry_free(struct policy_entry *entry);

/* Completes the facts about a report with what the manifests say. */
void policy_entry_facts(const struct policy_entry *entry, struct policy_facts *facts);

#define POLICY_CACHE_ENTRIES 64

struct policy_cache {
    struct policy_entry entries[POLICY_CACHE_ENTRIES];
};

/* The volume's policy; borrowed until the next call. Errors: those of policy_entry_read(). */
int policy_cache_find(struct policy_cache *cache, struct store *store, const struct volume *volume,
                      const struct policy_entry **ret_entry, struct reason *why) MUST_CHECK;

void policy_cache_free(struct policy_cache *cache);
