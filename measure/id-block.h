/*
 * ID block and ID authentication: with them a publisher says, signed, which launch is his image. The secure processor
 * compares digest and policy at the end of the launch and reports family, image, version of the guest and the digests
 * of the keys (ABI specification 56860, chapter 4 for the fields of a report, 8.18 SNP_LAUNCH_FINISH, tables "Structure
 * of the ID Block" and "Structure of the ID Authentication Information Structure"; chapter 10 for keys and signatures).
 */
#pragma once

#include <openssl/evp.h>

#include "base/base.h"
#include "base/reason.h"
#include "measure/measure.h"

#define ID_BLOCK_BYTES 96
#define ID_AUTH_BYTES 4096
#define ID_NAME_BYTES 16 /* family id, image id */
#define ID_KEY_BYTES 1028
#define ID_SIGNATURE_BYTES 512
#define ID_NUMBER_BYTES 72 /* little-endian; P-384 uses 48 of them */

/* Bits of a guest policy (table "Guest Policy Structure"). */
#define ID_POLICY_RESERVED_ONE (UINT64_C(1) << 17)
#define ID_POLICY_DEBUG (UINT64_C(1) << 19)
#define ID_POLICY_KNOWN ((UINT64_C(1) << 26) - 1)
#define ID_POLICY_DEFAULT UINT64_C(0x30000) /* SMT allowed, nothing else */

struct id_block {
    uint8_t digest[LAUNCH_DIGEST_BYTES];
    uint8_t family_id[ID_NAME_BYTES];
    uint8_t image_id[ID_NAME_BYTES];
    uint32_t guest_svn;
    uint64_t policy; /* has to be the one that the guest is launched with */
};

/* The parts of an ID authentication, as bytes in its own memory. */
struct id_auth {
    uint8_t block_signature[ID_SIGNATURE_BYTES]; /* of the ID block, by the ID key */
    uint8_t id_key[ID_KEY_BYTES];
    bool has_author;
    uint8_t author_signature[ID_SIGNATURE_BYTES]; /* of id_key, by the author key */
    uint8_t author_key[ID_KEY_BYTES];
};

/* What reports of a guest with this ID block say of its keys; zeros for an author key that is not there. */
struct id_digests {
    uint8_t id_key[SHA384_BYTES];
    uint8_t author_key[SHA384_BYTES];
};

/* Whether a guest can have this policy; says why not. Errors: -EINVAL. */
int id_policy_check(uint64_t policy, struct reason *why) MUST_CHECK;

/* The 96 bytes; their version is 1, the only one. */
void id_block_encode(const struct id_block *block, uint8_t ret_bytes[ID_BLOCK_BYTES]);

/* Exactly 96 bytes of version 1 with a possible policy. Errors: -EBADMSG. */
int id_block_parse(const void *data, size_t size, struct id_block *ret_block, struct reason *why) MUST_CHECK;

/* The public half of a P-384 key as the secure processor takes it. Errors: -EINVAL for another key, -ENOMEM. */
int id_key_encode(EVP_PKEY *key, uint8_t ret_bytes[ID_KEY_BYTES]) MUST_CHECK;

/* SHA-384 of the 1028 bytes: ID_KEY_DIGEST and AUTHOR_KEY_DIGEST of reports. Errors: -ENOMEM. */
int id_key_digest(const uint8_t key[ID_KEY_BYTES], uint8_t ret_digest[SHA384_BYTES]) MUST_CHECK;

/*
 * Signs the block with the ID key and, unless `author_key` is NULL, the ID key with the author key. The same inputs
 * give the same bytes. Errors: -EINVAL for keys that are not P-384 with a private half, -ENOMEM.
 */
int id_auth_make(const uint8_t block[ID_BLOCK_BYTES], EVP_PKEY *id_key, EVP_PKEY *author_key,
                 uint8_t ret_bytes[ID_AUTH_BYTES]) MUST_CHECK;

/*
 * Exactly 4096 bytes: ECDSA P-384 with SHA-384, keys on that curve's form, zeros wherever nothing is defined; the
 * author's parts are either all there or all zero. Says nothing about the signatures. Errors: -EBADMSG.
 */
int id_auth_parse(const void *data, size_t size, struct id_auth *ret_auth, struct reason *why) MUST_CHECK;

/*
 * Parses both and verifies the signatures with the keys inside: the check of the secure processor. Whose keys these are
 * the digests say. Errors: -EBADMSG, -EKEYREJECTED for a signature that is none, -ENOMEM.
 */
int id_auth_verify(const void *block, size_t block_size, const void *auth, size_t auth_size,
                   struct id_digests *ret_digests, struct reason *why) MUST_CHECK;
