/*
 * Chains that have verified lately, for those who verify many reports: a chip that comes again costs one signature.
 *
 * Only chains that verified are kept, under a digest of every byte that the verification looked at: the kind of key and
 * the whole certificate table. An entry is good for CHAIN_CACHE_SECONDS, so that a certificate or a revocation list
 * that expires is noticed that much later at the most. It belongs to the roots that it was made under: clear the cache
 * when they change.
 */
#pragma once

#include <time.h>

#include "attest/chain.h"
#include "base/base.h"
#include "measure/measure.h"

#define CHAIN_CACHE_ENTRIES 256
#define CHAIN_CACHE_SECONDS 60

struct chain_cache_entry {
    uint8_t digest[SHA256_BYTES];
    time_t at; /* when it was verified */
    struct trust_chain chain; /* certificate NULL: the entry is free */
};

struct chain_cache {
    struct chain_cache_entry entries[CHAIN_CACHE_ENTRIES];
    uint64_t hits, misses;
};

/*
 * As trust_chain_verify(), through the cache. *ret_chain is the caller's own, to be freed with trust_chain_free().
 * Errors: its own.
 */
int chain_cache_verify(struct chain_cache *cache, const struct cert_table *table, enum signing_key kind,
                       const struct trust_roots *roots, time_t at, struct trust_chain *ret_chain,
                       enum verify_step *ret_step, struct reason *why) MUST_CHECK;

/* Forgets all. */
void chain_cache_clear(struct chain_cache *cache);
