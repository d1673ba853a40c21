/*
 * dm-crypt's capi:authenc(hmac(sha256),xts(aes))-plain64 in user space: blocks of 4096 bytes as aes-xts-plain64 has
 * them, and for each a tag over its place, IV and ciphertext (Linux drivers/md/dm-crypt.c, crypt_convert_block_aead()).
 */
#pragma once

#include "base/base.h"
#include "base/secret.h"

#define AEAD_KEY_BYTES 96u /* both AES-256 keys, then the HMAC key */
#define AEAD_TAG_BYTES 32u

struct aead;

/* `key` has AEAD_KEY_BYTES. Errors: -EINVAL, -ENOMEM. */
int aead_new(const struct secret *key, struct aead **ret_aead) MUST_CHECK;

/*
 * Encrypts in place; ret_tags has AEAD_TAG_BYTES for each block. `offset` is where the data lies in the volume, in
 * bytes; both are multiples of 4096. Errors: -EINVAL, -EIO.
 */
int aead_encrypt(struct aead *aead, uint64_t offset, uint8_t *data, size_t size, uint8_t *ret_tags) MUST_CHECK;

void aead_free(struct aead **aead);
