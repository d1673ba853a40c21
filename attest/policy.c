/* Decisions over verified reports. The report's fields are true by now; whether they are wanted is decided here. */
#include "attest/policy.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"

static struct policy_check *add(struct policy_decision *decision, const char *name, bool passed)
{
    struct policy_check *check = &decision->checks[decision->count++];

    *check = (struct policy_check){ .name = name, .passed = passed };
    if (!passed && !decision->failed)
        decision->failed = check;
    return check;
}

static bool measurement_listed(const struct policy *policy, const struct report *report)
{
    for (size_t i = 0; i < policy->measurement_count; i++)
        if (memcmp(policy->measurements[i], report->measurement, MEASUREMENT_BYTES) == 0)
            return true;
    return false;
}

static void check_measurement(const struct policy *policy, const struct report *report,
                              struct policy_decision *decision)
{
    struct policy_check *check = add(decision, "measurement", measurement_listed(policy, report));

    if (policy->measurement_count == 1)
        hex_encode(policy->measurements[0], MEASUREMENT_BYTES, check->wanted);
    else
        (void)snprintf(check->wanted, sizeof(check->wanted), "one of %zu", policy->measurement_count);
    hex_encode(report->measurement, MEASUREMENT_BYTES, check->found);
}

/* A bit of the guest policy that is only acceptable when the document says so. */
static void check_policy_bit(const char *name, const struct report *report, uint64_t bit, bool allowed,
                             struct policy_decision *decision)
{
    bool set = report->policy & bit;
    struct policy_check *check = add(decision, name, !set || allowed);

    (void)snprintf(check->wanted, sizeof(check->wanted), "%s", allowed ? "any" : "0");
    (void)snprintf(check->found, sizeof(check->found), "%d", set);
}

static void check_vmpl(const struct policy *policy, const struct report *report, struct policy_decision *decision)
{
    struct policy_check *check = add(decision, "vmpl", report->vmpl == policy->vmpl);

    (void)snprintf(check->wanted, sizeof(check->wanted), "%u", policy->vmpl);
    (void)snprintf(check->found, sizeof(check->found), "%u", report->vmpl);
}

static void check_host_data(const struct policy *policy, const struct report *report, struct policy_decision *decision)
{
    struct policy_check *check =
        add(decision, "host_data", memcmp(policy->host_data, report->host_data, HOST_DATA_BYTES) == 0);

    hex_encode(policy->host_data, HOST_DATA_BYTES, check->wanted);
    hex_encode(report->host_data, HOST_DATA_BYTES, check->found);
}

static void describe_tcb(const struct tcb *tcb, char *to, size_t room)
{
    (void)snprintf(to, room, "fmc %u bootloader %u tee %u snp %u microcode %u", tcb->fmc, tcb->bootloader, tcb->tee,
                   tcb->snp, tcb->microcode);
}

static void check_minimum_tcb(const struct policy *policy, const struct report *report, enum product product,
                              struct policy_decision *decision)
{
    struct tcb reported = tcb_decode(product, report->reported_tcb);
    struct policy_check *check =
        add(decision, "minimum_tcb", product != PRODUCT_UNKNOWN && tcb_at_least(&reported, &policy->minimum_tcb));

    describe_tcb(&policy->minimum_tcb, check->wanted, sizeof(check->wanted));
    describe_tcb(&reported, check->found, sizeof(check->found));
}

void policy_evaluate(const struct policy *policy, const struct report *report, enum product product,
                     struct policy_decision *ret_decision)
{
    *ret_decision = (struct policy_decision){ .count = 0 };
    check_policy_bit("guest_policy.debug", report, GUEST_POLICY_DEBUG, policy->allow_debug, ret_decision);
    check_policy_bit("guest_policy.migrate_ma", report, GUEST_POLICY_MIGRATE_MA, policy->allow_migration_agent,
                     ret_decision);
    check_vmpl(policy, report, ret_decision);
    if (policy->has_minimum_tcb)
        check_minimum_tcb(policy, report, product, ret_decision);
    if (policy->has_host_data)
        check_host_data(policy, report, ret_decision);
    if (!policy->any_measurement)
        check_measurement(policy, report, ret_decision);
}
