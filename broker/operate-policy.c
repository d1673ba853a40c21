/* Operations on policies: documents, launch digests and signed manifests that operators bring. */
#include <errno.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/key.h"
#include "broker/operate.h"
#include "broker/policy-cache.h"
#include "broker/policy-document.h"
#include "measure/manifest.h"

static int read_whole(const struct admin_file *file, size_t max, uint8_t **ret_data, size_t *ret_size,
                      struct reason *why)
{
    int r = fd_read_whole(file->fd, file->name, max, ret_data, ret_size, why);

    return r < 0 && r != -ENOMEM ? -EINVAL : r;
}

/* A document of the operator's, in our spelling. */
static int read_document(const struct admin_file *file, struct policy *ret_policy, struct reason *why)
{
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0;
    int r = read_whole(file, POLICY_MAX_BYTES, &text, &size, why);

    if (r < 0)
        return r;
    r = policy_parse(text, size, ret_policy, why);
    if (r < 0)
        reason_prefix(why, file->name);
    return r == -ENOMEM || r == 0 ? r : -EINVAL;
}

static int write_document(const struct policy *policy, struct policy_row *row)
{
    buffer_free(&row->document);
    policy_write(policy, &row->document);
    return buffer_error(&row->document);
}

int operate_policy_set(const struct operation *operation, const struct admin_request *request, struct reason *why)
{
    CLEANUP(policy_free) struct policy policy = { .measurements = NULL };
    CLEANUP(policy_row_free) struct policy_row row = POLICY_ROW_NONE;
    const struct admin_file *file = admin_find_file(request, ADMIN_FILE_POLICY);
    int r = file ? read_document(file, &policy, why) : reason_set(why, -EINVAL, "there is no file");

    if (r == 0 && !policy_name_valid(request->policy))
        r = reason_set(why, -EINVAL, "\"%s\" is not a policy's name", request->policy);
    if (r == 0)
        r = write_document(&policy, &row);
    if (r == 0)
        r = policies_put(operation->store, operation->kek, request->policy, &row, why);
    if (r == 0)
        buffer_printf(operation->output, "%s: %zu launches allowed, by %s\n", request->policy, policy.measurement_count,
                      file->name);
    return r;
}

static int list_one(void *context, const struct policy_summary *summary)
{
    const struct operation *operation = context;

    buffer_printf(operation->output, "%s  needed by %u resources, %u manifests, %zu bytes\n", summary->name,
                  summary->resources, summary->manifests, strlen(summary->document));
    return 0;
}

static int list_one_json(void *context, const struct policy_summary *summary)
{
    const struct operation *operation = context;

    buffer_printf(operation->output, "{\"policy\":\"%s\",\"resources\":%u,\"manifests\":%u,\"document\":%s}\n",
                  summary->name, summary->resources, summary->manifests, summary->document);
    return 0;
}

int operate_policy_list(const struct operation *operation, const struct admin_request *request, struct reason *why)
{
    struct operation copy = *operation;

    return policies_each(operation->store, request->json ? list_one_json : list_one, &copy, why);
}

int operate_policy_show(const struct operation *operation, const struct admin_request *request, struct reason *why)
{
    CLEANUP(policy_row_free) struct policy_row row = POLICY_ROW_NONE;
    CLEANUP_VOLUME struct volume volume = VOLUME_NONE;
    const char *name = request->policy;
    int r = 0;

    if (!name[0]) {
        r = volume_find(operation->store, request->resource, &volume, why);
        if (r == 0 && !volume.policy.size)
            r = reason_set(why, -ENODATA, "%s: has no policy, so nobody may have it", request->resource);
        name = volume.policy_name;
    }
    if (r == 0)
        r = policies_find(operation->store, name, &row, why);
    if (r == 0)
        buffer_printf(operation->output, "%s\n", buffer_text(&row.document));
    return r;
}

/* ---- allow */

/* The policy that a resource has; an empty one of the resource's own name when it has none. */
static int find_policy(const struct operation *operation, const char *resource, char ret_name[POLICY_NAME_BYTES],
                       struct policy_row *ret_row, struct policy *ret_policy, struct reason *why)
{
    CLEANUP_VOLUME struct volume volume = VOLUME_NONE;
    int r = volume_find(operation->store, resource, &volume, why);

