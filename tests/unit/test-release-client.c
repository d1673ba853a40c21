/* release/client against a broker that follows a script: every answer and what the guest makes of it. */
#include "unit.h"

#include <openssl/ec.h>
#include <signal.h>

#include "base/clock.h"
#include "base/file.h"
#include "release-vectors.h"
#include "release/client.h"
#include "release/jwe.h"
#include "release/message.h"
#include "tls-server.h"

#define SOON_MS 20000
#define COOKIE "kbs-session-id=00112233445566778899aabbccddeeff"
#define NONCE "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define ID "x-request-id: 0123456789abcdef\r\n"

/* What a good broker says; a script changes one of them. */
#define GOOD_AUTH "HTTP/1.1 200 OK\r\n" ID "Set-Cookie: " COOKIE "; Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n"
#define GOOD_CHALLENGE "{\"nonce\":\"" NONCE "\",\"extra-params\":\"\"}"
#define GOOD_HEAD "HTTP/1.1 200 OK\r\n" ID

enum lie {
    TRUTH,
    LIE_OTHER_SIGNER,
    LIE_OTHER_NONCE,
    LIE_OTHER_REPORT,
    LIE_OTHER_KEY,
    LIE_TAMPERED,
    LIE_BARE_KEY,
};

/* The answers to /auth, /attest and the resource: a head without its end, and a body (NULL: the good one). */
struct script {
    const char *heads[3], *bodies[3];
    enum lie lie;
    int close_at;  /* the connection ends before this answer; 3: never */
    int silent_at; /* nothing is said from this answer on */
    int busy;      /* so many connections are told to come back first */
    const char *retry_after;
};

static const struct script good_script = {
    .heads = { GOOD_AUTH, GOOD_HEAD, GOOD_HEAD },
    .close_at = 3,
    .silent_at = 3,
};

/* Shared with the server's process. */
struct tally {
    int connections;
    int requests;
};

static struct script script;
static struct tally *tally;
static EVP_PKEY *key, *signer, *other_signer;
static X509 *certificate;
static uint8_t report[REPORT_BYTES];
static struct tls_server server;

static int make_all(void **state UNUSED)
{
    struct json_object *vectors = vectors_load();

    key = tls_make_key();
    certificate = tls_make_certificate(key, -60, 3600);
    signer = EVP_EC_gen("P-384");
    other_signer = EVP_EC_gen("P-384");
    assert_int_equal(bytes_at(vectors, "/evidence/3/report", report, sizeof(report)), REPORT_BYTES);
    (void)json_object_put(vectors);
    tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(tally != MAP_FAILED);
    return 0;
}

static int free_all(void **state UNUSED)
{
    EVP_PKEY_free(key);
    EVP_PKEY_free(signer);
    EVP_PKEY_free(other_signer);
    X509_free(certificate);
    return munmap(tally, sizeof(*tally));
}

/* ---- the broker's side */

static void say(SSL *ssl, const char *head, const void *body, size_t size)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    size_t wrote;

    buffer_add_text(&text, head);
    if (!strstr(head, "Content-Length") && !strstr(head, "Transfer-Encoding"))
        buffer_printf(&text, "Content-Length: %zu\r\n", size);
    buffer_add_text(&text, "\r\n");
    buffer_add(&text, body, size);
    (void)SSL_write_ex(ssl, text.data, text.size, &wrote);
}

/* One request, whole; false when the client has gone. */
static bool take(SSL *ssl, struct http_parser *parser)
{
    uint8_t data[4096];
    size_t got, used;

    http_parser_reset(parser);
    while (SSL_read_ex(ssl, data, sizeof(data), &got) == 1)
        if (http_parser_feed(parser, data, got, &used) == 1) {
            tally->requests++;
            return true;
        }
    return false;
}

