/*
 * The endpoints of the protocol (Trustee's kbs_attestation_protocol.md, RCAR 0.4.0): one request in, one reply out, and
 * the entry that the log gets of it.
 */
#pragma once

#include "base/base.h"
#include "base/http.h"
#include "broker/broker.h"
#include "broker/entry.h"
#include "broker/journal.h"
#include "broker/reply.h"

struct kbs {
    struct broker *broker;
    struct journal *journal;
    const char *evidence_directory; /* each attestation's body is kept there; NULL: none is */
};

/*
 * Answers a complete request. `entry` is fresh; its event stays NULL when nothing is worth a line, and when its keep is
 * not ENTRY_LINE the reply has to wait for the journal.
 */
void kbs_answer(const struct kbs *kbs, const struct http_message *message, struct entry *entry, struct reply *reply);

/* Replaces whatever is in the reply by the refusal that the entry's verdict stands for. */
void kbs_refuse(const struct entry *entry, struct reply *reply);
