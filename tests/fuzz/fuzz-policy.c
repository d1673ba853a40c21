/*
 * attest/policy-parse.c and attest/policy-document-parse.c. A policy that is accepted and does not contradict itself allows a report that is made for it
 * and denies the same report with one thing changed; and it survives being written.
 */
#include "attest/policy.h"
#include "fuzz.h"

static bool allows(const struct policy *policy, const struct policy_facts *facts)
{
    struct policy_decision decision;
    size_t passed = 0;

    policy_evaluate(policy, facts, &decision);
    REQUIRE(decision.count && decision.count <= POLICY_MAX_CHECKS);
    for (size_t i = 0; i < decision.count; i++) {
        const struct policy_check *check = &decision.checks[i];

        REQUIRE(check->name && strnlen(check->wanted, POLICY_TEXT_BYTES) < POLICY_TEXT_BYTES);
        REQUIRE(strnlen(check->found, POLICY_TEXT_BYTES) < POLICY_TEXT_BYTES);
        passed += check->passed;
    }
    REQUIRE((decision.failed == NULL) == (passed == decision.count));
    return !decision.failed;
}

static bool choose_product(const struct policy *policy, struct policy_facts *facts)
{
    for (enum product product = PRODUCT_TURIN; product >= PRODUCT_MILAN; product--) {
        if (policy->products && !(policy->products >> product & 1))
            continue;
        if (policy->has_product_tcb && !policy->product_tcb[product].named)
            continue;
        facts->product = product;
        return true;
    }
    return false;
}

/* The least TCB that meets both; false where the product has no such component. */
static bool choose_tcb(enum product product, const struct tcb *a, const struct tcb *b, uint64_t *ret_raw)
{
    struct tcb tcb, again;

    for (size_t i = 0; i < sizeof(tcb); i++) {
        uint8_t one = a ? ((const uint8_t *)a)[i] : 0, other = b ? ((const uint8_t *)b)[i] : 0;

        ((uint8_t *)&tcb)[i] = one > other ? one : other;
    }
    *ret_raw = tcb_encode(product, &tcb);
    again = tcb_decode(product, *ret_raw);
    return tcb_equal(&tcb, &again);
}

static bool choose_tcbs(const struct policy *policy, enum product product, struct report *right)
{
    const struct policy_tcb *by = &policy->product_tcb[product];
    const struct tcb *minimum[POLICY_TCB_KINDS];

    for (size_t i = 0; i < POLICY_TCB_KINDS; i++)
        minimum[i] = by->has[i] ? &by->minimum[i] : NULL;
    return choose_tcb(product, policy->has_minimum_tcb ? &policy->minimum_tcb : NULL, minimum[POLICY_TCB_REPORTED],
                      &right->reported_tcb) &&
           choose_tcb(product, NULL, minimum[POLICY_TCB_COMMITTED], &right->committed_tcb) &&
           choose_tcb(product, NULL, minimum[POLICY_TCB_LAUNCH], &right->launch_tcb);
}

static bool choose_keys(const struct policy *policy, struct report *right)
{
    static const uint8_t zeros[KEY_DIGEST_BYTES];

    right->guest_svn = UINT32_MAX;
    if (policy->id_key_count)
        memcpy(right->id_key_digest, policy->id_keys[policy->id_key_count - 1].digest, KEY_DIGEST_BYTES);
    if (policy->author_key_count) {
        memcpy(right->author_key_digest, policy->author_keys[0].digest, KEY_DIGEST_BYTES);
        right->key_info |= 1;
    }
    return !policy->id_key_count || memcmp(right->id_key_digest, zeros, KEY_DIGEST_BYTES) != 0;
}

static bool choose_chip(const struct policy *policy, struct report *right)
{
    bool nothing = true;

    memset(right->chip_id, 0xe7, sizeof(right->chip_id));
    if (policy->has_allowed_chips)
        memcpy(right->chip_id, policy->allowed_chips[0], CHIP_ID_BYTES);
    for (size_t i = 0; i < policy->denied_chip_count; i++)
        if (memcmp(policy->denied_chips[i], right->chip_id, CHIP_ID_BYTES) == 0)
            return false;
    for (size_t i = 0; i < CHIP_ID_BYTES; i++)
        nothing &= !right->chip_id[i];
    return !nothing;
}

