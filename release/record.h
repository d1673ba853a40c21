/*
 * The volume record: all that a guest needs to open one disk, released by a broker. docs/volume-record.md specifies
 * the bytes; it is binary because it carries the volume key, and keys do not go through JSON trees.
 *
 * A record by itself is what a builder registers at a broker. For a release the broker puts the session's nonce and the
 * digest of the guest's report before it and signs all of it: the guest knows that its own broker said this, to this
 * launch, for this session, whatever became of TLS.
 */
#pragma once

#include <openssl/evp.h>

#include "attest/attest.h"
#include "base/base.h"
#include "base/reason.h"
#include "base/secret.h"
#include "measure/measure.h"
#include "release/release.h"

#define RECORD_ID_MAX_BYTES 63
#define RECORD_KEY_MAX_BYTES 192
#define RECORD_HEADER_MAC_BYTES 32
#define RECORD_MAX_SIGNATURE_BYTES 104 /* DER of two 48-byte numbers */

enum record_state {
    RECORD_UNINITIALISED = 1, /* may be formatted, once */
    RECORD_READY = 2,
    RECORD_ROTATING = 3, /* on its way to another key; the key's bytes are those of the new and of the old one */
};

/* What the bytes of a volume are, apart from the key. */
struct record {
    char volume_id[RECORD_ID_MAX_BYTES + 1]; /* [a-z0-9-], not empty */
    char cipher[RECORD_ID_MAX_BYTES + 1];    /* dm-crypt's name, "aes-xts-plain64" */
    char integrity[RECORD_ID_MAX_BYTES + 1]; /* "none", "hmac(sha256)" */
    uint32_t sector_size;                    /* of encryption: 512 or 4096 bytes */
    uint64_t offset;                         /* bytes from the start of the disk to the first encrypted one */
    uint64_t length;                         /* bytes, a multiple of sector_size */
    uint64_t layout_length;                  /* bytes; what it was made with: its tags' layout follows from it */
    bool has_header_mac;
    uint8_t header_mac[RECORD_HEADER_MAC_BYTES]; /* luks/header.h; of the LUKS2 header that mode header asks for */
    uint64_t generation;
    enum record_state state;
    uint64_t epoch; /* of a release; 0 in the registered form, which has none */
};

/* What a release binds a record to. */
struct record_binding {
    uint8_t nonce[RELEASE_NONCE_BYTES];
    uint8_t report_digest[SHA384_BYTES]; /* SHA-384 of the report's signed part */
};

/* SHA-384 over the first REPORT_SIGNED_BYTES of a report. Errors: -ENOMEM. */
int record_report_digest(const uint8_t report[REPORT_BYTES], uint8_t ret_digest[SHA384_BYTES]) MUST_CHECK;

/* The registered form, with the key. Errors: -EINVAL for fields that record_parse() would refuse, -ENOMEM. */
int record_encode(const struct record *record, const struct secret *key, struct secret *ret_bytes) MUST_CHECK;

/* The registered form, read. The caller frees the key. Errors: -EBADMSG, with the field. */
int record_parse(const struct secret *bytes, struct record *ret_record, struct secret *ret_key, struct reason *why)
    MUST_CHECK;

/*
 * The registered form with another generation and state. Errors: -EBADMSG when `registered` does not parse, -EINVAL for
 * another state, -ENOMEM.
 */
int record_restate(const struct secret *registered, uint64_t generation, enum record_state state,
                   struct secret *ret_registered) MUST_CHECK;

/*
 * A release: binding, epoch, record and signature (ECDSA P-384, SHA-384, DER) with the broker's record key.
 * Errors: -EBADMSG when `registered` does not parse, -EINVAL for another kind of key, -ENOMEM.
 */
int record_sign(const struct secret *registered, const struct record_binding *binding, uint64_t epoch, EVP_PKEY *key,
                struct secret *ret_release) MUST_CHECK;

/*
 * Takes a release apart, after its signature has been verified with the pinned key and its binding compared.
 * Errors: -EBADMSG malformed, -EKEYREJECTED signature or binding, with which of them in `why`.
 */
int record_verify(const struct secret *release, const struct record_binding *binding, EVP_PKEY *key,
                  struct record *ret_record, struct secret *ret_key, struct reason *why) MUST_CHECK;

/*
 * The broker's acknowledgement that a launch has opened a volume at an epoch: a signature (DER) alone, since both sides
 * know what is signed: "PSTNACK1", binding, epoch, resource (length in 16 bits, characters). ret_signature has room for
 * RECORD_MAX_SIGNATURE_BYTES. Errors: -EINVAL for another kind of key or a resource that is too long, -ENOMEM.
 */
int record_acknowledge(const char *resource, const struct record_binding *binding, uint64_t epoch, EVP_PKEY *key,
                       uint8_t *ret_signature, size_t *ret_size) MUST_CHECK;

/* Errors: -EKEYREJECTED when it is not that of the pinned key over just this. */
int record_acknowledged(const char *resource, const struct record_binding *binding, uint64_t epoch, EVP_PKEY *key,
                        const uint8_t *signature, size_t size) MUST_CHECK;

/* For record-parse.c's fuzz target and record.c: the parts of a release, in place. Errors: -EBADMSG. */
struct record_release_parts {
    struct record_binding binding;
    uint64_t epoch;
    const uint8_t *signed_bytes;
    size_t signed_size;
    const uint8_t *registered;
    size_t registered_size;
    const uint8_t *signature;
    size_t signature_size;
};

int record_split_release(const void *bytes, size_t size, struct record_release_parts *ret_parts) MUST_CHECK;

/* The registered form's fields; the key's place in `bytes` is given, not copied. Errors as record_parse(). */
int record_parse_fields(const void *bytes, size_t size, struct record *ret_record, const uint8_t **ret_key,
                        size_t *ret_key_size, struct reason *why) MUST_CHECK;