/* The record for the guest whose attestation came, with the script's lie in it. */
static void make_record(const struct message_attestation *attestation, struct buffer *to)
{
    struct record record = { .volume_id = "v", .cipher = "aes-xts-plain64", .integrity = "none", .sector_size = 512,
                             .length = 1 << 20, .layout_length = 1 << 20, .state = RECORD_READY };
    CLEANUP_SECRET struct secret volume_key = SECRET_NONE, registered = SECRET_NONE, release = SECRET_NONE;
    struct guest_public_key to_key = attestation->key;
    CLEANUP_KEY EVP_PKEY *stranger = NULL;
    struct record_binding binding;
    size_t size;

    if (secret_alloc(64, &volume_key) < 0 || record_encode(&record, &volume_key, &registered) < 0 ||
        base64_decode(BASE64_STANDARD, NONCE, strlen(NONCE), binding.nonce, sizeof(binding.nonce), &size) < 0 ||
        record_report_digest(attestation->evidence.report, binding.report_digest) < 0)
        _exit(1);
    binding.nonce[0] ^= script.lie == LIE_OTHER_NONCE;
    binding.report_digest[0] ^= script.lie == LIE_OTHER_REPORT;
    if (script.lie == LIE_OTHER_KEY && guest_key_generate(TEE_KEY_P256, &stranger, &to_key) < 0)
        _exit(1);
    if (record_sign(&registered, &binding, 1, script.lie == LIE_OTHER_SIGNER ? other_signer : signer, &release) < 0 ||
        jwe_encrypt(&to_key, script.lie == LIE_BARE_KEY ? &volume_key : &release, to) < 0)
        _exit(1);
    if (script.lie == LIE_TAMPERED)
        to->data[to->size - 10] ^= to->data[to->size - 10] == 'A' ? 3 : 'A' ^ to->data[to->size - 10];
}

static void follow_script(SSL *ssl, int fd UNUSED, struct tls_seen *seen)
{
    static struct message_attestation attestation;
    static struct http_parser parser;

    http_parser_init(&parser, HTTP_REQUEST, RELEASE_MAX_MESSAGE_BYTES);
    if (++tally->connections <= script.busy) {
        char head[128];

        (void)snprintf(head, sizeof(head), "HTTP/1.1 503 Busy\r\nRetry-After: %s\r\n", script.retry_after);
        if (take(ssl, &parser))
            say(ssl, head, "", 0);
        return;
    }
    for (int i = 0; i < 3 && take(ssl, &parser); i++) {
        CLEANUP_BUFFER struct buffer body = BUFFER_EMPTY;

        seen->bytes = parser.message.body.size;
        if (i == 1 && message_parse_attestation(parser.message.body.data, parser.message.body.size, &attestation,
                                                NULL) < 0)
            _exit(1);
        if (script.close_at == i)
            return;
        if (script.silent_at == i)
            break;
        if (script.bodies[i])
            buffer_add_text(&body, script.bodies[i]);
        else if (i == 0)
            buffer_add_text(&body, GOOD_CHALLENGE);
        else if (i == 1)
            buffer_add_text(&body, "{\"token\":\"x\"}");
        else
            make_record(&attestation, &body);
        say(ssl, script.heads[i], body.data, body.size);
    }
    tls_drain(ssl, seen);
}

