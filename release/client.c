/*
 * The client's side of the protocol. The network and whoever answers are hostile until the pinned key has signed the
 * TLS handshake; what a broker says is checked even then.
 */
#include "release/client.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "release/jwe.h"
#include "release/message.h"
#include "release/resource.h"

#define BACKOFF_FIRST_MS 250u /* doubled five times, to 8 s */
#define RETRY_AFTER_MOST_S 60u

/* The guest's key of all tries. */
struct guest_pair {
    struct tee_key key;
    struct buffer jwk;
};

static int make_pair(enum tee_key_kind kind, struct guest_pair *ret_pair)
{
    int r = tee_key_generate(kind, &ret_pair->key);

    return r < 0 ? r : tee_key_write_jwk(&ret_pair->key, &ret_pair->jwk);
}

static void free_pair(struct guest_pair *pair)
{
    tee_key_free(&pair->key);
    buffer_free(&pair->jwk);
}

struct session {
    const struct release_request *request;
    uint64_t deadline_ms;
    struct tls_client *tls;
    struct http_parser parser;
    char cookie[RELEASE_SESSION_TEXT_BYTES];
    char nonce[RELEASE_NONCE_TEXT_BYTES];
    const struct guest_pair *pair;
    struct record_binding binding;
    struct release_result *result;
    struct reason *why;
};

static const char *plugin_of(const struct release_request *request)
{
    return request->plugin ? request->plugin : "resource";
}

/* Ends the try with a class; gives back the error, for which reason_set() has the sentence. */
static int end(struct session *session, enum release_outcome outcome, int error)
{
    session->result->outcome = outcome;
    return error;
}

/* Request ids are shown on the console: a short word of harmless characters, or none. */
static void take_request_id(struct session *session)
{
    const char *id = http_header(&session->parser.message, "x-request-id");

    if (id && strlen(id) < RELEASE_REQUEST_ID_BYTES && strspn(id, "0123456789abcdef-") == strlen(id))
        memcpy(session->result->request_id, id, strlen(id) + 1);
}

/* What the broker's clock says, for who wants to follow it (RFC 9110, 6.6.1). */
static void take_time(struct session *session)
{
    const char *text = http_header(&session->parser.message, "Date");
    struct tm parts = { .tm_isdst = 0 };
    const char *rest = text ? strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &parts) : NULL;

    if (rest && !*rest)
        session->result->broker_time_s = timegm(&parts);
}

/* The session cookie: exactly name=32 hexadecimal digits; attributes say when the host's clock thinks it ends. */
static bool take_cookie(struct session *session)
{
    static const char name[] = RELEASE_COOKIE "=";
    const char *value = http_header(&session->parser.message, "set-cookie");
    size_t size;

    if (!value || strncmp(value, name, strlen(name)) != 0)
        return false;
    value += strlen(name);
    size = strcspn(value, "; ");
    if (size != RELEASE_SESSION_TEXT_BYTES - 1 || strspn(value, "0123456789abcdef") != size)
        return false;
    memcpy(session->cookie, value, size);
    session->cookie[size] = '\0';
    return true;
}

static void write_head(struct session *session, const char *method, const char *path, size_t body_size,
                       struct buffer *to)
{
    buffer_printf(to, "%s " RELEASE_PREFIX "%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: postern\r\n", method, path,
                  session->request->broker.endpoint.authority);
    if (session->cookie[0])
        buffer_printf(to, "Cookie: " RELEASE_COOKIE "=%s\r\n", session->cookie);
    if (body_size)
        buffer_printf(to, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body_size);
    buffer_add_text(to, "\r\n");
}

static unsigned retry_after(const struct http_message *message)
{
    const char *text = http_header(message, "retry-after");
    unsigned seconds = 0;

    for (; text && *text >= '0' && *text <= '9' && seconds <= RETRY_AFTER_MOST_S; text++)
        seconds = seconds * 10 + (unsigned)(*text - '0');
    return seconds > RETRY_AFTER_MOST_S ? RETRY_AFTER_MOST_S : seconds;
}

/*
 * What no later try can change. A redirection is not followed: whom to ask is measured. Where it would lead is not
 * shown, since the console is no place for text of others.
 */
static int misconfigured(struct session *session)
{
    const struct release_request *request = session->request;
    unsigned status = session->parser.message.status;

    int r = status < 400
                ? reason_set(session->why, -EREMOTE, "%s sends elsewhere (HTTP %u), which is never followed: name the "
                             "broker's own address", request->broker.endpoint.authority, status)
                : reason_set(session->why, -ENOENT, "%s has nothing under that path (HTTP %u): correct the address, or "
                             "the resource %s/%s", request->broker.endpoint.authority, status, plugin_of(request),
                             request->resource);

    return end(session, RELEASE_MISCONFIGURED, r);
}

