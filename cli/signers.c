/* Keys that the user names. */
#include "cli/signers.h"

#include <errno.h>

int signers_load(const struct signers *signers, struct dsse_keys *ret_keys, size_t *ret_threshold, struct reason *why)
{
    CLEANUP(dsse_keys_free) struct dsse_keys keys = { .count = 0 };
    EVP_PKEY *key = NULL;
    size_t threshold;
    int r;

    for (size_t i = 0; i < signers->files.count; i++) {
        r = key_read_public(signers->files.values[i], KEY_P384 | KEY_ED25519, &key, why);
        if (r == 0)
            r = dsse_keys_add(&keys, key);
        if (r < 0)
            return r;
    }
    if (!keys.count)
        return reason_set(why, -EINVAL, "%s", signers->threshold ? "--threshold without --key: nothing to count"
                                                                 : "--key is missing: whose signature counts?");
    threshold = signers->threshold ? (size_t)signers->threshold : keys.count;
    if (threshold > keys.count)
        return reason_set(why, -EINVAL, "--threshold %zu: more than the %zu different keys that were given", threshold,
                          keys.count);
    *ret_threshold = threshold;
    *ret_keys = keys;
    keys.count = 0;
    return 0;
}
