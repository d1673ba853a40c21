/*
 * Encrypted answers: JWE in the flattened JSON serialisation (RFC 7516 section 7.2.2), A256GCM, with what the session's
 * key stands for and nothing else: ECDH-ES+A256KW on P-256 or P-521 (RFC 7518 section 4.6), or RSA-OAEP-256 (4.3).
 */
#pragma once

#include <openssl/evp.h>

#include "base/base.h"
#include "base/buffer.h"
#include "base/reason.h"
#include "base/secret.h"
#include "release/guest-key.h"
#include "release/release.h"
#include "release/tee-key.h"

#define JWE_CEK_BYTES 32
#define JWE_WRAPPED_BYTES 40      /* by AES key wrap */
#define JWE_MAX_WRAPPED_BYTES 512 /* by RSA */
#define JWE_IV_BYTES 12
#define JWE_TAG_BYTES 16
#define JWE_MAX_PROTECTED_BYTES 1024

/* The parts of a message; all bytes are in the clear or ciphertext, none is secret. */
struct jwe {
    char protected_text[JWE_MAX_PROTECTED_BYTES]; /* as received: its ASCII is authenticated */
    enum tee_key_kind kind;
    struct {
        uint8_t x[TEE_KEY_MAX_COORDINATE_BYTES]; /* the curve's number of bytes, from the front */
        uint8_t y[TEE_KEY_MAX_COORDINATE_BYTES];
    } epk; /* not with RSA */
    uint8_t wrapped_key[JWE_MAX_WRAPPED_BYTES];
    size_t wrapped_size;
    uint8_t iv[JWE_IV_BYTES];
    uint8_t ciphertext[RELEASE_MAX_PAYLOAD_BYTES];
    size_t ciphertext_size;
    uint8_t tag[JWE_TAG_BYTES];
};

/* A message to a key of that kind. Errors: -EBADMSG with what is wrong; -EOPNOTSUPP for another algorithm than its. */
int jwe_parse(const void *text, size_t size, enum tee_key_kind kind, struct jwe *ret_jwe, struct reason *why)
    MUST_CHECK;

/* The plaintext, with the private key of the session. Errors: -EBADMSG when anything does not authenticate. */
int jwe_decrypt(const struct jwe *jwe, EVP_PKEY *key, struct secret *ret_plaintext) MUST_CHECK;

/*
 * Encrypts to a guest's key and appends the message to `to`. The protected header is compact and sorted: Trustee's
 * clients authenticate their own re-serialisation of it. Errors: -EBADMSG for a bad point, -EMSGSIZE, -ENOMEM.
 */
int jwe_encrypt(const struct guest_public_key *guest, const struct secret *plaintext, struct buffer *to) MUST_CHECK;

/* The key-encryption key (32 bytes) from the shared X coordinate: one round of Concat KDF. For tests of the wire. */
int jwe_derive_kek(const struct secret *shared, struct secret *ret_kek) MUST_CHECK;
