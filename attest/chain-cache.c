/* Verified chains; whoever sends certificates chooses which entry they fall on, and can push others out, no more. */
#include "attest/chain-cache.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/cursor.h"

static bool digest_of(const struct cert_table *table, enum signing_key kind, uint8_t ret_digest[SHA256_BYTES])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t head[8];
    bool ok = context && EVP_DigestInit_ex2(context, EVP_sha256(), NULL) == 1;

    put_u32le(head, (uint32_t)kind);
    put_u32le(head + 4, (uint32_t)table->count);
    ok = ok && EVP_DigestUpdate(context, head, sizeof(head)) == 1;
    for (size_t i = 0; ok && i < table->count; i++) {
        put_u32le(head, (uint32_t)table->entries[i].kind);
        put_u32le(head + 4, (uint32_t)table->entries[i].size);
        ok = EVP_DigestUpdate(context, head, sizeof(head)) == 1 &&
             EVP_DigestUpdate(context, table->entries[i].data, table->entries[i].size) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(context, ret_digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    return ok;
}

static bool entry_good(const struct chain_cache_entry *entry, const uint8_t digest[SHA256_BYTES], time_t at)
{
    return entry->chain.certificate && memcmp(entry->digest, digest, SHA256_BYTES) == 0 && at >= entry->at &&
           at - entry->at < CHAIN_CACHE_SECONDS;
}

/* The same chain with a reference of its own to the certificate. */
static struct trust_chain copy_of(const struct trust_chain *chain)
{
    struct trust_chain copy = *chain;

    (void)X509_up_ref(copy.certificate);
    return copy;
}

int chain_cache_verify(struct chain_cache *cache, const struct cert_table *table, enum signing_key kind,
                       const struct trust_roots *roots, time_t at, struct trust_chain *ret_chain,
                       enum verify_step *ret_step, struct reason *why)
{
    struct chain_cache_entry *entry;
    uint8_t digest[SHA256_BYTES];
    int r;

    if (!digest_of(table, kind, digest)) {
        *ret_step = VERIFY_CERTIFICATE;
        return -ENOMEM;
    }
    entry = &cache->entries[get_u16le(digest) % CHAIN_CACHE_ENTRIES];
    if (entry_good(entry, digest, at)) {
        cache->hits++;
        *ret_step = VERIFY_CHAIN;
        *ret_chain = copy_of(&entry->chain);
        return 0;
    }
    cache->misses++;
    r = trust_chain_verify(table, kind, roots, at, ret_chain, ret_step, why);
    if (r < 0)
        return r;
    trust_chain_free(&entry->chain);
    *entry = (struct chain_cache_entry){ .at = at, .chain = copy_of(ret_chain) };
    memcpy(entry->digest, digest, sizeof(digest));
    return 0;
}

void chain_cache_clear(struct chain_cache *cache)
{
    for (size_t i = 0; i < CHAIN_CACHE_ENTRIES; i++)
        trust_chain_free(&cache->entries[i].chain);
}
