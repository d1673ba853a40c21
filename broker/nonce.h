/*
 * Challenges that cost no memory: a nonce carries its own time and a MAC, so that the broker recognises its own later
 * without having kept anything.
 *
 *     random 10 | milliseconds since the process started, 48 bits big-endian | MAC 16
 *
 * The MAC is HMAC-SHA-256, cut to 16 bytes, under a key that lives as long as the process. A restart forgets which
 * nonces were used, and with the key makes all earlier ones unknown. The session cookie is a second MAC, over the
 * whole nonce: who has a nonce cannot make its cookie.
 */
#pragma once

#include "base/base.h"
#include "base/secret.h"
#include "release/release.h"

#define NONCE_SESSION_BYTES 16

struct nonces {
    struct secret key;
    uint64_t epoch_ms;    /* clock_ms() when the process started */
    uint64_t lifetime_ms; /* of a nonce, and of the session that grows out of it */
};

struct challenge {
    uint8_t nonce[RELEASE_NONCE_BYTES];
    char text[RELEASE_NONCE_TEXT_BYTES];
    uint8_t session[NONCE_SESSION_BYTES]; /* the cookie's value */
    uint64_t expires_ms;                  /* clock_ms() */
};

enum nonce_verdict { NONCE_GOOD, NONCE_UNKNOWN, NONCE_EXPIRED };

/* Errors: -ENOMEM. */
int nonces_init(struct nonces *nonces, uint64_t at_ms, uint64_t lifetime_ms) MUST_CHECK;

void nonces_free(struct nonces *nonces);

/* A fresh challenge. Errors: -EIO when there is no randomness, or no memory for the MAC. */
int nonce_issue(const struct nonces *nonces, uint64_t at_ms, struct challenge *ret_challenge) MUST_CHECK;

/*
 * Whether `text` is one of ours and still good. Base64 is read strictly (base/encode.h), so equal nonces are equal
 * texts. *ret_challenge is filled when it is ours, expired or not.
 */
enum nonce_verdict nonce_check(const struct nonces *nonces, const char *text, uint64_t at_ms,
                               struct challenge *ret_challenge);