static bool choose_launch(const struct policy *policy, struct report *right, struct policy_facts *facts)
{
    const uint64_t forbidden = (policy->allow_debug ? 0 : GUEST_POLICY_DEBUG) |
                               (policy->allow_migration_agent ? 0 : GUEST_POLICY_MIGRATE_MA);

    if (policy->measurement_count)
        memcpy(right->measurement, policy->measurements[policy->measurement_count - 1], MEASUREMENT_BYTES);
    facts->in_manifest = policy->signer_count != 0;
    facts->manifest_coverage = COVERAGE_IMAGE;
    if (policy->least_coverage > policy->coverage && !facts->in_manifest)
        return false;
    memcpy(right->family_id, policy->family_id, sizeof(right->family_id));
    memcpy(right->image_id, policy->image_id, sizeof(right->image_id));
    memcpy(right->host_data, policy->host_data, sizeof(right->host_data));
    memcpy(right->report_data, policy->report_data, sizeof(right->report_data));
    right->policy = policy->guest_policy.required;
    right->platform_info = policy->platform_info.required;
    return !(right->policy & forbidden);
}

/* A launch that the policy allows; false when it contradicts itself. */
static bool choose(const struct policy *policy, struct report *right, struct policy_facts *facts)
{
    *right = (struct report){ .version = 5,
                              .vmpl = policy->vmpl,
                              .current = policy->current_firmware,
                              .committed = policy->committed_firmware,
                              .launch_mit_vector = policy->launch_mitigations,
                              .current_mit_vector = policy->current_mitigations };
    *facts = (struct policy_facts){ .report = right, .revocation_checked = true };
    return choose_product(policy, facts) && choose_tcbs(policy, facts->product, right) && choose_keys(policy, right) &&
           choose_chip(policy, right) && choose_launch(policy, right, facts);
}

static void check_wrong(const struct policy *policy, const struct report *right, const struct policy_facts *facts)
{
    struct report wrong = *right;
    struct policy_facts other = *facts;

    other.report = &wrong;
    wrong.vmpl++;
    REQUIRE(!allows(policy, &other));
    wrong = *right;
    wrong.policy |= GUEST_POLICY_DEBUG;
    REQUIRE(allows(policy, &other) == (policy->allow_debug && !(policy->guest_policy.forbidden & GUEST_POLICY_DEBUG)));
    wrong = *right;
    wrong.host_data[5] ^= 1;
    REQUIRE(allows(policy, &other) == !policy->has_host_data);
    wrong = *right;
    wrong.report_data[63] ^= 1;
    REQUIRE(allows(policy, &other) == !policy->has_report_data);
    wrong = *right;
    wrong.key_info |= SIGNING_KEY_VLEK << 2;
    REQUIRE(allows(policy, &other) == policy->allow_vlek);
    wrong = *right;
    other.revocation_checked = false;
    REQUIRE(allows(policy, &other) == !policy->require_revocation_list);
    other.revocation_checked = true;
    wrong.platform_info |= policy->platform_info.forbidden;
    REQUIRE(allows(policy, &other) == !policy->platform_info.forbidden);
    wrong = *right;
    wrong.platform_info &= ~policy->platform_info.required;
    REQUIRE(allows(policy, &other) == !policy->platform_info.required);
}

static void check_measurement(const struct policy *policy, const struct report *right, const struct policy_facts *facts)
{
    struct report wrong = *right;
    struct policy_facts other = *facts;
    bool listed = !policy->measurement_count && !policy->signer_count; /* a key's holder is enough */

    other.report = &wrong;
    other.in_manifest = false;
    wrong.measurement[5] ^= 1;
    for (size_t i = 0; i < policy->measurement_count; i++)
        listed |= memcmp(policy->measurements[i], wrong.measurement, MEASUREMENT_BYTES) == 0;
    if (policy->least_coverage <= policy->coverage)
        REQUIRE(allows(policy, &other) == listed);
}

/* What is written is read as the same, and written the same again. */
static void check_writing(const struct policy *policy)
{
    CLEANUP_BUFFER struct buffer first = BUFFER_EMPTY, second = BUFFER_EMPTY;
    struct reason why = { "" };
    struct policy again;

    policy_write(policy, &first);
    if (first.size > POLICY_MAX_BYTES) /* the canonical spelling may be longer */
        return;
    REQUIRE(policy_parse(first.data, first.size, &again, &why) == 0);
    policy_write(&again, &second);
    REQUIRE(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    policy_free(&again);
}

static void check(const struct policy *policy)
{
    struct policy_facts facts;
    struct report right;

    REQUIRE(policy->measurement_count <= POLICY_MAX_MEASUREMENTS && policy->id_key_count <= POLICY_MAX_KEYS);
    REQUIRE(policy->vmpl <= 3);
    check_writing(policy);
    if (!choose(policy, &right, &facts))
        return;
    REQUIRE(allows(policy, &facts));
    check_wrong(policy, &right, &facts);
    check_measurement(policy, &right, &facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size, 0);
    struct reason why = { "" };
    struct policy policy;

    if (policy_parse(copy, size, &policy, &why) == 0) {
        check(&policy);
        policy_free(&policy);
    } else {
        REQUIRE(why.text[0]);
    }
    free(copy);
    return 0;
}
