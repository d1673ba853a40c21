/*
 * Signed trees: what opens a dm-verity tree, said by a key of measured configuration and not by that configuration
 * itself, so that a tree can change without a new launch measurement. One block of 4096 bytes on the tree's own disk,
 * which is the host's; nothing of it counts before its signature is verified. The kernel's own way (dm-verity's root
 * hash signatures) wants a key that was compiled into the kernel.
 *
 *     bytes 0..7      "PSTNTRE1"
 *     bytes 8..15     version, little-endian like all that follow; a guest refuses one below its least
 *     bytes 16..79    volume id, padded with zeros
 *     bytes 80..111   root hash
 *     bytes 112..119  size of the data, blocks
 *     bytes 120..127  where the hash tree starts, blocks
 *     byte 128        size of the salt, 0 to 32
 *     bytes 129..160  salt, padded with zeros
 *     bytes 161..162  size of the signature
 *     bytes 163..     ECDSA on P-384 with SHA-384, DER, over bytes 0..160; zeros behind it
 */
#pragma once

#include <openssl/evp.h>

#include "base/base.h"
#include "base/reason.h"
#include "luks/verity.h"

#define TREE_BLOCK_BYTES 4096u
#define TREE_SIGNED_BYTES 161u
#define TREE_ID_MAX_BYTES 63
#define TREE_MAX_SIGNATURE_BYTES 104

struct tree_statement {
    char volume_id[TREE_ID_MAX_BYTES + 1];
    uint64_t version;
    struct verity_tree tree; /* without name and offset */
    uint8_t signature[TREE_MAX_SIGNATURE_BYTES];
    size_t signature_size;
};

/* What the bytes say; nobody has vouched for it yet. Errors: -EBADMSG. */
int tree_parse(const uint8_t block[TREE_BLOCK_BYTES], struct tree_statement *ret_statement, struct reason *why)
    MUST_CHECK;

/* Whose word counts, for which volume, and from which version on. */
struct tree_expectation {
    const char *volume_id;
    uint64_t least_version;
    EVP_PKEY *signer;
};

/* Whether the block is what is expected. Errors: -EBADMSG, -EKEYREJECTED signer, volume or version. */
int tree_verify(const uint8_t block[TREE_BLOCK_BYTES], const struct tree_expectation *expected,
                struct tree_statement *ret_statement, struct reason *why) MUST_CHECK;

/* The block of a statement, signed. Errors: -EINVAL for one that tree_parse() would refuse, or another kind of key. */
int tree_sign(const struct tree_statement *statement, EVP_PKEY *key, uint8_t ret_block[TREE_BLOCK_BYTES]) MUST_CHECK;