    if (r < 0)
        return r;
    if (!volume.policy.size) {
        (void)snprintf(ret_name, POLICY_NAME_BYTES, "%s", resource);
        return 0;
    }
    (void)snprintf(ret_name, POLICY_NAME_BYTES, "%s", volume.policy_name);
    r = policies_find(operation->store, ret_name, ret_row, why);
    return r < 0 ? r : policy_parse(volume.policy.data, volume.policy.size, ret_policy, why);
}

static int add_measurements(const struct admin_request *request, struct policy *policy, unsigned *ret_added,
                            struct reason *why)
{
    for (size_t i = 0; i < request->measurement_count; i++) {
        bool is_new = false;
        int r = policy_document_add(policy, request->measurements[i], &is_new);

        if (r == -E2BIG)
            return reason_set(why, r, "more than %u launch digests", POLICY_MAX_MEASUREMENTS);
        if (r < 0)
            return r;
        *ret_added += is_new;
    }
    return 0;
}

/* The keys that came with the request, as the policy's signers. */
static int take_signers(const struct admin_request *request, struct policy *policy, struct reason *why)
{
    struct policy_signer *signers = calloc(POLICY_MAX_SIGNERS, sizeof(*signers));
    size_t count = 0;
    int r = signers ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < request->file_count; i++) {
        const struct admin_file *file = &request->files[i];
        CLEANUP_FREE uint8_t *text = NULL;
        CLEANUP_KEY EVP_PKEY *key = NULL;
        size_t size = 0;

        if (file->kind != ADMIN_FILE_SIGNER)
            continue;
        r = read_whole(file, KEY_FILE_MAX_BYTES, &text, &size, why);
        if (r == 0 && key_parse_public(text, size, KEY_P384 | KEY_ED25519, &key, why) < 0) {
            reason_prefix(why, file->name);
            r = -EINVAL;
        }
        if (r == 0)
            r = policy_signer_set(&signers[count++], key);
    }
    if (r < 0) {
        free(signers);
        return r;
    }
    free(policy->signers);
    policy->signers = signers;
    policy->signer_count = count;
    policy->signer_threshold = request->threshold ? request->threshold : (uint32_t)count;
    return 0;
}

static bool same_signers(const struct policy *a, const struct policy *b)
{
    if (a->signer_count != b->signer_count || a->signer_threshold != b->signer_threshold)
        return false;
    for (size_t i = 0; i < a->signer_count; i++)
        if (a->signers[i].size != b->signers[i].size ||
            memcmp(a->signers[i].der, b->signers[i].der, a->signers[i].size) != 0)
            return false;
    return true;
}

/* Whose manifests count: those of the request, and where the policy has said so before, the same. */
static int settle_signers(const struct admin_request *request, struct policy *policy, struct reason *why)
{
    CLEANUP(policy_free) struct policy brought = { .signers = NULL };
    int r;

    if (!admin_find_file(request, ADMIN_FILE_SIGNER))
        return policy->signer_count
                   ? 0
                   : reason_set(why, -EINVAL, "--key is missing: a manifest is trusted by its signers alone");
    r = take_signers(request, &brought, why);
    if (r < 0)
        return r;
    if (brought.signer_threshold > brought.signer_count)
        return reason_set(why, -EINVAL, "--threshold is %u with %zu keys", brought.signer_threshold,
                          brought.signer_count);
    if (policy->signer_count && !same_signers(policy, &brought))
        return reason_set(why, -EINVAL, "the policy has other signers, or another threshold; a policy document with "
                                        "those that count now takes its place: allow --policy, policy set");
    free(policy->signers);
    policy->signers = brought.signers;
    policy->signer_count = brought.signer_count;
    policy->signer_threshold = brought.signer_threshold;
    brought.signers = NULL;
    return 0;
}

/* The manifest of the request, signed by enough of the policy's signers; its launches are counted. */
static int check_manifest(const struct admin_file *file, const void *text, size_t size, const struct policy *policy,
                          size_t *ret_launches, struct reason *why)
{
    CLEANUP(dsse_keys_free) struct dsse_keys keys = { .count = 0 };
    CLEANUP(dsse_free) struct dsse envelope = DSSE_NONE;
    CLEANUP_MANIFEST struct manifest *manifest = NULL;
    struct dsse_verdict verdict;
    int r = policy_signer_keys(policy, &keys, why);

    if (r == 0)
        r = dsse_parse(text, size, &envelope, why);
    if (r == 0 && strcmp(envelope.type, MANIFEST_PAYLOAD_TYPE) != 0)
        r = reason_set(why, -EINVAL, "holds \"%s\", expected \"" MANIFEST_PAYLOAD_TYPE "\"", envelope.type);
    if (r == 0)
        r = dsse_verify(&envelope, &keys, policy->signer_threshold, &verdict, why);
    if (r == 0)
        r = manifest_parse(envelope.payload, envelope.payload_size, &manifest, why);
    if (r < 0) {
        reason_prefix(why, file->name);
        return r == -ENOMEM ? r : -EINVAL;
    }
    *ret_launches = manifest->row_count;
    return 0;
}

