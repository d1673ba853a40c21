/*
 * Decisions: what a message comes to. No network here, no HTTP: parsed parameters in, a verdict out, the reasons in an
 * entry for the log. The cheap questions come first, so that garbage costs little.
 */
#pragma once

#include "base/base.h"
#include "base/buffer.h"
#include "broker/broker.h"
#include "broker/entry.h"
#include "release/message.h"

/*
 * An attestation, with the cookie it came with. VERDICT_OK: there is a session; *ret_session is borrowed until sessions
 * expire.
 */
enum verdict decide_attest(struct broker *broker, const uint8_t cookie[NONCE_SESSION_BYTES],
                           const struct message_attestation *message, struct entry *entry,
                           const struct session **ret_session);

/*
 * A request for a resource, whose name is valid, inside a transaction of the store that the entry joins. VERDICT_OK and
 * VERDICT_REPEATED: the encrypted answer has been appended to `to`, and may leave once that has been committed.
 * VERDICT_STORE: the transaction must not be committed.
 */
enum verdict decide_release(struct broker *broker, const uint8_t cookie[NONCE_SESSION_BYTES], const char *resource,
                            struct entry *entry, struct buffer *to);

/*
 * A guest's confirmation that it opened the volume at the epoch that it was given; the same about transaction and `to`,
 * which gets the acknowledgement.
 */
enum verdict decide_confirm(struct broker *broker, const uint8_t cookie[NONCE_SESSION_BYTES], const char *resource,
                            const struct message_confirmation *confirmation, struct entry *entry, struct buffer *to);
