/*
 * The endpoints of the protocol (Trustee's kbs_attestation_protocol.md, RCAR 0.4.0), as the front serves them: a
 * request becomes a question for the keeper, or is answered at once.
 */
#pragma once

#include "base/base.h"
#include "base/http.h"
#include "broker/link.h"
#include "broker/reply.h"

struct kbs {
    bool keep_evidence; /* bodies of attestations go to the keeper too */
    struct message_attestation attestation; /* of the last question; large, so it lives here */
};

/* Where a request came in. */
enum kbs_place { KBS_TLS, KBS_METRICS };

/*
 * Reads a complete request. true: `question` (all of it but ticket and peer) is for the keeper; it points into the
 * message and into `kbs`, until the next one is read. false: the entry has its verdict, which is a refusal.
 */
bool kbs_read(struct kbs *kbs, enum kbs_place place, const struct http_message *message, struct entry *entry,
              struct reply *reply, struct link_question *question) MUST_CHECK;

/* Makes the keeper's answer the reply; `kind` is the question's. */
void kbs_take(enum link_kind kind, const struct link_answer *answer, struct reply *reply);

/* The same for a refusal of our own. With VERDICT_METHOD, reply->allow is set. */
void kbs_refuse(const struct entry *entry, struct reply *reply);
