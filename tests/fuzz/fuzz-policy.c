/*
 * attest/policy-parse.c. A policy that is accepted allows a report that is made for it and denies the same report with
 * any one thing changed.
 */
#include "attest/policy.h"
#include "fuzz.h"

static bool allows(const struct policy *policy, const struct report *report)
{
    struct policy_decision decision;
    size_t passed = 0;
    const struct policy_facts facts = { .report = report, .product = PRODUCT_TURIN };

    policy_evaluate(policy, &facts, &decision);
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

static void check(const struct policy *policy)
{
    struct report right = { .version = 3, .vmpl = policy->vmpl }, wrong;
    bool listed = false;

    REQUIRE(policy->measurement_count && policy->measurement_count <= POLICY_MAX_MEASUREMENTS);
    REQUIRE(!policy->any_measurement && policy->vmpl <= 3);
    memcpy(right.measurement, policy->measurements[policy->measurement_count - 1], MEASUREMENT_BYTES);
    if (policy->has_host_data)
        memcpy(right.host_data, policy->host_data, HOST_DATA_BYTES);
    if (policy->has_minimum_tcb)
        right.reported_tcb = tcb_encode(PRODUCT_TURIN, &policy->minimum_tcb);
    REQUIRE(allows(policy, &right));
    wrong = right;
    wrong.vmpl++;
    REQUIRE(!allows(policy, &wrong));
    wrong = right;
    wrong.policy = GUEST_POLICY_DEBUG;
    REQUIRE(allows(policy, &wrong) == policy->allow_debug);
    wrong.policy = GUEST_POLICY_MIGRATE_MA;
    REQUIRE(allows(policy, &wrong) == policy->allow_migration_agent);
    wrong = right;
    wrong.host_data[5] ^= 1;
    REQUIRE(allows(policy, &wrong) == !policy->has_host_data);
    wrong = right;
    wrong.measurement[5] ^= 1;
    for (size_t i = 0; i < policy->measurement_count; i++)
        listed |= memcmp(policy->measurements[i], wrong.measurement, MEASUREMENT_BYTES) == 0;
    REQUIRE(allows(policy, &wrong) == listed);
    for (size_t i = 0; policy->has_minimum_tcb && i < sizeof(struct tcb); i++) {
        struct tcb less = policy->minimum_tcb;

        if (!((uint8_t *)&less)[i]--)
            continue;
        wrong = right;
        wrong.reported_tcb = tcb_encode(PRODUCT_TURIN, &less);
        REQUIRE(!allows(policy, &wrong));
    }
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