static bool has_manifest(const struct policy_row *row, const uint8_t digest[SHA256_BYTES])
{
    for (size_t at = 0; at + SHA256_BYTES <= row->manifests.size; at += SHA256_BYTES)
        if (memcmp(row->manifests.data + at, digest, SHA256_BYTES) == 0)
            return true;
    return false;
}

static int add_manifest(const struct operation *operation, const struct admin_request *request,
                        const struct admin_file *file, struct policy *policy, struct policy_row *row,
                        size_t *ret_launches, struct buffer *detail, struct reason *why)
{
    CLEANUP_FREE uint8_t *text = NULL;
    char hex[HEX_TEXT_BYTES(SHA256_BYTES)];
    uint8_t digest[SHA256_BYTES];
    size_t size = 0;
    int r = read_whole(file, DSSE_MAX_BYTES, &text, &size, why);

    if (r == 0)
        r = settle_signers(request, policy, why);
    if (r == 0)
        r = check_manifest(file, text, size, policy, ret_launches, why);
    if (r == 0)
        r = policies_keep_manifest(operation->store, text, size, digest, why);
    if (r < 0)
        return r;
    if (!has_manifest(row, digest))
        buffer_add(&row->manifests, digest, sizeof(digest));
    hex_encode(digest, sizeof(digest), hex);
    buffer_printf(detail, "manifest %s, %zu launches, %u of %zu signers", hex, *ret_launches, policy->signer_threshold,
                  policy->signer_count);
    return buffer_error(&row->manifests);
}

/* Writes the changed policy, and has the resource need it. */
static int put_policy(const struct operation *operation, const struct admin_request *request, const char *name,
                      const struct policy *policy, struct policy_row *row, struct reason *why)
{
    int r = write_document(policy, row);

    if (r == 0)
        r = policies_put(operation->store, operation->kek, name, row, why);
    if (r == 0)
        r = volume_set_policy(operation->store, operation->kek, request->resource, name, why);
    return r;
}

int operate_allow(const struct operation *operation, const struct admin_request *request, struct buffer *detail,
                  struct reason *why)
{
    CLEANUP(policy_free) struct policy policy = { .measurements = NULL };
    CLEANUP(policy_row_free) struct policy_row row = POLICY_ROW_NONE;
    const struct admin_file *manifest = admin_find_file(request, ADMIN_FILE_MANIFEST);
    const struct admin_file *document = admin_find_file(request, ADMIN_FILE_POLICY);
    char name[POLICY_NAME_BYTES] = "";
    size_t launches = 0;
    unsigned added = 0;
    int r = find_policy(operation, request->resource, name, &row, &policy, why);

    if (r == 0 && request->policy[0]) {
        r = volume_set_policy(operation->store, operation->kek, request->resource, request->policy, why);
        buffer_printf(detail, "policy %s", request->policy);
        buffer_printf(operation->output, "%s: needs the policy %s\n", request->resource, request->policy);
        return r;
    }
    if (r == 0 && document) {
        policy_free(&policy);
        policy = (struct policy){ .measurements = NULL };
        policy_row_free(&row);
        row = POLICY_ROW_NONE;
        (void)snprintf(name, sizeof(name), "%s", request->resource);
        r = read_document(document, &policy, why);
    }
    if (r == 0 && manifest)
        r = add_manifest(operation, request, manifest, &policy, &row, &launches, detail, why);
    if (r == 0)
        r = add_measurements(request, &policy, &added, why);
    if (r == 0)
        r = put_policy(operation, request, name, &policy, &row, why);
    if (r < 0)
        return r;
    if (manifest)
        buffer_printf(operation->output, "%s: %zu launches of %s allowed\n", request->resource, launches,
                      manifest->name);
    else if (document)
        buffer_printf(operation->output, "%s: %zu launches allowed, by %s\n", request->resource,
                      policy.measurement_count, document->name);
    else
        buffer_printf(operation->output, "%s: %zu launches allowed, %u of them new\n", request->resource,
                      policy.measurement_count, added);
    return 0;
}
