/*
 * What a verified report must say: a policy document, and the decision over a report as a list of checks.
 *
 * Everything is denied unless the policy allows it. The document is JSON (docs/policy.md); unknown, duplicate or
 * mistyped members are errors.
 */
#pragma once

#include "attest/product.h"
#include "attest/report.h"
#include "base/json.h"
#include "base/reason.h"

#define POLICY_MAX_BYTES (64u * 1024)
#define POLICY_MAX_MEASUREMENTS 4096
#define POLICY_MAX_CHECKS 8
#define POLICY_TEXT_BYTES 136

struct policy {
    uint8_t (*measurements)[MEASUREMENT_BYTES]; /* accepted launch digests */
    size_t measurement_count;
    bool any_measurement; /* in the guest, which cannot know its own digest */
    bool allow_debug;
    bool allow_migration_agent;
    uint32_t vmpl;
    bool has_host_data;
    uint8_t host_data[HOST_DATA_BYTES];
    bool has_minimum_tcb;
    struct tcb minimum_tcb; /* of the reported TCB, component by component */
};

struct policy_check {
    const char *name; /* stable: "measurement", "guest_policy.debug" … */
    bool passed;
    char wanted[POLICY_TEXT_BYTES];
    char found[POLICY_TEXT_BYTES];
};

struct policy_decision {
    struct policy_check checks[POLICY_MAX_CHECKS];
    size_t count;
    const struct policy_check *failed; /* the first one that did not pass; NULL: allowed */
};

/* A broker's policy document. The caller frees with policy_free(). Errors: those of json_parse(), -ENOMEM. */
int policy_parse(const void *text, size_t size, struct policy *ret_policy, struct reason *why) MUST_CHECK;

/*
 * The members that a guest may expect of its own launch, out of its configuration: all but the measurements.
 * Problems go into the reader's status.
 */
void policy_read_expectations(struct json_reader *reader, struct policy *ret_policy);

void policy_free(struct policy *policy);

/*
 * Evaluates every check, so that the list is complete; never fails. `product` is the verified one, or in the guest
 * the one the report names.
 */
void policy_evaluate(const struct policy *policy, const struct report *report, enum product product,
                     struct policy_decision *ret_decision);
