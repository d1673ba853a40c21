/*
 * The public half of a guest's session key as brokers handle it, and as a JWK (RFC 7517; kbs.md names the members that
 * survive: kty, crv, alg, x, y; of an RSA key kty, alg, n, e).
 */
#pragma once

#include <openssl/evp.h>

#include "base/base.h"
#include "base/buffer.h"
#include "base/json.h"
#include "base/key.h"
#include "base/reason.h"
#include "release/tee-key.h"

#define GUEST_KEY_LEAST_MODULUS_BYTES 256
#define GUEST_KEY_MAX_MODULUS_BYTES 512
#define GUEST_KEY_NAME_BYTES 64

/* Unused bytes are zero. */
struct guest_public_key {
    enum tee_key_kind kind;
    uint8_t x[TEE_KEY_MAX_COORDINATE_BYTES]; /* big-endian, leading zeros kept, as many bytes as the curve has */
    uint8_t y[TEE_KEY_MAX_COORDINATE_BYTES];
    uint8_t modulus[GUEST_KEY_MAX_MODULUS_BYTES]; /* RSA, big-endian; the exponent is 65537 */
    size_t modulus_size;
};

/* A new key pair on a curve. The private scalar lies in OpenSSL's secure heap. Errors: -ENOMEM. */
int guest_key_generate(enum tee_key_kind kind, EVP_PKEY **ret_key, struct guest_public_key *ret_public) MUST_CHECK;

/* An OpenSSL key. Errors: -EBADMSG when it is not a point of its curve, or an even modulus. */
int guest_key_load(const struct guest_public_key *point, EVP_PKEY **ret_key) MUST_CHECK;

/* The point of an OpenSSL key. Errors: -EBADMSG when it is on neither P-256 nor P-521. */
int guest_key_point(const EVP_PKEY *key, struct guest_public_key *ret_public) MUST_CHECK;

/*
 * What stands for the key where two are compared: the coordinates of a P-256 point, SHA-512 of the canonical JWK of
 * others. Errors: -ENOMEM.
 */
int guest_key_name(const struct guest_public_key *point, uint8_t ret_name[GUEST_KEY_NAME_BYTES]) MUST_CHECK;

/* The canonical JWK, {"alg":…,"crv":…,"kty":…,"x":…,"y":…} or {"alg":…,"e":…,"kty":…,"n":…}. */
void guest_key_write_jwk(const struct guest_public_key *point, struct buffer *to);

/*
 * The members of a key that `reader` is at. `with_alg`: the member alg must be "ECDH-ES+A256KW", or "RSA-OAEP-256" of
 * an RSA key (tee-pubkey); without it the key is on a curve and the member must not be there (epk). Problems go into
 * the reader's status.
 */
void guest_key_read_jwk(struct json_reader *reader, bool with_alg, struct guest_public_key *ret_public);

void guest_key_free(EVP_PKEY **key);
