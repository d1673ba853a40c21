/*
 * The signers that a policy names, as keys to verify manifests with. The policy's author controls the bytes; what is
 * not exactly one public key is refused. Not in the guest.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "attest/policy.h"
#include "measure/dsse.h"

int policy_signer_keys(const struct policy *policy, struct dsse_keys *keys, struct reason *why)
{
    for (size_t i = 0; i < policy->signer_count; i++) {
        const unsigned char *at = policy->signers[i].der;
        EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)policy->signers[i].size);
        int r;

        ERR_clear_error();
        if (!key || at != policy->signers[i].der + policy->signers[i].size) {
            EVP_PKEY_free(key);
            return reason_set(why, -EINVAL, "manifests.signers[%zu]: not a public key", i);
        }
        r = dsse_keys_add(keys, key);
        if (r < 0)
            return r;
    }
    return 0;
}
