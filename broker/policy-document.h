/* Changes to policies as the broker keeps them: always policy_write()'s spelling of what policy_parse() read. */
#pragma once

#include <openssl/evp.h>

#include "attest/policy.h"
#include "base/base.h"

/* Adds a launch digest unless it is there. Errors: -ENOMEM, -E2BIG above POLICY_MAX_MEASUREMENTS. */
int policy_document_add(struct policy *policy, const uint8_t measurement[MEASUREMENT_BYTES], bool *ret_added)
    MUST_CHECK;

/* The key as a signer of manifests. Errors: -EINVAL for one that is too large, -ENOMEM. */
int policy_signer_set(struct policy_signer *signer, EVP_PKEY *key) MUST_CHECK;
