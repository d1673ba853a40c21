/*
 * Operations: what an operator changes and looks at, in one transaction each, with a row of the log for what changed.
 * The keeper carries them out for the administration socket, the verbs when no broker serves.
 */
#pragma once

#include "base/base.h"
#include "base/buffer.h"
#include "base/reason.h"
#include "base/secret.h"
#include "broker/admin.h"
#include "broker/policy-cache.h"
#include "broker/store.h"

struct operation {
    struct store *store;
    const struct secret *kek;
    struct policy_cache *policies;
    unsigned uid;          /* whose */
    uint64_t lease_ms;     /* 0: a day */
    struct buffer *output; /* what goes to standard output is appended */
};

/* Carries it out. Gives an exit code (broker.h, base/command.h) and, when that is not COMMAND_OK, a sentence. */
int operate(const struct operation *operation, const struct admin_request *request, struct reason *why) MUST_CHECK;

/* Whether it changes nothing; whether it needs the key-encryption key. */
bool operate_only_reads(const struct admin_request *request);
bool operate_needs_keys(const struct admin_request *request);

/* ---- the parts, each inside the caller's transaction; 0 or a negative errno with a sentence */

int operate_volume_add(const struct operation *operation, const struct admin_request *request, struct reason *why)
    MUST_CHECK;
int operate_secret_add(const struct operation *operation, const struct admin_request *request, struct reason *why)
    MUST_CHECK;
int operate_volume_list(const struct operation *operation, const struct admin_request *request, struct reason *why)
    MUST_CHECK;
int operate_leases(const struct operation *operation, const struct admin_request *request, struct reason *why)
    MUST_CHECK;
int operate_chip_add(const struct operation *operation, const struct admin_request *request, struct reason *why)
    MUST_CHECK;
int operate_chip_list(const struct operation *operation, const struct admin_request *request, struct reason *why)
    MUST_CHECK;
int operate_allow(const struct operation *operation, const struct admin_request *request, struct buffer *detail,
                  struct reason *why) MUST_CHECK;
int operate_policy_set(const struct operation *operation, const struct admin_request *request, struct reason *why)
    MUST_CHECK;
int operate_policy_list(const struct operation *operation, const struct admin_request *request, struct reason *why)
    MUST_CHECK;
int operate_policy_show(const struct operation *operation, const struct admin_request *request, struct reason *why)
    MUST_CHECK;
