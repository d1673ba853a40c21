/*
 * Whole policy documents, of those who verify others; a guest's expectations of itself are the part in policy-parse.c.
 * Whoever administers the broker wrote them. Strict all the same. Not in the guest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/policy-read.h"
#include "base/encode.h"

#define NAME_BYTES 32

static int read_measurements(struct json_reader *reader, struct policy *policy)
{
    struct json_reader array;
    void *room = NULL;
    int r = policy_open_list(reader, "measurements", POLICY_MAX_MEASUREMENTS, sizeof(*policy->measurements), &array,
                      &policy->measurement_count, &room);

    if (r <= 0)
        return r;
    policy->measurements = room;
    for (size_t i = 0; i < policy->measurement_count; i++)
        (void)json_element_hex(&array, i, policy->measurements[i], MEASUREMENT_BYTES);
    return 0;
}

static void read_signer(struct json_reader *array, size_t index, struct policy_signer *to)
{
    const char *text;

    if (!json_element_string(array, index, 2 * POLICY_SIGNER_BYTES, &text))
        return;
    if (base64_decode(BASE64_STANDARD, text, strlen(text), to->der, sizeof(to->der), &to->size) < 0 || !to->size)
        json_refuse(array, NULL, "element %zu: expected a public key, the base64 of its PEM form", index);
}

/* {"signers": [KEY…], "threshold": N}: whose manifests say which launches are accepted. */
static int read_manifests(struct json_reader *parent, struct policy *policy)
{
    struct json_reader reader, array;
    uint64_t threshold = 1;
    void *room = NULL;
    int r;

    if (!json_read_object(parent, "manifests", JSON_OPTIONAL, &reader))
        return 0;
    r = policy_open_list(&reader, "signers", POLICY_MAX_SIGNERS, sizeof(*policy->signers), &array,
                         &policy->signer_count, &room);
    if (r < 0)
        return r;
    policy->signers = room;
    for (size_t i = 0; i < policy->signer_count; i++)
        read_signer(&array, i, &policy->signers[i]);
    if (!policy->signer_count)
        json_refuse(&reader, "signers", "missing: a manifest is trusted by its signers alone");
    (void)json_read_u64(&reader, "threshold", JSON_OPTIONAL, 1, policy->signer_count ? policy->signer_count : 1,
                        &threshold);
    policy->signer_threshold = (uint32_t)threshold;
    json_read_done(&reader);
    return 0;
}

static enum coverage read_coverage(struct json_reader *reader, const char *name)
{
    const char *text;

    if (!json_read_string(reader, name, JSON_OPTIONAL, NAME_BYTES, &text))
        return COVERAGE_UNKNOWN;
    for (enum coverage coverage = COVERAGE_FIRMWARE_ONLY; coverage <= COVERAGE_IMAGE; coverage++)
        if (strcmp(text, coverage_name(coverage)) == 0)
            return coverage;
    json_refuse(reader, name, "\"%s\": expected image, firmware+vtpm or firmware-only", text);
    return COVERAGE_UNKNOWN;
}

/* What only a verifier asks. */
static int read_verifier(struct json_reader *reader, struct policy *policy)
{
    int r = read_measurements(reader, policy);

    if (r == 0)
        r = read_manifests(reader, policy);
    if (r < 0)
        return r;
    policy->coverage = read_coverage(reader, "coverage");
    policy->least_coverage = read_coverage(reader, "least_coverage");
    policy->has_report_data =
        json_read_hex(reader, "report_data", JSON_OPTIONAL, policy->report_data, REPORT_DATA_BYTES);
    (void)json_read_bool(reader, "allow_vlek", JSON_OPTIONAL, &policy->allow_vlek);
    (void)json_read_bool(reader, "require_revocation_list", JSON_OPTIONAL, &policy->require_revocation_list);
    return 0;
}

int policy_parse(const void *text, size_t size, struct policy *ret_policy, struct reason *why)
{
    CLEANUP(policy_free) struct policy policy = { .measurements = NULL };
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    int r = json_parse(text, size, POLICY_MAX_BYTES, &root, why);

    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    r = read_verifier(&reader, &policy);
    if (r == 0)
        r = policy_read_common(&reader, &policy);
    if (r < 0)
        return r;
    if (!policy.measurement_count && !policy.signer_count && !policy.id_key_count && !policy.author_key_count)
        json_refuse(&reader, "measurements", "missing, and neither manifests, id_keys nor author_keys instead: nothing "
                                             "could ever be allowed");
    json_read_done(&reader);
    if (status.error)
        return status.error;
    *ret_policy = policy;
    policy = (struct policy){ .measurements = NULL };
    return 0;
}
