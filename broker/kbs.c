/* The endpoints; the client controls all of a request. */
#include "broker/kbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "broker/decide.h"
#include "broker/request.h"
#include "broker/token.h"
#include "release/message.h"

/* When the table of sessions is full: old ones expire all the time. */
#define RETRY_AFTER_S 5

/* The detail of an error body. Trustee's clients know these sentences; none says why. */
static void write_detail(const struct entry *entry, char *to, size_t room)
{
    const char *type = verdict_type(entry->verdict);

    if (entry->verdict == VERDICT_PROTOCOL_VERSION)
        (void)snprintf(to, room, "%s", entry->detail.text);
    else if (strcmp(type, "AttestationError") == 0)
        (void)snprintf(to, room, "RCAR handshake %s failed", strcmp(entry->event, "auth") == 0 ? "Auth" : "Attest");
    else if (strcmp(type, "TokenNotFound") == 0)
        (void)snprintf(to, room, "Attestation Token not found");
    else if (strcmp(type, "TokenVerifierError") == 0)
        (void)snprintf(to, room, "Bearer tokens are not accepted here: attest, then ask with the session cookie");
    else if (strcmp(type, "PolicyDeny") == 0)
        (void)snprintf(to, room, "request %s", entry->request);
    else if (strcmp(type, "PluginInternalError") == 0)
        (void)snprintf(to, room, "the broker failed; its log says why under request %s", entry->request);
    else
        (void)snprintf(to, room, "%s", verdict_reason(entry->verdict));
}

void kbs_refuse(const struct entry *entry, struct reply *reply)
{
    char detail[REASON_MAX_BYTES];
    const char *allow = reply->allow;

    reply_free(reply);
    reply->status = verdict_status(entry->verdict);
    reply->retry_after_s = entry->verdict == VERDICT_SESSIONS_FULL ? RETRY_AFTER_S : 0;
    reply->allow = entry->verdict == VERDICT_METHOD ? allow : NULL;
    write_detail(entry, detail, sizeof(detail));
    message_write_error(verdict_type(entry->verdict), detail, &reply->body);
}

static void set_session(struct reply *reply, const uint8_t session[NONCE_SESSION_BYTES], uint64_t expires_ms,
                        time_t at)
{
    hex_encode(session, NONCE_SESSION_BYTES, reply->session);
    reply->session_expires = at + clock_left_ms(expires_ms) / 1000;
}

/* Request → challenge. Leaves nothing behind in memory. */
static enum verdict auth(const struct kbs *kbs, const struct http_message *message, struct entry *entry,
                         struct reply *reply)
{
    struct message_request request;
    struct challenge challenge;

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
    if (nonce_issue(&kbs->broker->nonces, clock_ms(), &challenge) < 0)
        return VERDICT_INTERNAL;
    message_write_challenge(challenge.text, &reply->body);
    set_session(reply, challenge.session, challenge.expires_ms, entry->time.tv_sec);
    return VERDICT_OK;
}

/* Keeps what was sent, for replaying it later; a failure costs the file and nothing else. */
static void save_evidence(const struct kbs *kbs, const struct http_message *message, const struct entry *entry)
{
    char path[1024];
    CLEANUP_FD int fd = -1;
    int size;

    if (!kbs->evidence_directory)
        return;
    size = snprintf(path, sizeof(path), "%s/%s.json", kbs->evidence_directory, entry->request);
    if (size > 0 && (size_t)size < sizeof(path))
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || fd_write_all(fd, message->body.data, message->body.size) < 0)
        journal_note(kbs->journal, "evidence", "%s: cannot be written", path);
}

static const uint8_t *session_of(const struct http_message *message, uint8_t ret_session[NONCE_SESSION_BYTES])
{
    const char *cookies = http_header(message, "cookie");

    return cookies && request_session(cookies, ret_session) ? ret_session : NULL;
}

/* Attestation → session and token. */
static enum verdict attest(const struct kbs *kbs, const struct http_message *message, struct entry *entry,
                           struct reply *reply)
{
    struct broker *broker = kbs->broker;
    const struct session *session = NULL;
    uint8_t cookie[NONCE_SESSION_BYTES];
    enum verdict verdict;

