/*
 * Parsed policies. Documents and manifests come out of the store, which somebody else may have changed: what is decided
 * with them releases nothing before the record has opened under just these (seal.h).
 */
#include "broker/policy-cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "measure/manifest.h"

void policy_entry_free(struct policy_entry *entry)
{
    policy_free(&entry->policy);
    buffer_free(&entry->manifests);
    free(entry->launches);
    *entry = POLICY_ENTRY_NONE;
}

static int add_launches(struct policy_entry *entry, const struct manifest *manifest)
{
    bool whole = manifest->roles[MANIFEST_KERNEL] != MANIFEST_NO_ARTEFACT;
    struct policy_launch *bigger = reallocarray(entry->launches, entry->launch_count + manifest->row_count + 1,
                                                sizeof(*bigger));

    if (!bigger)
        return -ENOMEM;
    entry->launches = bigger;
    for (size_t i = 0; i < manifest->row_count; i++) {
        struct policy_launch *launch = &entry->launches[entry->launch_count++];

        memcpy(launch->measurement, manifest->digests[i], MEASUREMENT_BYTES);
        launch->coverage = whole ? COVERAGE_IMAGE : COVERAGE_FIRMWARE_ONLY;
    }
    return 0;
}

/* A manifest that too few of the present signers have signed says nothing: the policy may have changed since. */
static int read_manifest(struct store *store, const uint8_t *digest, const struct dsse_keys *keys,
                         struct policy_entry *entry, struct reason *why)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    CLEANUP_MANIFEST struct manifest *manifest = NULL;
    CLEANUP(dsse_free) struct dsse envelope = DSSE_NONE;
    struct dsse_verdict verdict;
    int r = policies_find_manifest(store, digest, &text, why);

    if (r == 0)
        r = dsse_parse(text.data, text.size, &envelope, why);
    if (r == 0)
        r = dsse_verify(&envelope, keys, entry->policy.signer_threshold, &verdict, why);
    if (r == -EKEYREJECTED)
        return 0;
    if (r == 0)
        r = manifest_parse(envelope.payload, envelope.payload_size, &manifest, why);
    return r < 0 ? r : add_launches(entry, manifest);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, MEASUREMENT_BYTES); /* the measurement comes first */
}

_Static_assert(offsetof(struct policy_launch, measurement) == 0, "launches are compared by their first member");

/* Each once: manifests of one image, made again, repeat each other. */
static void sort_launches(struct policy_entry *entry)
{
    size_t count = 0;

    if (entry->launch_count)
        qsort(entry->launches, entry->launch_count, sizeof(*entry->launches), compare);
    for (size_t i = 0; i < entry->launch_count; i++)
        if (!count || compare(&entry->launches[count - 1], &entry->launches[i]) != 0)
            entry->launches[count++] = entry->launches[i];
    entry->launch_count = count;
}

static int read_manifests(struct store *store, struct policy_entry *entry, struct reason *why)
{
    CLEANUP(dsse_keys_free) struct dsse_keys keys = { .count = 0 };
    int r = policy_signer_keys(&entry->policy, &keys, why);

    for (size_t at = 0; r == 0 && keys.count && at + SHA256_BYTES <= entry->manifests.size; at += SHA256_BYTES)
        r = read_manifest(store, entry->manifests.data + at, &keys, entry, why);
    sort_launches(entry);
    return r == -ENOMEM || r == 0 ? r : -EBADMSG;
}

int policy_entry_read(struct store *store, const struct buffer *document, const struct buffer *manifests,
                      struct policy_entry *ret_entry, struct reason *why)
{
    CLEANUP(policy_entry_free) struct policy_entry entry = POLICY_ENTRY_NONE;
    int r = policy_parse(document->data, document->size, &entry.policy, why);

    if (r < 0)
        return r;
    buffer_add(&entry.manifests, manifests->data, manifests->size);
    if (buffer_error(&entry.manifests) < 0 ||
        EVP_Digest(document->data, document->size, entry.digest, NULL, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    r = read_manifests(store, &entry, why);
    if (r < 0)
        return r;
    entry.used = true;
    *ret_entry = entry;
    entry = POLICY_ENTRY_NONE;
    return 0;
}

void policy_entry_facts(const struct policy_entry *entry, struct policy_facts *facts)
{
    const struct policy_launch *found =
        entry->launch_count ? bsearch(facts->report->measurement, entry->launches, entry->launch_count,
                                      sizeof(*entry->launches), compare)
                            : NULL;

    facts->in_manifest = found != NULL;
    facts->manifest_coverage = found ? found->coverage : COVERAGE_UNKNOWN;
}

static bool same(const struct buffer *a, const struct buffer *b)
{
    return a->size == b->size && (!a->size || memcmp(a->data, b->data, a->size) == 0);
}

int policy_cache_find(struct policy_cache *cache, struct store *store, const struct volume *volume,
                      const struct policy_entry **ret_entry, struct reason *why)
{
    struct policy_entry fresh = POLICY_ENTRY_NONE, *entry;
    uint8_t digest[SHA256_BYTES];
    int r;

    if (EVP_Digest(buffer_text(&volume->policy), volume->policy.size, digest, NULL, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    entry = &cache->entries[digest[0] % POLICY_CACHE_ENTRIES];
    if (!entry->used || memcmp(entry->digest, digest, sizeof(digest)) != 0 ||
        !same(&entry->manifests, &volume->manifests)) {
        r = policy_entry_read(store, &volume->policy, &volume->manifests, &fresh, why);
        if (r < 0)
            return r;
        policy_entry_free(entry);
        *entry = fresh;
    }
    *ret_entry = entry;
    return 0;
}

void policy_cache_free(struct policy_cache *cache)
{
    for (size_t i = 0; i < POLICY_CACHE_ENTRIES; i++)
        policy_entry_free(&cache->entries[i]);
}
