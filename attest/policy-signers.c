/*
 * The signers that a policy names, as keys to verify manifests with. The policy's author controls the bytes; what is
 * not exactly one public key is refused. Not in the guest.
 */
#include <errno.h>

#include "attest/policy.h"
#include "measure/dsse.h"

int policy_signer_keys(const struct policy *policy, struct dsse_keys *keys, struct reason *why)
{
    for (size_t i = 0; i < policy->signer_count; i++) {
        EVP_PKEY *key = key_decode_der(policy->signers[i].der, policy->signers[i].size);
        int r;

        if (!key)
            return reason_set(why, -EINVAL, "manifests.signers[%zu]: not a public key", i);
        r = dsse_keys_add(keys, key);
        if (r < 0)
            return r;
    }
    return 0;
}
