/*
 * What the two processes of a serving broker say to each other, over a pair of sockets.
 *
 * The front (server.h) speaks with the network and reads HTTP and JSON; the keeper (keeper.h) holds the keys and the
 * store and decides. The front asks, the keeper answers. A front that the network took over controls every byte of its
 * questions: the keeper reads them like anybody's (link-parse.c), and a question that is none ends the broker. The
 * front believes the keeper.
 *
 * A frame is its length (32 bits, little-endian) and that many bytes.
 */
#pragma once

#include "base/base.h"
#include "base/buffer.h"
#include "base/reason.h"
#include "broker/entry.h"
#include "broker/nonce.h"
#include "broker/verdict.h"
#include "release/message.h"

#define LINK_FRAME_BYTES 4
/* A request's body, where evidence is kept, and everything that was read out of it. */
#define LINK_MAX_BYTES (192u * 1024)

enum link_kind {
    LINK_AUTH = 1,
    LINK_ATTEST,
    LINK_RELEASE,
    LINK_CONFIRM,
    LINK_HEALTH,
    LINK_METRICS,
    LINK_KINDS,
};

struct link_question {
    uint64_t ticket; /* the answer repeats it */
    enum link_kind kind;
    enum verdict refused; /* not VERDICT_OK: the front refuses it for this and wants that written down */
    char peer[ENTRY_PEER_BYTES];
    bool has_cookie;
    uint8_t cookie[NONCE_SESSION_BYTES];
    char resource[RELEASE_MAX_RESOURCE_BYTES + 1];
    struct reason detail;                    /* with `refused` */
    struct message_confirmation confirmation; /* LINK_CONFIRM */
    struct message_attestation *attestation;  /* LINK_ATTEST; the caller's */
    const uint8_t *body;                      /* LINK_ATTEST, where evidence is kept; points into what was parsed */
    size_t body_size;
};

struct link_answer {
    uint64_t ticket;
    enum verdict verdict;
    char request[ENTRY_REQUEST_BYTES];
    bool has_session;
    uint8_t session[NONCE_SESSION_BYTES];
    uint64_t session_expires; /* seconds since 1970 */
    const uint8_t *body;
    size_t body_size;
};

/* Each appends one frame. Errors are the buffer's. */
void link_write_question(const struct link_question *question, struct buffer *to);
void link_write_answer(const struct link_answer *answer, struct buffer *to);

/*
 * One frame without its length. The caller has set ret_question->attestation to memory of that size, which is
 * overwritten. A refusal's verdict is one that a front may give. Errors: -EBADMSG.
 */
int link_parse_question(const void *data, size_t size, struct link_question *ret_question) MUST_CHECK;
int link_parse_answer(const void *data, size_t size, struct link_answer *ret_answer) MUST_CHECK;
