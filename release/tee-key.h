/*
 * The key of one session to which a broker encrypts: P-256, which every broker takes and PID 1 uses; P-521 and RSA for
 * those that want them. Its public part travels as a JWK with the members that survive at the other side (kbs.md).
 */
#pragma once

#include <openssl/evp.h>

#include "base/base.h"
#include "base/buffer.h"
#include "base/secret.h"

enum tee_key_kind {
    TEE_KEY_P256, /* ECDH-ES+A256KW */
    TEE_KEY_P521, /* the same on the larger curve */
    TEE_KEY_RSA,  /* RSA-OAEP-256, 3072 bits */
};

#define TEE_KEY_MAX_COORDINATE_BYTES 66

struct tee_key {
    enum tee_key_kind kind;
    EVP_PKEY *key; /* the private half lies in OpenSSL's secure heap */
};

/* "p256", "p521", "rsa"; -EINVAL for any other name. */
int tee_key_kind_parse(const char *name, enum tee_key_kind *ret_kind) MUST_CHECK;

/* A new pair. The caller frees with tee_key_free(). Errors: -ENOMEM. */
int tee_key_generate(enum tee_key_kind kind, struct tee_key *ret_key) MUST_CHECK;

/* The canonical JWK (RFC 8785): alg, crv, kty, x, y; of an RSA key alg, e, kty, n. Errors: -ENOMEM. */
int tee_key_write_jwk(const struct tee_key *key, struct buffer *to) MUST_CHECK;

/* Bytes of a coordinate; 0 for RSA. */
size_t tee_key_coordinate_bytes(enum tee_key_kind kind);

/*
 * The public key at a point of the curve of that kind, by coordinates of tee_key_coordinate_bytes(). Errors: -EBADMSG
 * when it does not lie on it.
 */
int tee_key_load_point(enum tee_key_kind kind, const uint8_t *x, const uint8_t *y, EVP_PKEY **ret_key) MUST_CHECK;

/*
 * X coordinate of the shared point (ECDH, NIST SP 800-56A 5.7.1.2), in as many bytes as the curve's field has. Errors:
 * -EBADMSG, also for a peer on another curve.
 */
int tee_key_agree(EVP_PKEY *key, EVP_PKEY *peer, struct secret *ret_shared) MUST_CHECK;

void tee_key_free(struct tee_key *key);