/* What an answer other than 200 means. */
static int refused(struct session *session)
{
    const struct http_message *message = &session->parser.message;
    char type[64], detail[192];

    message_parse_error(message->body.data, message->body.size, type, detail);
    if (message->status == 429 || message->status == 503) {
        session->result->retry_after_s = retry_after(message);
        return end(session, RELEASE_BUSY,
                   reason_set(session->why, -EBUSY, "the broker is busy (HTTP %u)", message->status));
    }
    if (message->status >= 500)
        return end(session, RELEASE_TRANSPORT,
                   reason_set(session->why, -EIO, "the broker failed (HTTP %u)", message->status));
    if ((message->status >= 300 && message->status < 400) || message->status == 404 || message->status == 405)
        return misconfigured(session);
    if (strcmp(type, "ProtocolVersion") == 0 || strstr(detail, "Protocol Version Mismatch"))
        return end(session, RELEASE_PROTOCOL,
                   reason_set(session->why, -EPROTONOSUPPORT, "the broker does not speak protocol version %s: %s",
                              RELEASE_PROTOCOL_VERSION, detail));
    return end(session, RELEASE_DENIED,
               reason_set(session->why, -EACCES, "the broker refused (HTTP %u %s), request %s: the reason is in its "
                          "log", message->status, type,
                          session->result->request_id[0] ? session->result->request_id : "unnamed"));
}

/* Sends one request and leaves its answer, status 200, in the session's parser. */
static int call(struct session *session, const char *method, const char *path, const struct buffer *body)
{
    CLEANUP_BUFFER struct buffer request = BUFFER_EMPTY;
    int r;

    write_head(session, method, path, body ? body->size : 0, &request);
    if (body)
        buffer_add(&request, body->data, body->size);
    http_parser_reset(&session->parser);
    r = tls_client_exchange(session->tls, &request, session->deadline_ms, &session->parser, session->why);
    if (r < 0)
        return end(session, r == -EBADMSG || r == -EMSGSIZE ? RELEASE_PROTOCOL : RELEASE_TRANSPORT, r);
    take_request_id(session);
    take_time(session);
    return session->parser.message.status == 200 ? 0 : refused(session);
}

static int connect_broker(struct session *session)
{
    int r = tls_client_connect(&session->request->broker, session->deadline_ms, &session->tls, session->why);

    if (r == -EKEYREJECTED)
        return end(session, RELEASE_BROKER_KEY, r);
    return r < 0 ? end(session, RELEASE_TRANSPORT, r) : 0;
}

static int authenticate(struct session *session)
{
    CLEANUP_BUFFER struct buffer body = BUFFER_EMPTY;
    size_t size = 0;
    int r;

    message_write_request(&body);
    if (buffer_error(&body) < 0)
        return end(session, RELEASE_TRANSPORT, -ENOMEM);
    r = call(session, "POST", "/auth", &body);
    if (r < 0)
        return r;
    if (!take_cookie(session))
        return end(session, RELEASE_PROTOCOL,
                   reason_set(session->why, -EPROTO, "the broker's challenge came without a session cookie"));
    r = message_parse_challenge(session->parser.message.body.data, session->parser.message.body.size, session->nonce,
                                session->why);
    if (r == 0)
        r = base64_decode(BASE64_STANDARD, session->nonce, strlen(session->nonce), session->binding.nonce,
                          sizeof(session->binding.nonce), &size);
    return r < 0 ? end(session, RELEASE_PROTOCOL, r) : 0;
}

/* A report over nonce and key, and the certificates that the host gave; bad ones of the host's are left out. */
static int make_attestation(struct session *session, struct buffer *body)
{
    CLEANUP_BUFFER struct buffer canonical = BUFFER_EMPTY;
    CLEANUP_FREE uint8_t *certificates = malloc(CERT_TABLE_MAX_BYTES);
    const struct release_reporter *reporter = &session->request->reporter;
    struct cert_table table = { .count = 0 };
    uint8_t report[REPORT_BYTES];
    const struct message_parts parts = { .nonce = session->nonce, .jwk = buffer_text(&session->pair->jwk),
                                         .init_data = session->request->init_data, .report = report,
                                         .table = &table };
    size_t size = 0;
    int r;

    message_write_canonical_jwk(session->nonce, buffer_text(&session->pair->jwk), &canonical);
    if (!certificates || buffer_error(&canonical) < 0)
        return -ENOMEM;
    r = reporter->get_report(reporter->context, canonical.data, canonical.size, session->deadline_ms, report,
                             certificates, &size, session->why);
    if (r < 0)
        return r;
    if (cert_table_parse(certificates, size, &table, NULL) < 0)
        table.count = 0;
    r = record_report_digest(report, session->binding.report_digest);
    if (r < 0)
        return r;
    return message_write_parts(&parts, body, session->why);
}

