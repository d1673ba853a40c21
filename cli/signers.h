/* Whose signatures count: --key FILE, several times, and --threshold K, as the verbs over manifests take them. */
#pragma once

#include "base/command.h"
#include "base/reason.h"
#include "measure/dsse.h"

struct signers {
    struct option_list files; /* --key */
    uint64_t threshold;       /* --threshold; 0: not given */
};

#define SIGNERS_OPTIONS(s)                                                                                             \
    OPTION("key", "FILE", "public key of a publisher, P-384 or Ed25519; may be repeated", OPTION_LIST, &(s)->files),   \
        OPTION("threshold", "K", "how many of the keys have to have signed (default: all)", OPTION_U64,                \
               &(s)->threshold, .min = 1, .max = DSSE_MAX_KEYS)

/*
 * Reads the keys; the same key twice is one. The caller frees with dsse_keys_free(). `*ret_threshold` is what was asked
 * for, or the number of different keys. Errors: -EINVAL for a threshold above that, as key_read_public(); a sentence.
 */
int signers_load(const struct signers *signers, struct dsse_keys *ret_keys, size_t *ret_threshold, struct reason *why)
    MUST_CHECK;
