/* What verifiers alone decide: who signed a report, for which request, and whether its launch is one that they know. */
#include "attest/policy-check.h"

#include <stdio.h>

#include "base/encode.h"

static const char *const coverage_names[] = {
    [COVERAGE_UNKNOWN] = "not stated",
    [COVERAGE_FIRMWARE_ONLY] = "firmware-only",
    [COVERAGE_FIRMWARE_VTPM] = "firmware+vtpm",
    [COVERAGE_IMAGE] = "image",
};

const char *coverage_name(enum coverage coverage)
{
    return coverage_names[coverage];
}

static void check_endorsement(const struct policy_evaluation *e)
{
    bool vlek = report_signing_key(e->report) == SIGNING_KEY_VLEK;
    struct policy_check *check = policy_add_check(e, "signing_key", !vlek || e->policy->allow_vlek);

    POLICY_SAY(check->wanted, "%s", e->policy->allow_vlek ? "VCEK or VLEK" : "VCEK");
    POLICY_SAY(check->found, "%s", vlek ? "VLEK" : "VCEK");
    if (e->policy->require_revocation_list) {
        check = policy_add_check(e, "revocation_list", e->facts->revocation_checked);
        POLICY_SAY(check->wanted, "checked");
        POLICY_SAY(check->found, "%s", e->facts->revocation_checked ? "checked" : "none was given");
    }
}

static void check_request(const struct policy_evaluation *e)
{
    if (e->policy->has_report_data)
        policy_add_bytes(e, "report_data", e->policy->report_data, e->report->report_data, REPORT_DATA_BYTES);
}

static void check_measurement(const struct policy_evaluation *e)
{
    const struct policy *policy = e->policy;
    bool named = policy->measurement_count && policy_lists(policy->measurements, policy->measurement_count,
                                                           e->report->measurement, MEASUREMENT_BYTES);
    bool in_manifest = policy->signer_count && e->facts->in_manifest;
    struct policy_check *check;

    e->decision->coverage = in_manifest ? e->facts->manifest_coverage : policy->coverage;
    /* Whoever asks for the holder of a key alone accepts each launch that the holder signed. */
    if (!policy->measurement_count && !policy->signer_count && (policy->id_key_count || policy->author_key_count))
        return;
    check = policy_add_check(e, "measurement", named || in_manifest);
    if (policy->measurement_count == 1 && !policy->signer_count)
        hex_encode(policy->measurements[0], MEASUREMENT_BYTES, check->wanted);
    else if (!policy->signer_count)
        POLICY_SAY(check->wanted, "one of %zu", policy->measurement_count);
    else
        POLICY_SAY(check->wanted, "one of %zu, or in a manifest that %u of %zu signers signed",
                   policy->measurement_count, policy->signer_threshold, policy->signer_count);
    hex_encode(e->report->measurement, MEASUREMENT_BYTES, check->found);
}

static void check_coverage(const struct policy_evaluation *e)
{
    struct policy_check *check;

    if (e->policy->least_coverage == COVERAGE_UNKNOWN)
        return;
    check = policy_add_check(e, "coverage", e->decision->coverage >= e->policy->least_coverage);
    POLICY_SAY(check->wanted, "at least %s", coverage_name(e->policy->least_coverage));
    POLICY_SAY(check->found, "%s", coverage_name(e->decision->coverage));
}

void policy_evaluate(const struct policy *policy, const struct policy_facts *facts,
                     struct policy_decision *ret_decision)
{
    const struct policy_evaluation e = { policy, facts, facts->report, ret_decision };

    *ret_decision = (struct policy_decision){ .count = 0 };
    policy_check_guest(&e);
    check_endorsement(&e);
    policy_check_platform(&e);
    policy_check_identity(&e);
    check_request(&e);
    policy_check_keys(&e);
    check_measurement(&e);
    check_coverage(&e);
}