static int attest(struct session *session)
{
    CLEANUP_BUFFER struct buffer body = BUFFER_EMPTY;
    int r = make_attestation(session, &body);

    if (r < 0)
        return end(session, RELEASE_DEVICE, r);
    return call(session, "POST", "/attest", &body);
}

/* What the configuration says that the answer has to be, and nothing else. */
static int take_payload(struct session *session, const struct secret *answer, struct record *ret_record,
                        struct secret *ret_key)
{
    const struct release_request *request = session->request;

    if (request->payload == PAYLOAD_RECORD)
        return record_verify(answer, &session->binding, request->record_key, ret_record, ret_key, session->why);
    return payload_take(request->payload, request->payload_name, answer, ret_key, session->why);
}

static int fetch(struct session *session, struct record *ret_record, struct secret *ret_key)
{
    CLEANUP_SECRET struct secret answer = SECRET_NONE;
    char path[4 + RESOURCE_MAX_PLUGIN_BYTES + RELEASE_MAX_RESOURCE_BYTES];
    struct jwe jwe;
    int r;

    (void)snprintf(path, sizeof(path), "/%s/%s", plugin_of(session->request), session->request->resource);
    r = call(session, "GET", path, NULL);
    if (r < 0)
        return r;
    r = jwe_parse(session->parser.message.body.data, session->parser.message.body.size, session->pair->key.kind, &jwe,
                  session->why);
    if (r == 0) {
        r = jwe_decrypt(&jwe, session->pair->key.key, &answer);
        if (r < 0)
            (void)reason_set(session->why, r, "the broker's answer does not decrypt with this session's key");
    }
    if (r == 0)
        r = take_payload(session, &answer, ret_record, ret_key);
    return r < 0 ? end(session, RELEASE_RECORD, r) : end(session, RELEASE_GRANTED, 0);
}

static struct session *open_session(const struct release_request *request, uint64_t deadline_ms,
                                    struct release_result *result, struct reason *why)
{
    struct session *session = calloc(1, sizeof(*session));

    *result = (struct release_result){ .outcome = RELEASE_TRANSPORT };
    if (!session)
        return NULL;
    session->request = request;
    session->deadline_ms = deadline_ms;
    session->result = result;
    session->why = why;
    http_parser_init(&session->parser, HTTP_RESPONSE, RELEASE_MAX_MESSAGE_BYTES);
    return session;
}

static void close_session(struct session *session)
{
    tls_client_free(&session->tls);
    http_parser_free(&session->parser);
    OPENSSL_cleanse(session, sizeof(*session)); /* the cookie, and the headers in which it came */
    free(session);
}

static int release_try(const struct release_request *request, const struct guest_pair *pair, uint64_t deadline_ms,
                       struct record *ret_record, struct secret *ret_key, struct release_result *ret_result,
                       struct reason *why)
{
    struct session *session = open_session(request, deadline_ms, ret_result, why);
    int r;

    if (!session)
        return -ENOMEM;
    session->pair = pair;
    r = connect_broker(session);
    if (r == 0)
        r = authenticate(session);
    if (r == 0)
        r = attest(session);
    if (r == 0)
        r = fetch(session, ret_record, ret_key);
    if (r == 0) {
        memcpy(ret_result->session.cookie, session->cookie, sizeof(session->cookie));
        ret_result->session.binding = session->binding;
    }
    close_session(session);
    return r;
}

int release_once(const struct release_request *request, uint64_t deadline_ms, struct record *ret_record,
                 struct secret *ret_key, struct release_result *ret_result, struct reason *why)
{
    struct guest_pair pair = { .jwk = BUFFER_EMPTY };
    int r = make_pair(request->tee_key, &pair);

    *ret_result = (struct release_result){ .outcome = RELEASE_DEVICE };
    if (r == 0)
        r = release_try(request, &pair, deadline_ms, ret_record, ret_key, ret_result, why);
    free_pair(&pair);
    return r;
}