/* A server for as many connections as come. */
static void start(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[32];

    *tally = (struct tally){ 0 };
    server = (struct tls_server){ .key = key, .certificate = certificate, .talk = follow_script,
                                  .max_version = TLS1_3_VERSION };
    assert_true(listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 8) == 0 &&
                getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(endpoint_parse(text, &server.endpoint), 0);
    server.seen = mmap(NULL, sizeof(*server.seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(server.seen != MAP_FAILED);
    (void)fflush(NULL);
    server.process = fork();
    assert_true(server.process >= 0);
    if (server.process == 0) {
        (void)signal(SIGPIPE, SIG_IGN);
        (void)alarm(60);
        for (;;) {
            int fd = accept(listener, NULL, NULL);

            if (fd < 0)
                _exit(1);
            tls_serve(&server, fd);
            (void)close(fd);
        }
    }
    assert_int_equal(close(listener), 0);
}

static void stop(void)
{
    tls_server_stop(&server);
    tls_server_free(&server);
}

/* ---- the guest's side */

static int reports_taken;
static int reporter_error;
static char bound[512];

static int get_report(void *context UNUSED, const void *canonical, size_t size, uint64_t deadline_ms UNUSED,
                      uint8_t ret_report[REPORT_BYTES], uint8_t ret_certificates[CERT_TABLE_MAX_BYTES],
                      size_t *ret_certificates_size, struct reason *why)
{
    reports_taken++;
    if (reporter_error)
        return reason_set(why, reporter_error, "the processor is on holiday");
    assert_in_range(size, 1, sizeof(bound) - 1);
    memcpy(bound, canonical, size);
    bound[size] = '\0';
    memcpy(ret_report, report, REPORT_BYTES);
    memset(ret_certificates, 0xff, CERT_TABLE_MAX_BYTES); /* no table: a host may put anything here */
    *ret_certificates_size = 100;
    return 0;
}

static struct release_result result;
static struct reason why;

static struct release_request request_to(const struct endpoint *endpoint)
{
    struct release_request request = { .record_key = signer, .resource = "default/volume/v",
                                       .reporter = { .get_report = get_report } };

    request.broker.endpoint = *endpoint;
    request.broker.pin_count = 1;
    assert_int_equal(tls_pin_of(certificate, request.broker.pins[0]), 0);
    return request;
}

static int ask(const struct endpoint *endpoint, uint64_t ms, bool repeat)
{
    CLEANUP_SECRET struct secret volume_key = SECRET_NONE;
    struct release_request request = request_to(endpoint);
    uint64_t deadline = clock_ms() + ms;
    struct record record;
    int r;

    reports_taken = 0;
    why.text[0] = '\0';
    r = repeat ? release_until(&request, deadline, &record, &volume_key, &result, &why)
               : release_once(&request, deadline, &record, &volume_key, &result, &why);
    if (r == 0) {
        assert_string_equal(record.volume_id, "v");
        assert_int_equal(volume_key.size, 64);
    } else {
        assert_null(volume_key.bytes);
        assert_true(why.text[0]);
    }
    return r;
}

/* One release under `with`, which ends as given; the reason holds these words. */
static void assert_outcome(struct script with, enum release_outcome outcome, const char *words)
{
    int r;

    script = with;
    start();
    r = ask(&server.endpoint, SOON_MS, false);
    if (result.outcome != outcome || (r == 0) != (outcome == RELEASE_GRANTED))
        fail_msg("ended as %s (%d: %s), expected %s", release_outcome_name(result.outcome), r, why.text,
                 release_outcome_name(outcome));
    assert_reason(&why, words);
    stop();
}

static void a_good_broker_grants(void **state UNUSED)
{
    assert_outcome(good_script, RELEASE_GRANTED, "");
    assert_string_equal(result.request_id, "0123456789abcdef");
    assert_int_equal(tally->connections, 1);
    assert_int_equal(tally->requests, 3);
    assert_int_equal(reports_taken, 1);
    assert_non_null(strstr(bound, "\"nonce\":\"" NONCE "\""));
}

static void statuses_have_classes(void **state UNUSED)
{
    static const struct {
        const char *status, *body;
        enum release_outcome outcome;
        const char *words;
    } answers[] = {
        { "401 Unauthorized", "{\"type\":\"https://x/errors/PolicyDeny\",\"detail\":\"d\"}", RELEASE_DENIED,
          "PolicyDeny" },
        { "401 Unauthorized", "", RELEASE_DENIED, "HTTP 401" },
        { "403 Forbidden", "{}", RELEASE_DENIED, "in its log" },
        { "404 Not Found", "", RELEASE_MISCONFIGURED, "the resource resource/default/volume/v" },
        { "405 Method Not Allowed", "", RELEASE_MISCONFIGURED, "HTTP 405" },
        { "300 Choices\r\nLocation: https://10.0.0.1/", "", RELEASE_MISCONFIGURED, "HTTP 300" },
        { "301 Moved\r\nLocation: https://10.0.0.1/", "", RELEASE_MISCONFIGURED, "never followed" },
        { "302 Found\r\nLocation: /elsewhere", "", RELEASE_MISCONFIGURED, "HTTP 302" },
        { "307 Redirect\r\nLocation: https://10.0.0.1/", "", RELEASE_MISCONFIGURED, "HTTP 307" },
        { "308 Redirect\r\nLocation: https://10.0.0.1/", "", RELEASE_MISCONFIGURED, "HTTP 308" },
        { "407 Proxy Authentication Required", "", RELEASE_DENIED, "HTTP 407" },
        { "204 No Content", "", RELEASE_DENIED, "HTTP 204" },
        { "429 Too Many", "", RELEASE_BUSY, "busy" },
        { "503 Busy", "", RELEASE_BUSY, "busy" },
        { "500 Oops", "", RELEASE_TRANSPORT, "HTTP 500" },
        { "502 Bad Gateway", "", RELEASE_TRANSPORT, "HTTP 502" },
        { "401 Unauthorized", "{\"type\":\"x\",\"detail\":\"KBS Client Protocol Version Mismatch: expect =0.5.0\"}",
          RELEASE_PROTOCOL, "0.4.0" },
        { "400 Bad", "{\"type\":\"x/ProtocolVersion\",\"detail\":\"0.9\"}", RELEASE_PROTOCOL, "0.9" },
    };

    for (int step = 0; step < 3; step++) {
        for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
            struct script with = good_script;
            char head[256];

            (void)snprintf(head, sizeof(head), "HTTP/1.1 %s\r\n" ID, answers[i].status);
            with.heads[step] = head;
            with.bodies[step] = answers[i].body;
            assert_outcome(with, answers[i].outcome, answers[i].words);
            assert_string_equal(result.request_id, "0123456789abcdef");
            assert_int_equal(tally->requests, step + 1);
            assert_int_equal(reports_taken, step > 0);
        }
    }
}

static void a_denial_names_the_request_and_no_reason(void **state UNUSED)
{
    struct script with = good_script;

    with.heads[2] = "HTTP/1.1 401 No\r\n" ID;
    with.bodies[2] = "{\"type\":\"x/PolicyDeny\",\"detail\":\"the measurement differs\"}";
    assert_outcome(with, RELEASE_DENIED, "0123456789abcdef");
    assert_null(strstr(why.text, "measurement"));
}

static void request_ids_are_words(void **state UNUSED)
{
    static const char *const ids[] = { "x-request-id: 0123\r\nx-request-id: 0123\r\n", "x-request-id: 01 23\r\n",
                                       "x-request-id: ABC\r\n", "x-request-id: <b>\r\n", "x-request-id: \r\n", "",
                                       "x-request-id: 0123456789012345678901234567890123456789\r\n" };

    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        struct script with = good_script;
        char head[256];

        (void)snprintf(head, sizeof(head), "HTTP/1.1 401 No\r\n%s", ids[i]);
        with.heads[0] = head;
        assert_outcome(with, RELEASE_DENIED, "unnamed");
        assert_string_equal(result.request_id, "");
    }
}

