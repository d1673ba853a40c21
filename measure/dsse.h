/*
 * DSSE envelopes (Dead Simple Signing Envelope 1.0.2, protocol.md and envelope.md): bytes, what they are, and
 * signatures over both. Signatures here are ECDSA P-384 with SHA-384 (DER) and Ed25519; an envelope may hold others.
 */
#pragma once

#include <openssl/evp.h>

#include "base/base.h"
#include "base/buffer.h"
#include "base/key.h"
#include "base/reason.h"

#define DSSE_MAX_PAYLOAD_BYTES (8u * 1024 * 1024)
#define DSSE_MAX_BYTES (12u * 1024 * 1024)
#define DSSE_MAX_SIGNATURES 16
#define DSSE_MAX_SIGNATURE_BYTES 8192u /* larger than those of any scheme in use */
#define DSSE_MAX_TYPE_BYTES 127
#define DSSE_MAX_KEYID_BYTES 255
#define DSSE_MAX_KEYS 16

struct dsse_signature {
    char keyid[DSSE_MAX_KEYID_BYTES + 1]; /* a hint that nothing may depend on; may be empty */
    uint8_t *bytes;
    size_t size;
};

struct dsse {
    char type[DSSE_MAX_TYPE_BYTES + 1];
    uint8_t *payload; /* a NUL that is not counted follows */
    size_t payload_size;
    struct dsse_signature signatures[DSSE_MAX_SIGNATURES];
    size_t signature_count; /* 0: not signed yet */
};

#define DSSE_NONE ((struct dsse){ .payload = NULL })

/*
 * One JSON envelope. Base64 of either alphabet; that of RFC 4648 section 5 with its padding or without. Members that
 * the format does not know are passed over, as it demands; duplicates are refused. The caller frees with dsse_free().
 * Errors: -EMSGSIZE, -EBADMSG, -ENOMEM; with a sentence.
 */
int dsse_parse(const void *text, size_t size, struct dsse *ret_envelope, struct reason *why) MUST_CHECK;

void dsse_free(struct dsse *envelope);

/* The envelope as one line: members in the order of RFC 8785, standard base64, a newline. */
void dsse_encode(const struct dsse *envelope, struct buffer *to);

/* What a signature is over: type and payload with their lengths (protocol.md, PAE). */
void dsse_pae(const char *type, const void *payload, size_t size, struct buffer *to);

/*
 * Adds a signature with the key's id as its hint. A key whose signature is there adds none. Errors: -ENOSPC when there
 * is no room, -EINVAL for an unusable key, -ENOMEM.
 */
int dsse_sign(struct dsse *envelope, EVP_PKEY *key, bool *ret_added, struct reason *why) MUST_CHECK;

/* Public keys to verify with, each once. */
struct dsse_keys {
    EVP_PKEY *keys[DSSE_MAX_KEYS];
    uint8_t ids[DSSE_MAX_KEYS][KEY_ID_BYTES];
    size_t count;
};

/* Takes the key over, also when it is there already and is freed. Errors: -ENOSPC, -ENOMEM; the key is freed. */
int dsse_keys_add(struct dsse_keys *keys, EVP_PKEY *key) MUST_CHECK;
void dsse_keys_free(struct dsse_keys *keys);

struct dsse_verdict {
    bool by[DSSE_MAX_KEYS]; /* which keys have signed */
    size_t keys;            /* how many of them: a key counts once */
    size_t others;          /* signatures that are of none of the keys */
};

/*
 * Tries each signature with each key, whatever its hint says. Errors: -EKEYREJECTED when fewer than `threshold` keys
 * have signed (ret_verdict is set all the same, as after success), -EINVAL for a threshold of 0 or above the number of
 * keys, -ENOMEM.
 */
int dsse_verify(const struct dsse *envelope, const struct dsse_keys *keys, size_t threshold,
                struct dsse_verdict *ret_verdict, struct reason *why) MUST_CHECK;
