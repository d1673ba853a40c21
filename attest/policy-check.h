/*
 * Between the two files that decide over reports: policy.c has what a guest may expect of its own launch as well,
 * policy-verify.c what verifiers alone ask for. Their checks are in the order of postern-policy(5).
 */
#pragma once

#include "attest/policy.h"

struct policy_evaluation {
    const struct policy *policy;
    const struct policy_facts *facts;
    const struct report *report;
    struct policy_decision *decision;
};

/* Writes a check's text, cut to its room. */
#define POLICY_SAY(where, ...) ((void)snprintf((where), POLICY_TEXT_BYTES, __VA_ARGS__))

/* Appends a check, whose texts are the caller's to fill. */
struct policy_check *policy_add_check(const struct policy_evaluation *e, const char *name, bool passed);

/* Appends one that asks for these bytes. */
void policy_add_bytes(const struct policy_evaluation *e, const char *name, const uint8_t *wanted, const uint8_t *found,
                      size_t size);

/* Whether an item stands in a list of `count`, each of `size` bytes. */
bool policy_lists(const void *list, size_t count, const uint8_t *item, size_t size);

/* Those of a guest as well, in this order; the verifier's own stand between them. */
void policy_check_guest(const struct policy_evaluation *e);
void policy_check_platform(const struct policy_evaluation *e);
void policy_check_identity(const struct policy_evaluation *e);
void policy_check_keys(const struct policy_evaluation *e);