static void retry_after_has_bounds(void **state UNUSED)
{
    static const struct {
        const char *value;
        unsigned seconds;
    } values[] = { { "0", 0 }, { "7", 7 }, { "60", 60 }, { "61", 60 }, { "99999999999999999999", 60 }, { "-1", 0 },
                   { "soon", 0 }, { "Fri, 31 Dec 1999 23:59:59 GMT", 0 } };

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct script with = good_script;

        with.busy = 1;
        with.retry_after = values[i].value;
        assert_outcome(with, RELEASE_BUSY, "busy");
        assert_int_equal(result.retry_after_s, values[i].seconds);
    }
}

static void challenges_that_are_none(void **state UNUSED)
{
    static const char *const bodies[] = { "", "{}", "[]", "nonsense", "{\"nonce\":\"AAAA\"}", "{\"nonce\":7}" };

    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        struct script with = good_script;

        with.bodies[0] = bodies[i];
        assert_outcome(with, RELEASE_PROTOCOL, "");
        assert_int_equal(reports_taken, 0);
    }
}

static void cookies_have_one_shape(void **state UNUSED)
{
    static const struct {
        const char *lines;
        bool good;
    } cookies[] = {
        { "Set-Cookie: " COOKIE "\r\n", true },
        { "Set-Cookie: " COOKIE "; Expires=whenever; Path=/; Secure; HttpOnly\r\n", true },
        { "set-cookie: " COOKIE ";Max-Age=1\r\n", true },
        { "", false },
        { "Set-Cookie: \r\n", false },
        { "Set-Cookie: " COOKIE "0\r\n", false },
        { "Set-Cookie: kbs-session-id=00112233445566778899aabbccddeef\r\n", false },
        { "Set-Cookie: kbs-session-id=00112233445566778899AABBCCDDEEFF\r\n", false },
        { "Set-Cookie: kbs-session-id=../../../../../../../../../../../x\r\n", false },
        { "Set-Cookie: other=00112233445566778899aabbccddeeff\r\n", false },
        { "Set-Cookie: x; " COOKIE "\r\n", false },
        { "Set-Cookie: " COOKIE "\r\nSet-Cookie: " COOKIE "\r\n", false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cookies); i++) {
        struct script with = good_script;
        char head[256];

        (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\n%s", cookies[i].lines);
        with.heads[0] = head;
        assert_outcome(with, cookies[i].good ? RELEASE_GRANTED : RELEASE_PROTOCOL, cookies[i].good ? "" : "cookie");
    }
}

static void answers_that_are_not_http(void **state UNUSED)
{
    static const char *const heads[] = { "HTTP/1.0 200 OK\r\n", "HTTP/2 200\r\n", "nonsense\r\n",
                                         "HTTP/1.1 100 Continue\r\n",
                                         "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n",
                                         "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n",
                                         "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
                                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" };

    for (int step = 0; step < 3; step++) {
        for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
            char *large = calloc(1, 300001);
            struct script with = good_script;

            with.heads[step] = heads[i];
            memset(large, 'x', 300000);
            with.bodies[step] = large;
            assert_outcome(with, RELEASE_PROTOCOL, server.endpoint.authority);
            free(large);
        }
    }
}

static void connections_that_break(void **state UNUSED)
{
    for (int step = 0; step < 3; step++) {
        struct script with = good_script;

        with.close_at = step;
        assert_outcome(with, RELEASE_TRANSPORT, "connection");
        with = good_script;
        with.heads[step] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n";
        with.bodies[step] = "half";
        with.close_at = step + 1;
        if (step < 2)
            continue; /* a short answer in the middle keeps both sides waiting; below */
        with.silent_at = 3;
        script = with;
        start();
        assert_true(ask(&server.endpoint, 400, false) < 0);
        assert_int_equal(result.outcome, RELEASE_TRANSPORT);
        stop();
    }
}

static void silence_lasts_until_the_deadline(void **state UNUSED)
{
    for (int step = 0; step < 3; step++) {
        uint64_t before;

        script = good_script;
        script.silent_at = step;
        start();
        before = clock_ms();
        assert_int_equal(ask(&server.endpoint, 300, false), -ETIMEDOUT);
        assert_int_equal(result.outcome, RELEASE_TRANSPORT);
        assert_in_range(clock_ms() - before, 290, 1500);
        stop();
    }
}

static void records_that_are_not_for_us(void **state UNUSED)
{
    static const struct {
        enum lie lie;
        const char *words;
    } lies[] = {
        { LIE_OTHER_SIGNER, "signature" },      { LIE_OTHER_NONCE, "another session" },
        { LIE_OTHER_REPORT, "another report" }, { LIE_OTHER_KEY, "decrypt" },
        { LIE_TAMPERED, "decrypt" },            { LIE_BARE_KEY, "not a signed" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
        struct script with = good_script;

        with.lie = lies[i].lie;
        assert_outcome(with, RELEASE_RECORD, lies[i].words);
    }
}

static void answers_that_are_no_records(void **state UNUSED)
{
    static const char *const bodies[] = { "", "{}", "secret", "{\"protected\":\"\"}", "{\"token\":\"x\"}" };

    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        struct script with = good_script;

        with.bodies[2] = bodies[i];
        assert_outcome(with, RELEASE_RECORD, "");
    }
}

/* A broker with another key: TLS ends before a byte of ours is on its way. */
static void another_key_gets_nothing(void **state UNUSED)
{
    struct release_request request;
    CLEANUP_SECRET struct secret volume_key = SECRET_NONE;
    struct record record;

    script = good_script;
    start();
    request = request_to(&server.endpoint);
    request.broker.pins[0][31] ^= 1;
    reports_taken = 0;
    assert_int_equal(release_once(&request, clock_ms() + SOON_MS, &record, &volume_key, &result, &why), -EKEYREJECTED);
    assert_int_equal(result.outcome, RELEASE_BROKER_KEY);
    /* Final: asking again would be as useless. */
    assert_int_equal(release_until(&request, clock_ms() + SOON_MS, &record, &volume_key, &result, &why), -EKEYREJECTED);
    clock_sleep_ms(100);
    stop();
    assert_int_equal(tally->requests, 0);
    assert_int_equal(reports_taken, 0);
}

static void a_processor_that_fails(void **state UNUSED)
{
    reporter_error = -EIO;
    assert_outcome(good_script, RELEASE_DEVICE, "on holiday");
    assert_int_equal(tally->requests, 1);
    reporter_error = 0;
}

static void a_report_that_cannot_be_carried(void **state UNUSED)
{
    report[0x290] = 1;
    assert_outcome(good_script, RELEASE_DEVICE, "reserved");
    report[0x290] = 0;
}

static struct endpoint nobody(void)
{
    struct endpoint endpoint;

    start();
    endpoint = server.endpoint;
    stop();
    return endpoint;
}

static void nobody_is_asked_again_until_the_deadline(void **state UNUSED)
{
    struct endpoint endpoint = nobody();
    uint64_t before = clock_ms();

    assert_int_equal(ask(&endpoint, 1200, true), -ECONNREFUSED);
    assert_int_equal(result.outcome, RELEASE_TRANSPORT);
    /* It gives up rather than sleep across the deadline, but not at once. */
    assert_in_range(clock_ms() - before, 100, 1300);
}

static void busy_brokers_are_asked_again_when_they_said(void **state UNUSED)
{
    uint64_t before;

    script = good_script;
    script.busy = 1;
    script.retry_after = "1";
    start();
    before = clock_ms();
    assert_int_equal(ask(&server.endpoint, SOON_MS, true), 0);
    assert_in_range(clock_ms() - before, 1000, 10000);
    assert_int_equal(result.outcome, RELEASE_GRANTED);
    assert_int_equal(tally->connections, 2);
    stop();
}

static void busy_for_longer_than_we_have(void **state UNUSED)
{
    uint64_t before;

    script = good_script;
    script.busy = 9;
    script.retry_after = "30";
    start();
    before = clock_ms();
    assert_int_equal(ask(&server.endpoint, 3000, true), -EBUSY);
    assert_in_range(clock_ms() - before, 0, 2500);
    assert_int_equal(result.outcome, RELEASE_BUSY);
    assert_int_equal(tally->connections, 1);
    stop();
}

static void silence_does_not_hide_what_was_said_before(void **state UNUSED)
{
    script = good_script;
    script.busy = 1;
    script.retry_after = "0";
    script.silent_at = 0;
    start();
    assert_int_equal(ask(&server.endpoint, 3000, true), -EBUSY);
    assert_int_equal(result.outcome, RELEASE_BUSY);
    assert_reason(&why, "busy");
    assert_int_equal(tally->connections, 2);
    stop();
}

static void refusals_are_final(void **state UNUSED)
{
    script = good_script;
    script.heads[2] = "HTTP/1.1 401 No\r\n";
    start();
    assert_int_equal(ask(&server.endpoint, SOON_MS, true), -EACCES);
    assert_int_equal(tally->connections, 1);
    stop();
    script = good_script;
    script.lie = LIE_OTHER_SIGNER;
    start();
    assert_int_equal(ask(&server.endpoint, SOON_MS, true), -EKEYREJECTED);
    assert_int_equal(tally->connections, 1);
    stop();
}

static void outcomes_have_names(void **state UNUSED)
{
    for (int a = RELEASE_GRANTED; a <= RELEASE_DEVICE; a++)
        for (int b = RELEASE_GRANTED; b < a; b++)
            assert_string_not_equal(release_outcome_name((enum release_outcome)a),
                                    release_outcome_name((enum release_outcome)b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_broker_grants),
        cmocka_unit_test(statuses_have_classes),
        cmocka_unit_test(a_denial_names_the_request_and_no_reason),
        cmocka_unit_test(request_ids_are_words),
        cmocka_unit_test(retry_after_has_bounds),
        cmocka_unit_test(challenges_that_are_none),
        cmocka_unit_test(cookies_have_one_shape),
        cmocka_unit_test(answers_that_are_not_http),
        cmocka_unit_test(connections_that_break),
        cmocka_unit_test(silence_lasts_until_the_deadline),
        cmocka_unit_test(records_that_are_not_for_us),
        cmocka_unit_test(answers_that_are_no_records),
        cmocka_unit_test(another_key_gets_nothing),
        cmocka_unit_test(a_processor_that_fails),
        cmocka_unit_test(a_report_that_cannot_be_carried),
        cmocka_unit_test(nobody_is_asked_again_until_the_deadline),
        cmocka_unit_test(busy_brokers_are_asked_again_when_they_said),
        cmocka_unit_test(busy_for_longer_than_we_have),
        cmocka_unit_test(silence_does_not_hide_what_was_said_before),
        cmocka_unit_test(refusals_are_final),
        cmocka_unit_test(outcomes_have_names),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as programs do */
    return cmocka_run_group_tests(tests, make_all, free_all);
}
