/*
 * release/: how a guest gets its keys: the Key Broker Service protocol (RCAR 0.4.0 of Confidential Containers' Trustee)
 * on both sides of the wire, and Postern's signed volume record as its payload.
 *
 * The guest trusts a broker by its pinned keys alone; the broker trusts nothing it receives until the evidence has been
 * verified. Both peers' bytes are hostile here. Protocol text: Trustee's kbs/docs/kbs_attestation_protocol.md; RFC 7515
 * to 7518 (JOSE), RFC 8785 (canonical JSON).
 */
#pragma once

#include "base/base.h"

#define RELEASE_PROTOCOL_VERSION "0.4.0"
#define RELEASE_TEE "snp"
#define RELEASE_PREFIX "/kbs/v0"
#define RELEASE_COOKIE "kbs-session-id"

/* The nonce is this many bytes; on the wire, and in what is hashed, it is their padded base64 text. */
#define RELEASE_NONCE_BYTES 32
#define RELEASE_NONCE_TEXT_BYTES 45 /* NUL included */
#define RELEASE_SESSION_TEXT_BYTES 33

/* What one message may have. Evidence is about 20 KiB with a certificate chain in it. */
#define RELEASE_MAX_MESSAGE_BYTES (256u * 1024)
#define RELEASE_MAX_PAYLOAD_BYTES 4096u
#define RELEASE_MAX_RESOURCE_BYTES 192u
