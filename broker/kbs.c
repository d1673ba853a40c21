/* The endpoints; the client controls all of a request. */
#include "broker/kbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "broker/request.h"
#include "release/message.h"

/* When the table of sessions is full: old ones expire all the time. */
#define RETRY_AFTER_FULL_S 5
/* When a source has used its tokens up. */
#define RETRY_AFTER_LIMITED_S 1

/* The detail of an error body. Trustee's clients know these sentences; none says why. */
static void write_detail(enum verdict verdict, bool auth, const char *request, const char *detail, char *to,
                         size_t room)
{
    const char *type = verdict_type(verdict);

    if (verdict == VERDICT_PROTOCOL_VERSION)
        (void)snprintf(to, room, "%s", detail);
    else if (strcmp(type, "AttestationError") == 0)
        (void)snprintf(to, room, "RCAR handshake %s failed", auth ? "Auth" : "Attest");
    else if (strcmp(type, "TokenNotFound") == 0)
        (void)snprintf(to, room, "Attestation Token not found");
    else if (strcmp(type, "TokenVerifierError") == 0)
        (void)snprintf(to, room, "Bearer tokens are not accepted here: attest, then ask with the session cookie");
    else if (strcmp(type, "PolicyDeny") == 0)
        (void)snprintf(to, room, "request %s", request);
    else if (strcmp(type, "PluginInternalError") == 0)
        (void)snprintf(to, room, "the broker failed; its log says why under request %s", request);
    else
        (void)snprintf(to, room, "%s", verdict_reason(verdict));
}

static void refuse(enum verdict verdict, bool auth, const char *request, const char *detail, struct reply *reply)
{
    char text[REASON_MAX_BYTES];
    const char *allow = reply->allow;

    reply_free(reply);
    reply->status = verdict_status(verdict);
    reply->retry_after_s = verdict == VERDICT_SESSIONS_FULL  ? RETRY_AFTER_FULL_S
                           : verdict == VERDICT_RATE_LIMITED ? RETRY_AFTER_LIMITED_S
                                                             : 0;
    reply->allow = verdict == VERDICT_METHOD ? allow : NULL;
    write_detail(verdict, auth, request, detail, text, sizeof(text));
    message_write_error(verdict_type(verdict), text, &reply->body);
}

void kbs_refuse(const struct entry *entry, struct reply *reply)
{
    refuse(entry->verdict, strcmp(entry->event, "auth") == 0, entry->request, entry->detail.text, reply);
}

void kbs_take(enum link_kind kind, const struct link_answer *answer, struct reply *reply)
{
    if (!verdict_granted(answer->verdict)) {
        refuse(answer->verdict, kind == LINK_AUTH, answer->request, "", reply);
        return;
    }
    reply->status = 200;
    reply->text = kind == LINK_METRICS;
    if (answer->has_session) {
        hex_encode(answer->session, NONCE_SESSION_BYTES, reply->session);
        reply->session_expires = (time_t)answer->session_expires;
    }
    buffer_add(&reply->body, answer->body, answer->body_size);
    if (kind == LINK_HEALTH && memmem(answer->body, answer->body_size, "\"ok\"", 4) == NULL)
        reply->status = 503;
}

/* A request for a challenge: all of it can be checked here. */
static enum verdict read_auth(const struct http_message *message, struct entry *entry)
{
    struct message_request request;

    entry->event = "auth";
    if (message_parse_request(message->body.data, message->body.size, &request, &entry->detail) < 0)
        return VERDICT_REQUEST_MALFORMED;
    if (strcmp(request.version, RELEASE_PROTOCOL_VERSION) != 0) {
        (void)reason_set(&entry->detail, 0,
                         "KBS Client Protocol Version Mismatch: expect =" RELEASE_PROTOCOL_VERSION
                         " while the request is %s",
                         request.version);
        return VERDICT_PROTOCOL_VERSION;
    }
    if (strcmp(request.tee, RELEASE_TEE) != 0) {
        (void)reason_set(&entry->detail, 0, "tee is \"%s\", expected \"" RELEASE_TEE "\"", request.tee);
        return VERDICT_TEE;
    }
    return VERDICT_OK;
}

