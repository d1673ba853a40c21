/*
 * The token that /attest answers: a compact JWS (RFC 7515, ES256) whose claims have the shape of an EAT attestation
 * result (draft-ietf-rats-ear), with the guest's key where Trustee's clients look for it:
 * /submods/cpu0/ear.veraison.annotated-evidence/runtime_data_claims/tee-pubkey.
 *
 * It says that the evidence is genuine and repeats what it says. No reference value has been compared for it: this
 * broker decides per resource, over the session, and takes no token in return.
 */
#pragma once

#include <openssl/evp.h>
#include <time.h>

#include "base/base.h"
#include "base/buffer.h"
#include "broker/session.h"

/* Appends the token. `software`: the trusted root is no processor's. Errors: -ENOMEM, -EIO. */
int token_write(EVP_PKEY *key, const struct session *session, bool software, time_t at, time_t expires,
                struct buffer *to) MUST_CHECK;
