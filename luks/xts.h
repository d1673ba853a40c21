/* dm-crypt's aes-xts-plain64 in user space: sectors of 4096 bytes, the IV counting in sectors of 512. */
#pragma once

#include "base/base.h"
#include "base/secret.h"

#define XTS_KEY_BYTES 64u

struct xts;

/* `key` has XTS_KEY_BYTES: both AES-256 keys. Errors: -EINVAL, -ENOMEM. */
int xts_new(const struct secret *key, struct xts **ret_xts) MUST_CHECK;

/* Encrypts in place. `offset` is where the data lies in the volume, in bytes; both are multiples of 4096. */
int xts_encrypt(struct xts *xts, uint64_t offset, uint8_t *data, size_t size) MUST_CHECK;

void xts_free(struct xts **xts);
