/* Policy documents as the broker keeps them: always its own spelling of what attest/policy.h read. */
#pragma once

#include "attest/policy.h"
#include "base/base.h"
#include "base/buffer.h"

/* Appends the document, every member written out. policy_parse() reads it back. */
void policy_document_write(const struct policy *policy, struct buffer *to);

/* Adds a launch digest unless it is there. Errors: -ENOMEM, -E2BIG above POLICY_MAX_MEASUREMENTS. */
int policy_document_add(struct policy *policy, const uint8_t measurement[MEASUREMENT_BYTES], bool *ret_added)
    MUST_CHECK;
