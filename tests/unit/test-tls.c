/* base/tls: who is on the other side, and every way in which it may misbehave. */
#include "unit.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>


#include "base/clock.h"
#include "base/tls.h"
#include "tls-server.h"

/* Far away for what should happen at once. */
#define SOON_MS 20000
/* For what never happens, and how much later the client may notice on a busy machine. */
#define DEADLINE_MS 300
#define GRACE_MS 4000

/* As if there were always something to read: what a fast network makes likely and this makes certain. */
static bool poll_finds_something;

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    if (poll_finds_something && timeout == 0) {
        fds->revents = POLLIN | POLLOUT;
        return 1;
    }
    return (int)syscall(SYS_poll, fds, count, timeout);
}
static EVP_PKEY *key, *other_key;
static X509 *certificate, *other_certificate;

static const char hello[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

static int make_keys(void **state UNUSED)
{
    key = tls_make_key();
    other_key = tls_make_key();
    certificate = tls_make_certificate(key, -60, 3600);
    other_certificate = tls_make_certificate(other_key, -60, 3600);
    return 0;
}

static int free_keys(void **state UNUSED)
{
    EVP_PKEY_free(key);
    EVP_PKEY_free(other_key);
    X509_free(certificate);
    X509_free(other_certificate);
    return 0;
}

static struct tls_server server_with(void (*talk)(SSL *, int, struct tls_seen *))
{
    return (struct tls_server){ .key = key, .certificate = certificate, .talk = talk };
}

static struct tls_peer peer_of(const struct tls_server *server, X509 *pinned)
{
    struct tls_peer peer = { .endpoint = server->endpoint, .pin_count = 1 };

    assert_int_equal(tls_pin_of(pinned, peer.pins[0]), 0);
    return peer;
}

static struct http_parser parser;

/* One connection and one exchange of `hello`, each within its time. Gives the result of what failed first. */
static int exchange(const struct tls_peer *peer, uint64_t connect_ms, uint64_t exchange_ms, size_t max_body,
                    struct reason *why)
{
    CLEANUP(tls_client_free) struct tls_client *client = NULL;
    CLEANUP_BUFFER struct buffer request = BUFFER_EMPTY;
    uint64_t start = clock_ms();
    int r = tls_client_connect(peer, start + connect_ms, &client, why);

    http_parser_init(&parser, HTTP_RESPONSE, max_body);
    if (r < 0) {
        assert_null(client);
        assert_true(clock_ms() - start < connect_ms + GRACE_MS);
        return r;
    }
    buffer_add_text(&request, hello);
    start = clock_ms();
    r = tls_client_exchange(client, &request, start + exchange_ms, &parser, why);
    assert_true(clock_ms() - start < exchange_ms + GRACE_MS);
    return r;
}

static void answer_hello(SSL *ssl, int fd UNUSED, struct tls_seen *seen)
{
    tls_take_request(ssl, seen);
    tls_say(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    tls_say(ssl, "world");
    tls_drain(ssl, seen);
}

/* Runs one exchange against a server and checks how it ended. */
static void assert_ends(struct tls_server *server, uint64_t connect_ms, uint64_t exchange_ms, size_t max_body,
                        int expected, const char *words)
{
    struct reason why = { "" };
    struct tls_peer peer;
    int r;

    tls_server_start(server);
    peer = peer_of(server, certificate);
    r = exchange(&peer, connect_ms, exchange_ms, max_body, &why);
    if (r != expected)
        fail_msg("result %d (%s), expected %d", r, why.text, expected);
    assert_reason(&why, words);
    if (r < 0)
        assert_reason(&why, peer.endpoint.authority);
    tls_server_stop(server);
}

static void talks_to_the_pinned_key(void **state UNUSED)
{
    struct tls_server server = server_with(answer_hello);

    assert_ends(&server, SOON_MS, SOON_MS, 100, 0, "");
    assert_int_equal(parser.message.status, 200);
    assert_int_equal(parser.message.body.size, 5);
    assert_memory_equal(parser.message.body.data, "world", 5);
    http_parser_free(&parser);
    assert_int_equal(server.seen->handshake, 1);
    assert_int_equal(server.seen->bytes, strlen(hello));
    assert_memory_equal(server.seen->request, hello, strlen(hello));
#if OPENSSL_VERSION_NUMBER >= 0x30500000L
    assert_string_equal(server.seen->group, "X25519MLKEM768");
#endif
    tls_server_free(&server);
}

/* Whoever stands before several servers picks one by it; who answers is judged by its key alone. */
static void asks_for_the_configured_name(void **state UNUSED)
{
    static const char *const names[] = { "", "keys.example.org" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct tls_server server = server_with(answer_hello);
        struct reason why = { "" };
        struct tls_peer peer;

        tls_server_start(&server);
        peer = peer_of(&server, certificate);
        memcpy(peer.endpoint.name, names[i], strlen(names[i]) + 1);
        assert_int_equal(exchange(&peer, SOON_MS, SOON_MS, 100, &why), 0);
        http_parser_free(&parser);
        tls_server_wait(&server);
        assert_string_equal(server.seen->name, names[i]);
        tls_server_free(&server);
    }
}

static void takes_any_of_several_pins(void **state UNUSED)
{
    struct tls_server server = server_with(answer_hello);
    struct reason why = { "" };
    struct tls_peer peer;

    tls_server_start(&server);
    peer = peer_of(&server, other_certificate);
    peer.pin_count = TLS_MAX_PINS;
    assert_int_equal(tls_pin_of(certificate, peer.pins[TLS_MAX_PINS - 1]), 0);
    assert_int_equal(exchange(&peer, SOON_MS, SOON_MS, 100, &why), 0);
    http_parser_free(&parser);
    tls_server_wait(&server);
    tls_server_free(&server);
}

/* Neither names nor dates count: the certificate of the pinned key has expired and is for somebody. */
static void asks_no_clock(void **state UNUSED)
{
    static const long validity[][2] = { { -7200, -3600 }, { 3600, 7200 } };

    for (size_t i = 0; i < ARRAY_SIZE(validity); i++) {
        struct tls_server server = server_with(answer_hello);
        X509 *odd = tls_make_certificate(key, validity[i][0], validity[i][1]);

        server.certificate = odd;
        assert_ends(&server, SOON_MS, SOON_MS, 100, 0, "");
        http_parser_free(&parser);
        tls_server_free(&server);
        X509_free(odd);
    }
}

static void assert_rejected(struct tls_server *server, struct tls_peer *peer)
{
    struct reason why = { "" };

    assert_int_equal(exchange(peer, SOON_MS, SOON_MS, 100, &why), -EKEYREJECTED);
    assert_reason(&why, peer->endpoint.authority);
    assert_reason(&why, "holds another key than the pinned one");
    tls_server_wait(server);
    assert_int_equal(server->seen->handshake, 0); /* nothing of ours got there, not even our end of the handshake */
    assert_int_equal(server->seen->bytes, 0);
    tls_server_free(server);
}

static void sends_nothing_to_another_key(void **state UNUSED)
{
    struct tls_server server = server_with(answer_hello);
    struct tls_peer peer;

    tls_server_start(&server);
    peer = peer_of(&server, other_certificate);
    assert_rejected(&server, &peer);
}

static void accepts_nobody_without_pins(void **state UNUSED)
{
    struct tls_server server = server_with(answer_hello);
    struct tls_peer peer;

    tls_server_start(&server);
    peer = peer_of(&server, certificate);
    peer.pin_count = 0;
    assert_rejected(&server, &peer);
}

/* The pinned certificate behind the leaf proves nothing: its key does not sign. */
static void looks_at_the_leaf_alone(void **state UNUSED)
{
    struct tls_server server = { .key = other_key, .certificate = other_certificate, .talk = answer_hello };
    struct tls_peer peer;

    server.extra = certificate;
    tls_server_start(&server);
    peer = peer_of(&server, certificate);
    assert_rejected(&server, &peer);
}

static void refuses_older_tls(void **state UNUSED)
{
    struct tls_server server = server_with(answer_hello);

    server.max_version = TLS1_2_VERSION;
    assert_ends(&server, SOON_MS, SOON_MS, 100, -EPROTO, "TLS 1.3 handshake failed");
    assert_int_equal(server.seen->handshake, 0);
    tls_server_free(&server);
}

static void stall(int fd UNUSED, struct tls_seen *seen UNUSED)
{
    (void)sleep(30);
}

static void gives_up_on_a_silent_handshake(void **state UNUSED)
{
    struct tls_server server = { .key = key, .certificate = certificate, .instead = stall };

    assert_ends(&server, DEADLINE_MS, SOON_MS, 100, -ETIMEDOUT, "TLS 1.3 handshake failed");
    tls_server_free(&server);
}

/* A handshake record of 16 KiB that comes byte by byte. */
static void drip_a_record(int fd, struct tls_seen *seen UNUSED)
{
    static const uint8_t header[] = { 22, 3, 3, 0x40, 0 };

    (void)!write(fd, header, sizeof(header));
    for (;;) {
        (void)!write(fd, "x", 1);
        (void)usleep(1000);
    }
}

static void gives_up_on_a_slow_handshake(void **state UNUSED)
{
    struct tls_server server = { .key = key, .certificate = certificate, .instead = drip_a_record };

    assert_ends(&server, DEADLINE_MS, SOON_MS, 100, -ETIMEDOUT, "TLS 1.3 handshake failed");
    tls_server_free(&server);
}

static void gives_up_on_a_silent_server(void **state UNUSED)
{
    struct tls_server server = server_with(NULL);

    assert_ends(&server, SOON_MS, DEADLINE_MS, 100, -ETIMEDOUT, "connection failed");
    assert_int_equal(server.seen->bytes, strlen(hello)); /* it did hear us */
    tls_server_free(&server);
}

static void drip_a_response(SSL *ssl, int fd UNUSED, struct tls_seen *seen)
{
    tls_take_request(ssl, seen);
    tls_say(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    for (;;) {
        tls_say(ssl, "x");
        (void)usleep(1000);
    }
}

static void gives_up_on_a_slow_response(void **state UNUSED)
{
    struct tls_server server = server_with(drip_a_response);

    assert_ends(&server, SOON_MS, DEADLINE_MS, 100000, -ETIMEDOUT, "connection failed");
    http_parser_free(&parser);
    tls_server_free(&server);
}

static void say_nothing(SSL *ssl UNUSED, int fd UNUSED, struct tls_seen *seen UNUSED)
{
    (void)sleep(30);
}

/* The server does not read: our request fills the socket's buffers and stays there. */
static void gives_up_on_a_deaf_server(void **state UNUSED)
{
    CLEANUP(tls_client_free) struct tls_client *client = NULL;
    CLEANUP_BUFFER struct buffer request = BUFFER_EMPTY;
    struct tls_server server = server_with(say_nothing);
    struct reason why = { "" };
    struct tls_peer peer;
    uint64_t start;

    tls_server_start(&server);
    peer = peer_of(&server, certificate);
    assert_int_equal(tls_client_connect(&peer, clock_ms() + SOON_MS, &client, &why), 0);
    for (int i = 0; i < 1024; i++)
        buffer_printf(&request, "%016384d", i);
    http_parser_init(&parser, HTTP_RESPONSE, 100);
    start = clock_ms();
    assert_int_equal(tls_client_exchange(client, &request, start + DEADLINE_MS, &parser, &why), -ETIMEDOUT);
    assert_true(clock_ms() - start < DEADLINE_MS + GRACE_MS);
    tls_server_stop(&server);
    tls_server_free(&server);
}

static void hang_up(int fd, struct tls_seen *seen UNUSED)
{
    (void)close(fd);
}

static void hear_and_hang_up(int fd, struct tls_seen *seen UNUSED)
{
    uint8_t data[16384];

    (void)!read(fd, data, sizeof(data));
    (void)close(fd);
}

static void talk_nonsense(int fd, struct tls_seen *seen UNUSED)
{
    static const char page[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

    (void)!write(fd, page, strlen(page));
    (void)sleep(30);
}

static void names_a_broken_handshake(void **state UNUSED)
{
    void (*const instead[])(int, struct tls_seen *) = { hang_up, hear_and_hang_up, talk_nonsense };

    for (size_t i = 0; i < ARRAY_SIZE(instead); i++) {
        struct tls_server server = { .key = key, .certificate = certificate, .instead = instead[i] };
        struct reason why = { "" };
        struct tls_peer peer;
        int r;

        tls_server_start(&server);
        peer = peer_of(&server, certificate);
        r = exchange(&peer, SOON_MS, SOON_MS, 100, &why);
        assert_true(r == -EPROTO || r == -ECONNRESET);
        assert_reason(&why, "TLS 1.3 handshake failed");
        tls_server_stop(&server);
        tls_server_free(&server);
    }
}

static void close_politely(SSL *ssl, int fd UNUSED, struct tls_seen *seen)
{
    tls_take_request(ssl, seen);
    (void)SSL_shutdown(ssl);
}

static void cut_the_response(SSL *ssl, int fd UNUSED, struct tls_seen *seen)
{
    tls_take_request(ssl, seen);
    tls_say(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwor");
    (void)SSL_shutdown(ssl);
}

static void cut_the_connection(SSL *ssl, int fd, struct tls_seen *seen)
{
    tls_take_request(ssl, seen);
    tls_say(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwor");
    (void)shutdown(fd, SHUT_RDWR);
}

static void names_a_broken_connection(void **state UNUSED)
{
    static const struct {
        void (*talk)(SSL *, int, struct tls_seen *);
        int expected;
    } cases[] = {
        { close_politely, -ECONNRESET },
        { cut_the_response, -ECONNRESET },
        { cut_the_connection, -EPROTO },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct tls_server server = server_with(cases[i].talk);
        struct reason why = { "" };
        struct tls_peer peer;

        tls_server_start(&server);
        peer = peer_of(&server, certificate);
        assert_int_equal(exchange(&peer, SOON_MS, SOON_MS, 100, &why), cases[i].expected);
        assert_reason(&why, "connection failed");
        http_parser_free(&parser);
        tls_server_wait(&server);
        tls_server_free(&server);
    }
}

static void say_too_much(SSL *ssl, int fd UNUSED, struct tls_seen *seen)
{
    tls_take_request(ssl, seen);
    tls_say(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n");
    for (int i = 0; i < 101; i++)
        tls_say(ssl, "x");
    tls_drain(ssl, seen);
}

static void say_it_twice(SSL *ssl, int fd UNUSED, struct tls_seen *seen)
{
    tls_take_request(ssl, seen);
    tls_say(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny");
    tls_drain(ssl, seen);
}

static void say_something_else(SSL *ssl, int fd UNUSED, struct tls_seen *seen)
{
    tls_take_request(ssl, seen);
    tls_say(ssl, "220 mail.example ESMTP\r\n");
    tls_drain(ssl, seen);
}

static void refuses_responses_that_are_not_acceptable(void **state UNUSED)
{
    static const struct {
        void (*talk)(SSL *, int, struct tls_seen *);
        int expected;
        const char *words;
    } cases[] = {
        { say_too_much, -EMSGSIZE, "sent a response that is too large" },
        { say_it_twice, -EBADMSG, "sent a response that is not acceptable HTTP/1.1" },
        { say_something_else, -EBADMSG, "sent a response that is not acceptable HTTP/1.1" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct tls_server server = server_with(cases[i].talk);

        assert_ends(&server, SOON_MS, SOON_MS, 100, cases[i].expected, cases[i].words);
        http_parser_free(&parser);
        tls_server_free(&server);
    }
}

static void answer_twice(SSL *ssl, int fd, struct tls_seen *seen)
{
    char first[256];

    tls_take_request(ssl, seen);
    tls_say(ssl, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    (void)SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED); /* in the middle of a response */
    tls_say(ssl, "0\r\n\r\n");
    memcpy(first, seen->request, sizeof(first));
    memset(seen->request, 0, sizeof(seen->request));
    seen->bytes = 0;
    answer_hello(ssl, fd, seen);
}

static void exchanges_several_times(void **state UNUSED)
{
    CLEANUP(tls_client_free) struct tls_client *client = NULL;
    CLEANUP_BUFFER struct buffer request = BUFFER_EMPTY;
    struct tls_server server = server_with(answer_twice);
    struct reason why = { "" };
    struct tls_peer peer;
    uint64_t deadline = clock_ms() + SOON_MS;

    tls_server_start(&server);
    peer = peer_of(&server, certificate);
    assert_int_equal(tls_client_connect(&peer, deadline, &client, &why), 0);
    buffer_add_text(&request, hello);
    http_parser_init(&parser, HTTP_RESPONSE, 100);
    assert_int_equal(tls_client_exchange(client, &request, deadline, &parser, &why), 0);
    assert_memory_equal(parser.message.body.data, "a", 1);
    http_parser_reset(&parser);
    assert_int_equal(tls_client_exchange(client, &request, deadline, &parser, &why), 0);
    assert_memory_equal(parser.message.body.data, "world", 5);
    http_parser_free(&parser);
    tls_client_free(&client);
    assert_null(client);
    tls_server_wait(&server);
    tls_server_free(&server);
}

static void sends_no_half_request(void **state UNUSED)
{
    CLEANUP(tls_client_free) struct tls_client *client = NULL;
    struct buffer request = { NULL, 0, 0, -EMSGSIZE };
    struct tls_server server = server_with(NULL);
    struct reason why = { "" };
    struct tls_peer peer;

    tls_server_start(&server);
    peer = peer_of(&server, certificate);
    assert_int_equal(tls_client_connect(&peer, clock_ms() + SOON_MS, &client, &why), 0);
    assert_int_equal(tls_client_exchange(client, &request, clock_ms() + SOON_MS, &parser, &why), -EMSGSIZE);
    tls_client_free(&client);
    tls_server_wait(&server);
    assert_int_equal(server.seen->bytes, 0);
    tls_server_free(&server);
}

static void names_what_cannot_be_reached(void **state UNUSED)
{
    struct tls_client *client = NULL;
    struct reason why = { "" };
    struct tls_peer peer = { .pin_count = 1 };

    assert_int_equal(endpoint_parse("127.0.0.1:1", &peer.endpoint), 0);
    assert_int_equal(tls_client_connect(&peer, clock_ms() + SOON_MS, &client, &why), -ECONNREFUSED);
    assert_reason(&why, "127.0.0.1:1: cannot be reached: Connection refused");
    peer.endpoint.address.ss_family = AF_APPLETALK;
    assert_true(tls_client_connect(&peer, clock_ms() + SOON_MS, &client, &why) < 0);
    assert_null(client);
    tls_client_free(&client);
}

/* A listener whose queue is full answers no connection. */
static void gives_up_on_a_silent_network(void **state UNUSED)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), waiting[8];
    struct tls_client *client = NULL;
    struct tls_peer peer = { .pin_count = 1 };
    struct reason why = { "" };
    uint64_t start;
    char text[32];

    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    for (size_t i = 0; i < ARRAY_SIZE(waiting); i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(waiting[i], (struct sockaddr *)&address, size);
    }
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(endpoint_parse(text, &peer.endpoint), 0);
    start = clock_ms();
    assert_int_equal(tls_client_connect(&peer, start + DEADLINE_MS, &client, &why), -ETIMEDOUT);
    assert_true(clock_ms() - start < DEADLINE_MS + GRACE_MS);
    assert_reason(&why, "cannot be reached: Connection timed out");
    for (size_t i = 0; i < ARRAY_SIZE(waiting); i++)
        assert_int_equal(close(waiting[i]), 0);
    assert_int_equal(close(listener), 0);
}

/* A response that goes on and on, as fast as the client can take it: there is always something to read. */
static void flood(SSL *ssl, int fd UNUSED, struct tls_seen *seen)
{
    static uint8_t much[65536];
    size_t wrote;

    tls_take_request(ssl, seen);
    tls_say(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n");
    while (SSL_write_ex(ssl, much, sizeof(much), &wrote) == 1)
        ;
}

static void gives_up_on_a_flood(void **state UNUSED)
{
    struct tls_server server = server_with(flood);
    struct reason why = { "" };
    struct tls_peer peer;

    tls_server_start(&server);
    peer = peer_of(&server, certificate);
    assert_int_equal(exchange(&peer, SOON_MS, 5, 60000000, &why), -ETIMEDOUT);
    http_parser_free(&parser);
    tls_server_stop(&server);
    tls_server_free(&server);
}

/* The deadline counts, not whether the next byte happens to be there. */
static void gives_up_on_a_steady_trickle(void **state UNUSED)
{
    struct tls_server server = server_with(drip_a_response);

    poll_finds_something = true;
    assert_ends(&server, SOON_MS, DEADLINE_MS, 100000, -ETIMEDOUT, "connection failed");
    poll_finds_something = false;
    http_parser_free(&parser);
    tls_server_free(&server);
}

static void reset(SSL *ssl UNUSED, int fd, struct tls_seen *seen UNUSED)
{
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    (void)close(fd);
}

/* Whoever writes to a connection that was reset gets SIGPIPE, which PID 1 has blocked. */
static void talk_after_a_reset(void *argument)
{
    const struct tls_peer *peer = argument;
    sigset_t all;
    struct tls_client *client = NULL;
    struct buffer request = BUFFER_EMPTY;
    struct reason why = { "" };
    int r;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    if (tls_client_connect(peer, clock_ms() + SOON_MS, &client, &why) < 0)
        _exit(1);
    clock_sleep_ms(100); /* until the reset is here */
    for (int i = 0; i < 1024; i++)
        buffer_printf(&request, "%016384d", i);
    http_parser_init(&parser, HTTP_RESPONSE, 100);
    r = tls_client_exchange(client, &request, clock_ms() + SOON_MS, &parser, &why);
    if (r != -ECONNRESET && r != -EPIPE)
        _exit(2);
    r = tls_client_exchange(client, &request, clock_ms() + SOON_MS, &parser, &why);
    tls_client_free(&client);
    buffer_free(&request);
    _exit(r < 0 ? 7 : 3);
}

static void outlives_a_reset(void **state UNUSED)
{
    struct tls_server server = server_with(reset);
    struct tls_peer peer;
    int status;

    tls_server_start(&server);
    peer = peer_of(&server, certificate);
    status = in_child(talk_after_a_reset, &peer);
    tls_server_wait(&server);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    tls_server_free(&server);
}

/* Errors of one connection must not be found by whoever looks at OpenSSL's queue next. */
static void leaves_no_errors_behind(void **state UNUSED)
{
    struct tls_server server = { .key = key, .certificate = certificate, .instead = talk_nonsense };
    struct reason why = { "" };
    struct tls_peer peer;

    tls_server_start(&server);
    peer = peer_of(&server, certificate);
    assert_int_equal(exchange(&peer, SOON_MS, SOON_MS, 100, &why), -EPROTO);
    assert_int_equal(ERR_peek_error(), 0);
    tls_server_stop(&server);
    tls_server_free(&server);
}
static void pins_the_public_key(void **state UNUSED)
{
    X509 *renewed = tls_make_certificate(key, 0, 60), *empty = X509_new();
    uint8_t pin[TLS_PIN_BYTES], again[TLS_PIN_BYTES], wanted[TLS_PIN_BYTES];
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(key, &der);

    assert_true(size > 0);
    assert_int_equal(EVP_Digest(der, (size_t)size, wanted, NULL, EVP_sha256(), NULL), 1);
    OPENSSL_free(der);
    assert_int_equal(tls_pin_of(certificate, pin), 0);
    assert_memory_equal(pin, wanted, sizeof(pin));
    assert_int_equal(tls_pin_of(renewed, again), 0);
    assert_memory_equal(pin, again, sizeof(pin));
    assert_int_equal(tls_pin_of(other_certificate, again), 0);
    assert_memory_not_equal(pin, again, sizeof(pin));
    assert_int_equal(tls_pin_of(empty, again), -EBADMSG);
    X509_free(renewed);
    X509_free(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talks_to_the_pinned_key),
        cmocka_unit_test(asks_for_the_configured_name),
        cmocka_unit_test(takes_any_of_several_pins),
        cmocka_unit_test(asks_no_clock),
        cmocka_unit_test(sends_nothing_to_another_key),
        cmocka_unit_test(accepts_nobody_without_pins),
        cmocka_unit_test(looks_at_the_leaf_alone),
        cmocka_unit_test(refuses_older_tls),
        cmocka_unit_test(gives_up_on_a_silent_handshake),
        cmocka_unit_test(gives_up_on_a_slow_handshake),
        cmocka_unit_test(gives_up_on_a_silent_server),
        cmocka_unit_test(gives_up_on_a_slow_response),
        cmocka_unit_test(gives_up_on_a_deaf_server),
        cmocka_unit_test(names_a_broken_handshake),
        cmocka_unit_test(names_a_broken_connection),
        cmocka_unit_test(refuses_responses_that_are_not_acceptable),
        cmocka_unit_test(exchanges_several_times),
        cmocka_unit_test(sends_no_half_request),
        cmocka_unit_test(names_what_cannot_be_reached),
        cmocka_unit_test(gives_up_on_a_silent_network),
        cmocka_unit_test(gives_up_on_a_flood),
        cmocka_unit_test(gives_up_on_a_steady_trickle),
        cmocka_unit_test(outlives_a_reset),
        cmocka_unit_test(leaves_no_errors_behind),
        cmocka_unit_test(pins_the_public_key),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as programs do */
    return cmocka_run_group_tests_name("tls", tests, make_keys, free_keys);
}
