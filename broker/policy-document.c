/* Policy documents; their contents have been parsed. */
#include "broker/policy-document.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

int policy_document_add(struct policy *policy, const uint8_t measurement[MEASUREMENT_BYTES], bool *ret_added)
{
    uint8_t(*bigger)[MEASUREMENT_BYTES];

    for (size_t i = 0; i < policy->measurement_count; i++) {
        if (memcmp(policy->measurements[i], measurement, MEASUREMENT_BYTES) == 0) {
            *ret_added = false;
            return 0;
        }
    }
    if (policy->measurement_count == POLICY_MAX_MEASUREMENTS)
        return -E2BIG;
    bigger = reallocarray(policy->measurements, policy->measurement_count + 1, sizeof(*bigger));
    if (!bigger)
        return -ENOMEM;
    memcpy(bigger[policy->measurement_count], measurement, MEASUREMENT_BYTES);
    policy->measurements = bigger;
    policy->measurement_count++;
    *ret_added = true;
    return 0;
}

int policy_signer_set(struct policy_signer *signer, EVP_PKEY *key)
{
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(key, &der);

    if (size <= 0)
        return -ENOMEM;
    if ((size_t)size <= sizeof(signer->der)) {
        memcpy(signer->der, der, (size_t)size);
        signer->size = (size_t)size;
    }
    OPENSSL_free(der);
    return (size_t)size <= sizeof(signer->der) ? 0 : -EINVAL;
}