/* POST /postern/confirm, and the signature of its answer. */
static int confirm(struct session *session, const struct message_confirmation *confirmation)
{
    struct message_acknowledgement acknowledgement;
    CLEANUP_BUFFER struct buffer body = BUFFER_EMPTY;
    char path[24 + RELEASE_MAX_RESOURCE_BYTES];
    int r;

    message_write_confirmation(confirmation, &body);
    if (buffer_error(&body) < 0)
        return end(session, RELEASE_TRANSPORT, -ENOMEM);
    (void)snprintf(path, sizeof(path), "/postern/confirm/%s", session->request->resource);
    r = call(session, "POST", path, &body);
    if (r < 0)
        return r;
    r = message_parse_acknowledgement(session->parser.message.body.data, session->parser.message.body.size,
                                      &acknowledgement, session->why);
    if (r < 0)
        return end(session, RELEASE_PROTOCOL, r);
    if (acknowledgement.epoch != confirmation->epoch)
        r = -EKEYREJECTED;
    else
        r = record_acknowledged(session->request->resource, &session->binding, confirmation->epoch,
                                session->request->record_key, acknowledgement.signature,
                                acknowledgement.signature_size);
    if (r == 0)
        return end(session, RELEASE_GRANTED, 0);
    return end(session, RELEASE_RECORD,
               reason_set(session->why, r, "the acknowledgement is not by the pinned record key for this launch and "
                          "epoch"));
}

static int confirm_try(const struct release_request *request, const struct release_session *known,
                       const struct message_confirmation *confirmation, uint64_t deadline_ms,
                       struct release_result *ret_result, struct reason *why)
{
    struct session *session = open_session(request, deadline_ms, ret_result, why);
    int r;

    if (!session)
        return -ENOMEM;
    memcpy(session->cookie, known->cookie, sizeof(session->cookie));
    session->binding = known->binding;
    r = connect_broker(session);
    if (r == 0)
        r = confirm(session, confirmation);
    close_session(session);
    return r;
}

/*
 * Doubles from try to try, half of it random so that guests that were started together spread out; never earlier than a
 * busy broker asked for.
 */
static unsigned pause_ms(unsigned tries, unsigned retry_after_s)
{
    unsigned most = BACKOFF_FIRST_MS << (tries < 5 ? tries : 5);
    uint16_t random = 0;

    (void)RAND_bytes((unsigned char *)&random, sizeof(random));
    return 1000u * retry_after_s + most / 2 + random % (most / 2 + 1);
}

/* The tries that there were, and what the last of them had to say that its deadline did not cut short. */
struct tries {
    uint64_t deadline_ms;
    unsigned count;
    int r;
    struct release_result result;
    struct reason why;
};

/*
 * Whether to go on after a try that ended with *r; sleeps before the next. A try that ran out of time says less than
 * the answer before it did: that one stays.
 */
static bool try_again(struct tries *tries, int *r, struct release_result *result, struct reason *why)
{
    unsigned pause = pause_ms(tries->count, result->retry_after_s);

    if (*r >= 0 || (result->outcome != RELEASE_TRANSPORT && result->outcome != RELEASE_BUSY))
        return false;
    if (*r == -ETIMEDOUT && tries->count > 0 && clock_left_ms(tries->deadline_ms) == 0) {
        *r = tries->r;
        *result = tries->result;
        if (why)
            *why = tries->why;
        return false;
    }
    if ((unsigned)clock_left_ms(tries->deadline_ms) <= pause)
        return false;
    tries->count++;
    tries->r = *r;
    tries->result = *result;
    if (why)
        tries->why = *why;
    clock_sleep_ms(pause);
    return true;
}

int release_until(const struct release_request *request, uint64_t deadline_ms, struct record *ret_record,
                  struct secret *ret_key, struct release_result *ret_result, struct reason *why)
{
    struct guest_pair pair = { .jwk = BUFFER_EMPTY };
    struct tries tries = { .deadline_ms = deadline_ms };
    int r = make_pair(request->tee_key, &pair);

    *ret_result = (struct release_result){ .outcome = RELEASE_DEVICE };
    if (r == 0)
        do
            r = release_try(request, &pair, deadline_ms, ret_record, ret_key, ret_result, why);
        while (try_again(&tries, &r, ret_result, why));
    free_pair(&pair);
    return r;
}

int release_confirm(const struct release_request *request, const struct release_session *session,
                    const struct message_confirmation *confirmation, uint64_t deadline_ms,
                    struct release_result *ret_result, struct reason *why)
{
    struct tries tries = { .deadline_ms = deadline_ms };
    int r;

    do
        r = confirm_try(request, session, confirmation, deadline_ms, ret_result, why);
    while (try_again(&tries, &r, ret_result, why));
    return r;
}
