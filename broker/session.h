/*
 * Attested sessions: guests whose evidence verified, until their nonce expires.
 *
 * The table is at the same time the memory of used nonces: a cookie is a function of its nonce, a session is made only
 * for evidence that verified, and it stays exactly as long as its nonce would be good. So a nonce has been used when
 * there is a session under its cookie. The table is bounded, and a session that has not expired is never given up for
 * another: when it is full, newcomers wait.
 */
#pragma once

#include "attest/report.h"
#include "broker/nonce.h"
#include "measure/measure.h"
#include "release/guest-key.h"
#include "release/release.h"

struct session {
    struct session *next;
    uint8_t id[NONCE_SESSION_BYTES];
    uint64_t expires_ms;
    uint8_t nonce[RELEASE_NONCE_BYTES];
    struct guest_public_key key;
    struct report report;
    enum product product;
    bool revocation_checked;
    uint8_t report_digest[SHA384_BYTES];
};

#define SESSION_BUCKETS 1024

struct sessions {
    struct session *buckets[SESSION_BUCKETS];
    size_t count;
    size_t max;
};

/* The session of that cookie that has not expired, or NULL. Borrowed until the next sessions_expire(). */
const struct session *session_find(const struct sessions *sessions, const uint8_t id[NONCE_SESSION_BYTES],
                                   uint64_t at_ms);

/* Whether there is no room, after expired ones have been let go. */
bool sessions_full(struct sessions *sessions, uint64_t at_ms);

/* Takes a copy in. The caller has asked session_find() and sessions_full(). Errors: -ENOMEM, -ENOSPC. */
int session_add(struct sessions *sessions, const struct session *session) MUST_CHECK;

/* Lets expired ones go. */
void sessions_expire(struct sessions *sessions, uint64_t at_ms);

void sessions_free(struct sessions *sessions);