    entry->event = "attest";
    entry->keep = ENTRY_REFUSED;
    save_evidence(kbs, message, entry);
    verdict = decide_attest(broker, session_of(message, cookie), message->body.data, message->body.size, entry,
                            &session);
    if (verdict != VERDICT_OK)
        return verdict;
    set_session(reply, session->id, session->expires_ms, entry->time.tv_sec);
    buffer_add_text(&reply->body, "{\"token\":\"");
    if (token_write(broker->keys.token, session, trust_roots_software(broker->roots), entry->time.tv_sec,
                    reply->session_expires, &reply->body) < 0)
        return VERDICT_INTERNAL;
    buffer_add_text(&reply->body, "\"}");
    return VERDICT_OK;
}

/* Session and name → encrypted record. */
static enum verdict resource(const struct kbs *kbs, const struct http_message *message, const char *name,
                             struct entry *entry, struct reply *reply)
{
    uint8_t cookie[NONCE_SESSION_BYTES];

    entry->event = "release";
    entry->keep = ENTRY_REFUSED;
    if (!session_of(message, cookie)) {
        (void)snprintf(entry->resource, sizeof(entry->resource), "%s", name);
        return http_header(message, "authorization") ? VERDICT_TOKEN_UNSUPPORTED : VERDICT_TOKEN_MISSING;
    }
    if (journal_begin(kbs->journal) < 0)
        return VERDICT_STORE;
    return decide_release(kbs->broker, cookie, name, entry, &reply->body);
}

/* Session, name and epoch → acknowledgement. */
static enum verdict confirm(const struct kbs *kbs, const struct http_message *message, const char *name,
                            struct entry *entry, struct reply *reply)
{
    uint8_t cookie[NONCE_SESSION_BYTES];
    struct message_confirmation confirmation;

    entry->event = "confirm";
    entry->keep = ENTRY_REFUSED;
    if (!session_of(message, cookie)) {
        (void)snprintf(entry->resource, sizeof(entry->resource), "%s", name);
        return VERDICT_TOKEN_MISSING;
    }
    if (message_parse_confirmation(message->body.data, message->body.size, &confirmation, &entry->detail) < 0)
        return VERDICT_CONFIRM_MALFORMED;
    if (journal_begin(kbs->journal) < 0)
        return VERDICT_STORE;
    return decide_confirm(kbs->broker, cookie, name, &confirmation, entry, &reply->body);
}

static enum verdict health(const struct kbs *kbs, struct reply *reply)
{
    reply->status = kbs->journal->healthy ? 200 : 503;
    buffer_printf(&reply->body, "{\"status\":\"%s\"}", kbs->journal->healthy ? "ok" : "the store cannot be written");
    return VERDICT_OK;
}

static enum verdict dispatch(const struct kbs *kbs, const struct http_message *message, struct entry *entry,
                             struct reply *reply)
{
    const char *name = NULL;
    enum route route = request_route(message->target, &name);
    bool post = strcmp(message->method, "POST") == 0, get = strcmp(message->method, "GET") == 0;

    entry->event = "http";
    if (route == ROUTE_NONE)
        return VERDICT_PATH_UNKNOWN;
    if (route == ROUTE_PLUGIN)
        return VERDICT_PLUGIN_UNKNOWN;
    reply->allow = route == ROUTE_RESOURCE || route == ROUTE_HEALTH ? "GET" : "POST";
    if (reply->allow[0] == 'P' ? !post : !get)
        return VERDICT_METHOD;
    reply->allow = NULL;
    switch (route) {
    case ROUTE_AUTH:
        return auth(kbs, message, entry, reply);
    case ROUTE_ATTEST:
        return attest(kbs, message, entry, reply);
    case ROUTE_RESOURCE:
        return resource(kbs, message, name, entry, reply);
    case ROUTE_CONFIRM:
        return confirm(kbs, message, name, entry, reply);
    default:
        return health(kbs, reply);
    }
}

void kbs_answer(const struct kbs *kbs, const struct http_message *message, struct entry *entry, struct reply *reply)
{
    reply->status = 200;
    entry->verdict = dispatch(kbs, message, entry, reply);
    if (verdict_granted(entry->verdict) && buffer_error(&reply->body) < 0)
        entry->verdict = VERDICT_STORE;
    if (entry->verdict == VERDICT_STORE)
        journal_spoil(kbs->journal, -EIO, &entry->detail);
    if (!verdict_granted(entry->verdict))
        kbs_refuse(entry, reply);
    else if (entry->keep == ENTRY_LINE)
        entry->event = NULL;
}
