/*
 * The point of a P-256 session key as brokers handle it, and as a JWK (RFC 7517; kbs.md names the members
 * that survive: kty, crv, alg, x, y).
 */
#pragma once

#include <openssl/evp.h>

#include "base/base.h"
#include "base/buffer.h"
#include "base/json.h"
#include "base/key.h"
#include "base/reason.h"

#define P256_COORDINATE_BYTES 32

struct guest_public_key {
    uint8_t x[P256_COORDINATE_BYTES]; /* big-endian, leading zeros kept */
    uint8_t y[P256_COORDINATE_BYTES];
};

/* A new key pair. The private scalar lies in OpenSSL's secure heap. Errors: -ENOMEM. */
int guest_key_generate(EVP_PKEY **ret_key, struct guest_public_key *ret_public) MUST_CHECK;

/* An OpenSSL key for the point. Errors: -EBADMSG when it is not on the curve. */
int guest_key_load(const struct guest_public_key *point, EVP_PKEY **ret_key) MUST_CHECK;

/* The point of an OpenSSL key. Errors: -EBADMSG when it is not a P-256 key. */
int guest_key_point(const EVP_PKEY *key, struct guest_public_key *ret_public) MUST_CHECK;

/* The canonical JWK, {"alg":…,"crv":…,"kty":…,"x":…,"y":…}. */
void guest_key_write_jwk(const struct guest_public_key *point, struct buffer *to);

/*
 * The members of an EC key that `reader` is at. `with_alg`: the member alg must be "ECDH-ES+A256KW" (tee-pubkey);
 * without it the member must not be there (epk). Problems go into the reader's status.
 */
void guest_key_read_jwk(struct json_reader *reader, bool with_alg, struct guest_public_key *ret_public);

void guest_key_free(EVP_PKEY **key);
