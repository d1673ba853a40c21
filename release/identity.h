/*
 * Identities of brokers: who may be asked for keys, said by an offline key that measured configuration pins.
 *
 * An identity is one JSON object, signed: name, addresses, TLS keys, record-signing key, and the releases of images for
 * which it holds. Releases are numbers that images carry in their measured configuration, so validity
 * needs no clock: a broker's key ends with the last release that its identity names. docs/broker-identity.md specifies
 * the bytes. The envelope may reach a guest on any way; the signature is what counts.
 */
#pragma once

#include <openssl/evp.h>

#include "base/base.h"
#include "base/buffer.h"
#include "base/json.h"
#include "base/key.h"
#include "base/reason.h"
#include "base/tls.h"

#define IDENTITY_MAGIC "PSTNIDN1" /* before the payload in what is signed: ECDSA P-384, SHA-384, DER */
#define IDENTITY_MAX_BYTES (16u * 1024) /* of the envelope */
#define IDENTITY_MAX_NAME_BYTES 63
#define IDENTITY_MAX_ADDRESSES 4
#define IDENTITY_MAX_RELEASE UINT32_MAX

struct identity {
    char name[IDENTITY_MAX_NAME_BYTES + 1]; /* [a-z0-9-] */
    struct endpoint addresses[IDENTITY_MAX_ADDRESSES];
    size_t address_count;
    uint8_t pins[TLS_MAX_PINS][TLS_PIN_BYTES];
    size_t pin_count;
    struct key_p384 record_key;
    uint64_t first_release, last_release;
};

/* A broker's members `spki_sha256` and `record_key`, in identities and in measured configurations. */
void identity_read_keys(struct json_reader *reader, enum json_need record_key,
                        uint8_t ret_pins[TLS_MAX_PINS][TLS_PIN_BYTES], size_t *ret_pin_count,
                        struct key_p384 *ret_key);

/* The payload of an envelope. Errors: -EBADMSG, -EMSGSIZE, -ENOMEM. */
int identity_parse(const void *text, size_t size, struct identity *ret_identity, struct reason *why) MUST_CHECK;

/*
 * An envelope that the root key has signed, for an image of this release. Errors: those of identity_parse();
 * -EKEYREJECTED the root key has not signed it; -ESTALE it is not for this release.
 */
int identity_verify(const void *text, size_t size, EVP_PKEY *root, uint64_t release, struct identity *ret_identity,
                    struct reason *why) MUST_CHECK;

/* The payload, members in the order of RFC 8785. Errors: -ENOMEM. */
int identity_write(const struct identity *identity, struct buffer *to) MUST_CHECK;

/*
 * {"payload":BASE64,"signature":BASE64} and a newline. Errors: -EINVAL for another key than one on P-384 or an identity
 * that would be refused, -ENOMEM.
 */
int identity_sign(const struct identity *identity, EVP_PKEY *root, struct buffer *to, struct reason *why) MUST_CHECK;
