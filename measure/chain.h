/*
 * The running launch digest: SHA-384 over PAGE_INFO structures for SEV-SNP (ABI specification 8.17.2, table 67), one
 * SHA-256 over everything for SEV and SEV-ES. The error is sticky and asked for once.
 */
#pragma once

#include <openssl/evp.h>

#include "measure/measure.h"

/* As the processor numbers them. */
enum page_type {
    PAGE_NORMAL = 1,
    PAGE_VMSA = 2,
    PAGE_ZERO = 3,
    PAGE_UNMEASURED = 4,
    PAGE_SECRETS = 5,
    PAGE_CPUID = 6,
};

struct chain {
    EVP_MD *sha384;
    EVP_MD_CTX *context;
    EVP_MD_CTX *sha256; /* SEV and SEV-ES: what was hashed so far; NULL otherwise */
    uint8_t digest[LAUNCH_DIGEST_BYTES];
    int error; /* 0 or -ENOMEM */
};

/* Starts with a digest of zeros. Freed with chain_free(), also after an error. */
void chain_start(struct chain *chain);
void chain_free(struct chain *chain);

#define CLEANUP_CHAIN CLEANUP(chain_free)

/* Takes over another's digest, or SHA-256 state, to go on from. */
void chain_copy(struct chain *chain, const struct chain *from);
void chain_start_sha256(struct chain *chain, const EVP_MD_CTX *from);

void chain_hash(struct chain *chain, const void *data, size_t size, uint8_t ret_hash[SHA384_BYTES]);

/* Adds a page; `contents` is its hash, or NULL for pages whose contents are not measured. */
void chain_add(struct chain *chain, enum page_type type, uint64_t gpa, const uint8_t *contents);

/* Adds bytes to the SHA-256, and sets `digest` to what it would be if they were the last. */
void chain_add_bytes(struct chain *chain, const void *data, size_t size);
void chain_peek(struct chain *chain);
