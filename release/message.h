/*
 * The messages of the protocol (kbs.md sections 2, 3, 7, 8) and the text that a report binds.
 */
#pragma once

#include "attest/attest.h"
#include "base/buffer.h"
#include "base/json.h"
#include "base/reason.h"
#include "release/evidence.h"
#include "release/guest-key.h"
#include "release/record.h"
#include "release/release.h"

/* ---- guest to broker */

void message_write_request(struct buffer *to);

/* What an attestation is made of. */
struct message_parts {
    const char *nonce;     /* the challenge's text */
    const char *jwk;       /* the session's key, canonical (release/tee-key.h) */
    const char *init_data; /* the TOML text, or NULL: sent as null */
    const uint8_t *report; /* REPORT_BYTES */
    const struct cert_table *table;
};

/* POST /attest. Errors: those of evidence_write(). */
int message_write_parts(const struct message_parts *parts, struct buffer *to, struct reason *why) MUST_CHECK;

/* The same for a P-256 key, without init-data. */
int message_write_attestation(const char *nonce, const struct guest_public_key *key,
                              const uint8_t report[REPORT_BYTES], const struct cert_table *table, struct buffer *to,
                              struct reason *why) MUST_CHECK;

/*
 * The canonical runtime data (RFC 8785) whose SHA-384 is in REPORT_DATA:
 * {"additional-evidence":"","nonce":…,"tee-pubkey":…}.
 */
void message_write_canonical(const char *nonce, const struct guest_public_key *key, struct buffer *to);

/* The same for a key whose canonical JWK is at hand. */
void message_write_canonical_jwk(const char *nonce, const char *jwk, struct buffer *to);

/*
 * POST /postern/confirm/RESOURCE: the volume is open (and formatted, where that was allowed) at `epoch`. `found`: the
 * epoch that the disk carried before; NULL when it carries none.
 */
struct message_confirmation {
    uint64_t epoch;
    bool has_found; /* whether the disk carried an epoch when it was opened */
    uint64_t found;
    bool rotated; /* of a volume that rotates: all of it is under its new key */
};

void message_write_confirmation(const struct message_confirmation *confirmation, struct buffer *to);

/* ---- broker to guest */

/* A challenge: the nonce's text, exactly 32 bytes behind it. Errors: -EBADMSG, -EMSGSIZE. */
int message_parse_challenge(const void *text, size_t size, char ret_nonce[RELEASE_NONCE_TEXT_BYTES],
                            struct reason *why) MUST_CHECK;

struct message_acknowledgement {
    uint64_t epoch;
    uint8_t signature[RECORD_MAX_SIGNATURE_BYTES]; /* record_acknowledged() verifies it */
    size_t signature_size;
};

/* Errors: -EBADMSG, -EMSGSIZE. */
int message_parse_acknowledgement(const void *text, size_t size, struct message_acknowledgement *ret_acknowledgement,
                                  struct reason *why) MUST_CHECK;

/* An error body's type (the part behind the last '/') and detail; empty when it is not of that form. */
void message_parse_error(const void *text, size_t size, char ret_type[64], char ret_detail[192]);

/* ---- read by brokers */

struct message_request {
    char version[16];
    char tee[16];
};

int message_parse_request(const void *text, size_t size, struct message_request *ret_request, struct reason *why)
    MUST_CHECK;

struct message_attestation {
    char nonce[RELEASE_NONCE_TEXT_BYTES];
    struct guest_public_key key;
    struct evidence evidence;
};

/*
 * `ret_attestation` is large (not for the stack of a server) and overwritten even on failure. Errors: -EBADMSG with the
 * member's path, -EMSGSIZE.
 */
int message_parse_attestation(const void *text, size_t size, struct message_attestation *ret_attestation,
                              struct reason *why) MUST_CHECK;

/* The same by the JSON library alone: slower, and the measure of the other (tests/fuzz/fuzz-message.c). */
int message_parse_attestation_plain(const void *text, size_t size, struct message_attestation *ret_attestation,
                                    struct reason *why) MUST_CHECK;

/* Errors: -EBADMSG with the member's path, -EMSGSIZE. */
int message_parse_confirmation(const void *text, size_t size, struct message_confirmation *ret_confirmation,
                               struct reason *why) MUST_CHECK;

/* ---- written by brokers */

void message_write_acknowledgement(uint64_t epoch, const uint8_t *signature, size_t size, struct buffer *to);

void message_write_challenge(const char *nonce, struct buffer *to);

/* {"type":"https://github.com/confidential-containers/kbs/errors/TYPE","detail":DETAIL} */
void message_write_error(const char *type, const char *detail, struct buffer *to);