static bool take_cookie(const struct http_message *message, struct link_question *question)
{
    const char *cookies = http_header(message, "cookie");

    question->has_cookie = cookies && request_session(cookies, question->cookie);
    return question->has_cookie;
}

static enum verdict read_attestation(struct kbs *kbs, const struct http_message *message,
                                     struct link_question *question)
{
    int r;

    question->attestation = &kbs->attestation;
    if (kbs->keep_evidence) {
        question->body = message->body.data;
        question->body_size = message->body.size;
    }
    if (!take_cookie(message, question))
        return VERDICT_SESSION_MISSING;
    r = message_parse_attestation(message->body.data, message->body.size, &kbs->attestation, &question->detail);
    return r == -ENOMEM ? VERDICT_INTERNAL : r < 0 ? VERDICT_ATTESTATION_MALFORMED : VERDICT_OK;
}

static enum verdict read_named(const struct http_message *message, struct link_question *question)
{
    if (!take_cookie(message, question))
        return question->kind == LINK_RELEASE && http_header(message, "authorization") ? VERDICT_TOKEN_UNSUPPORTED
                                                                                       : VERDICT_TOKEN_MISSING;
    if (question->kind == LINK_CONFIRM &&
        message_parse_confirmation(message->body.data, message->body.size, &question->confirmation,
                                   &question->detail) < 0)
        return VERDICT_CONFIRM_MALFORMED;
    return VERDICT_OK;
}

/* Which question a route asks; the method that it wants. */
static const struct {
    enum link_kind kind;
    const char *method;
} routes[] = {
    [ROUTE_AUTH] = { LINK_AUTH, "POST" },       [ROUTE_ATTEST] = { LINK_ATTEST, "POST" },
    [ROUTE_RESOURCE] = { LINK_RELEASE, "GET" }, [ROUTE_CONFIRM] = { LINK_CONFIRM, "POST" },
    [ROUTE_HEALTH] = { LINK_HEALTH, "GET" },    [ROUTE_METRICS] = { LINK_METRICS, "GET" },
};

/* The route, unless this place does not have it. */
static enum verdict find_route(enum kbs_place place, const struct http_message *message, struct reply *reply,
                               struct link_question *question)
{
    const char *name = "";
    enum route route = request_route(message->target, &name);

    if (route == ROUTE_PLUGIN)
        return VERDICT_PLUGIN_UNKNOWN;
    if (route == ROUTE_NONE || (route == ROUTE_METRICS && place != KBS_METRICS) ||
        (place == KBS_METRICS && route != ROUTE_METRICS && route != ROUTE_HEALTH))
        return VERDICT_PATH_UNKNOWN;
    reply->allow = routes[route].method;
    if (strcmp(message->method, routes[route].method) != 0)
        return VERDICT_METHOD;
    question->kind = routes[route].kind;
    (void)snprintf(question->resource, sizeof(question->resource), "%s", name);
    return VERDICT_OK;
}

bool kbs_read(struct kbs *kbs, enum kbs_place place, const struct http_message *message, struct entry *entry,
              struct reply *reply, struct link_question *question)
{
    enum verdict verdict;

    memset(question, 0, sizeof(*question));
    entry->event = "http";
    verdict = find_route(place, message, reply, question);
    if (verdict == VERDICT_OK && question->kind == LINK_AUTH)
        verdict = read_auth(message, entry);
    if (verdict == VERDICT_OK && question->kind == LINK_ATTEST)
        question->refused = read_attestation(kbs, message, question);
    if (verdict == VERDICT_OK && (question->kind == LINK_RELEASE || question->kind == LINK_CONFIRM))
        question->refused = read_named(message, question);
    if (question->refused == VERDICT_INTERNAL)
        verdict = VERDICT_INTERNAL;
    entry->verdict = verdict;
    return verdict == VERDICT_OK;
}
